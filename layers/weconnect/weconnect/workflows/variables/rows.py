"""Rows of variables and their keys."""

from uuid import UUID

from pynamodb.attributes import Attribute, UnicodeAttribute

from weconnect.db.table import EntityRow, Row, key, stored
from weconnect.workflows.variables.entities import VariableScope, WorkflowVariable


class VariableRow(EntityRow[WorkflowVariable], discriminator="VARIABLE"):
    """A variable by its name. `content` is its value as JSON, `sealed` the encrypted value of a secret."""

    apart = frozenset({"value"})

    id: Attribute[str]
    organization_id: Attribute[str]
    name: Attribute[str]
    type: Attribute[str]
    workflow_id: Attribute[str | None]
    content: Attribute[str | None] = stored()
    sealed: Attribute[str | None] = stored()
    secret_version: Attribute[int] = stored(default=0)

    @staticmethod
    def at(organization_id: UUID, workflow_id: UUID | None, name: str) -> tuple[str, str]:
        """Return the key of a variable."""
        pk, prefix = VariableRow.of_scope(organization_id, workflow_id)
        return pk, prefix + name

    @staticmethod
    def of_scope(organization_id: UUID, workflow_id: UUID | None) -> tuple[str, str]:
        """Return the partition and the prefix of a workflow's variables, or of the organization's own."""
        scope = VariableScope.WORKFLOW if workflow_id else VariableScope.ORGANIZATION
        return key("ORG", organization_id), key("VARIABLE", scope.value, workflow_id or "-", "")


class VariableIdRow(Row, discriminator="VARIABLEID"):
    """The sort key of a variable's row, by the variable's ID."""

    sort_key: Attribute[str] = UnicodeAttribute(attr_name="place")

    @staticmethod
    def at(organization_id: UUID, variable_id: UUID) -> tuple[str, str]:
        """Return the key of the row that leads from a variable's ID to its name."""
        return key("ORG", organization_id), key("VARIABLEID", variable_id)
