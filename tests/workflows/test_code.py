"""The code node: what its function is asked, what comes of its answers, and runs with it."""

import io
import json
import re
from typing import Any
from uuid import UUID

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber

from code_runner import run_code
from tests.agents.runs import Starter
from tests.executions.runs import ran, statuses
from tests.factories import Registered
from tests.workflows.definitions import definition, node
from tests.workflows.test_nodes import A, B, call, outputs
from weconnect.settings import settings
from weconnect.workflows.definition.validation import check
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.node_sdk.node_type import LOG, NodeError
from weconnect.workflows.nodes import code

ORGANIZATION = UUID(int=7)


class Machine:
    """Stands where Lambda's client stands, and carries the code out, or answers by script."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: list[Any] = []

    def invoke(self, **request: Any) -> dict[str, Any]:
        event = json.loads(request.pop("Payload"))
        self.asked.append(request | event)
        answer = self.answers.pop(0) if self.answers else run_code.handler(event, None)
        if isinstance(answer, Exception):
            raise answer
        failed = {"FunctionError": "Unhandled"} if "errorType" in answer else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(code, "_client", lambda: found)
    monkeypatch.setitem(settings.__dict__, "run_code_function", "weconnect-run-code")
    return found


def node_error(given: dict[str, Any], items: Any = (A,), **more: Any) -> NodeError:
    with pytest.raises(NodeError) as caught:
        code.NODE.run(call("code", given, list(items), **more))
    return caught.value


def test_over_each_item(machine: Machine) -> None:
    given = {
        "code": "print(index, item['k'])\nreturn {'m': item['n'] * variables['by']}",
        "variables": {"by": "{{ n + 1 }}"},
    }
    found = outputs("code", given, [A, B], organization_id=ORGANIZATION)
    assert found["main"] == [{"m": 2}, {"m": 12}]
    assert [line["message"] for line in found[LOG]] == ["0 x", "1 y"]
    (asked,) = machine.asked
    assert asked["FunctionName"] == "weconnect-run-code" and asked["TenantId"] == str(ORGANIZATION)
    assert asked["timeoutSeconds"] == 10 and asked["now"].startswith("2026-01-02T03:04:05")
    assert outputs("code", given, []) == {} and len(machine.asked) == 1


def test_over_all_items(machine: Machine) -> None:
    given = {
        "mode": "all",
        "code": "return {'n': sum(item['n'] for item in items), 't': trigger, 'e': execution, 'v': variables}",
        "variables": {"before": "{{ $nodes.Before.output.b }}", "first": "{{ n }}"},
    }
    expected = {"n": 4, "t": {"t": 1}, "e": {"id": "run", "mode": "test"}, "v": {"before": 7, "first": 1}}
    assert outputs("code", given, [A, B]) == {"main": [expected]}
    assert outputs("code", {"code": "return len(items)", "mode": "all"}, [])["main"] == [{"value": 0}]


def test_braces_in_code_are_pythons(machine: Machine) -> None:
    given = {"code": "x = 5\nreturn {'text': f'{{{x}}} {{ n }}', 'nested': {'a': {'b': {}}}}"}
    assert outputs("code", given, [A])["main"] == [{"text": "{5} { n }", "nested": {"a": {"b": {}}}}]
    assert outputs("code", {"code": "return '{{ never ends'"}, [A])["main"] == [{"value": "{{ never ends"}]


def test_the_callback_token_stays_here(machine: Machine) -> None:
    asked = call("code", {"code": "return execution"}, [A])
    asked.scope.execution["callbackToken"] = "t"  # type: ignore[index]
    assert code.NODE.run(asked) == {"main": [{"id": "run", "mode": "test"}]}


def test_errors_of_code_are_errors_of_the_node(machine: Machine) -> None:
    error = node_error({"code": "print('so far')\nreturn item['none']"})
    assert (error.code, error.message, error.retryable) == ("code_failed", "KeyError: 'none' (line 2)", False)
    assert error.log == [{"level": "info", "message": "so far"}]
    error = node_error({"code": "while True: pass", "timeoutSeconds": 1})
    assert (error.code, error.message, error.retryable) == (
        "code_timeout",
        "The code took longer than 1 s",
        False,
    )
    assert node_error({"code": "while True: pass"}, timeout_seconds=1).code == "code_timeout"


def test_errors_of_the_function(machine: Machine) -> None:
    def refusal(name: str, status: int) -> ClientError:
        answer: Any = {"Error": {"Code": name}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return ClientError(answer, "Invoke")

    for answer, name, retryable in (
        (refusal("TooManyRequestsException", 429), "code_not_reached", True),
        (refusal("ServiceException", 500), "code_not_reached", True),
        (refusal("ResourceNotFoundException", 404), "code_not_reached", False),
        (ReadTimeoutError(endpoint_url="x"), "code_not_reached", True),
        ({"errorType": "Sandbox.Timedout", "errorMessage": "x"}, "code_timeout", False),
        ({"errorType": "Runtime.ExitError", "errorMessage": "x"}, "code_failed", False),
    ):
        machine.answers = [answer]
        error = node_error({"code": "return 1"})
        assert (error.code, error.retryable) == (name, retryable)
    big = [{"x": "y" * 1_000_000}] * 6
    assert node_error({"code": "return 1"}, big).code == "too_large"


def test_the_client_waits_for_code_and_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    client = code._client.__wrapped__()
    config = client.meta.config
    assert config.read_timeout > code.MAX_SECONDS and config.retries["total_max_attempts"] == 1
    with Stubber(client) as stub:  # which knows what Lambda takes
        stub.add_response(
            "invoke", {}, {"FunctionName": "f", "TenantId": str(ORGANIZATION), "Payload": b"{}"}
        )
        client.invoke(FunctionName="f", TenantId=str(ORGANIZATION), Payload=b"{}")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("return items", None),
        ("", None),
        ("yield 1", None),
        ("async def f():\n    await g()\nimport asyncio\nreturn asyncio.run(f())", None),
        (r"return '\d'", None),
        ("x = 1\nreturn (", r"line 2: '\(' was never closed"),
        ("await x", "line 1: 'await' outside"),
        ("x = 1\n\nfrom os import *", "line 3: import \\* only allowed"),
        ("from __future__ import annotations", "line 1: from __future__"),
        ("x = '\x00'", "null bytes"),
        ("\ud800", "no Python"),
        ("-" * 60_000 + "1", "nested|too many|line"),
        ("(" * 60_000, "nested|too many|line"),
        ("1" + "+1" * 30_000, "nested too deeply"),
        ("x = " + "9" * 10_000, "line 1: Exceeds the limit"),
    ],
)
def test_syntax_is_checked_without_running(text: str, wrong: str | None) -> None:
    found = code.syntax_error(text)
    assert found is None if wrong is None else re.search(wrong, found or "")


def test_checking_runs_nothing() -> None:
    assert code.syntax_error("raise AssertionError") is None
    assert code.syntax_error("def f(x=1/0): pass\nclass A: raise AssertionError") is None


# In runs


def flow(**parameters: Any) -> dict[str, Any]:
    return definition([node("c", "code", **parameters), node("after", "noop")], "start > c", "c > after")


def test_activation_refuses_where_there_is_no_function(me: Registered, machine: Machine) -> None:
    settings.__dict__["run_code_function"] = ""
    path = me.client.post("/v1/workflows", {"name": "Flow", **flow(code="return item")}).headers["Location"]
    refused = me.client.post(f"{path}/activate", {})
    assert refused.status == 422 and refused.json["code"] == "workflow_invalid"
    assert [(each["code"], each["pointer"]) for each in refused.json["errors"]] == [
        ("code_not_available", "/nodes/1/type")
    ]
    settings.__dict__["run_code_function"] = "f"
    assert me.client.post(f"{path}/activate", {}).status == 200


def test_findings_name_the_line(machine: Machine) -> None:
    found = check(WorkflowDefinition.model_validate(flow(code="x = 1\nfor")))
    assert [each.message for each in found.findings] == ["line 2: invalid syntax"]
    assert check(WorkflowDefinition.model_validate(flow(code="return f'{{ $nodes.none }}'"))).findings == []
    found = check(
        WorkflowDefinition.model_validate(flow(code="return", variables={"x": "{{ $nodes.none }}"}))
    )
    assert [each.pointer for each in found.findings] == ["/nodes/1/parameters/variables/x"]


def test_a_run_with_code(me: Registered, starter: Starter, machine: Machine) -> None:
    text = "print('seen', item['n'])\nreturn {'n': item['n'] + 1}"
    run = ran(me, starter, flow(code=text), [{"n": 1}, {"n": 2}])
    assert run["status"] == "completed" and run["output"] == [{"n": 2}, {"n": 3}]
    assert machine.asked[0]["TenantId"] == me.organization["id"]
    lines = me.client.get(f"/v1/executions/{run['id']}/logs").json["items"]
    assert [line["message"] for line in lines if line["nodeId"] == "c"] == [
        "seen 1",
        "seen 2",
        "c: 2 items in, 2 out",
    ]
    assert len({line["id"] for line in lines}) == len(lines)
    (shown,) = [each for each in run["nodes"] if each["nodeId"] == "c"]
    whole = me.client.get(f"/v1/executions/{run['id']}/nodes/{shown['id']}").json
    assert whole["output"] == {"main": [{"n": 2}, {"n": 3}]} and "logs" not in whole


def test_a_run_whose_code_fails(me: Registered, starter: Starter, machine: Machine) -> None:
    run = ran(me, starter, flow(code="print('before')\nreturn 1 / 0"), {})
    assert run["status"] == "failed" and run["error"]["nodeId"] == "c"
    assert run["error"]["code"] == "code_failed" and "division by zero (line 2)" in run["error"]["message"]
    lines = me.client.get(f"/v1/executions/{run['id']}/logs").json["items"]
    assert [line["message"] for line in lines if line["nodeId"] == "c"][:1] == ["before"]
    assert statuses(run)["c"] == "failed"


def test_secrets_do_not_reach_code(me: Registered, starter: Starter, machine: Machine) -> None:
    secret = {"name": "key", "type": "secret", "scope": "organization", "value": "the-secret-value"}
    assert me.client.post("/v1/variables", secret).status == 201
    plain = {"name": "rate", "type": "number", "scope": "organization", "value": 3}
    assert me.client.post("/v1/variables", plain).status == 201
    run = ran(me, starter, flow(code="return variables", variables={"r": "{{ $vars.rate }}"}), {})
    assert run["output"] == [{"r": 3}]
    run = ran(me, starter, flow(code="return variables", variables={"k": "{{ $vars.key }}"}), {}, "Other")
    assert run["error"]["code"] == "secret_not_allowed" and len(machine.asked) == 1


def test_runs_with_code_are_durable(me: Registered, machine: Machine) -> None:
    assert not check(WorkflowDefinition.model_validate(flow(code="return"))).express


def test_by_itself_it_shows_what_it_printed(me: Registered, machine: Machine) -> None:
    value = definition(
        [node("c", "code", code='print("seen", item["n"])\nreturn {"n": item["n"] + 1}')], "start > c"
    )
    path = me.client.post("/v1/workflows", {"name": "Try", **value}).headers["Location"]
    answer = me.client.post(f"{path}/nodes/c/test", {"input": {"main": [{"n": 1}]}}).json
    assert (answer["status"], answer["output"], answer["log"]) == (
        "completed",
        {"main": [{"n": 2}]},
        ["seen 1"],
    )
    failed = me.client.post(f"{path}/nodes/c/test", {"input": {"main": [{"m": 1}]}}).json
    assert failed["error"]["code"] == "code_failed" and "KeyError" in failed["error"]["message"]
