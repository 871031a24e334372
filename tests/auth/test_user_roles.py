"""The roles of users on every route: what `readonly` and `guest` users reach is listed here once for all routes."""

import pytest

from infra import routes
from tests.factories import RegisteredUser, add_member, register, set_user_role
from tests.gateway import Client
from weconnect.api.operation import Operation
from weconnect.auth.sessions import tokens

PRIVATE = {
    operation.function.__name__: operation
    for operation in routes.load_operations().values()
    if not operation.public
}
# Self-service routes by name: a new route has to be added here on purpose.
OWN = {
    *("get_me", "update_me", "export_me", "logout", "change_password", "list_sessions", "delete_session"),
    *("enroll_mfa", "confirm_mfa", "disable_mfa", "list_organizations", "switch_organization"),
    *("accept_invitation", "leave_organization"),
}
# Routes that a share can open for users whose role does not; likewise by name.
SHARED = {
    *("list_workflows", "get_workflow", "update_workflow", "delete_workflow", "validate_workflow"),
    *(
        "activate_workflow",
        "deactivate_workflow",
        "archive_workflow",
        "export_workflow",
        "get_workflow_diagram",
    ),
    *("list_workflow_versions", "get_workflow_version", "diff_workflow_versions", "restore_workflow_version"),
    *("list_workflow_shares", "create_workflow_share", "update_workflow_share", "revoke_workflow_share"),
    *("start_execution", "test_node", "list_executions", "get_execution", "get_execution_timeline"),
    *("list_node_executions", "get_node_execution", "list_execution_logs", "get_execution_file"),
    "wait_for_execution_events",
    *("cancel_execution", "pause_execution", "resume_execution", "retry_execution"),
}
# The route that ends the session of the test comes last.
OPERATIONS = sorted(PRIVATE.items(), key=lambda item: item[0] == "logout")
ANY_ID = "01930000-0000-7000-8000-00000000000a"


def test_the_self_service_routes_are_the_listed_ones() -> None:
    assert {name for name, operation in PRIVATE.items() if operation.self_service} == OWN


def test_the_routes_that_accept_a_share_are_the_listed_ones() -> None:
    assert {name for name, operation in PRIVATE.items() if operation.accepts_share} == SHARED


def refusal_of(client: Client, operation: Operation) -> str | None:
    """Return the code of the refusal of a request with IDs of nothing and no body: roles are checked before both."""
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    path = operation.path.format(**{name: "hourly" if name == "limitType" else ANY_ID for name in names})
    response = client.call(operation.method, path)
    return response.json.get("code") if response.status == 403 else None


@pytest.fixture
def person(aws: None) -> RegisteredUser:
    return register()


def test_a_readonly_user_writes_only_through_self_service_routes(person: RegisteredUser) -> None:
    set_user_role(person, "readonly")
    for name, operation in OPERATIONS:
        searches = operation.permission is not None and operation.permission.endswith(":read")
        writes = operation.method != "GET" and not searches and name not in OWN
        assert (refusal_of(person.client, operation) == "read_only") == writes, name


def test_a_guest_reaches_self_service_routes_and_routes_that_accept_a_share(person: RegisteredUser) -> None:
    set_user_role(person, "guest")
    for name, operation in OPERATIONS:
        assert refusal_of(person.client, operation) == (None if name in OWN | SHARED else "guest"), name


def test_a_guest_has_no_permissions_and_a_readonly_user_only_read_permissions(person: RegisteredUser) -> None:
    reader = tokens.verify_access_token(set_user_role(person, "readonly").tokens["accessToken"])
    assert reader.permissions and all(permission.endswith(":read") for permission in reader.permissions)
    assert tokens.verify_access_token(set_user_role(person, "guest").tokens["accessToken"]).permissions == ()


@pytest.mark.parametrize(
    ("role", "read", "write"), [("readonly", None, "read_only"), ("guest", "guest", "guest")]
)
def test_the_role_of_a_user_applies_to_their_api_keys_at_once(
    person: RegisteredUser, role: str, read: str | None, write: str
) -> None:
    flags = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}
    created = person.client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"], "permissions": flags})
    key_client = Client(headers={"X-API-Key": created.json["key"]})
    assert key_client.post("/v1/agents", {"name": "before"}).status == 201
    set_user_role(person, role)
    assert key_client.get("/v1/agents").json.get("code") == read
    assert key_client.post("/v1/agents", {"name": "after"}).json["code"] == write


def test_an_operator_acts_as_an_owner_even_where_they_are_a_viewer(aws: None) -> None:
    owner, boss = register(), set_user_role(register("boss@example.com"))
    add_member(boss, owner, "viewer")
    agent = owner.client.post("/v1/agents", {"name": "theirs"}).json
    assert boss.client.delete(f"/v1/agents/{agent['id']}").status == 204
