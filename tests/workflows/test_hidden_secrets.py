"""Secrets of nodes in what a service returns: hidden before anything is cut, in rows, responses, logs and files."""

import base64
import io
import json
from typing import Any

import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import create_workflow, execute_workflow, start_execution
from tests.factories import RegisteredUser
from tests.in_memory_steps import InMemorySteps
from tests.workflows.definitions import definition, node
from tests.workflows.test_variables import create_variable, find_stored
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.executions.rows import FileRow

SECRET = 'canary"zebra\\quokka&okapi-7731'
FRAGMENTS = ("zebra", "quokka", "okapi", "ZEBRA", "QUOKKA", "OKAPI")


def call(url: str = "https://x/", **more: Any) -> dict[str, Any]:
    return node("call", "http_request", url=url, headers={"x-token": "{{ $vars.token }}"}, **more)


def execute(me: RegisteredUser, starter: Starter, value: dict[str, Any], steps: InMemorySteps) -> Any:
    """Execute a new workflow in steps that can be looked at; return the execution."""
    started = start_execution(me, create_workflow(me, value))
    starter.run_pending(steps)
    return me.client.get(started).json


@pytest.mark.parametrize("before", range(262, 302, 6))
def test_a_cut_error_has_no_part_of_a_secret(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, written: io.StringIO, before: int
) -> None:
    def refuse(method: str, url: str, **options: Any) -> OutboundResponse:
        echo = json.dumps({"headers": json.dumps(options["headers"])})
        return OutboundResponse(400, {}, f"{'-' * before}{echo}".encode(), "")

    monkeypatch.setattr(outbound, "send", refuse)
    create_variable(me, "token", SECRET, "secret")
    steps = InMemorySteps()
    run = execute(me, starter, definition([call()], "start > call"), steps)
    texts = [
        me.client.get(f"/v1/executions/{run['id']}{rest}").text for rest in ("", "/logs", "/nodes", "/events")
    ]
    for text in [*texts, written.getvalue(), *steps.checkpoints.values()]:
        assert not any(fragment in text for fragment in FRAGMENTS), text
    assert not any(find_stored(fragment) for fragment in FRAGMENTS)
    assert run["error"]["code"] == "http_400"


@pytest.mark.parametrize(
    "expression",
    [
        "$error($uppercase($vars.token))",
        "$number($substring($vars.token, 0, 14))",
        "$substring($vars.token, 7, 9) + 1",
        "$toMillis($vars.token)",
        "$parseInteger($vars.token, '0')",
        "$assert(false, $vars.token)",
    ],
)
def test_the_error_of_an_expression_with_a_secret_is_not_shown(
    me: RegisteredUser, starter: Starter, written: io.StringIO, expression: str
) -> None:
    create_variable(me, "token", SECRET, "secret")
    url = f"https://x/{{{{ {expression} }}}}"
    steps = InMemorySteps()
    run = execute(me, starter, definition([call(url)], "start > call"), steps)
    assert (
        run["error"]["code"] == "expression_failed"
        and "/url: the expression uses a secret" in run["error"]["message"]
    )
    for text in [json.dumps(run), written.getvalue(), *steps.checkpoints.values()]:
        assert not any(fragment in text for fragment in FRAGMENTS), text


def test_errors_of_other_expressions_are_shown(me: RegisteredUser, starter: Starter) -> None:
    create_variable(me, "token", SECRET, "secret")
    run = execute_workflow(me, starter, definition([call("https://x/{{ $error('why') }}")], "start > call"))
    assert "why" in run["error"]["message"]


def test_a_file_has_no_secret_in_its_name_type_and_content(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def echo(method: str, url: str, **options: Any) -> OutboundResponse:
        kind = "application/x-canaryzebraquokka77"
        packed = base64.b64encode(f"it is {SECRET}".encode())
        return OutboundResponse(
            200, {"content-type": kind, "content-disposition": "filename=canaryzebraquokka77"}, packed, url
        )

    monkeypatch.setattr(outbound, "send", echo)
    create_variable(me, "token", "canaryzebraquokka77", "secret")
    create_variable(me, "other", SECRET, "secret")
    call_both = call("https://x/{{ $vars.other }}", responseFormat="file")
    run = execute_workflow(me, starter, definition([call_both], "start > call"))
    assert run["status"] == "completed", run
    (row,) = [row for row in FileRow.scan() if isinstance(row, FileRow)]
    assert "zebra" not in row.name + row.content_type and row.size < len(base64.b64encode(SECRET.encode()))


def test_neither_foreign_text_nor_what_others_output_is_withheld(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    comment = "%" + "25" * 300

    def answer(method: str, url: str, **options: Any) -> OutboundResponse:
        body = {"comment": comment, "summary": "The quarterly contract was cancelled", "contract": 2}
        return OutboundResponse(200, {"content-type": "application/json"}, json.dumps(body).encode(), url)

    monkeypatch.setattr(outbound, "send", answer)
    create_variable(me, "token", SECRET, "secret")
    text = node("text", "set", values={"text": "our Quarterly contract was cancelled"})
    url = "https://x/{{ $vars.token & $uppercase(' ' & $nodes.text.output.text) }}"
    after = node("after", "set", values={"seen": "yes"})
    run = execute_workflow(
        me, starter, definition([text, call(url), after], "start > text", "text > call", "call > after")
    )
    assert run["status"] == "completed", run
    assert run["output"][0]["seen"] == "yes" and comment in json.dumps(run["output"])
    assert "The quarterly contract was cancelled" in json.dumps(run["output"])
