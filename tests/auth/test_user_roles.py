"""Roles of users on every route: what `readonly` and `guest` reach is said here once, for all routes there are."""

import pytest

from infra import routes
from tests.factories import Registered, become, join, registered
from tests.gateway import Client
from weconnect.api.resolver import Operation

PRIVATE = {
    operation.function.__name__: operation for operation in routes.load().values() if not operation.public
}
# What is one's own, by name: a new route has to be put here on purpose.
OWN = {
    *("get_me", "update_me", "export_me", "logout", "change_password", "list_sessions", "delete_session"),
    *("enroll_mfa", "confirm_mfa", "disable_mfa", "list_organizations", "switch_organization"),
    *("accept_invitation", "leave_organization"),
}
# What a share can open for those whose role does not; likewise by name.
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
ANY_ID = "01930000-0000-7000-8000-00000000000a"


def test_what_is_ones_own_is_declared() -> None:
    assert {name for name, operation in PRIVATE.items() if operation.own} == OWN


def test_what_a_share_opens_is_declared() -> None:
    assert {name for name, operation in PRIVATE.items() if operation.shared} == SHARED


def ask(client: Client, operation: Operation) -> str | None:
    """The code of the refusal, asking with ids of nothing and no body: roles come before both."""
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    path = operation.path.format(**{name: "hourly" if name == "limitType" else ANY_ID for name in names})
    answer = client.call(operation.method, path)
    return answer.json.get("code") if answer.status == 403 else None


@pytest.fixture
def person(aws: None) -> Registered:
    return registered()


def test_a_readonly_user_writes_nothing_beyond_what_is_his_own(person: Registered) -> None:
    become(person, "readonly")
    for name, operation in PRIVATE.items():
        searches = operation.permission is not None and operation.permission.endswith(":read")
        writes = operation.method != "GET" and not searches and name not in OWN
        assert (ask(person.client, operation) == "read_only") == writes, name


def test_a_guest_reaches_what_is_his_own_and_what_can_be_shared(person: Registered) -> None:
    become(person, "guest")
    for name, operation in PRIVATE.items():
        assert ask(person.client, operation) == (None if name in OWN | SHARED else "guest"), name


def test_a_guests_permissions_are_none_and_a_readers_only_read(person: Registered) -> None:
    from weconnect.auth.sessions import tokens

    reader = tokens.read_access(become(person, "readonly").tokens["accessToken"])
    assert reader.permissions and all(word.endswith(":read") for word in reader.permissions)
    assert tokens.read_access(become(person, "guest").tokens["accessToken"]).permissions == ()


@pytest.mark.parametrize(
    ("role", "read", "write"), [("readonly", None, "read_only"), ("guest", "guest", "guest")]
)
def test_api_keys_feel_their_users_role_at_once(
    person: Registered, role: str, read: str | None, write: str
) -> None:
    flags = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}
    made = person.client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"], "permissions": flags})
    machine = Client(headers={"X-API-Key": made.json["key"]})
    assert machine.post("/v1/agents", {"name": "before"}).status == 201
    become(person, role)
    assert machine.get("/v1/agents").json.get("code") == read
    assert machine.post("/v1/agents", {"name": "after"}).json["code"] == write


def test_an_operator_is_an_owner_even_where_he_is_a_viewer(aws: None) -> None:
    owner, boss = registered(), become(registered("boss@example.com"))
    join(boss, owner, "viewer")
    agent = owner.client.post("/v1/agents", {"name": "theirs"}).json
    assert boss.client.delete(f"/v1/agents/{agent['id']}").status == 204
