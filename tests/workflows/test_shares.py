"""Shares: what each level lets whom do, who may give what, and when it is over."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.agents.runs import Starter
from tests.api.matrix_factories import Snapshot
from tests.auth.clocks import Clock
from tests.executions.runs import begun, made
from tests.factories import Registered, become, join
from tests.gateway import Answer, Client
from tests.organizations.people import code, colleague, key_of, member_path, path
from tests.workflows.definitions import definition, node
from weconnect import clock
from weconnect.db import table
from weconnect.organizations.rows import MemberRow
from weconnect.workflows.sharing.rows import WorkflowShareRow

LEVELS = ["view", "execute", "edit", "manage"]
FLOW = definition([node("a", "set", values={"x": 1})], "start > a")
STEP = {"sharedWithRole": "admin"}

# What can be done, with the level that it takes: method, path, body.
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


def person_of(kind: str, owner: Registered) -> Registered:
    """A viewer, a member, or a guest, who is an admin by his membership."""
    if kind == "guest":
        return become(colleague(owner, "admin"), "guest")
    return colleague(owner, kind)


def share(owner: Registered, flow: str, **body: Any) -> Answer:
    return owner.client.post(f"{flow}/shares", body)


def shared(owner: Registered, flow: str, person: Registered, level: str, **more: Any) -> str:
    """Share a workflow with somebody; the share's path."""
    answer = share(owner, flow, sharedWithUserId=person.user["id"], level=level, **more)
    assert answer.status == 201, answer.text
    return answer.headers["Location"]


def in_minutes(minutes: float) -> str:
    return clock.iso(clock.now() + timedelta(minutes=minutes))


@pytest.fixture
def flow(me: Registered) -> str:
    return made(me, FLOW)


@pytest.fixture
def guest(me: Registered) -> Registered:
    return person_of("guest", me)


# Levels


@pytest.mark.parametrize("level", [None, *LEVELS])
@pytest.mark.parametrize("kind", BY_ROLE)
def test_what_each_level_lets_do(
    me: Registered, flow: str, starter: Starter, kind: str, level: str | None
) -> None:
    person, link = person_of(kind, me), share(me, flow, link=True).json["id"]
    if level:
        shared(me, flow, person, level)
    snapshot = Snapshot()
    held = LEVELS.index(level) if level else -1
    for name, (needed, method, suffix, body) in OPERATIONS.items():
        answer = person.client.call(method, flow + suffix.replace("{share}", link), body)
        if name in BY_ROLE[kind] or held >= LEVELS.index(needed):
            assert answer.status < 300, (name, answer.text)
        else:
            unseen = kind == "guest" and level is None
            assert answer.status == (404 if unseen else 403), (name, answer.text)
            assert answer.json["code"] == "workflow_not_found" or not unseen
        snapshot.restore()


def test_a_guest_lists_what_is_shared_with_him(me: Registered, guest: Registered) -> None:
    flows = [made(me, FLOW, name) for name in ("One", "Two", "Three", "Four")]
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
    assert code(other) == (400, "invalid_cursor")
    assert code(me.client.get(f"/v1/workflows?cursor={first['nextCursor']}")) == (400, "invalid_cursor")
    assert me.client.delete(flows[1]).status == 204
    assert [item["name"] for item in guest.client.get("/v1/workflows").json["items"]] == ["Three", "One"]
    assert guest.client.get("/v1/workflows?deleted=true").json["items"] == []


def test_a_share_opens_nothing_else(me: Registered, flow: str, guest: Registered, starter: Starter) -> None:
    shared(me, flow, guest, "manage")
    run = begun(guest, flow)
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
        guest.client.get(path(me, "/members")),
    ]
    assert {code(answer) for answer in refused} == {(403, "guest")}
    other = made(me, FLOW, "Other")
    assert code(guest.client.get(other)) == (404, "workflow_not_found")


def test_who_may_edit_by_a_share_changes_its_variables_if_his_role_lets_him(
    me: Registered, flow: str
) -> None:
    new = {"name": "x", "value": "y", "scope": "workflow", "workflowId": flow.rpartition("/")[2]}
    viewer, member = colleague(me, "viewer"), colleague(me, "member")
    assert code(member.client.post("/v1/variables", new)) == (403, "not_yours")
    for person in (viewer, member):
        shared(me, flow, person, "edit")
    assert code(viewer.client.post("/v1/variables", new)) == (403, "permission_missing")
    assert member.client.post("/v1/variables", new).status == 201


# Roles


def test_a_role_has_it_and_a_custom_one_takes_its_place(me: Registered, flow: str) -> None:
    body = {"name": "Runner", "permissions": ["agents:read"]}
    role = me.client.post(path(me, "/roles"), body).json["id"]
    viewer, runner = colleague(me, "viewer"), colleague(me, "viewer")
    assert me.client.patch(member_path(me, runner), {"customRoleId": role}).status == 200
    assert share(me, flow, sharedWithRole="viewer", level="edit").status == 201
    become(runner, "user")
    change = {"description": "changed"}
    assert viewer.client.patch(flow, change).status == 200
    assert code(runner.client.patch(flow, change)) == (404, "workflow_not_found")
    assert share(me, flow, sharedWithRole=role.upper(), level="execute").status == 201
    assert code(share(me, flow, sharedWithRole=role)) == (409, "already_shared")
    assert code(runner.client.patch(flow, change)) == (403, "share_too_low")
    assert [item["id"] for item in runner.client.get("/v1/workflows").json["items"]] == [flow[-36:]]
    assert runner.client.get(flow).status == 200


def test_with_whom_it_cannot_be_shared(me: Registered, flow: str) -> None:
    stranger = "01930000-0000-7000-8000-00000000000a"
    assert code(share(me, flow, sharedWithUserId=stranger)) == (404, "member_not_found")
    for role in (stranger, "king"):
        assert code(share(me, flow, sharedWithRole=role)) == (404, "role_not_found")
    owners = share(me, flow, sharedWithRole="owner")
    assert (owners.status, owners.json["errors"][0]["pointer"]) == (422, "/sharedWithRole")
    for body in ({}, {"link": True, "sharedWithRole": "admin"}, {"link": True, "level": "execute"}):
        assert share(me, flow, **body).status == 422
    gone = colleague(me, "member")
    assert me.client.patch(member_path(me, gone), {"isActive": False}).status == 200
    assert code(share(me, flow, sharedWithUserId=gone.user["id"])) == (404, "member_not_found")


def test_a_second_share_with_the_same_is_refused(me: Registered, flow: str, guest: Registered) -> None:
    place = shared(me, flow, guest, "view")
    assert code(share(me, flow, sharedWithUserId=guest.user["id"], level="edit")) == (409, "already_shared")
    assert code(guest.client.post(f"{flow}/executions", {})) == (403, "share_too_low")
    changed = me.client.patch(place, {"level": "execute"}, headers={"If-Match": '"1"'})
    assert (changed.status, changed.json["level"], changed.json["version"]) == (200, "execute", 2)
    assert me.client.patch(place, {"level": "edit"}, headers={"If-Match": '"1"'}).status == 412
    assert me.client.delete(place, headers={"If-Match": '"2"'}).status == 204
    assert code(me.client.delete(place)) == (404, "share_not_found")
    assert code(guest.client.get(flow)) == (404, "workflow_not_found")
    shared(me, flow, guest, "view")
    assert guest.client.get(flow).status == 200


def test_a_workflow_takes_a_hundred(me: Registered, flow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weconnect.workflows.sharing.service.MAX_SHARES", 2)
    answers = [code(share(me, flow, link=True)) for _ in range(3)]
    assert answers == [(201, None), (201, None), (429, "share_limit_reached")]


# Runs


def _routes(run: str) -> list[tuple[str, str, Any]]:
    reads = ["", "/nodes", "/nodes/000001-000", "/logs", "/timeline"]
    steers = ["/cancel", "/pause", "/resume"]
    return [
        *(("GET", run + suffix, None) for suffix in reads),
        *(("POST", run + suffix, None) for suffix in steers),
        ("POST", f"{run}/retry", {"from": "start"}),
    ]


def test_a_guest_sees_and_steers_the_runs_that_he_began(
    me: Registered, flow: str, guest: Registered, starter: Starter
) -> None:
    place = shared(me, flow, guest, "execute")
    theirs = begun(me, flow)
    mine = begun(guest, flow, {"n": 1})
    starter.run_pending()
    for method, run, body in _routes(theirs):
        assert code(guest.client.call(method, run, body)) == (404, "execution_not_found"), run
    assert code(guest.client.get(f"{flow}/diagram?executionId={theirs[-36:]}"))[0] == 404
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

    assert me.client.patch(place, {"level": "view"}).status == 200
    for method, run, body in _routes(mine):
        assert code(guest.client.call(method, run, body)) == (404, "execution_not_found"), run
    assert guest.client.get("/v1/executions").json["items"] == []
    assert me.client.patch(place, {"level": "edit"}).status == 200
    assert me.client.delete(flow).status == 204
    assert code(guest.client.get(mine)) == (404, "execution_not_found")
    assert guest.client.get("/v1/executions").json["items"] == []
    assert me.client.post(f"{flow}/restore").status == 200
    assert guest.client.get(mine).status == 200


def test_a_viewer_sees_all_runs_and_steers_those_that_he_began(
    me: Registered, flow: str, starter: Starter
) -> None:
    viewer, member = colleague(me, "viewer"), colleague(me, "member")
    shared(me, flow, viewer, "execute")
    shared(me, flow, member, "manage")
    theirs, mine = begun(me, flow), begun(viewer, flow)
    assert viewer.client.get(theirs).status == 200
    assert len(viewer.client.get("/v1/executions").json["items"]) == 2
    assert code(viewer.client.post(f"{theirs}/cancel")) == (403, "permission_missing")
    assert code(member.client.post(f"{theirs}/cancel")) == (403, "not_yours")
    assert viewer.client.post(f"{mine}/cancel").status == 200
    assert code(viewer.client.delete(mine)) == (403, "permission_missing")


# Who may give what


def test_nobody_gives_more_than_he_has(me: Registered, flow: str, guest: Registered) -> None:
    member, viewer = colleague(me, "member"), colleague(me, "viewer")
    own = made(member, FLOW, "Own")
    assert share(member, own, sharedWithUserId=viewer.user["id"], level="edit").status == 201
    too_much = share(member, own, sharedWithUserId=guest.user["id"], level="manage")
    assert code(too_much) == (403, "cannot_grant")
    owners = shared(me, own, guest, "manage")
    for answer in (member.client.delete(owners), member.client.patch(owners, {"level": "view"})):
        assert code(answer) == (403, "cannot_grant")
    assert code(share(member, flow, link=True)) == (403, "not_yours")
    shared(me, flow, member, "edit")
    assert code(share(member, flow, link=True)) == (403, "share_too_low")
    mine = shared(me, flow, viewer, "edit")
    assert code(viewer.client.patch(mine, {"level": "manage"})) == (403, "share_too_low")


def test_nobody_gives_for_longer_than_he_has(me: Registered, flow: str, guest: Registered) -> None:
    viewer, end = colleague(me, "viewer"), in_minutes(60)
    mine = shared(me, flow, guest, "manage", expiresAt=end)
    whom = {"sharedWithUserId": viewer.user["id"], "level": "manage"}
    for later in (in_minutes(61), in_minutes(99_999)):
        assert code(share(guest, flow, **whom, expiresAt=later)) == (403, "cannot_grant")
    for changes in ({"expiresAt": in_minutes(61)}, {"expiresAt": None}):
        assert code(guest.client.patch(mine, changes)) == (403, "cannot_grant")
    given = share(guest, flow, **whom)
    assert given.status == 201 and given.json["expiresAt"] == end
    link = share(guest, flow, link=True)
    assert link.status == 201 and link.json["expiresAt"] == end
    endless = shared(me, flow, colleague(me, "viewer"), "view")
    assert code(guest.client.patch(endless, {"level": "edit"})) == (403, "cannot_grant")
    assert guest.client.delete(endless).status == 204


def test_an_api_key_does_no_more_than_its_scopes(me: Registered, flow: str) -> None:
    """Made by a member, who is a viewer now: a key asks for no more than its maker holds."""
    person, words = colleague(me, "member"), ("workflows:read", "workflows:update", "workflows:execute")
    every, reading = key_of(person, *words, "agents:read"), key_of(person, "workflows:read")
    writing = key_of(person, *words[:2])
    assert me.client.patch(member_path(me, person), {"role": "viewer"}).status == 200
    change = {"description": "changed"}
    for key in (every, reading, writing):
        assert key.get(flow).status == 200
        assert code(key.patch(flow, change)) == (403, "permission_missing")
    shared(me, flow, person, "manage")
    for key in (every, writing):
        assert key.patch(flow, change).status == 200
        assert code(key.delete(flow)) == (403, "permission_missing")
    assert code(reading.patch(flow, change)) == (403, "permission_missing")
    for key in (reading, writing):
        assert code(key.post(f"{flow}/executions", {})) == (403, "permission_missing")
    too_much = writing.post(f"{flow}/shares", {"sharedWithRole": "member", "level": "edit"})
    assert code(too_much) == (403, "cannot_grant")
    assert writing.post(f"{flow}/shares", {"sharedWithRole": "member"}).status == 201
    become(person, "guest")
    assert every.patch(flow, change).status == 200 and code(every.get("/v1/agents")) == (403, "guest")


def test_who_may_only_read_writes_nothing_by_a_share(me: Registered, flow: str) -> None:
    reader = become(colleague(me, "admin"), "readonly")
    shared(me, flow, reader, "manage")
    assert reader.client.get(flow).status == 200
    assert code(reader.client.patch(flow, {"description": "x"})) == (403, "read_only")
    assert code(reader.client.post(f"{flow}/executions", {})) == (403, "read_only")


# When it is over


def test_it_is_over_at_the_moment_that_was_named(
    me: Registered, flow: str, guest: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Clock()
    monkeypatch.setattr(clock, "now", time.now)
    place = shared(me, flow, guest, "execute", expiresAt=in_minutes(5))
    run = begun(guest, flow)
    time.move(minutes=5, microseconds=-1)
    assert guest.client.get(flow).status == guest.client.get(run).status == 200
    time.move(microseconds=1)
    assert code(guest.client.get(flow)) == (404, "workflow_not_found")
    assert code(guest.client.get(run)) == (404, "execution_not_found")
    for address in ("/v1/workflows", "/v1/executions"):
        assert guest.client.get(address).json["items"] == []
    assert me.client.get(f"{flow}/shares").json["items"] == []
    assert code(me.client.patch(place, {"expiresAt": in_minutes(5)})) == (404, "share_not_found")
    past = share(me, flow, sharedWithUserId=guest.user["id"], expiresAt=in_minutes(0))
    assert (past.status, past.json["errors"][0]["pointer"]) == (422, "/expiresAt")
    time.move(seconds=1)  # the row is still there, and free
    assert shared(me, flow, guest, "view") != place


def _row(me: Registered, flow: str, person: Registered) -> WorkflowShareRow:
    ids = (me.organization["id"], flow[-36:], person.user["id"])
    row = table.get(WorkflowShareRow, WorkflowShareRow.at_user(*map(UUID, ids)))
    assert row is not None
    return row


def test_it_ends_with_the_membership(me: Registered, flow: str, guest: Registered) -> None:
    shared(me, flow, guest, "view")
    row = _row(me, flow, guest)
    assert me.client.delete(member_path(me, guest)).status == 204
    assert code(guest.client.get(flow)) == (404, "workflow_not_found"), "his token lives on for minutes"
    assert me.client.get(f"{flow}/shares").json["items"] == []
    become(guest, "guest")
    join(guest, me, "viewer")
    assert code(guest.client.get(flow)) == (404, "workflow_not_found")
    # One that was written while its member left: the membership is younger.
    table.put(row, {})
    assert guest.client.get(flow).status == 200
    member = MemberRow.get(*MemberRow.at(me.organization["id"], guest.user["id"]))
    table.change(member, {"joined_at": clock.iso(clock.now())}, {})
    assert code(guest.client.get(flow)) == (404, "workflow_not_found")
    assert guest.client.get("/v1/workflows").json["items"] == []


def test_it_rests_while_the_member_is_not_active(me: Registered, flow: str, guest: Registered) -> None:
    shared(me, flow, guest, "view")
    assert me.client.patch(member_path(me, guest), {"isActive": False}).status == 200
    assert code(guest.client.get(flow)) == (404, "workflow_not_found")
    assert me.client.patch(member_path(me, guest), {"isActive": True}).status == 200
    assert guest.client.get(flow).status == 200


def test_it_rests_in_the_trash_and_is_purged_with_it(me: Registered, flow: str, guest: Registered) -> None:
    from weconnect.trash import purge
    from weconnect.workflows.rows import WorkflowRow

    shared(me, flow, guest, "manage")
    token = share(me, flow, link=True).json["token"]
    assert guest.client.delete(flow).status == 204
    refused = [guest.client.get(flow), guest.client.get(f"{flow}/shares"), guest.client.delete(flow)]
    assert {code(answer) for answer in refused} == {(404, "workflow_not_found")}
    assert code(guest.client.delete(f"{flow}?purge=true")) == (404, "workflow_not_found")
    assert code(colleague(me, "viewer").client.delete(f"{flow}?purge=true")) == (403, "permission_missing")
    assert code(Client().get(f"/v1/shared/{token}")) == (404, "link_not_found")
    assert me.client.post(f"{flow}/restore").status == 200
    assert guest.client.get(flow).status == Client().get(f"/v1/shared/{token}").status == 200
    assert me.client.delete(flow).status == me.client.delete(f"{flow}?purge=true").status == 204
    pk, sk = WorkflowRow.in_trash(UUID(me.organization["id"]), UUID(flow[-36:]))
    assert purge.purge({"pk": pk, "sk": sk})
    left = table.Row.query(WorkflowShareRow.of_workflow(UUID(me.organization["id"]), UUID(flow[-36:]))[0])
    assert list(left) == []
    assert not [
        row for row in table.Row.scan() if row.pk.startswith("TOKEN#") and "workflow" in str(row.purpose)
    ]


def test_it_ends_with_the_account(me: Registered, flow: str) -> None:
    viewer = colleague(me, "viewer")
    shared(me, flow, viewer, "view")
    row = _row(me, flow, viewer)
    assert viewer.client.delete("/v1/users/me").status == 204
    assert table.get(WorkflowShareRow, (row.pk, row.sk)) is None
