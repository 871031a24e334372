"""The routes of approvals in the tests that call every route."""

from tests.api.module_matrix import ExampleRequest, ModuleMatrix, Side, created


def add_entities(side: Side) -> None:
    """Create two approval requests of an agent's calculator; the newer one is the side's."""
    client = side.client
    path = f"/v1/agents/{created(client.post('/v1/agents', {'name': 'Careful'}))['id']}"
    created(client.post(f"{path}/tools", {"toolName": "calculator", "requiresApproval": True}))
    for _ in range(2):
        execution = created(client.post(f"{path}/executions", {"input": "What is 2 + 2?"}))
        side.starter.run_pending()
    (approval_id,) = client.get(f"{path}/executions/{execution['id']}").json["waitingFor"]
    side.ids["approvalId"] = str(approval_id)


MATRIX = ModuleMatrix(
    add_entities=add_entities,
    requests={
        "decide_approval": ExampleRequest({"decision": "approve", "note": "go ahead"}),
        "get_approval": ExampleRequest(),
        "list_approvals": ExampleRequest(),
    },
)
