"""POST /v1/workflows/{workflowId}/nodes/{nodeId}/test"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.engine import node_test
from weconnect.workflows.engine.node_test import NodeTest, NodeTestResult
from weconnect.workflows.parameters import NodeIdInPath, WorkflowId
from weconnect.workflows.permissions import MayExecute

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/nodes/<nodeId>/test", tags=["Workflows"])
def test_node(
    workflow_id: WorkflowId, node_id: NodeIdInPath, body: NodeTest, caller: MayExecute
) -> NodeTestResult:
    """Run one node on given items; its effects are real."""
    return node_test.test(caller, workflow_id, node_id, body)
