"""Custom roles: made, given, in force, deleted when nobody has them."""

from uuid import uuid4

from tests.factories import registered
from tests.organizations.people import code, colleague, confirm, invite, key_of, member_path, path
from tests.organizations.test_members import refreshed
from weconnect.identity.permissions import ROLES

RUNNER = {"name": "Runner", "description": "Runs agents", "permissions": ["agents:read", "agents:execute"]}


def made(owner, **more) -> str:
    answer = owner.client.post(path(owner, "/roles"), RUNNER | more)
    assert answer.status == 201, answer.text
    return answer.json["id"]


def test_the_four_and_the_custom_ones(aws: None) -> None:
    owner = registered()
    role = made(owner)
    viewer = colleague(owner, "viewer")
    items = viewer.client.get(path(owner, "/roles")).json["items"]
    assert [item["id"] for item in items] == [*ROLES, role]
    assert [item["isCustom"] for item in items] == [False] * 4 + [True]
    one = viewer.client.get(path(owner, f"/roles/{role}"))
    assert one.headers["ETag"] == '"1"'
    assert (one.json["name"], one.json["permissions"], one.json["memberCount"]) == (
        "Runner",
        ["agents:execute", "agents:read"],
        0,
    )
    assert "organization:billing" not in viewer.client.get(path(owner, "/roles/admin")).json["permissions"]
    for unknown in (uuid4(), "-" * 36):
        assert code(viewer.client.get(path(owner, f"/roles/{unknown}"))) == (404, "role_not_found")
    assert code(viewer.client.get(path(owner, "/roles/king"))) == (422, "invalid")


def test_names_are_unique_and_not_the_fours(aws: None) -> None:
    owner = registered()
    role = made(owner)
    create = lambda name: owner.client.post(path(owner, "/roles"), RUNNER | {"name": name})  # noqa: E731
    assert code(create("runner")) == (409, "name_taken")
    assert code(create("Owner")) == (422, "invalid")
    other = create("Other").json["id"]
    assert code(owner.client.patch(path(owner, f"/roles/{other}"), {"name": "RUNNER"})) == (409, "name_taken")
    renamed = owner.client.patch(path(owner, f"/roles/{role}"), {"name": "Starter", "description": None})
    assert (renamed.json["name"], renamed.json["description"]) == ("Starter", None)
    assert create("Runner").status == 201
    assert code(owner.client.patch(path(owner, "/roles/admin"), {"name": "x"})) == (409, "builtin_role")
    unknown = owner.client.post(
        path(owner, "/roles"), RUNNER | {"name": "x", "permissions": ["agents:fly", "*"]}
    )
    assert code(unknown) == (422, "invalid") and unknown.json["errors"][0]["pointer"] == "/permissions/0"


def test_a_custom_role_is_in_force(aws: None) -> None:
    owner = registered()
    role = made(owner)
    member = colleague(owner, "member")
    agent = owner.client.post("/v1/agents", {"name": "A"}).json["id"]
    key = key_of(member)
    answer = owner.client.patch(member_path(owner, member), {"customRoleId": role})
    assert answer.json["effectivePermissions"] == ["agents:execute", "agents:read"]
    assert owner.client.get(path(owner, "/members")).json["items"][0]["effectivePermissions"] == [
        "agents:execute",
        "agents:read",
    ]
    for client in (refreshed(member), key):
        assert client.get(f"/v1/agents/{agent}").status == 200
        assert code(client.post("/v1/agents", {"name": "B"})) == (403, "permission_missing")
    owner.client.patch(path(owner, f"/roles/{role}"), {"permissions": ["agents:create"]})
    assert key.post("/v1/agents", {"name": "B"}).status == 201
    assert code(refreshed(member).get(f"/v1/agents/{agent}")) == (403, "permission_missing")
    owner.client.patch(member_path(owner, member), {"customRoleId": None})
    assert refreshed(member).get(f"/v1/agents/{agent}").status == 200


def test_a_role_is_not_deleted_while_somebody_has_it(aws: None) -> None:
    owner = registered()
    confirm(owner)
    role, member = made(owner), colleague(owner, "viewer")
    where = path(owner, f"/roles/{role}")
    owner.client.patch(member_path(owner, member), {"customRoleId": role})
    assert code(owner.client.delete(where)) == (409, "role_in_use")
    owner.client.patch(member_path(owner, member), {"customRoleId": None})
    invitation = invite(owner, "new@example.com", role="viewer", customRoleId=role).json["id"]
    assert owner.client.get(where).json["memberCount"] == 1
    assert code(owner.client.delete(where)) == (409, "role_in_use")
    assert owner.client.delete(path(owner, f"/invitations/{invitation}")).status == 204
    assert owner.client.delete(where).status == 204
    assert code(owner.client.get(where)) == (404, "role_not_found")
    assert code(owner.client.patch(member_path(owner, member), {"customRoleId": role})) == (
        404,
        "role_not_found",
    )


def test_a_role_goes_back_with_its_member(aws: None) -> None:
    owner = registered()
    role, member = made(owner), colleague(owner, "viewer")
    owner.client.patch(member_path(owner, member), {"customRoleId": role})
    assert owner.client.delete(member_path(owner, member)).status == 204
    assert owner.client.delete(path(owner, f"/roles/{role}")).status == 204


def test_nobody_makes_a_role_of_more_than_he_holds(aws: None) -> None:
    owner = registered()
    admin = colleague(owner, "admin")
    wanted = RUNNER | {"permissions": ["organization:billing"]}
    assert code(admin.client.post(path(owner, "/roles"), wanted)) == (403, "cannot_grant")
    role = made(owner, permissions=["organization:billing"])
    where = path(owner, f"/roles/{role}")
    assert code(admin.client.patch(where, {"name": "x"})) == (403, "cannot_grant")
    assert code(admin.client.delete(where)) == (403, "cannot_grant")
    assert code(admin.client.patch(member_path(owner, admin), {"customRoleId": role})) == (
        403,
        "cannot_grant",
    )
    assert code(owner.client.patch(member_path(owner, owner), {"customRoleId": role})) == (422, "invalid")


def test_a_role_of_another_organization_is_not_there(aws: None) -> None:
    owner, stranger = registered(), registered()
    role, member = made(owner), colleague(stranger, "viewer")
    answer = stranger.client.patch(member_path(stranger, member), {"customRoleId": role})
    assert code(answer) == (404, "role_not_found")
