"""Links to workflows: their content, the secrets that it never has, and their end."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.auth.fake_identity_provider import change_user
from tests.auth.movable_clock import MovableClock
from tests.executions.execution_helpers import create_workflow
from tests.factories import RegisteredUser
from tests.gateway import ApiResponse, Client
from tests.moto_table import table_items
from tests.organizations.organization_helpers import member_path, register_member, status_and_code
from tests.workflows.definitions import definition, node
from weconnect import clock
from weconnect.db import table
from weconnect.organizations.rows import OrganizationRow

FLOW = definition([node("a", "set", values={"x": 1})], "start > a")


@pytest.fixture
def flow(me: RegisteredUser) -> str:
    return create_workflow(me, FLOW)


def link(me: RegisteredUser, flow: str, **more: Any) -> Any:
    response = me.client.post(f"{flow}/shares", {"link": True, **more})
    assert response.status == 201, response.text
    return response.json


def open_link(token: str) -> ApiResponse:
    return Client().get(f"/v1/shared/{token}")


def refusal(response: ApiResponse) -> str:
    """Return the body of a refusal without the parts that repeat the request."""
    assert status_and_code(response) == (404, "link_not_found")
    return re.sub(r'"(instance|requestId)":"[^"]*"', "", response.text)


def in_days(days: float) -> str:
    return clock.iso(clock.now() + timedelta(days=days))


def test_a_link_shows_the_newest_definition_as_a_file(me: RegisteredUser, flow: str) -> None:
    token = link(me, flow)["token"]
    assert me.client.patch(flow, {"description": "newest"}).status == 200
    response = open_link(token)
    assert response.status == 200 and response.json == me.client.get(f"{flow}/export").json
    assert response.json["description"] == "newest"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert response.headers["Cache-Control"] == "no-store"
    identities = {me.user["id"], me.organization["id"], flow[-36:], me.user["email"]}
    assert not [each for each in identities if each in response.text]


def test_only_the_hash_of_a_token_is_stored(me: RegisteredUser, flow: str) -> None:
    header = {"Idempotency-Key": "once"}
    first = me.client.post(f"{flow}/shares", {"link": True}, headers=header)
    again = me.client.post(f"{flow}/shares", {"link": True}, headers=header)
    token = first.json["token"]
    assert re.fullmatch(r"[\w-]{43}", token) and again.json["token"] == token
    assert token not in str(table_items())
    assert len(me.client.get(f"{flow}/shares").json["items"]) == 1
    assert "token" not in me.client.get(f"{flow}/shares").text


def test_a_link_ends_within_ninety_days(
    me: RegisteredUser, flow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = MovableClock()
    monkeypatch.setattr(clock, "now", time.now)
    assert link(me, flow)["expiresAt"] == in_days(7)
    assert link(me, flow, expiresAt=in_days(90))["expiresAt"] == in_days(90)
    share = f"{flow}/shares/{link(me, flow)['id']}"
    for body in ({"expiresAt": in_days(90.01)}, {"expiresAt": in_days(0)}, {"expiresAt": in_days(-1)}):
        for response in (
            me.client.post(f"{flow}/shares", {"link": True, **body}),
            me.client.patch(share, body),
        ):
            assert (response.status, response.json["errors"][0]["pointer"]) == (422, "/expiresAt")
    changes: tuple[dict[str, str | None], ...] = ({"expiresAt": None}, {"level": "edit"})
    for change in changes:
        assert status_and_code(me.client.patch(share, change)) == (422, "invalid")


def test_an_expired_link_looks_like_an_unknown_one(
    me: RegisteredUser, flow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = MovableClock()
    monkeypatch.setattr(clock, "now", time.now)
    unknown = refusal(open_link("x" * 43))
    created = link(me, flow)
    token, share = created["token"], f"{flow}/shares/{created['id']}"
    assert refusal(open_link(token.swapcase())) == refusal(open_link(token + "x")) == unknown

    assert me.client.patch(share, {"expiresAt": in_days(1 / 1440)}).status == 200
    time.advance(minutes=1, microseconds=-1)
    assert open_link(token).status == 200
    time.advance(microseconds=1)
    assert refusal(open_link(token)) == unknown

    longer = link(me, flow)
    at = f"{flow}/shares/{longer['id']}"
    assert me.client.patch(at, {"expiresAt": in_days(60)}).status == 200
    assert me.client.delete(flow).status == 204
    assert refusal(open_link(longer["token"])) == unknown
    assert me.client.post(f"{flow}/restore").status == 200
    organization = OrganizationRow.get(*OrganizationRow.at(UUID(me.organization["id"])))
    for active in (False, True):
        table.change(organization, {"is_active": active}, {})
        response = open_link(longer["token"])
        assert response.status == 200 if active else refusal(response) == unknown
    time.advance(days=59)
    assert open_link(longer["token"]).status == 200, "the token lasts as long as the share"
    time.advance(days=1)
    assert refusal(open_link(longer["token"])) == unknown


def test_a_revoked_link_ends_at_once(me: RegisteredUser, flow: str) -> None:
    unknown, created = refusal(open_link("x" * 43)), link(me, flow)
    assert me.client.delete(f"{flow}/shares/{created['id']}").status == 204
    assert refusal(open_link(created["token"])) == unknown
    assert not [
        at for at in table_items() if at.startswith("TOKEN#") and "workflow_share" in str(table_items()[at])
    ]


def remove(owner: RegisteredUser, sharer: RegisteredUser) -> None:
    assert owner.client.delete(member_path(owner, sharer)).status == 204


def suspend(owner: RegisteredUser, sharer: RegisteredUser) -> None:
    assert owner.client.patch(member_path(owner, sharer), {"isActive": False}).status == 200


def demote(owner: RegisteredUser, sharer: RegisteredUser) -> None:
    assert owner.client.patch(member_path(owner, sharer), {"role": "member"}).status == 200


def deactivate_account(owner: RegisteredUser, sharer: RegisteredUser) -> None:
    change_user(sharer, is_active=False)


def make_read_only(owner: RegisteredUser, sharer: RegisteredUser) -> None:
    change_user(sharer, role="readonly")


@pytest.mark.parametrize("end", [remove, suspend, demote, deactivate_account, make_read_only])
def test_a_link_opens_only_what_its_sharer_may_share_now(
    me: RegisteredUser, flow: str, end: Callable[[RegisteredUser, RegisteredUser], None]
) -> None:
    sharer = register_member(me, "admin")
    unknown, token = refusal(open_link("x" * 43)), link(sharer, flow)["token"]
    assert open_link(token).status == 200
    end(me, sharer)
    assert refusal(open_link(token)) == unknown


def test_a_link_of_whoever_shares_by_a_share_ends_with_it(me: RegisteredUser, flow: str) -> None:
    sharer = register_member(me, "viewer")
    share = me.client.post(f"{flow}/shares", {"sharedWithUserId": sharer.user["id"], "level": "manage"}).json
    token = link(sharer, flow)["token"]
    change_user(sharer, role="readonly")
    refusal(open_link(token))
    change_user(sharer, role="user")
    assert open_link(token).status == 200
    assert me.client.delete(f"{flow}/shares/{share['id']}").status == 204
    refusal(open_link(token))


def test_a_share_within_the_organization_outlives_the_membership_of_its_sharer(
    me: RegisteredUser, flow: str
) -> None:
    sharer, guest = register_member(me, "admin"), register_member(me, "viewer")
    body = {"sharedWithUserId": guest.user["id"], "level": "edit"}
    assert sharer.client.post(f"{flow}/shares", body).status == 201
    remove(me, sharer)
    assert guest.client.patch(flow, {"description": "by a share"}).status == 200
    (share,) = me.client.get(f"{flow}/shares").json["items"]
    assert me.client.delete(f"{flow}/shares/{share['id']}").status == 204
    assert guest.client.patch(flow, {"description": "without one"}).status == 403


def test_a_token_with_another_purpose_is_refused(me: RegisteredUser, aws: None) -> None:
    from tests.auth.sent_mails import last_token

    assert Client().post("/v1/auth/forgot-password", {"email": me.user["email"]}).status < 300
    assert status_and_code(open_link(last_token())) == (404, "link_not_found")


def test_a_link_grants_no_other_access(me: RegisteredUser, flow: str) -> None:
    created = link(me, flow)
    assert me.client.get(f"/v1/shared/{created['token']}").status == 200
    stranger = Client(headers={"Authorization": f"Bearer {created['token']}"})
    assert stranger.get(flow).status == 401


# Redaction

CANARY = "k4n4ry-7731-Zz"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJrNG40cnkifQ.k4n4ry"
ID = "01930000-0000-7000-8000-0000000000c4"


def request(id: str, **parameters: Any) -> dict[str, Any]:
    return node(id, "http_request", **({"url": "https://example.com"} | parameters))


HIDING: dict[str, dict[str, Any]] = {
    "credential id": request("a") | {"credentialId": ID},
    "authorization": request("a", headers={"Authorization": f"Bearer {CANARY}"}),
    "a header of one's own": request("a", headers={"X-Anything": CANARY}),
    "an expression with a text": request("a", headers={"Authorization": f"{{{{ 'Bearer {CANARY}' }}}}"}),
    "a header beside an expression": request("a", headers={"X-Auth": f"{{{{ $vars.a }}}}{CANARY}"}),
    "headers that are none": request("a", headers=[{"name": "x", "value": CANARY}]),
    "a header's name": request("a", headers={f"sk-{CANARY}": "x"}),
    "a query": request("a", query={"key": CANARY}),
    "an address with a query": request("a", url=f"https://example.com/?a=b&api_key={CANARY}&c=d"),
    "an address with a signature": request("a", url=f"https://example.com/?sig={CANARY}"),
    "an address with a password": request("a", url=f"https://me:{CANARY}@example.com/"),
    "our webhook": request("a", url=f"https://api.example.com/hooks/{CANARY}"),
    "our callback": request("a", url=f"https://api.example.com/v1/callbacks/{CANARY}?x=1"),
    "our link": request("a", url=f"https://api.example.com/v1/shared/{CANARY}"),
    "Slack's webhook": request("a", url=f"https://hooks.slack.com/services/T1/B2/{CANARY}"),
    "a bot's address": request("a", url=f"https://api.telegram.org/bot123:{CANARY}/sendMessage"),
    "code": node("a", "code", code=f"""API_KEY = "{CANARY}"\nreturn $items"""),
    "typed code": node("a", "code", code=f"""db_password: str = r'{CANARY}'"""),
    "a header in code": node("a", "code", code=f"""headers["X-Auth-Token"] = '{CANARY}'"""),
    "JSON within an expression": node("a", "jsonata", expression=f"""{{"clientSecret": "{CANARY}"}}"""),
    "a statement": node("a", "sql", statement=f"SELECT 1 FROM t WHERE password = '{CANARY}'"),
    "a body": request("a", body={"deep": [{"clientSecret": CANARY, "password": CANARY}]}),
    "a body of pairs": request("a", body=[{"name": "apiKey", "value": CANARY}]),
    "a body as text": request("a", body=f'{{"x": "Bearer {CANARY}"}}'),
    "a signing key": node("a", "crypto", operation="hmac", key=CANARY),
    "a token in a value": node("a", "set", values={"accessToken": CANARY, "list": [{"secret": CANARY}]}),
    "pinned data": node(
        "a", "set", values={"pinData": CANARY, "webhookId": CANARY, "credentials": {"id": CANARY}}
    ),
    "a key by its form": node("a", "text", template=f"sk-{CANARY} and {JWT}"),
    "a key as a key": node("a", "set", values={f"sk-{CANARY}": 1}),
    "what n8n had": node("a", "placeholder", originalType="x", original=f'{{"credentials": "{CANARY}"}}'),
    "notes": node("a", "set") | {"notes": f"Bearer {CANARY}"},
    "a name": node("a", "set", name=f"sk-{CANARY}"),
}


@pytest.mark.parametrize("case", HIDING)
def test_a_link_shows_no_secret(me: RegisteredUser, case: str) -> None:
    flow = me.client.post("/v1/workflows", {"name": "Flow", "nodes": [HIDING[case]]}).headers["Location"]
    text = me.client.get(flow).text
    assert CANARY in text or ID in text, "the workflow has no secret to mask"
    response = open_link(link(me, flow)["token"])
    assert response.status == 200, response.text
    assert not [each for each in (CANARY, "k4n4ry", ID) if each in response.text], response.text
    if case == "credential id":
        assert response.json["credentialSlots"] == ["a"]


def test_a_link_shows_no_secret_outside_of_nodes(me: RegisteredUser) -> None:
    secret = {"name": "hidden", "type": "secret", "value": CANARY}
    plain = {"name": "plain", "value": CANARY}
    for variable in (secret, plain):
        assert me.client.post("/v1/variables", variable).status == 201
    nodes = [node("start", "manual"), node("a", "set", values={"x": "{{ $vars.plain }}"})]
    connection = {"sourceNodeId": "start", "targetNodeId": "a", "condition": f"x = 'Bearer {CANARY}'"}
    settings = {"errorWorkflowId": ID, "concurrency": {"limit": 1, "key": f"Bearer {CANARY}"}}
    flow = create_workflow(me, {"nodes": nodes, "settings": settings})
    texts = {"description": f"with Bearer {CANARY}", "tags": [f"sk-{CANARY}"], "name": f"sk-{CANARY}"}
    changed = me.client.patch(
        flow, {"connections": [connection], "changelog": CANARY, "label": CANARY, **texts}
    )
    assert changed.status == 200 and changed.text.count(CANARY) == 5
    response = open_link(link(me, flow)["token"])
    assert response.status == 200 and not [each for each in (CANARY, ID) if each in response.text]


def test_references_to_variables_stay(me: RegisteredUser) -> None:
    headers = {
        "Authorization": "Bearer {{ $vars.token }}",
        "X-API-Key": "{{ $vars.key }}",
        "Accept": "application/json",
    }
    asking = request(
        "a", headers=headers, query={"q": "cats", "key": "{{ $vars.key }}"}, body={"a": [1, None, "x"]}
    )
    merging = node("b", "deduplicate", key="{{ id }}")
    for name, bound in (
        ("Free", None),
        ("All", {"limit": 1}),
        ("Each", {"limit": 1, "key": "{{ $trigger.k }}"}),
    ):
        body = {"name": name, "nodes": [asking, merging], "settings": {"concurrency": bound}}
        flow = me.client.post("/v1/workflows", body).headers["Location"]
        assert open_link(link(me, flow)["token"]).json == me.client.get(f"{flow}/export").json
