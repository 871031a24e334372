"""GET /v1/variables/{variableId}"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.parameters import VariableId
from weconnect.workflows.permissions import WorkflowsRead
from weconnect.workflows.variables import service
from weconnect.workflows.variables.entities import WorkflowVariable

__all__ = ["handler"]


@app.get("/v1/variables/<variableId>", tags=["Variables"])
def get_variable(variable_id: VariableId, caller: WorkflowsRead) -> WorkflowVariable:
    """Get a variable.

    The value of a secret is masked.
    """
    return service.get(caller, variable_id)
