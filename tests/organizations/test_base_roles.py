"""A built-in role below a custom role means nothing: not its name, not its rank, and nobody gains it unnoticed."""

from typing import Any

import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import create_workflow
from tests.factories import PASSWORD, RegisteredUser
from tests.gateway import ApiResponse, Client
from tests.organizations.organization_helpers import (
    accept_invitation,
    client_with_new_key,
    invite_for_token,
    member_path,
    organization_path,
    register_member,
    register_verified,
    status_and_code,
)
from tests.workflows.definitions import definition, node
from weconnect.identity.permissions import PERMISSIONS_BY_ROLE

MANAGES = ["organization:manage", "organization:invite"]
WORKS = [
    "workflows:read",
    "workflows:update",
    "workflows:execute",
    "executions:read",
    "agents:read",
    "agents:execute",
]


@pytest.fixture
def owner(aws: None) -> RegisteredUser:
    return register_verified()


def create_role(owner: RegisteredUser, name: str, permissions: list[str]) -> str:
    new_role = {"name": name, "permissions": permissions}
    response = owner.client.post(organization_path(owner, "/roles"), new_role)
    assert response.status == 201, response.text
    return response.json["id"]  # type: ignore[no-any-return]


def set_member(owner: RegisteredUser, person: RegisteredUser, **changes: Any) -> None:
    response = owner.client.patch(member_path(owner, person), changes)
    assert response.status == 200, response.text


def refreshed(person: RegisteredUser) -> Client:
    tokens = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).json
    person.tokens = tokens
    return Client(headers={"Authorization": f"Bearer {tokens['accessToken']}"})


def request_approval(owner: RegisteredUser, starter: Starter, admin: RegisteredUser) -> str:
    """Execute a workflow until it waits for approval by an admin; return the request's ID."""
    path = create_workflow(
        owner, definition([node("ask", "approval", message="?", roles=["admin"])], "start > ask")
    )
    assert owner.client.post(f"{path}/executions", {}).status == 202
    starter.run_pending()
    (approval,) = admin.client.get("/v1/approvals").json["items"]
    return str(approval["id"])


def decide(client: Client, approval_id: str) -> ApiResponse:
    return client.post(f"/v1/approvals/{approval_id}/decide", {"decision": "approve"})


def test_the_base_role_below_a_custom_role_approves_nothing(owner: RegisteredUser, starter: Starter) -> None:
    manager, admin = register_member(owner, "admin"), register_member(owner, "admin")
    approval = request_approval(owner, starter, admin)
    role = create_role(owner, "Manager", [*MANAGES, *WORKS])
    set_member(owner, manager, customRoleId=role)
    key = client_with_new_key(manager, "workflows:execute", "agents:read", "agents:execute")
    for client in (manager.client, refreshed(manager), key):
        assert status_and_code(decide(client, approval)) == (403, "not_an_approver")
        if client is not manager.client:  # whose token is older than the custom role, and reads as an admin
            assert client.get("/v1/approvals").json["items"] == []
    assert decide(admin.client, approval).status == 200


def test_a_custom_role_can_be_named_as_approver(owner: RegisteredUser, starter: Starter) -> None:
    role = create_role(owner, "Approver", WORKS)
    approver = register_member(owner, "viewer")
    set_member(owner, approver, customRoleId=role)
    path = create_workflow(
        owner, definition([node("ask", "approval", message="?", roles=[role])], "start > ask")
    )
    assert owner.client.post(f"{path}/executions", {}).status == 202
    starter.run_pending()
    (approval,) = refreshed(approver).get("/v1/approvals").json["items"]
    assert decide(approver.client, approval["id"]).status == 200


def test_an_api_key_decides_for_a_role_only_if_it_may_do_all_that_the_role_may(
    owner: RegisteredUser, starter: Starter
) -> None:
    admin = register_member(owner, "admin")
    approval = request_approval(owner, starter, admin)
    narrow = client_with_new_key(admin, "workflows:execute", "agents:read", "agents:execute")
    assert status_and_code(decide(narrow, approval)) == (403, "not_an_approver")
    whole = client_with_new_key(admin, *PERMISSIONS_BY_ROLE["admin"])
    assert decide(whole, approval).status == 200


@pytest.mark.parametrize("base", ["viewer", "member", "admin"])
def test_nobody_changes_what_others_made_by_the_base_role_below_a_custom_role(
    owner: RegisteredUser, base: str
) -> None:
    path = create_workflow(owner, definition([node("set", "set")], "start > set"))
    worker = register_member(owner, base)
    role = create_role(owner, "Worker", [*MANAGES, *WORKS])
    set_member(owner, worker, customRoleId=role)
    for client in (worker.client, client_with_new_key(worker, "workflows:update")):
        assert status_and_code(client.patch(path, {"name": "Mine"})) == (403, "not_yours")


def test_a_viewer_with_flags_changes_only_their_own(owner: RegisteredUser) -> None:
    path = create_workflow(owner, definition([node("set", "set")], "start > set"))
    manager = register_member(owner, "member")
    set_member(owner, manager, permissions={"organization": {"manage": True}})
    own = {"role": "viewer", "permissions": {"organization": {"manage": True}, "workflows": {"update": True}}}
    assert status_and_code(manager.client.patch(member_path(owner, manager), own)) == (403, "owner_only")
    set_member(owner, manager, **own)
    assert status_and_code(manager.client.patch(path, {"name": "Mine"})) == (403, "not_yours")


def test_a_base_role_below_a_custom_role_is_granted_by_whoever_has_it(owner: RegisteredUser) -> None:
    role = create_role(owner, "Manager", [*MANAGES, *WORKS])
    manager, other = register_member(owner, "viewer"), register_member(owner, "viewer")
    set_member(owner, manager, customRoleId=role)
    set_member(owner, other, customRoleId=role)
    for person in (manager, other):
        for base in ("admin", "member"):
            refused = manager.client.patch(member_path(owner, person), {"role": base})
            assert status_and_code(refused) == (403, "cannot_grant")
        assert status_and_code(manager.client.patch(member_path(owner, person), {"role": "owner"})) == (
            403,
            "owner_only",
        )
    assert owner.client.get(member_path(owner, other)).json["role"] == "viewer"
    set_member(owner, other, role="admin")
    awakened = manager.client.patch(member_path(owner, other), {"customRoleId": None})
    assert status_and_code(awakened) == (403, "cannot_grant")


def test_an_invitation_hides_no_base_role_below_a_custom_role(owner: RegisteredUser) -> None:
    role = create_role(owner, "Manager", [*MANAGES, *WORKS])
    manager = register_member(owner, "viewer")
    set_member(owner, manager, customRoleId=role)
    manager.client = refreshed(manager)
    path = organization_path(owner, "/invitations")
    body = {"email": "a@example.com", "role": "admin", "customRoleId": role}
    assert status_and_code(manager.client.post(path, body)) == (403, "cannot_grant")
    del body["role"]
    assert manager.client.post(path, body).status == 201


def test_an_invitation_is_sent_again_by_whoever_may_give_it(owner: RegisteredUser) -> None:
    role = create_role(owner, "Inviter", ["organization:invite"])
    inviter, friend = register_member(owner, "viewer"), register_verified()
    set_member(owner, inviter, customRoleId=role)
    token = invite_for_token(owner, friend.user["email"], role="owner", password=PASSWORD)
    (invitation,) = owner.client.get(organization_path(owner, "/invitations")).json["items"]
    again = organization_path(owner, f"/invitations/{invitation['id']}/resend")
    assert status_and_code(inviter.client.post(again)) == (403, "owner_only")
    assert accept_invitation(friend, token).status == 200


def test_members_are_listed_by_the_role_that_counts(owner: RegisteredUser) -> None:
    role = create_role(owner, "Worker", WORKS)
    plain, custom = register_member(owner, "admin"), register_member(owner, "admin")
    set_member(owner, custom, customRoleId=role)
    listed = owner.client.get(organization_path(owner, "/members?role=admin")).json["items"]
    assert [item["userId"] for item in listed] == [plain.user["id"]]


def test_a_custom_role_is_given_by_owners_admins_and_its_holders(owner: RegisteredUser) -> None:
    """Approvals and shares may name it, so it carries more than its permissions."""
    manages = ["organization:manage", "organization:invite", *WORKS]
    managers, treasurers = create_role(owner, "Managers", manages), create_role(owner, "Treasurers", WORKS)
    manager, other = register_member(owner, "viewer"), register_member(owner, "viewer")
    set_member(owner, manager, customRoleId=managers)
    set_member(owner, other, customRoleId=create_role(owner, "Readers", ["agents:read"]))
    path, invitations = member_path(owner, other), organization_path(owner, "/invitations")
    for custom_role, is_allowed in ((treasurers, False), (managers, True)):
        status = (200, 201) if is_allowed else (403, 403)
        changed = manager.client.patch(path, {"customRoleId": custom_role})
        invited = manager.client.post(invitations, {"email": "new@x.example", "customRoleId": custom_role})
        assert (changed.status, invited.status) == status
    admin = register_member(owner, "admin")
    assert admin.client.patch(path, {"customRoleId": treasurers}).status == 200
    set_member(owner, other, isActive=False)
    assert status_and_code(manager.client.patch(path, {"isActive": True})) == (403, "cannot_grant")


def test_a_custom_role_makes_no_admins(owner: RegisteredUser) -> None:
    """Admins change what others created, which no permission allows."""
    everything = create_role(owner, "Everything", sorted(PERMISSIONS_BY_ROLE["admin"]))
    manager, other = register_member(owner, "viewer"), register_member(owner, "viewer")
    set_member(owner, manager, customRoleId=everything)
    refused = manager.client.patch(member_path(owner, other), {"role": "admin"})
    assert status_and_code(refused) == (403, "cannot_grant")


@pytest.mark.parametrize("role", ["admin", "custom"])
def test_nobody_but_an_owner_changes_their_own_role(owner: RegisteredUser, role: str) -> None:
    person = register_member(owner, "admin")
    if role == "custom":
        set_member(owner, person, customRoleId=create_role(owner, "Managers", [*MANAGES, *WORKS]))
    for change in ({"role": "viewer"}, {"role": "viewer", "customRoleId": None}):
        refused = person.client.patch(member_path(owner, person), change)
        assert status_and_code(refused)[0] == 403 and refused.json["code"] in ("owner_only", "cannot_grant")
    second = register_member(owner, "owner")
    assert second.client.patch(member_path(owner, second), {"role": "viewer"}).status == 200
