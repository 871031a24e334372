"""PATCH /v1/variables/{variableId}"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.workflows.parameters import VariableId
from weconnect.workflows.permissions import WorkflowsUpdate
from weconnect.workflows.variables import service
from weconnect.workflows.variables.entities import VariableChanges, WorkflowVariable

__all__ = ["handler"]


@app.patch("/v1/variables/<variableId>", tags=["Variables"])
def update_variable(
    variable_id: VariableId, body: VariableChanges, caller: WorkflowsUpdate, if_match: IfMatch = None
) -> WorkflowVariable:
    """Update a variable's value or description.

    Executions that have already started keep the old value.
    """
    return service.update(caller, variable_id, body, if_match)
