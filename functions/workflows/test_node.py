"""POST /v1/workflows/{workflowId}/nodes/{nodeId}/test"""

from weconnect.http import app, handler
from weconnect.workflows import testing
from weconnect.workflows.parameters import NodeIdInPath, WorkflowId
from weconnect.workflows.permissions import MayExecute
from weconnect.workflows.testing import NodeTest, NodeTestResult

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/nodes/<nodeId>/test", tags=["Workflows"])
def test_node(
    workflow_id: WorkflowId, node_id: NodeIdInPath, body: NodeTest, caller: MayExecute
) -> NodeTestResult:
    """Run one node on given items; its effects are real."""
    return testing.test(caller, workflow_id, node_id, body)
