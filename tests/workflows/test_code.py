"""The code node: the requests to its function, its results, and executions with it."""

import io
import json
import re
from typing import Any
from uuid import UUID

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber

from code_runner import run_code
from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import execute_workflow, statuses_by_path
from tests.factories import RegisteredUser
from tests.workflows.definitions import definition, node
from tests.workflows.test_nodes import A, B, execute, make_node_run
from weconnect.node_sdk.node_type import LOG, NodeError
from weconnect.settings import settings
from weconnect.workflows.definition.validation import check
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.nodes import code

ORGANIZATION = UUID(int=7)


class CodeFunction:
    """A Lambda client that executes the code, or returns the scripted responses."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.responses: list[Any] = []

    def invoke(self, **request: Any) -> dict[str, Any]:
        event = json.loads(request.pop("Payload"))
        self.requests.append(request | event)
        response = self.responses.pop(0) if self.responses else run_code.handler(event, None)
        if isinstance(response, Exception):
            raise response
        failed = {"FunctionError": "Unhandled"} if "errorType" in response else {}
        return {"Payload": io.BytesIO(json.dumps(response).encode()), **failed}


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> CodeFunction:
    client = CodeFunction()
    monkeypatch.setattr(code, "_get_client", lambda: client)
    monkeypatch.setitem(settings.__dict__, "run_code_function", "weconnect-run-code")
    return client


def execute_failing(parameters: dict[str, Any], items: Any = (A,), **more: Any) -> NodeError:
    with pytest.raises(NodeError) as caught:
        code.NODE.run(make_node_run("code", parameters, list(items), **more))
    return caught.value


def test_code_is_executed_over_each_item(function: CodeFunction) -> None:
    parameters = {
        "code": "print(index, item['k'])\nreturn {'m': item['n'] * variables['by']}",
        "variables": {"by": "{{ n + 1 }}"},
    }
    result = execute("code", parameters, [A, B], organization_id=ORGANIZATION)
    assert result["main"] == [{"m": 2}, {"m": 12}]
    assert [line["message"] for line in result[LOG]] == ["0 x", "1 y"]
    (request,) = function.requests
    assert request["FunctionName"] == "weconnect-run-code" and request["TenantId"] == str(ORGANIZATION)
    assert request["timeoutSeconds"] == 10 and request["now"].startswith("2026-01-02T03:04:05")
    assert execute("code", parameters, []) == {} and len(function.requests) == 1


def test_code_is_executed_over_all_items(function: CodeFunction) -> None:
    parameters = {
        "mode": "all",
        "code": "return {'n': sum(item['n'] for item in items), 't': trigger, 'e': execution, 'v': variables}",
        "variables": {"before": "{{ $nodes.Before.output.b }}", "first": "{{ n }}"},
    }
    expected = {"n": 4, "t": {"t": 1}, "e": {"id": "run", "mode": "test"}, "v": {"before": 7, "first": 1}}
    assert execute("code", parameters, [A, B]) == {"main": [expected]}
    assert execute("code", {"code": "return len(items)", "mode": "all"}, [])["main"] == [{"value": 0}]


def test_braces_in_code_are_no_expressions(function: CodeFunction) -> None:
    parameters = {"code": "x = 5\nreturn {'text': f'{{{x}}} {{ n }}', 'nested': {'a': {'b': {}}}}"}
    assert execute("code", parameters, [A])["main"] == [{"text": "{5} { n }", "nested": {"a": {"b": {}}}}]
    assert execute("code", {"code": "return '{{ never ends'"}, [A])["main"] == [{"value": "{{ never ends"}]


def test_code_does_not_get_the_callback_token(function: CodeFunction) -> None:
    node_run = make_node_run("code", {"code": "return execution"}, [A])
    node_run.scope.execution["callbackToken"] = "t"  # type: ignore[index]
    assert code.NODE.run(node_run) == {"main": [{"id": "run", "mode": "test"}]}


def test_an_error_of_the_code_fails_the_node(function: CodeFunction) -> None:
    error = execute_failing({"code": "print('so far')\nreturn item['none']"})
    assert (error.code, error.message, error.retryable) == ("code_failed", "KeyError: 'none' (line 2)", False)
    assert error.log == [{"level": "info", "message": "so far"}]
    error = execute_failing({"code": "while True: pass", "timeoutSeconds": 1})
    assert (error.code, error.message, error.retryable) == (
        "code_timeout",
        "The code took longer than 1 s",
        False,
    )
    assert execute_failing({"code": "while True: pass"}, timeout_seconds=1).code == "code_timeout"


def test_an_error_of_the_function_fails_the_node(function: CodeFunction) -> None:
    def refusal(name: str, status: int) -> ClientError:
        response: Any = {"Error": {"Code": name}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return ClientError(response, "Invoke")

    for response, name, retryable in (
        (refusal("TooManyRequestsException", 429), "code_not_reached", True),
        (refusal("ServiceException", 500), "code_not_reached", True),
        (refusal("ResourceNotFoundException", 404), "code_not_reached", False),
        (ReadTimeoutError(endpoint_url="x"), "code_not_reached", True),
        ({"errorType": "Sandbox.Timedout", "errorMessage": "x"}, "code_timeout", False),
        ({"errorType": "Runtime.ExitError", "errorMessage": "x"}, "code_failed", False),
    ):
        function.responses = [response]
        error = execute_failing({"code": "return 1"})
        assert (error.code, error.retryable) == (name, retryable)
    big = [{"x": "y" * 1_000_000}] * 6
    assert execute_failing({"code": "return 1"}, big).code == "too_large"


def test_the_client_waits_for_the_code_and_never_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    client = code._get_client.__wrapped__()
    config = client.meta.config
    assert config.read_timeout > code.MAX_SECONDS and config.retries["total_max_attempts"] == 1
    with Stubber(client) as stub:  # it checks the request against the API of Lambda
        stub.add_response(
            "invoke", {}, {"FunctionName": "f", "TenantId": str(ORGANIZATION), "Payload": b"{}"}
        )
        client.invoke(FunctionName="f", TenantId=str(ORGANIZATION), Payload=b"{}")


@pytest.mark.parametrize(
    ("text", "error"),
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
        ("\ud800", "not Python"),
        ("-" * 60_000 + "1", "nested|too many|line"),
        ("(" * 60_000, "nested|too many|line"),
        ("1" + "+1" * 30_000, "nested too deeply"),
        ("x = " + "9" * 10_000, "line 1: Exceeds the limit"),
    ],
)
def test_syntax_errors_name_the_line(text: str, error: str | None) -> None:
    message = code.find_syntax_error(text)
    assert message is None if error is None else re.search(error, message or "")


def test_the_syntax_check_executes_nothing() -> None:
    assert code.find_syntax_error("raise AssertionError") is None
    assert code.find_syntax_error("def f(x=1/0): pass\nclass A: raise AssertionError") is None


# Executions


def make_definition(**parameters: Any) -> dict[str, Any]:
    return definition([node("c", "code", **parameters), node("after", "noop")], "start > c", "c > after")


def test_activation_refuses_code_without_a_function(me: RegisteredUser, function: CodeFunction) -> None:
    settings.__dict__["run_code_function"] = ""
    path = me.client.post("/v1/workflows", {"name": "Flow", **make_definition(code="return item")}).headers[
        "Location"
    ]
    response = me.client.post(f"{path}/activate", {})
    assert response.status == 422 and response.json["code"] == "workflow_invalid"
    assert [(each["code"], each["pointer"]) for each in response.json["errors"]] == [
        ("code_not_available", "/nodes/1/type")
    ]
    settings.__dict__["run_code_function"] = "f"
    assert me.client.post(f"{path}/activate", {}).status == 200


def test_findings_name_the_line(function: CodeFunction) -> None:
    validation = check(WorkflowDefinition.model_validate(make_definition(code="x = 1\nfor")))
    assert [each.message for each in validation.findings] == ["line 2: invalid syntax"]
    assert (
        check(WorkflowDefinition.model_validate(make_definition(code="return f'{{ $nodes.none }}'"))).findings
        == []
    )
    validation = check(
        WorkflowDefinition.model_validate(
            make_definition(code="return", variables={"x": "{{ $nodes.none }}"})
        )
    )
    assert [each.pointer for each in validation.findings] == ["/nodes/1/parameters/variables/x"]


def test_an_execution_with_code_completes(
    me: RegisteredUser, starter: Starter, function: CodeFunction
) -> None:
    text = "print('seen', item['n'])\nreturn {'n': item['n'] + 1}"
    run = execute_workflow(me, starter, make_definition(code=text), [{"n": 1}, {"n": 2}])
    assert run["status"] == "completed" and run["output"] == [{"n": 2}, {"n": 3}]
    assert function.requests[0]["TenantId"] == me.organization["id"]
    lines = me.client.get(f"/v1/executions/{run['id']}/logs").json["items"]
    assert [line["message"] for line in lines if line["nodeId"] == "c"] == [
        "seen 1",
        "seen 2",
        "c: 2 items in, 2 out",
    ]
    assert len({line["id"] for line in lines}) == len(lines)
    (summary,) = [each for each in run["nodes"] if each["nodeId"] == "c"]
    whole = me.client.get(f"/v1/executions/{run['id']}/nodes/{summary['id']}").json
    assert whole["output"] == {"main": [{"n": 2}, {"n": 3}]} and "logs" not in whole


def test_an_execution_fails_with_its_code(
    me: RegisteredUser, starter: Starter, function: CodeFunction
) -> None:
    run = execute_workflow(me, starter, make_definition(code="print('before')\nreturn 1 / 0"), {})
    assert run["status"] == "failed" and run["error"]["nodeId"] == "c"
    assert run["error"]["code"] == "code_failed" and "division by zero (line 2)" in run["error"]["message"]
    lines = me.client.get(f"/v1/executions/{run['id']}/logs").json["items"]
    assert [line["message"] for line in lines if line["nodeId"] == "c"][:1] == ["before"]
    assert statuses_by_path(run)["c"] == "failed"


def test_code_cannot_use_secrets(me: RegisteredUser, starter: Starter, function: CodeFunction) -> None:
    secret = {"name": "key", "type": "secret", "scope": "organization", "value": "the-secret-value"}
    assert me.client.post("/v1/variables", secret).status == 201
    plain = {"name": "rate", "type": "number", "scope": "organization", "value": 3}
    assert me.client.post("/v1/variables", plain).status == 201
    run = execute_workflow(
        me, starter, make_definition(code="return variables", variables={"r": "{{ $vars.rate }}"}), {}
    )
    assert run["output"] == [{"r": 3}]
    run = execute_workflow(
        me, starter, make_definition(code="return variables", variables={"k": "{{ $vars.key }}"}), {}, "Other"
    )
    assert run["error"]["code"] == "secret_not_allowed" and len(function.requests) == 1


def test_executions_with_code_are_durable(me: RegisteredUser, function: CodeFunction) -> None:
    assert not check(WorkflowDefinition.model_validate(make_definition(code="return"))).express


def test_a_node_test_returns_the_printed_lines(me: RegisteredUser, function: CodeFunction) -> None:
    value = definition(
        [node("c", "code", code='print("seen", item["n"])\nreturn {"n": item["n"] + 1}')], "start > c"
    )
    path = me.client.post("/v1/workflows", {"name": "Try", **value}).headers["Location"]
    result = me.client.post(f"{path}/nodes/c/test", {"input": {"main": [{"n": 1}]}}).json
    assert (result["status"], result["output"], result["log"]) == (
        "completed",
        {"main": [{"n": 2}]},
        ["seen 1"],
    )
    failed = me.client.post(f"{path}/nodes/c/test", {"input": {"main": [{"m": 1}]}}).json
    assert failed["error"]["code"] == "code_failed" and "KeyError" in failed["error"]["message"]
