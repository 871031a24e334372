"""Shares: the access of each level, who may share what, and when a share ends."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter
from tests.auth.movable_clock import MovableClock
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import PASSWORD, RegisteredUser, add_member, set_user_role
from tests.gateway import ApiResponse, Client
from tests.moto_table import TableSnapshot
from tests.organizations.organization_helpers import (
    client_with_new_key,
    member_path,
    organization_path,
    register_member,
    status_and_code,
)
from tests.workflows.definitions import definition, node
from weconnect import clock
from weconnect.db import table
from weconnect.identity.rows import TokenRow
from weconnect.organizations.rows import MemberRow
from weconnect.trash import purge
from weconnect.workflows.rows import WorkflowRow
from weconnect.workflows.sharing.rows import WorkflowShareRow

LEVELS = ["view", "execute", "edit", "manage"]
FLOW = definition([node("a", "set", values={"x": 1})], "start > a")
STEP = {"sharedWithRole": "admin"}

# Each operation: the level that it requires, method, path, body.
OPERATIONS: dict[str, tuple[str, str, str, Any]] = {
    "get": ("view", "GET", "", None),
    "versions": ("view", "GET", "/versions", None),
    "version": ("view", "GET", "/versions/1", None),
    "diff": ("view", "GET", "/versions/1/diff?to=1", None),
    "export": ("view", "GET", "/export", None),
    "diagram": ("view", "GET", "/diagram", None),
    "validate": ("view", "POST", "/validate", {"nodes": []}),
    "run": ("execute", "POST", "/executions", {"input": 1}),
    "test": ("edit", "POST", "/nodes/a/test", {}),
    "change": ("edit", "PATCH", "", {"description": "other"}),
    "activate": ("edit", "POST", "/activate", {}),
    "deactivate": ("edit", "POST", "/deactivate", None),
    "archive": ("edit", "POST", "/archive", None),
    "restore version": ("edit", "POST", "/versions/1/restore", None),
    "shares": ("manage", "GET", "/shares", None),
    "share": ("manage", "POST", "/shares", {"sharedWithRole": "admin"}),
    "change share": ("manage", "PATCH", "/shares/{share}", {"level": "view"}),
    "revoke share": ("manage", "DELETE", "/shares/{share}", None),
    "delete": ("manage", "DELETE", "", None),
}
BY_ROLE = {
    "guest": set[str](),
    "viewer": {name for name, (level, *_) in OPERATIONS.items() if level == "view"} | {"shares"},
}
BY_ROLE["member"] = BY_ROLE["viewer"] | {"run", "test"}


def person_of(kind: str, owner: RegisteredUser) -> RegisteredUser:
    """Return a viewer, a member, or a guest who is an admin by their membership."""
    if kind == "guest":
        return set_user_role(register_member(owner, "admin"), "guest")
    return register_member(owner, kind)


def share(owner: RegisteredUser, flow: str, **body: Any) -> ApiResponse:
    return owner.client.post(f"{flow}/shares", body)


def shared(owner: RegisteredUser, flow: str, person: RegisteredUser, level: str, **more: Any) -> str:
    """Share a workflow with a person; return the path of the share."""
    response = share(owner, flow, sharedWithUserId=person.user["id"], level=level, **more)
    assert response.status == 201, response.text
    return response.headers["Location"]


def in_minutes(minutes: float) -> str:
    return clock.iso(clock.now() + timedelta(minutes=minutes))


@pytest.fixture
def flow(me: RegisteredUser) -> str:
    return create_workflow(me, FLOW)


@pytest.fixture
def guest(me: RegisteredUser) -> RegisteredUser:
    return person_of("guest", me)


# Levels


@pytest.mark.parametrize("level", [None, *LEVELS])
@pytest.mark.parametrize("kind", BY_ROLE)
def test_each_level_allows_its_operations(
    me: RegisteredUser, flow: str, starter: Starter, kind: str, level: str | None
) -> None:
    person, link = person_of(kind, me), share(me, flow, link=True).json["id"]
    if level:
        shared(me, flow, person, level)
    snapshot = TableSnapshot()
    level_rank = LEVELS.index(level) if level else -1
    for name, (needed, method, suffix, body) in OPERATIONS.items():
        response = person.client.call(method, flow + suffix.replace("{share}", link), body)
        if name in BY_ROLE[kind] or level_rank >= LEVELS.index(needed):
            assert response.status < 300, (name, response.text)
        else:
            unseen = kind == "guest" and level is None
            assert response.status == (404 if unseen else 403), (name, response.text)
            assert response.json["code"] == "workflow_not_found" or not unseen
        snapshot.restore()


def test_a_guest_lists_only_shared_workflows(me: RegisteredUser, guest: RegisteredUser) -> None:
    flows = [create_workflow(me, FLOW, name) for name in ("One", "Two", "Three", "Four")]
    assert guest.client.get("/v1/workflows").json["items"] == []
    for each in flows[:3]:
        shared(me, each, guest, "view")
    share(me, flows[3], sharedWithRole="admin")
    first = guest.client.get("/v1/workflows?limit=2").json
    assert [item["name"] for item in first["items"]] == ["Three", "Two"]
    rest = guest.client.get(f"/v1/workflows?limit=2&cursor={first['nextCursor']}").json
    assert [item["name"] for item in rest["items"]] == ["One"] and rest["nextCursor"] is None
    assert [item["name"] for item in guest.client.get("/v1/workflows?search=tw").json["items"]] == ["Two"]
    other = guest.client.get(f"/v1/workflows?status=draft&cursor={first['nextCursor']}")
    assert status_and_code(other) == (400, "invalid_cursor")
    assert status_and_code(me.client.get(f"/v1/workflows?cursor={first['nextCursor']}")) == (
        400,
        "invalid_cursor",
    )
    assert me.client.delete(flows[1]).status == 204
    assert [item["name"] for item in guest.client.get("/v1/workflows").json["items"]] == ["Three", "One"]
    assert guest.client.get("/v1/workflows?deleted=true").json["items"] == []


def test_a_share_grants_no_other_access(
    me: RegisteredUser, flow: str, guest: RegisteredUser, starter: Starter
) -> None:
    shared(me, flow, guest, "manage")
    run = start_execution(guest, flow)
    starter.run_pending()
    refused = [
        guest.client.post("/v1/workflows", {"name": "x"}),
        guest.client.post("/v1/workflows/import", {"name": "x", "definition": {"nodes": []}}),
        guest.client.post(f"{flow}/duplicate"),
        guest.client.get("/v1/variables"),
        guest.client.post("/v1/variables", {"name": "x", "value": 1}),
        guest.client.get("/v1/approvals"),
        guest.client.delete(run),
        guest.client.post(f"{flow}/restore"),
        guest.client.get(organization_path(me, "/members")),
    ]
    assert {status_and_code(response) for response in refused} == {(403, "guest")}
    other = create_workflow(me, FLOW, "Other")
    assert status_and_code(guest.client.get(other)) == (404, "workflow_not_found")


def test_a_share_to_edit_allows_variables_only_with_the_permission(me: RegisteredUser, flow: str) -> None:
    new = {"name": "x", "value": "y", "scope": "workflow", "workflowId": flow.rpartition("/")[2]}
    viewer, member = register_member(me, "viewer"), register_member(me, "member")
    assert status_and_code(member.client.post("/v1/variables", new)) == (403, "not_yours")
    for person in (viewer, member):
        shared(me, flow, person, "edit")
    assert status_and_code(viewer.client.post("/v1/variables", new)) == (403, "permission_missing")
    assert member.client.post("/v1/variables", new).status == 201


# Roles


def test_a_custom_role_replaces_the_role_for_shares(me: RegisteredUser, flow: str) -> None:
    body = {"name": "Runner", "permissions": ["agents:read"]}
    role = me.client.post(organization_path(me, "/roles"), body).json["id"]
    viewer, runner = register_member(me, "viewer"), register_member(me, "viewer")
    assert me.client.patch(member_path(me, runner), {"customRoleId": role}).status == 200
    assert share(me, flow, sharedWithRole="viewer", level="edit").status == 201
    set_user_role(runner, "user")
    change = {"description": "changed"}
    assert viewer.client.patch(flow, change).status == 200
    assert status_and_code(runner.client.patch(flow, change)) == (404, "workflow_not_found")
    assert share(me, flow, sharedWithRole=role.upper(), level="execute").status == 201
    assert status_and_code(share(me, flow, sharedWithRole=role)) == (409, "already_shared")
    assert status_and_code(runner.client.patch(flow, change)) == (403, "share_too_low")
    assert [item["id"] for item in runner.client.get("/v1/workflows").json["items"]] == [flow[-36:]]
    assert runner.client.get(flow).status == 200


def test_invalid_recipients_are_refused(me: RegisteredUser, flow: str) -> None:
    stranger = "01930000-0000-7000-8000-00000000000a"
    assert status_and_code(share(me, flow, sharedWithUserId=stranger)) == (404, "member_not_found")
    for role in (stranger, "king"):
        assert status_and_code(share(me, flow, sharedWithRole=role)) == (404, "role_not_found")
    owners = share(me, flow, sharedWithRole="owner")
    assert (owners.status, owners.json["errors"][0]["pointer"]) == (422, "/sharedWithRole")
    for body in ({}, {"link": True, "sharedWithRole": "admin"}, {"link": True, "level": "execute"}):
        assert share(me, flow, **body).status == 422
    gone = register_member(me, "member")
    assert me.client.patch(member_path(me, gone), {"isActive": False}).status == 200
    assert status_and_code(share(me, flow, sharedWithUserId=gone.user["id"])) == (404, "member_not_found")


def test_a_second_share_with_the_same_recipient_is_refused(
    me: RegisteredUser, flow: str, guest: RegisteredUser
) -> None:
    share_path = shared(me, flow, guest, "view")
    assert status_and_code(share(me, flow, sharedWithUserId=guest.user["id"], level="edit")) == (
        409,
        "already_shared",
    )
    assert status_and_code(guest.client.post(f"{flow}/executions", {})) == (403, "share_too_low")
    changed = me.client.patch(share_path, {"level": "execute"}, headers={"If-Match": '"1"'})
    assert (changed.status, changed.json["level"], changed.json["version"]) == (200, "execute", 2)
    assert me.client.patch(share_path, {"level": "edit"}, headers={"If-Match": '"1"'}).status == 412
    assert me.client.delete(share_path, headers={"If-Match": '"2"'}).status == 204
    assert status_and_code(me.client.delete(share_path)) == (404, "share_not_found")
    assert status_and_code(guest.client.get(flow)) == (404, "workflow_not_found")
    shared(me, flow, guest, "view")
    assert guest.client.get(flow).status == 200


def test_the_number_of_shares_is_limited(
    me: RegisteredUser, flow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weconnect.workflows.sharing.service.MAX_SHARES", 2)
    results = [status_and_code(share(me, flow, link=True)) for _ in range(3)]
    assert results == [(201, None), (201, None), (429, "share_limit_reached")]


# Executions


def _routes(run: str) -> list[tuple[str, str, Any]]:
    reads = ["", "/nodes", "/nodes/000001-000", "/logs", "/timeline"]
    steers = ["/cancel", "/pause", "/resume"]
    return [
        *(("GET", run + suffix, None) for suffix in reads),
        *(("POST", run + suffix, None) for suffix in steers),
        ("POST", f"{run}/retry", {"from": "start"}),
    ]


def test_a_guest_controls_only_their_own_executions(
    me: RegisteredUser, flow: str, guest: RegisteredUser, starter: Starter
) -> None:
    share_path = shared(me, flow, guest, "execute")
    theirs = start_execution(me, flow)
    mine = start_execution(guest, flow, {"n": 1})
    starter.run_pending()
    for method, run, body in _routes(theirs):
        assert status_and_code(guest.client.call(method, run, body)) == (404, "execution_not_found"), run
    assert status_and_code(guest.client.get(f"{flow}/diagram?executionId={theirs[-36:]}"))[0] == 404
    for suffix in ("", "/nodes", "/nodes/000001-000", "/logs", "/timeline"):
        assert guest.client.get(mine + suffix).status == 200, suffix
    assert guest.client.get(f"{flow}/diagram?executionId={mine[-36:]}").status == 200
    assert [item["id"] for item in guest.client.get("/v1/executions").json["items"]] == [mine[-36:]]
    again = guest.client.post(f"{mine}/retry", {"from": "start"})
    assert again.status == 202 and guest.client.post(f"{again.headers['Location']}/pause").status == 200
    assert guest.client.post(f"{again.headers['Location']}/resume").status == 200
    assert guest.client.post(f"{again.headers['Location']}/cancel").status == 200
    listed = guest.client.get(f"/v1/executions?workflowId={flow[-36:]}&limit=1").json
    assert [item["id"] for item in listed["items"]] == [again.json["id"]] and listed["nextCursor"]

    assert me.client.patch(share_path, {"level": "view"}).status == 200
    for method, run, body in _routes(mine):
        assert status_and_code(guest.client.call(method, run, body)) == (404, "execution_not_found"), run
    assert guest.client.get("/v1/executions").json["items"] == []
    assert me.client.patch(share_path, {"level": "edit"}).status == 200
    assert me.client.delete(flow).status == 204
    assert status_and_code(guest.client.get(mine)) == (404, "execution_not_found")
    assert guest.client.get("/v1/executions").json["items"] == []
    assert me.client.post(f"{flow}/restore").status == 200
    assert guest.client.get(mine).status == 200


def test_a_viewer_sees_all_executions_and_controls_their_own(
    me: RegisteredUser, flow: str, starter: Starter
) -> None:
    viewer, member = register_member(me, "viewer"), register_member(me, "member")
    shared(me, flow, viewer, "execute")
    shared(me, flow, member, "manage")
    theirs, mine = start_execution(me, flow), start_execution(viewer, flow)
    assert viewer.client.get(theirs).status == 200
    assert len(viewer.client.get("/v1/executions").json["items"]) == 2
    assert status_and_code(viewer.client.post(f"{theirs}/cancel")) == (403, "permission_missing")
    assert status_and_code(member.client.post(f"{theirs}/cancel")) == (403, "not_yours")
    assert viewer.client.post(f"{mine}/cancel").status == 200
    assert status_and_code(viewer.client.delete(mine)) == (403, "permission_missing")


# Granting


def test_nobody_grants_more_than_they_have(me: RegisteredUser, flow: str, guest: RegisteredUser) -> None:
    member, viewer = register_member(me, "member"), register_member(me, "viewer")
    own = create_workflow(member, FLOW, "Own")
    assert share(member, own, sharedWithUserId=viewer.user["id"], level="edit").status == 201
    too_much = share(member, own, sharedWithUserId=guest.user["id"], level="manage")
    assert status_and_code(too_much) == (403, "cannot_grant")
    owners = shared(me, own, guest, "manage")
    for response in (member.client.delete(owners), member.client.patch(owners, {"level": "view"})):
        assert status_and_code(response) == (403, "cannot_grant")
    assert status_and_code(share(member, flow, link=True)) == (403, "not_yours")
    shared(me, flow, member, "edit")
    assert status_and_code(share(member, flow, link=True)) == (403, "share_too_low")
    mine = shared(me, flow, viewer, "edit")
    assert status_and_code(viewer.client.patch(mine, {"level": "manage"})) == (403, "share_too_low")


def test_nobody_grants_longer_than_they_have(me: RegisteredUser, flow: str, guest: RegisteredUser) -> None:
    viewer, end = register_member(me, "viewer"), in_minutes(60)
    mine = shared(me, flow, guest, "manage", expiresAt=end)
    recipient = {"sharedWithUserId": viewer.user["id"], "level": "manage"}
    for later in (in_minutes(61), in_minutes(99_999)):
        assert status_and_code(share(guest, flow, **recipient, expiresAt=later)) == (403, "cannot_grant")
    for changes in ({"expiresAt": in_minutes(61)}, {"expiresAt": None}):
        assert status_and_code(guest.client.patch(mine, changes)) == (403, "cannot_grant")
    created = share(guest, flow, **recipient)
    assert created.status == 201 and created.json["expiresAt"] == end
    link = share(guest, flow, link=True)
    assert link.status == 201 and link.json["expiresAt"] == end
    endless = shared(me, flow, register_member(me, "viewer"), "view")
    assert status_and_code(guest.client.patch(endless, {"level": "edit"})) == (403, "cannot_grant")
    assert guest.client.delete(endless).status == 204


def test_the_scopes_of_an_api_key_limit_a_share(me: RegisteredUser, flow: str) -> None:
    """The keys were created by a member who is a viewer now: a key never has more than its creator."""
    person, words = register_member(me, "member"), ("workflows:read", "workflows:update", "workflows:execute")
    every, reading = (
        client_with_new_key(person, *words, "agents:read"),
        client_with_new_key(person, "workflows:read"),
    )
    writing = client_with_new_key(person, *words[:2])
    assert me.client.patch(member_path(me, person), {"role": "viewer"}).status == 200
    change = {"description": "changed"}
    for key in (every, reading, writing):
        assert key.get(flow).status == 200
        assert status_and_code(key.patch(flow, change)) == (403, "permission_missing")
    shared(me, flow, person, "manage")
    for key in (every, writing):
        assert key.patch(flow, change).status == 200
        assert status_and_code(key.delete(flow)) == (403, "permission_missing")
    assert status_and_code(reading.patch(flow, change)) == (403, "permission_missing")
    for key in (reading, writing):
        assert status_and_code(key.post(f"{flow}/executions", {})) == (403, "permission_missing")
    too_much = writing.post(f"{flow}/shares", {"sharedWithRole": "member", "level": "edit"})
    assert status_and_code(too_much) == (403, "cannot_grant")
    assert writing.post(f"{flow}/shares", {"sharedWithRole": "member"}).status == 201
    set_user_role(person, "guest")
    assert every.patch(flow, change).status == 200 and status_and_code(every.get("/v1/agents")) == (
        403,
        "guest",
    )


def test_a_readonly_user_cannot_write_by_a_share(me: RegisteredUser, flow: str) -> None:
    reader = set_user_role(register_member(me, "admin"), "readonly")
    shared(me, flow, reader, "manage")
    assert reader.client.get(flow).status == 200
    assert status_and_code(reader.client.patch(flow, {"description": "x"})) == (403, "read_only")
    assert status_and_code(reader.client.post(f"{flow}/executions", {})) == (403, "read_only")


# End


def test_a_share_ends_at_its_moment(
    me: RegisteredUser, flow: str, guest: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = MovableClock()
    monkeypatch.setattr(clock, "now", time.now)
    share_path = shared(me, flow, guest, "execute", expiresAt=in_minutes(5))
    run = start_execution(guest, flow)
    time.advance(minutes=5, microseconds=-1)
    assert guest.client.get(flow).status == guest.client.get(run).status == 200
    time.advance(microseconds=1)
    assert status_and_code(guest.client.get(flow)) == (404, "workflow_not_found")
    assert status_and_code(guest.client.get(run)) == (404, "execution_not_found")
    for address in ("/v1/workflows", "/v1/executions"):
        assert guest.client.get(address).json["items"] == []
    assert me.client.get(f"{flow}/shares").json["items"] == []
    assert status_and_code(me.client.patch(share_path, {"expiresAt": in_minutes(5)})) == (
        404,
        "share_not_found",
    )
    past = share(me, flow, sharedWithUserId=guest.user["id"], expiresAt=in_minutes(0))
    assert (past.status, past.json["errors"][0]["pointer"]) == (422, "/expiresAt")
    time.advance(seconds=1)  # the row is still there, and free
    assert shared(me, flow, guest, "view") != share_path


def _row(me: RegisteredUser, flow: str, person: RegisteredUser) -> WorkflowShareRow:
    ids = (me.organization["id"], flow[-36:], person.user["id"])
    row = table.get(WorkflowShareRow, WorkflowShareRow.at_user(*map(UUID, ids)))
    assert row is not None
    return row


def test_a_share_ends_with_the_membership(me: RegisteredUser, flow: str, guest: RegisteredUser) -> None:
    shared(me, flow, guest, "view")
    row = _row(me, flow, guest)
    assert me.client.delete(member_path(me, guest)).status == 204
    assert status_and_code(guest.client.get(flow)) == (404, "workflow_not_found"), (
        "their token stays valid for minutes"
    )
    assert me.client.get(f"{flow}/shares").json["items"] == []
    set_user_role(guest, "guest")
    add_member(guest, me, "viewer")
    assert status_and_code(guest.client.get(flow)) == (404, "workflow_not_found")
    # A share that was written while its member left is older than the new membership.
    table.put(row, {})
    assert guest.client.get(flow).status == 200
    member = MemberRow.get(*MemberRow.at(me.organization["id"], guest.user["id"]))
    table.change(member, {"joined_at": clock.iso(clock.now())}, {})
    assert status_and_code(guest.client.get(flow)) == (404, "workflow_not_found")
    assert guest.client.get("/v1/workflows").json["items"] == []


def test_a_share_is_suspended_while_the_member_is_inactive(
    me: RegisteredUser, flow: str, guest: RegisteredUser
) -> None:
    shared(me, flow, guest, "view")
    assert me.client.patch(member_path(me, guest), {"isActive": False}).status == 200
    assert status_and_code(guest.client.get(flow)) == (404, "workflow_not_found")
    assert me.client.patch(member_path(me, guest), {"isActive": True}).status == 200
    assert guest.client.get(flow).status == 200


def test_a_share_is_suspended_in_the_trash_and_purged_with_the_workflow(
    me: RegisteredUser, flow: str, guest: RegisteredUser
) -> None:
    shared(me, flow, guest, "manage")
    token = share(me, flow, link=True).json["token"]
    assert guest.client.delete(flow).status == 204
    refused = [guest.client.get(flow), guest.client.get(f"{flow}/shares"), guest.client.delete(flow)]
    assert {status_and_code(response) for response in refused} == {(404, "workflow_not_found")}
    assert status_and_code(guest.client.delete(f"{flow}?purge=true")) == (404, "workflow_not_found")
    assert status_and_code(register_member(me, "viewer").client.delete(f"{flow}?purge=true")) == (
        403,
        "permission_missing",
    )
    assert status_and_code(Client().get(f"/v1/shared/{token}")) == (404, "link_not_found")
    assert me.client.post(f"{flow}/restore").status == 200
    assert guest.client.get(flow).status == Client().get(f"/v1/shared/{token}").status == 200
    assert me.client.delete(flow).status == me.client.delete(f"{flow}?purge=true").status == 204
    pk, sk = WorkflowRow.in_trash(UUID(me.organization["id"]), UUID(flow[-36:]))
    assert purge.purge({"pk": pk, "sk": sk})
    remaining = table.Row.query(
        WorkflowShareRow.of_workflow(UUID(me.organization["id"]), UUID(flow[-36:]))[0]
    )
    assert list(remaining) == []
    assert not [row for row in table.Row.scan() if isinstance(row, TokenRow) and "workflow" in row.purpose]


def test_a_share_ends_with_the_account(me: RegisteredUser, flow: str) -> None:
    viewer = register_member(me, "viewer")
    shared(me, flow, viewer, "view")
    row = _row(me, flow, viewer)
    assert viewer.client.call("DELETE", "/v1/users/me", {"password": PASSWORD}).status == 204
    assert table.get(WorkflowShareRow, (row.pk, row.sk)) is None
