"""Links to workflows: what they show, what nobody may find behind one, and that whatever is over looks alike."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.api.matrix_factories import contents
from tests.auth.clocks import Clock
from tests.executions.runs import made
from tests.factories import Registered
from tests.gateway import Answer, Client
from tests.organizations.people import code
from tests.workflows.definitions import definition, node
from weconnect import clock
from weconnect.db import table
from weconnect.organizations.rows import OrganizationRow

FLOW = definition([node("a", "set", values={"x": 1})], "start > a")


@pytest.fixture
def flow(me: Registered) -> str:
    return made(me, FLOW)


def link(me: Registered, flow: str, **more: Any) -> Any:
    answer = me.client.post(f"{flow}/shares", {"link": True, **more})
    assert answer.status == 201, answer.text
    return answer.json


def opened(token: str) -> Answer:
    return Client().get(f"/v1/shared/{token}")


def told(answer: Answer) -> str:
    """A refusal without what repeats the request."""
    assert code(answer) == (404, "link_not_found")
    return re.sub(r'"(instance|requestId)":"[^"]*"', "", answer.text)


def in_days(days: float) -> str:
    return clock.iso(clock.now() + timedelta(days=days))


def test_a_link_shows_the_newest_definition_as_a_file(me: Registered, flow: str) -> None:
    token = link(me, flow)["token"]
    assert me.client.patch(flow, {"description": "newest"}).status == 200
    answer = opened(token)
    assert answer.status == 200 and answer.json == me.client.get(f"{flow}/export").json
    assert answer.json["description"] == "newest"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Cache-Control"] == "no-store"
    identities = {me.user["id"], me.organization["id"], flow[-36:], me.user["email"]}
    assert not [each for each in identities if each in answer.text]


def test_only_the_hash_of_its_token_is_kept(me: Registered, flow: str) -> None:
    header = {"Idempotency-Key": "once"}
    first = me.client.post(f"{flow}/shares", {"link": True}, headers=header)
    again = me.client.post(f"{flow}/shares", {"link": True}, headers=header)
    token = first.json["token"]
    assert re.fullmatch(r"[\w-]{43}", token) and again.json["token"] == token
    assert token not in str(contents())
    assert len(me.client.get(f"{flow}/shares").json["items"]) == 1
    assert "token" not in me.client.get(f"{flow}/shares").text


def test_it_lasts_from_a_moment_to_ninety_days(
    me: Registered, flow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Clock()
    monkeypatch.setattr(clock, "now", time.now)
    assert link(me, flow)["expiresAt"] == in_days(7)
    assert link(me, flow, expiresAt=in_days(90))["expiresAt"] == in_days(90)
    share = f"{flow}/shares/{link(me, flow)['id']}"
    for body in ({"expiresAt": in_days(90.01)}, {"expiresAt": in_days(0)}, {"expiresAt": in_days(-1)}):
        for answer in (
            me.client.post(f"{flow}/shares", {"link": True, **body}),
            me.client.patch(share, body),
        ):
            assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/expiresAt")
    for body in ({"expiresAt": None}, {"level": "edit"}):
        assert code(me.client.patch(share, body)) == (422, "invalid")


def test_what_is_over_looks_like_what_never_was(
    me: Registered, flow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Clock()
    monkeypatch.setattr(clock, "now", time.now)
    unknown = told(opened("x" * 43))
    made_here = link(me, flow)
    token, share = made_here["token"], f"{flow}/shares/{made_here['id']}"
    assert told(opened(token.swapcase())) == told(opened(token + "x")) == unknown

    assert me.client.patch(share, {"expiresAt": in_days(1 / 1440)}).status == 200
    time.move(minutes=1, microseconds=-1)
    assert opened(token).status == 200
    time.move(microseconds=1)
    assert told(opened(token)) == unknown

    longer = link(me, flow)
    at = f"{flow}/shares/{longer['id']}"
    assert me.client.patch(at, {"expiresAt": in_days(60)}).status == 200
    assert me.client.delete(flow).status == 204
    assert told(opened(longer["token"])) == unknown
    assert me.client.post(f"{flow}/restore").status == 200
    organization = OrganizationRow.get(*OrganizationRow.at(UUID(me.organization["id"])))
    for active in (False, True):
        table.change(organization, {"is_active": active}, {})
        answer = opened(longer["token"])
        assert answer.status == 200 if active else told(answer) == unknown
    time.move(days=59)
    assert opened(longer["token"]).status == 200, "its token lasts as long"
    time.move(days=1)
    assert told(opened(longer["token"])) == unknown


def test_a_revoked_link_is_over_at_once(me: Registered, flow: str) -> None:
    unknown, given = told(opened("x" * 43)), link(me, flow)
    assert me.client.delete(f"{flow}/shares/{given['id']}").status == 204
    assert told(opened(given["token"])) == unknown
    assert not [
        at for at in contents() if at.startswith("TOKEN#") and "workflow_share" in str(contents()[at])
    ]


def test_a_token_of_another_kind_opens_nothing(me: Registered, aws: None) -> None:
    from tests.auth.mailbox import last_token

    assert Client().post("/v1/auth/forgot-password", {"email": me.user["email"]}).status < 300
    assert code(opened(last_token())) == (404, "link_not_found")


def test_who_is_signed_in_comes_no_further(me: Registered, flow: str) -> None:
    given = link(me, flow)
    assert me.client.get(f"/v1/shared/{given['token']}").status == 200
    stranger = Client(headers={"Authorization": f"Bearer {given['token']}"})
    assert stranger.get(flow).status == 401


# What nobody may find behind a link

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


@pytest.mark.parametrize("place", HIDING)
def test_a_link_shows_no_secret(me: Registered, place: str) -> None:
    flow = me.client.post("/v1/workflows", {"name": "Flow", "nodes": [HIDING[place]]}).headers["Location"]
    given = me.client.get(flow).text
    assert CANARY in given or ID in given, "there is nothing to be hidden"
    answer = opened(link(me, flow)["token"])
    assert answer.status == 200, answer.text
    assert not [each for each in (CANARY, "k4n4ry", ID) if each in answer.text], answer.text
    if place == "credential id":
        assert answer.json["credentialSlots"] == ["a"]


def test_nor_beside_its_nodes(me: Registered) -> None:
    secret = {"name": "hidden", "type": "secret", "value": CANARY}
    plain = {"name": "plain", "value": CANARY}
    for variable in (secret, plain):
        assert me.client.post("/v1/variables", variable).status == 201
    nodes = [node("start", "manual"), node("a", "set", values={"x": "{{ $vars.plain }}"})]
    connection = {"sourceNodeId": "start", "targetNodeId": "a", "condition": f"x = 'Bearer {CANARY}'"}
    settings = {"errorWorkflowId": ID, "concurrency": {"limit": 1, "key": f"Bearer {CANARY}"}}
    flow = made(me, {"nodes": nodes, "settings": settings})
    texts = {"description": f"with Bearer {CANARY}", "tags": [f"sk-{CANARY}"], "name": f"sk-{CANARY}"}
    changed = me.client.patch(
        flow, {"connections": [connection], "changelog": CANARY, "label": CANARY, **texts}
    )
    assert changed.status == 200 and changed.text.count(CANARY) == 5
    answer = opened(link(me, flow)["token"])
    assert answer.status == 200 and not [each for each in (CANARY, ID) if each in answer.text]


def test_references_stay(me: Registered) -> None:
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
        assert opened(link(me, flow)["token"]).json == me.client.get(f"{flow}/export").json
