"""The routes of workflows in the tests that call every route."""

from tests.api.module_matrix import ExampleRequest, ModuleMatrix, Side, created

TRIGGER = {"id": "start", "name": "Start", "type": "manual"}


def add_entities(side: Side) -> None:
    """Create an active workflow with two versions and shares, one in the trash, another, and two variables."""
    client = side.client
    step = {"id": "set", "name": "Set", "type": "set", "parameters": {"values": {"a": 1}}}
    connection = {"sourceNodeId": "start", "targetNodeId": "set"}
    new = {"name": "Greeter", "nodes": [TRIGGER, step], "connections": [connection]}
    workflow = created(client.post("/v1/workflows", new))
    path = f"/v1/workflows/{workflow['id']}"
    assert client.patch(path, {"settings": {"timeoutSeconds": 60}}).status == 200
    assert client.post(f"{path}/activate", {}).status == 200
    trashed = created(client.post("/v1/workflows", {"name": "Trashed"}))
    assert client.delete(f"/v1/workflows/{trashed['id']}").status == 204
    created(client.post("/v1/workflows", {"name": "Second"}))
    secret = {"name": "token", "type": "secret", "value": "a secret value"}
    variable = created(client.post("/v1/variables", secret))
    created(client.post("/v1/variables", {"name": "second", "value": "x"}))
    created(client.post(f"{path}/shares", {"link": True}))
    share = created(client.post(f"{path}/shares", {"sharedWithRole": "admin"}))
    side.ids |= {
        "workflowId": workflow["id"],
        "trashedWorkflowId": trashed["id"],
        "variableId": variable["id"],
        "shareId": share["id"],
    }


MATRIX = ModuleMatrix(
    names={"version": "1", "type": "set", "nodeId": "set", "token": "not-a-token"},
    add_entities=add_entities,
    requests={
        "activate_workflow": ExampleRequest({}),
        "archive_workflow": ExampleRequest(),
        "create_variable": ExampleRequest({"name": "brand_new", "value": "x"}),
        "create_workflow": ExampleRequest({"name": "A new workflow", "nodes": [TRIGGER]}),
        "create_workflow_share": ExampleRequest({"sharedWithRole": "member", "level": "execute"}),
        "deactivate_workflow": ExampleRequest(),
        "delete_variable": ExampleRequest(),
        "delete_workflow": ExampleRequest(),
        "diff_workflow_versions": ExampleRequest(query="?to=1"),
        "duplicate_workflow": ExampleRequest(),
        "export_workflow": ExampleRequest(),
        "get_node_type": ExampleRequest(),
        "get_shared_workflow": ExampleRequest(is_public=True),
        "get_variable": ExampleRequest(),
        "get_workflow": ExampleRequest(),
        "get_workflow_diagram": ExampleRequest(),
        "get_workflow_version": ExampleRequest(),
        "import_workflow": ExampleRequest({"name": "Imported", "definition": {"nodes": [TRIGGER]}}),
        "list_node_types": ExampleRequest(takes_no_input=True),
        "list_variables": ExampleRequest(),
        "list_workflow_shares": ExampleRequest(),
        "list_workflow_versions": ExampleRequest(),
        "list_workflows": ExampleRequest(),
        "restore_workflow": ExampleRequest(ids={"workflowId": "trashedWorkflowId"}),
        "restore_workflow_version": ExampleRequest(),
        "revoke_workflow_share": ExampleRequest(),
        "test_node": ExampleRequest({"input": {"main": [{"n": 1}]}}),
        "update_variable": ExampleRequest({"value": "another secret"}),
        "update_workflow": ExampleRequest({"description": "changed", "nodes": [TRIGGER]}),
        "update_workflow_share": ExampleRequest({"level": "edit"}),
        "validate_workflow": ExampleRequest({"nodes": [TRIGGER]}),
    },
)
