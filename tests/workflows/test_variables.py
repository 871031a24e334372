"""Variables: their routes, their values in executions, and that a secret is only where it was sent."""

import base64
import io
import json
from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import create_workflow, execute_workflow, start_execution
from tests.factories import RegisteredUser, register
from tests.in_memory_steps import InMemorySteps
from tests.workflows.definitions import definition, node
from weconnect.db.table import Row
from weconnect.errors import UpstreamFailed
from weconnect.node_sdk.secret_values import SealedSecret, Secrets
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.security.errors import SecretUnreadable
from weconnect.workflows import purge
from weconnect.workflows.rows import WorkflowRow
from weconnect.workflows.variables.rows import VariableRow

CANARY = 'k4nary-ü/ß+"tweet" 7731'
ENCODED = base64.b64encode(f"user:{CANARY}".encode()).decode()


def create_variable(me: RegisteredUser, name: str, value: Any, type: str = "string", **more: Any) -> Any:
    response = me.client.post("/v1/variables", {"name": name, "type": type, "value": value, **more})
    assert response.status == 201, response.text
    return response.json


def test_variables_are_created_read_changed_and_deleted(me: RegisteredUser) -> None:
    first = create_variable(me, "limit", 5, "number", description="How many")
    path = f"/v1/variables/{first['id']}"
    assert (first["value"], first["scope"], first["description"]) == (5, "organization", "How many")
    assert me.client.get(path).json == first
    changed = me.client.patch(path, {"value": 0.5})
    assert (changed.status, changed.json["value"], changed.json["description"]) == (200, 0.5, "How many")
    assert me.client.patch(path, {"value": 1}, headers={"If-Match": '"1"'}).status == 412
    other = create_variable(me, "any", None, "json")
    assert me.client.get(f"/v1/variables/{other['id']}").json.get("value") is None
    create_variable(me, "all", {"a": ["ü", False]}, "json")
    listed = me.client.get("/v1/variables?limit=2").json
    assert [each["name"] for each in listed["items"]] == ["all", "any"]
    rest = me.client.get(f"/v1/variables?limit=2&cursor={listed['nextCursor']}").json
    assert [each["name"] for each in rest["items"]] == ["limit"] and rest["nextCursor"] is None
    assert me.client.delete(path).status == 204
    assert me.client.get(path).status == me.client.delete(path).status == 404
    create_variable(me, "limit", "text")


def test_scopes_are_separate_and_names_unique_in_each(me: RegisteredUser) -> None:
    workflow = create_workflow(me, definition([]))
    workflow_id = workflow.rpartition("/")[2]
    own = {"scope": "workflow", "workflowId": workflow_id}
    create_variable(me, "a", "x")
    inner = create_variable(me, "a", "y", **own)
    for more in ({}, own):
        second = me.client.post("/v1/variables", {"name": "a", "value": "z", **more})
        assert (second.status, second.json["code"]) == (409, "name_taken")
    items = me.client.get(f"/v1/variables?workflowId={workflow_id}").json["items"]
    assert [each["value"] for each in items] == ["y"]
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
    purge.purge((pk, sk))
    remaining = [row.sk for row in Row.scan() if inner["id"] in (row.sk, row.sk.rpartition("#")[2])]
    remaining += [
        row.sk
        for row in Row.scan()
        if row.sk.startswith(("VARIABLE", "COUNT#VARIABLE")) and workflow_id in row.sk
    ]
    assert remaining == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"value": 1}, "not of the type string"),
        ({"type": "number", "value": True}, "not of the type number"),
        ({"type": "boolean", "value": 0}, "not of the type boolean"),
        ({"type": "secret", "value": "short"}, "8 characters"),
        ({"value": "ü" * 16_001}, "at most 32000"),
        ({"name": "not-a-name", "value": "x"}, "pattern"),
        ({"name": "x" * 101, "value": "x"}, "pattern"),
        ({"value": "x", "scope": "workflow"}, "workflowId"),
        ({}, "required"),
    ],
)
def test_invalid_variables_are_refused(me: RegisteredUser, fields: dict[str, Any], message: str) -> None:
    response = me.client.post("/v1/variables", {"name": "v", **fields})
    assert response.status == 422 and message in response.text


def test_invalid_changes_are_refused(me: RegisteredUser) -> None:
    path = f"/v1/variables/{create_variable(me, 'n', 1, 'number')['id']}"
    response = me.client.patch(path, {"value": "1"})
    assert (response.status, response.json["errors"][0]["pointer"]) == (422, "/value")
    assert me.client.patch(path, {"value": None}).status == 422
    assert me.client.patch(path, {"name": "m"}).status == 422


def test_a_scope_has_at_most_100_variables(me: RegisteredUser) -> None:
    for number in range(100):
        last = create_variable(me, f"v{number}", "x")
    response = me.client.post("/v1/variables", {"name": "more", "value": "x"})
    assert (response.status, response.json["code"]) == (429, "variable_limit_reached")
    assert me.client.delete(f"/v1/variables/{last['id']}").status == 204
    create_variable(me, "more", "x")


def test_expressions_use_variables(me: RegisteredUser, starter: Starter) -> None:
    create_variable(me, "greeting", "hello")
    create_variable(me, "who", "organization")
    create_variable(me, "many", {"n": [1, 2]}, "json")
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
    path = create_workflow(me, value)
    create_variable(me, "who", "workflow", scope="workflow", workflowId=path.rpartition("/")[2])
    run = start_execution(me, path)
    starter.run_pending()
    execution = me.client.get(run).json
    assert execution["output"] == [{"again": "hello workflow", "all": ["greeting", "many", "who"]}]


def test_an_execution_does_not_see_later_changes(me: RegisteredUser, starter: Starter) -> None:
    created = create_variable(me, "v", "before")
    nodes = [node("w", "wait", until="callback"), node("a", "set", values={"v": "{{ $vars.v }}"})]
    tell = node("tell", "set", values={"token": "{{ $execution.callbackToken }}"})
    run = start_execution(
        me, create_workflow(me, definition([tell, *nodes], "start > tell", "tell > w", "w > a"))
    )
    starter.run_pending()
    assert me.client.patch(f"/v1/variables/{created['id']}", {"value": "after"}).status == 200
    summary = next(each for each in me.client.get(run).json["nodes"] if each["nodeId"] == "tell")
    token = me.client.get(f"{run}/nodes/{summary['id']}").json["output"]["main"][0]["token"]
    assert me.client.post(f"/v1/callbacks/{token}", {"value": {}}).status == 200
    assert me.client.get(run).json["output"] == [{"v": "before"}]


@pytest.mark.parametrize(
    ("asking_node", "code"),
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
def test_secrets_are_refused_where_they_are_not_allowed(
    me: RegisteredUser, starter: Starter, asking_node: dict[str, Any], code: str
) -> None:
    create_variable(me, "token", CANARY, "secret")
    run = execute_workflow(me, starter, definition([asking_node], "start > a"))
    assert (run["status"], run["error"]["code"]) == ("failed", code)
    assert not find_stored(CANARY)


@pytest.mark.parametrize(
    ("asking_node", "allowed"),
    [
        (node("a", "set", values={"v": "{{ $vars.token }}"}), "in no parameter of this node"),
        (
            node("a", "http_request", url="https://x", method="{{ $vars.token }}"),
            "only in body, headers, query, url",
        ),
    ],
)
def test_the_error_names_the_parameters_that_allow_secrets(
    me: RegisteredUser, starter: Starter, asking_node: dict[str, Any], allowed: str
) -> None:
    create_variable(me, "token", CANARY, "secret")
    error = execute_workflow(me, starter, definition([asking_node], "start > a"))["error"]
    assert error["message"].endswith(f"the secret variable 'token' may be used {allowed}")


def test_a_condition_cannot_use_secrets(me: RegisteredUser, starter: Starter) -> None:
    create_variable(me, "token", CANARY, "secret")
    value = definition([node("a", "noop")], "start > a")
    value["connections"][0]["condition"] = "$vars.token = 'x'"
    run = execute_workflow(me, starter, value)
    assert (run["status"], run["error"]["code"]) == ("failed", "expression_failed")


class Echo:
    """A server that returns what it was sent, or fails with it in the message."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.failure: Exception | None = None

    def send(self, method: str, url: str, **options: Any) -> OutboundResponse:
        self.sent.append({"method": method, "url": url, **options})
        if self.failure:
            raise self.failure
        body = {"url": url, "headers": options["headers"], "json": options["json"], CANARY: [CANARY]}
        status = 400 if "refuse" in url else 200
        return OutboundResponse(status, {"content-type": "application/json"}, json.dumps(body).encode(), "")


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Echo:
    echo = Echo()
    monkeypatch.setattr(outbound, "send", echo.send)
    return echo


def find_stored(text: str) -> list[str]:
    """Return the keys of the rows and payloads that contain a text, in any form that JSON can write it in."""
    from weconnect.db import compression
    from weconnect.workflows.executions.rows import NodeRunsRow

    forms = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    keys = []
    for row in Row.scan():
        content = json.dumps(row.to_dynamodb_dict(), default=str, ensure_ascii=False)
        if isinstance(row, NodeRunsRow):
            organization_id = UUID(row.pk.split("#")[1])
            content += json.dumps(
                compression.unpack(organization_id, row.packed, row.pointer), ensure_ascii=False
            )
        keys += [f"{row.pk} {row.sk}" for form in forms if form in content]
    return keys


def test_a_secret_is_stored_and_logged_nowhere(
    me: RegisteredUser,
    starter: Starter,
    echo: Echo,
    written: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    created = create_variable(me, "token", CANARY, "secret", description="for the API")
    assert created["value"] == "••••"
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
    path = create_workflow(me, value)
    steps = InMemorySteps()
    for mode in ("durable", "express"):
        echo.sent.clear()
        if mode == "durable":
            run = start_execution(me, path)
            starter.run_pending(steps)
        else:
            response = me.client.post(f"{path}/executions", {}, headers={"Prefer": "wait=20"})
            assert response.status == 200 and CANARY not in response.text, response.text
            run = f"/v1/executions/{response.json['id']}"
        assert echo.sent[0]["headers"]["x-token"] == CANARY and echo.sent[0]["json"] == {"t": CANARY}
        assert echo.sent[0]["headers"]["authorization"] == f"Basic {ENCODED}"
        shown = me.client.get(run)
        assert shown.json["status"] == "completed", shown.text
        texts = [shown.text, me.client.get(f"{run}/logs").text]
        texts += [me.client.get(f"{run}/nodes/{each['id']}").text for each in shown.json["nodes"]]
        assert "application/json" in texts[3], "plain text is not masked"
        for text in texts:
            assert CANARY not in text and json.dumps(CANARY)[1:-1] not in text and ENCODED not in text
    tested = me.client.post(f"{path}/nodes/ok/test", {})
    assert tested.json["status"] == "completed" and "••••" in tested.text
    for failure in (UpstreamFailed(f"no {CANARY}"), RuntimeError(f"a bad header: {CANARY}")):
        echo.failure = failure
        run = start_execution(me, path)
        starter.run_pending()
        assert me.client.get(run).json["status"] == "failed"
        assert me.client.post(f"{path}/nodes/ok/test", {}).json["status"] == "failed"
    read = [
        path,
        f"{path}/export",
        f"{path}/versions/1",
        "/v1/variables",
        f"/v1/variables/{created['id']}",
    ]
    texts = [me.client.get(each).text for each in read]
    texts.append(me.client.post(f"/v1/organizations/{me.organization['id']}/export").text)
    texts += [written.getvalue(), *capsys.readouterr()]
    for text in [*texts, *steps.checkpoints.values()]:
        assert CANARY not in text and json.dumps(CANARY)[1:-1] not in text and ENCODED not in text
    assert "node failed" in written.getvalue() and "RuntimeError: a bad header: ••••" in written.getvalue()
    assert "ok~1" in steps.checkpoints
    assert not find_stored(CANARY) and not find_stored(ENCODED)


def test_a_changed_secret_is_sent(me: RegisteredUser, starter: Starter, echo: Echo) -> None:
    path = f"/v1/variables/{create_variable(me, 'token', 'first secret', 'secret')['id']}"
    assert me.client.patch(path, {"value": "second secret"}).json["value"] == "••••"
    execute_workflow(
        me, starter, definition([node("a", "http_request", url="https://x/{{ $vars.token }}")], "start > a")
    )
    assert echo.sent[0]["url"] == "https://x/second secret"


def test_a_secret_of_another_organization_cannot_be_decrypted(me: RegisteredUser) -> None:
    create_variable(me, "token", CANARY, "secret")
    row = VariableRow.get(*VariableRow.at(UUID(me.organization["id"]), None, "token"))
    other = register("other@example.com")
    assert row.sealed
    sealed = {"token": SealedSecret(id=UUID(row.id), text=row.sealed)}
    with pytest.raises(SecretUnreadable):
        Secrets(UUID(other.organization["id"]), sealed, ["key"]).open(["token"])


def test_secrets_are_masked_in_all_encodings() -> None:
    secrets = Secrets(UUID(int=1), {}, ())
    secrets.add("a secret")
    secrets.add_derived(["Bearer abcdefghij public-word"], ["Bearer {{ $vars.t }} public-word"])
    assert secrets.hide(
        {"a secret": ["x a secret", 1, None, "a%20secret a+secret abcdefghij", "public-word"]}
    ) == {"••••": ["x ••••", 1, None, "•••• •••• ••••", "public-word"]}
