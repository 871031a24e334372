"""DELETE /v1/variables/{variableId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.workflows.parameters import VariableId
from weconnect.workflows.permissions import WorkflowsUpdate
from weconnect.workflows.variables import service

__all__ = ["handler"]


@app.delete("/v1/variables/<variableId>", status_code=204, tags=["Variables"])
def delete_variable(
    variable_id: VariableId, caller: WorkflowsUpdate, if_match: IfMatch = None
) -> Response[None]:
    """Delete a variable for good."""
    service.delete(caller, variable_id, if_match)
    return no_content()
