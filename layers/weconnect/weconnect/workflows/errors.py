"""Errors about workflows, their versions, shares and variables."""

from weconnect.errors import Conflict, Forbidden, Invalid, LimitReached, NotFound, TooLarge


class WorkflowNotFound(NotFound):
    """The workflow does not exist, or the caller may not see it."""

    code, title = "workflow_not_found", "Workflow not found"


class WorkflowInactive(Conflict):
    """The workflow is not active, so it cannot be executed. Its newest version can be executed with mode `test`."""

    code, title = "workflow_inactive", "The workflow is not active. Activate it, or use mode test"


class WorkflowVersionNotFound(NotFound):
    """The workflow has no version with this number."""

    code, title = "workflow_version_not_found", "Workflow version not found"


class NodeTypeNotFound(NotFound):
    """No node type has this name. `GET /v1/node-types` lists them."""

    code, title = "node_type_not_found", "Node type not found"


class ShareNotFound(NotFound):
    """The workflow has no share with this ID, or the share has expired."""

    code, title = "share_not_found", "Share not found"


class LinkNotFound(NotFound):
    """The link is unknown, expired or revoked, or its workflow is not available."""

    code, title = "link_not_found", "Link not found"


class VariableNotFound(NotFound):
    """No variable has this ID, or its workflow is in the trash."""

    code, title = "variable_not_found", "Variable not found"


class WorkflowArchived(Conflict):
    """An archived workflow can be read and copied, but not changed or executed. Deactivate it first."""

    code, title = "workflow_archived", "The workflow is archived. Deactivate it to use it again."


class AlreadyInactive(Conflict):
    """The workflow is inactive already."""

    code, title = "already_inactive", "The workflow is already inactive"


class AlreadyArchived(Conflict):
    """The workflow is archived already."""

    code, title = "already_archived", "The workflow is already archived"


class AlreadyShared(Conflict):
    """The workflow is shared with this member or role already. Change the existing share."""

    code, title = "already_shared", "The workflow is already shared with them. Change the existing share."


class WorkflowInvalid(Invalid):
    """The workflow cannot be executed as it is. `errors` lists each finding with its pointer, code and node."""

    code, title = "workflow_invalid", "The workflow cannot be executed as it is"


class DefinitionTooLarge(TooLarge):
    """A workflow definition takes at most 1,000,000 bytes as JSON."""

    code, title = "definition_too_large", "The definition is too large"


class WorkflowTooComplex(LimitReached):
    """The workflow has more nodes than the plan or the organization's settings allow."""

    code, title = "workflow_too_complex", "The workflow has too many nodes"


class ShareLevelTooLow(Forbidden):
    """The workflow is shared with the caller, but at a lower level than the operation needs."""

    code, title = "share_too_low", "Your share does not allow this"


class ShareLimitReached(LimitReached):
    """A workflow has at most 100 shares."""

    code, title = "share_limit_reached", "The workflow has too many shares"


class VariableLimitReached(LimitReached):
    """A scope (the organization or one workflow) has at most 100 variables."""

    code, title = "variable_limit_reached", "The scope has too many variables"


class InvalidFilter(Invalid):
    """The filters of a list do not fit together. Change or remove one of them."""

    code, title = "invalid_filter", "Invalid filter"


class InvalidVariableValue(Invalid):
    """The value does not fit the variable's type, or is too large."""

    code, title = "invalid_value", "The value does not fit the variable's type"


class NodeNotFound(NotFound):
    """The newest version of the workflow has no node with this ID."""

    code, title = "node_not_found", "Node not found"


class NotTestable(Conflict):
    """The node waits or may take long, so it cannot be tested by itself."""

    code, title = "not_testable", "The node cannot be tested by itself"
