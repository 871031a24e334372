"""POST /v1/workflows/{workflowId}/nodes/{nodeId}/test"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.engine import node_test
from weconnect.workflows.engine.node_test import NodeTest, NodeTestResult
from weconnect.workflows.parameters import NodeIdInPath, WorkflowId
from weconnect.workflows.permissions import MayExecute

__all__ = ["handler"]


@app.post(
    "/v1/workflows/<workflowId>/nodes/<nodeId>/test", replays=True, takes_document=True, tags=["Workflows"]
)
def test_node(
    workflow_id: WorkflowId, node_id: NodeIdInPath, body: NodeTest, caller: MayExecute
) -> NodeTestResult:
    """Test a node with the given items.

    The node is executed, so its effects are real.
    """
    return node_test.test(caller, workflow_id, node_id, body)
