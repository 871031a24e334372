"""The routes of workflows' executions in the tests that call every route."""

from uuid import UUID

from tests.api.module_matrix import ExampleRequest, ModuleMatrix, Side, created
from weconnect import clock
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_type import ExpressionScope, NodeRun
from weconnect.workflows.executions import files
from weconnect.workflows.executions.rows import WorkflowExecutionRow

OF_COMPLETED = {"executionId": "workflowExecutionId"}


def add_entities(side: Side) -> None:
    """Create a completed execution with a file, one that is pending and one that is about to pause."""
    path = f"/v1/workflows/{side.ids['workflowId']}/executions"
    executions = [created(side.client.post(path, {"input": {"n": 1}})) for _ in range(3)]
    del side.starter.invocations[1:]
    side.starter.run_pending()
    assert side.client.post(f"/v1/executions/{executions[2]['id']}/pause").status == 200
    side.ids |= {
        "workflowExecutionId": executions[0]["id"],
        "pendingWorkflowExecutionId": executions[1]["id"],
        "pausingWorkflowExecutionId": executions[2]["id"],
        "fileId": _store_file(side, executions[0]["id"]),
    }


def _store_file(side: Side, execution_id: str) -> str:
    """Store a file of an execution, as a node does; return its id."""
    organization_id, execution_uuid = UUID(side.person.organization["id"]), UUID(execution_id)
    node_run = NodeRun(
        node=Node(id="set", name="Set", type="set"),
        inputs={},
        scope=ExpressionScope({}, None, {}, clock.now()),
        organization_id=organization_id,
        execution_id=execution_uuid,
        execution_key=WorkflowExecutionRow.at(organization_id, execution_uuid),
    )
    return str(files.store(node_run, "key", "a.bin", "", b"\0")["fileId"])


MATRIX = ModuleMatrix(
    names={"nodeExecutionId": "000001-000", "token": "not-a-token"},
    after=("workflows",),
    add_entities=add_entities,
    requests={
        "bulk_executions": ExampleRequest(
            {"action": "cancel", "filter": {"status": "pending"}}, kind="create"
        ),
        "cancel_execution": ExampleRequest(ids={"executionId": "pendingWorkflowExecutionId"}),
        "complete_callback": ExampleRequest({"value": 1}, is_public=True),
        "delete_execution": ExampleRequest(ids=OF_COMPLETED),
        "get_execution": ExampleRequest(ids=OF_COMPLETED),
        "get_execution_file": ExampleRequest(ids=OF_COMPLETED),
        "get_execution_timeline": ExampleRequest(ids=OF_COMPLETED),
        "get_node_execution": ExampleRequest(ids=OF_COMPLETED),
        "list_execution_logs": ExampleRequest(ids=OF_COMPLETED),
        "list_executions": ExampleRequest(),
        "list_node_executions": ExampleRequest(ids=OF_COMPLETED),
        "pause_execution": ExampleRequest(ids={"executionId": "pendingWorkflowExecutionId"}),
        "resume_execution": ExampleRequest(ids={"executionId": "pausingWorkflowExecutionId"}),
        "retry_execution": ExampleRequest({"from": "start"}, ids=OF_COMPLETED),
        "start_execution": ExampleRequest({"input": {"n": 1}}),
        "wait_for_execution_events": ExampleRequest(ids=OF_COMPLETED),
    },
)
