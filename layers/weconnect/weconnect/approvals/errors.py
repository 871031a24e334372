"""Errors about approval requests."""

from weconnect.errors import Conflict, Forbidden, NotFound


class ApprovalNotFound(NotFound):
    """The approval request does not exist in this organization."""

    code, title = "approval_not_found", "Approval request not found"


class AlreadyDecided(Conflict):
    """The approval request was decided, cancelled or expired before."""

    code, title = "already_decided", "Already decided"


class ApprovalExpired(Conflict):
    """The approval request has expired. The execution continues without the approval."""

    code, title = "approval_expired", "Approval request expired"


class NotAnApprover(Forbidden):
    """The approval request names users or roles, and the caller is not among them."""

    code, title = "not_an_approver", "Not an approver"


class OwnExecution(Forbidden):
    """The API key that started an execution cannot approve what the execution does."""

    code, title = "own_run", "Own execution"
