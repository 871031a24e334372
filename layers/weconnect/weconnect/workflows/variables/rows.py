"""The variables' rows and every key that they are found by."""

from uuid import UUID

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from weconnect.db.table import Row, key
from weconnect.workflows.variables.entities import VariableScope, WorkflowVariable


class VariableRow(Row, discriminator="VARIABLE"):
    """A variable by its name. The value stands in `content` as JSON, a secret's in `sealed`, encrypted."""

    entity = WorkflowVariable
    apart = frozenset({"value"})

    content = UnicodeAttribute(null=True)
    sealed = UnicodeAttribute(null=True)
    secret_version = NumberAttribute(default=0, attr_name="secretVersion")

    @staticmethod
    def at(organization_id: UUID, workflow_id: UUID | None, name: str) -> tuple[str, str]:
        pk, prefix = VariableRow.of_scope(organization_id, workflow_id)
        return pk, prefix + name

    @staticmethod
    def of_scope(organization_id: UUID, workflow_id: UUID | None) -> tuple[str, str]:
        """The partition and the prefix of a workflow's variables, or of the organization's own."""
        scope = VariableScope.WORKFLOW if workflow_id else VariableScope.ORGANIZATION
        return key("ORG", organization_id), key("VARIABLE", scope.value, workflow_id or "-", "")


class VariableIdRow(Row, discriminator="VARIABLEID"):
    """Tells of an id which variable it is: `place` is the sort key of its row."""

    place = UnicodeAttribute()

    @staticmethod
    def at(organization_id: UUID, variable_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("VARIABLEID", variable_id)
