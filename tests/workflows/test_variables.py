"""Variables: their routes, what runs see of them, and that a secret is found nowhere but where it was sent."""

import base64
import io
import json
from typing import Any
from uuid import UUID

import pytest

from tests.agents.runs import Starter
from tests.executions.runs import begun, made, ran
from tests.factories import Registered, registered
from tests.recorded import Recorded
from tests.workflows.definitions import definition, node
from weconnect.db.table import Row
from weconnect.errors import UpstreamFailed
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows import purge
from weconnect.workflows.node_sdk.secret_values import Sealed, Secrets
from weconnect.workflows.rows import WorkflowRow

CANARY = 'k4nary-ü/ß+"tweet" 7731'
ENCODED = base64.b64encode(f"user:{CANARY}".encode()).decode()


def variable(me: Registered, name: str, value: Any, type: str = "string", **more: Any) -> Any:
    answer = me.client.post("/v1/variables", {"name": name, "type": type, "value": value, **more})
    assert answer.status == 201, answer.text
    return answer.json


def test_variables_are_made_read_changed_and_deleted(me: Registered) -> None:
    first = variable(me, "limit", 5, "number", description="How many")
    path = f"/v1/variables/{first['id']}"
    assert (first["value"], first["scope"], first["description"]) == (5, "organization", "How many")
    assert me.client.get(path).json == first
    changed = me.client.patch(path, {"value": 0.5})
    assert (changed.status, changed.json["value"], changed.json["description"]) == (200, 0.5, "How many")
    assert me.client.patch(path, {"value": 1}, headers={"If-Match": '"1"'}).status == 412
    other = variable(me, "any", None, "json")
    assert me.client.get(f"/v1/variables/{other['id']}").json.get("value") is None
    variable(me, "all", {"a": ["ü", False]}, "json")
    listed = me.client.get("/v1/variables?limit=2").json
    assert [each["name"] for each in listed["items"]] == ["all", "any"]
    rest = me.client.get(f"/v1/variables?limit=2&cursor={listed['nextCursor']}").json
    assert [each["name"] for each in rest["items"]] == ["limit"] and rest["nextCursor"] is None
    assert me.client.delete(path).status == 204
    assert me.client.get(path).status == me.client.delete(path).status == 404
    variable(me, "limit", "text")


def test_scopes_are_apart_and_names_unique_in_each(me: Registered) -> None:
    workflow = made(me, definition([]))
    workflow_id = workflow.rpartition("/")[2]
    own = {"scope": "workflow", "workflowId": workflow_id}
    variable(me, "a", "x")
    inner = variable(me, "a", "y", **own)
    for more in ({}, own):
        again = me.client.post("/v1/variables", {"name": "a", "value": "z", **more})
        assert (again.status, again.json["code"]) == (409, "name_taken")
    found = me.client.get(f"/v1/variables?workflowId={workflow_id}").json["items"]
    assert [each["value"] for each in found] == ["y"]
    assert [each["value"] for each in me.client.get("/v1/variables?scope=organization").json["items"]] == [
        "x"
    ]
    assert me.client.get("/v1/variables?scope=workflow").json["code"] == "invalid_filter"
    assert me.client.delete(workflow).status == 204
    for path in (f"/v1/variables/{inner['id']}", f"/v1/variables?workflowId={workflow_id}"):
        assert me.client.get(path).status == 404, "as unreachable as the workflow"
    organization_id = UUID(me.organization["id"])
    pk, sk = WorkflowRow.in_trash(organization_id, UUID(workflow_id))
    assert me.client.delete(f"{workflow}?purge=true").status == 204
    purge.purge({"pk": pk, "sk": sk})
    left = [row.sk for row in Row.scan() if inner["id"] in (row.sk, row.sk.rpartition("#")[2])]
    left += [
        row.sk
        for row in Row.scan()
        if row.sk.startswith(("VARIABLE", "COUNT#VARIABLE")) and workflow_id in row.sk
    ]
    assert left == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"value": 1}, "no string"),
        ({"type": "number", "value": True}, "no number"),
        ({"type": "boolean", "value": 0}, "no boolean"),
        ({"type": "secret", "value": "short"}, "8 characters"),
        ({"value": "ü" * 16_001}, "32000 bytes"),
        ({"name": "not-a-name", "value": "x"}, "pattern"),
        ({"name": "x" * 101, "value": "x"}, "pattern"),
        ({"value": "x", "scope": "workflow"}, "workflowId"),
        ({}, "required"),
    ],
)
def test_what_does_not_fit_is_refused(me: Registered, given: dict[str, Any], says: str) -> None:
    answer = me.client.post("/v1/variables", {"name": "v", **given})
    assert answer.status == 422 and says in answer.text


def test_changes_that_do_not_fit_are_refused(me: Registered) -> None:
    path = f"/v1/variables/{variable(me, 'n', 1, 'number')['id']}"
    answer = me.client.patch(path, {"value": "1"})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/value")
    assert me.client.patch(path, {"value": None}).status == 422
    assert me.client.patch(path, {"name": "m"}).status == 422


def test_a_scope_takes_a_hundred(me: Registered) -> None:
    for number in range(100):
        found = variable(me, f"v{number}", "x")
    answer = me.client.post("/v1/variables", {"name": "more", "value": "x"})
    assert (answer.status, answer.json["code"]) == (429, "variable_limit_reached")
    assert me.client.delete(f"/v1/variables/{found['id']}").status == 204
    variable(me, "more", "x")


def test_expressions_see_variables(me: Registered, starter: Starter) -> None:
    variable(me, "greeting", "hello")
    variable(me, "who", "organization")
    variable(me, "many", {"n": [1, 2]}, "json")
    value = definition(
        [
            node(
                "a",
                "set",
                values={"t": "{{ $vars.greeting & ' ' & $vars.who }}", "n": "{{ $vars.many.n[1] }}"},
            ),
            node("b", "jsonata", expression="{'again': t, 'all': $keys($vars)}"),
        ],
        "start > a",
        "a > b",
    )
    value["connections"][0]["condition"] = "$vars.many.n[0] = 1"
    path = made(me, value)
    variable(me, "who", "workflow", scope="workflow", workflowId=path.rpartition("/")[2])
    run = begun(me, path)
    starter.run_pending()
    found = me.client.get(run).json
    assert found["output"] == [{"again": "hello workflow", "all": ["greeting", "many", "who"]}]


def test_a_run_sees_no_later_change(me: Registered, starter: Starter) -> None:
    made_variable = variable(me, "v", "before")
    nodes = [node("w", "wait", until="callback"), node("a", "set", values={"v": "{{ $vars.v }}"})]
    tell = node("tell", "set", values={"token": "{{ $execution.callbackToken }}"})
    run = begun(me, made(me, definition([tell, *nodes], "start > tell", "tell > w", "w > a")))
    starter.run_pending()
    assert me.client.patch(f"/v1/variables/{made_variable['id']}", {"value": "after"}).status == 200
    told = next(each for each in me.client.get(run).json["nodes"] if each["nodeId"] == "tell")
    token = me.client.get(f"{run}/nodes/{told['id']}").json["output"]["main"][0]["token"]
    assert me.client.post(f"/v1/callbacks/{token}", {"value": {}}).status == 200
    assert me.client.get(run).json["output"] == [{"v": "before"}]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (node("a", "set", values={"v": "{{ $vars.none }}"}), "unknown_variable"),
        (node("a", "set", values={"v": "{{ $vars.token }}"}), "secret_not_allowed"),
        (node("a", "jsonata", expression="$vars.token"), "secret_not_allowed"),
        (node("a", "prompt", prompt="{{ $vars.token }}"), "secret_not_allowed"),
        (node("a", "crypto", operation="encode", text="{{ $vars.`token` }}"), "secret_not_allowed"),
        (
            node("a", "crypto", operation="hash", text="{{ $lookup($vars, 'to' & 'ken') }}"),
            "invalid_parameters",
        ),
        (
            node(
                "a", "crypto", operation="hmac", key="{{ $vars.token }}", text="{{ ($v := $vars; $v.token) }}"
            ),
            "secret_not_allowed",
        ),
        (node("a", "loop", batchSize="{{ $length($vars.token) }}"), "secret_not_allowed"),
    ],
)
def test_secrets_stand_only_where_they_may(
    me: Registered, starter: Starter, asked: dict[str, Any], code: str
) -> None:
    variable(me, "token", CANARY, "secret")
    run = ran(me, starter, definition([asked], "start > a"))
    assert (run["status"], run["error"]["code"]) == ("failed", code)
    assert not found_anywhere(CANARY)


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (node("a", "set", values={"v": "{{ $vars.token }}"}), "in no parameter of this node"),
        (
            node("a", "http_request", url="https://x", method="{{ $vars.token }}"),
            "in body, headers, query, url alone",
        ),
    ],
)
def test_a_misplaced_secret_is_told_where_it_may_stand(
    me: Registered, starter: Starter, asked: dict[str, Any], allowed: str
) -> None:
    variable(me, "token", CANARY, "secret")
    error = ran(me, starter, definition([asked], "start > a"))["error"]
    assert error["message"].endswith(f"the secret variable 'token' may stand {allowed}")


def test_a_condition_takes_no_secret(me: Registered, starter: Starter) -> None:
    variable(me, "token", CANARY, "secret")
    value = definition([node("a", "noop")], "start > a")
    value["connections"][0]["condition"] = "$vars.token = 'x'"
    run = ran(me, starter, value)
    assert (run["status"], run["error"]["code"]) == ("failed", "expression_failed")


class Echo:
    """Answers what it was sent; or fails, speaking of it."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.fails: Exception | None = None

    def send(self, method: str, url: str, **asked: Any) -> OutboundResponse:
        self.sent.append({"method": method, "url": url, **asked})
        if self.fails:
            raise self.fails
        body = {"url": url, "headers": asked["headers"], "json": asked["json"], CANARY: [CANARY]}
        status = 400 if "refuse" in url else 200
        return OutboundResponse(status, {"content-type": "application/json"}, json.dumps(body).encode(), "")


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Echo:
    echo = Echo()
    monkeypatch.setattr(outbound, "send", echo.send)
    return echo


def found_anywhere(text: str) -> list[str]:
    """The rows and payloads that hold a text, in any of the ways in which JSON can write it."""
    from weconnect.db import compression
    from weconnect.executions.rows import NodeRunsRow

    forms = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    found = []
    for row in Row.scan():
        held = json.dumps(row.to_dynamodb_dict(), default=str, ensure_ascii=False)
        if isinstance(row, NodeRunsRow):
            organization_id = UUID(row.pk.split("#")[1])
            held += json.dumps(
                compression.unpack(organization_id, row.packed, row.pointer), ensure_ascii=False
            )
        found += [f"{row.pk} {row.sk}" for form in forms if form in held]
    return found


def test_a_secret_is_found_nowhere_but_where_it_was_sent(
    me: Registered,
    starter: Starter,
    echo: Echo,
    written: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made_variable = variable(me, "token", CANARY, "secret", description="for the API")
    assert made_variable["value"] == "••••"
    basic = "Basic {{ $base64encode('user:' & $vars.token) }}"
    headers = {"authorization": basic, "x-token": "{{ $vars.token }}", "x-plain": "application/json"}
    calls = [
        node(
            "ok",
            "http_request",
            method="POST",
            url="https://x/",
            headers=headers,
            body={"t": "{{ $vars.token }}"},
        ),
        node(
            "bad",
            "http_request",
            url="https://x/refuse/{{ $encodeUrlComponent($vars.token) }}",
            onError="continue",
        ),
        node("sign", "crypto", operation="hmac", key="{{ $vars.token }}", text="x"),
        node(
            "wrong",
            "http_request",
            url="https://x/",
            headers={"a": "{{ $number($vars.token) }}"},
            onError="continue",
        ),
    ]
    value = definition(calls, "start > ok", "ok > bad", "bad > sign", "sign > wrong")
    path = made(me, value)
    steps = Recorded()
    for mode in ("durable", "express"):
        echo.sent.clear()
        if mode == "durable":
            run = begun(me, path)
            starter.run_pending(steps)
        else:
            answer = me.client.post(f"{path}/executions", {}, headers={"Prefer": "wait=20"})
            assert answer.status == 200 and CANARY not in answer.text, answer.text
            run = f"/v1/executions/{answer.json['id']}"
        assert echo.sent[0]["headers"]["x-token"] == CANARY and echo.sent[0]["json"] == {"t": CANARY}
        assert echo.sent[0]["headers"]["authorization"] == f"Basic {ENCODED}"
        shown = me.client.get(run)
        assert shown.json["status"] == "completed", shown.text
        texts = [shown.text, me.client.get(f"{run}/logs").text]
        texts += [me.client.get(f"{run}/nodes/{each['id']}").text for each in shown.json["nodes"]]
        assert "application/json" in texts[3], "what is no secret stays"
        for text in texts:
            assert CANARY not in text and json.dumps(CANARY)[1:-1] not in text and ENCODED not in text
    tested = me.client.post(f"{path}/nodes/ok/test", {})
    assert tested.json["status"] == "completed" and "••••" in tested.text
    for failure in (UpstreamFailed(f"no {CANARY}"), RuntimeError(f"a bad header: {CANARY}")):
        echo.fails = failure
        run = begun(me, path)
        starter.run_pending()
        assert me.client.get(run).json["status"] == "failed"
        assert me.client.post(f"{path}/nodes/ok/test", {}).json["status"] == "failed"
    read = [
        path,
        f"{path}/export",
        f"{path}/versions/1",
        "/v1/variables",
        f"/v1/variables/{made_variable['id']}",
    ]
    said = [me.client.get(each).text for each in read]
    said.append(me.client.post(f"/v1/organizations/{me.organization['id']}/export").text)
    said += [written.getvalue(), *capsys.readouterr()]
    for text in [*said, *steps.done.values()]:
        assert CANARY not in text and json.dumps(CANARY)[1:-1] not in text and ENCODED not in text
    assert "a node failed" in written.getvalue() and "RuntimeError: a bad header: ••••" in written.getvalue()
    assert "ok~1" in steps.done
    assert not found_anywhere(CANARY) and not found_anywhere(ENCODED)


def test_a_new_secret_is_the_one_that_is_sent(me: Registered, starter: Starter, echo: Echo) -> None:
    path = f"/v1/variables/{variable(me, 'token', 'first secret', 'secret')['id']}"
    assert me.client.patch(path, {"value": "second secret"}).json["value"] == "••••"
    ran(me, starter, definition([node("a", "http_request", url="https://x/{{ $vars.token }}")], "start > a"))
    assert echo.sent[0]["url"] == "https://x/second secret"


def test_a_secret_of_another_organization_does_not_open(me: Registered) -> None:
    from weconnect.security.encryption import CannotOpen
    from weconnect.workflows.variables.rows import VariableRow

    variable(me, "token", CANARY, "secret")
    row = VariableRow.get(*VariableRow.at(UUID(me.organization["id"]), None, "token"))
    other = registered("other@example.com")
    sealed = {"token": Sealed(id=UUID(row.id), text=row.sealed)}
    with pytest.raises(CannotOpen):
        Secrets(UUID(other.organization["id"]), sealed, ["key"]).open(["token"])


def test_hiding() -> None:
    secrets = Secrets(UUID(int=1), {}, ())
    secrets._cover("a secret")
    secrets.cover_derived(["Bearer abcdefghij public-word"], "Bearer {{ $vars.t }} public-word")
    assert secrets.hide(
        {"a secret": ["x a secret", 1, None, "a%20secret a+secret abcdefghij", "public-word"]}
    ) == {"••••": ["x ••••", 1, None, "•••• •••• ••••", "public-word"]}
