"""Custom roles: creating, assigning, applying and deleting them."""

from typing import Any
from uuid import uuid4

from tests.factories import RegisteredUser, register
from tests.gateway import ApiResponse
from tests.organizations.organization_helpers import (
    client_with_new_key,
    invite,
    member_path,
    organization_path,
    register_member,
    status_and_code,
    verify_email,
)
from tests.organizations.test_members import refresh
from weconnect.identity.permissions import PERMISSIONS_BY_ROLE

RUNNER = {"name": "Runner", "description": "Runs agents", "permissions": ["agents:read", "agents:execute"]}


def create_role(owner: RegisteredUser, **more: Any) -> str:
    """Create a custom role and return its ID."""
    response = owner.client.post(organization_path(owner, "/roles"), RUNNER | more)
    assert response.status == 201, response.text
    role_id: str = response.json["id"]
    return role_id


def test_built_in_and_custom_roles_are_listed(aws: None) -> None:
    owner = register()
    role = create_role(owner)
    viewer = register_member(owner, "viewer")
    items = viewer.client.get(organization_path(owner, "/roles")).json["items"]
    assert [item["id"] for item in items] == [*PERMISSIONS_BY_ROLE, role]
    assert [item["isCustom"] for item in items] == [False] * 4 + [True]
    one = viewer.client.get(organization_path(owner, f"/roles/{role}"))
    assert one.headers["ETag"] == '"1"'
    assert (one.json["name"], one.json["permissions"], one.json["memberCount"]) == (
        "Runner",
        ["agents:execute", "agents:read"],
        0,
    )
    assert (
        "organization:billing"
        not in viewer.client.get(organization_path(owner, "/roles/admin")).json["permissions"]
    )
    for unknown in (uuid4(), "-" * 36):
        assert status_and_code(viewer.client.get(organization_path(owner, f"/roles/{unknown}"))) == (
            404,
            "role_not_found",
        )
    assert status_and_code(viewer.client.get(organization_path(owner, "/roles/king"))) == (422, "invalid")


def test_role_names_are_unique_and_not_those_of_built_in_roles(aws: None) -> None:
    owner = register()
    role = create_role(owner)

    def create(name: str) -> ApiResponse:
        return owner.client.post(organization_path(owner, "/roles"), RUNNER | {"name": name})

    assert status_and_code(create("runner")) == (409, "name_taken")
    assert status_and_code(create("Owner")) == (422, "invalid")
    other = create("Other").json["id"]
    assert status_and_code(
        owner.client.patch(organization_path(owner, f"/roles/{other}"), {"name": "RUNNER"})
    ) == (409, "name_taken")
    renamed = owner.client.patch(
        organization_path(owner, f"/roles/{role}"), {"name": "Starter", "description": None}
    )
    assert (renamed.json["name"], renamed.json["description"]) == ("Starter", None)
    assert create("Runner").status == 201
    assert status_and_code(owner.client.patch(organization_path(owner, "/roles/admin"), {"name": "x"})) == (
        409,
        "builtin_role",
    )
    unknown = owner.client.post(
        organization_path(owner, "/roles"), RUNNER | {"name": "x", "permissions": ["agents:fly", "*"]}
    )
    assert (
        status_and_code(unknown) == (422, "invalid")
        and unknown.json["errors"][0]["pointer"] == "/permissions/0"
    )


def test_a_custom_role_replaces_the_members_role(aws: None) -> None:
    owner = register()
    role = create_role(owner)
    member = register_member(owner, "member")
    agent = owner.client.post("/v1/agents", {"name": "A"}).json["id"]
    key = client_with_new_key(member)
    response = owner.client.patch(member_path(owner, member), {"customRoleId": role})
    assert response.json["effectivePermissions"] == ["agents:execute", "agents:read"]
    assert owner.client.get(organization_path(owner, "/members")).json["items"][0][
        "effectivePermissions"
    ] == [
        "agents:execute",
        "agents:read",
    ]
    for client in (refresh(member), key):
        assert client.get(f"/v1/agents/{agent}").status == 200
        assert status_and_code(client.post("/v1/agents", {"name": "B"})) == (403, "permission_missing")
    owner.client.patch(organization_path(owner, f"/roles/{role}"), {"permissions": ["agents:create"]})
    assert key.post("/v1/agents", {"name": "B"}).status == 201
    assert status_and_code(refresh(member).get(f"/v1/agents/{agent}")) == (403, "permission_missing")
    owner.client.patch(member_path(owner, member), {"customRoleId": None})
    assert refresh(member).get(f"/v1/agents/{agent}").status == 200


def test_a_role_in_use_is_not_deleted(aws: None) -> None:
    owner = register()
    verify_email(owner)
    role, member = create_role(owner), register_member(owner, "viewer")
    role_path = organization_path(owner, f"/roles/{role}")
    owner.client.patch(member_path(owner, member), {"customRoleId": role})
    assert status_and_code(owner.client.delete(role_path)) == (409, "role_in_use")
    owner.client.patch(member_path(owner, member), {"customRoleId": None})
    invitation = invite(owner, "new@example.com", role="viewer", customRoleId=role).json["id"]
    assert owner.client.get(role_path).json["memberCount"] == 1
    assert status_and_code(owner.client.delete(role_path)) == (409, "role_in_use")
    assert owner.client.delete(organization_path(owner, f"/invitations/{invitation}")).status == 204
    assert owner.client.delete(role_path).status == 204
    assert status_and_code(owner.client.get(role_path)) == (404, "role_not_found")
    assert status_and_code(owner.client.patch(member_path(owner, member), {"customRoleId": role})) == (
        404,
        "role_not_found",
    )


def test_removing_a_member_releases_their_custom_role(aws: None) -> None:
    owner = register()
    role, member = create_role(owner), register_member(owner, "viewer")
    owner.client.patch(member_path(owner, member), {"customRoleId": role})
    assert owner.client.delete(member_path(owner, member)).status == 204
    assert owner.client.delete(organization_path(owner, f"/roles/{role}")).status == 204


def test_nobody_creates_a_role_with_more_than_they_have(aws: None) -> None:
    owner = register()
    admin = register_member(owner, "admin")
    new = RUNNER | {"permissions": ["organization:billing"]}
    assert status_and_code(admin.client.post(organization_path(owner, "/roles"), new)) == (
        403,
        "cannot_grant",
    )
    role = create_role(owner, permissions=["organization:billing"])
    role_path = organization_path(owner, f"/roles/{role}")
    assert status_and_code(admin.client.patch(role_path, {"name": "x"})) == (403, "cannot_grant")
    assert status_and_code(admin.client.delete(role_path)) == (403, "cannot_grant")
    assert status_and_code(admin.client.patch(member_path(owner, admin), {"customRoleId": role})) == (
        403,
        "cannot_grant",
    )
    assert status_and_code(owner.client.patch(member_path(owner, owner), {"customRoleId": role})) == (
        422,
        "invalid",
    )


def test_a_role_of_another_organization_is_not_found(aws: None) -> None:
    owner, stranger = register(), register()
    role, member = create_role(owner), register_member(stranger, "viewer")
    response = stranger.client.patch(member_path(stranger, member), {"customRoleId": role})
    assert status_and_code(response) == (404, "role_not_found")
