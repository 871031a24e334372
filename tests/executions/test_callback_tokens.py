"""Callback tokens in what an execution shows: only whoever may control the execution sees them."""

import base64
from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter, create_agent, script_replies
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import RegisteredUser
from tests.organizations.organization_helpers import register_member
from tests.workflows.definitions import definition, node
from weconnect.db import payloads
from weconnect.models.messages import ModelReply
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.executions.rows import FileRow


def read_all(client: Any, execution: str) -> list[str]:
    """Return all that the API shows of an execution."""
    nodes = client.get(execution).json["nodes"]
    paths = ["", "/nodes", "/logs", "/events", "/timeline", *(f"/nodes/{each['id']}" for each in nodes)]
    responses = [client.get(f"{execution}{path}") for path in paths] + [client.get("/v1/executions")]
    assert all(response.status == 200 for response in responses), [each.text for each in responses]
    return [response.text for response in responses]


def test_viewers_see_no_callback_token_in_any_encoding(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def echo(method: str, url: str, **options: Any) -> OutboundResponse:
        sent.append(options["json"]["answerTo"])
        token = sent[0].rpartition("/")[2]
        text = f"{sent[0]} {base64.b64encode(f'a{token}'.encode()).decode()} {token.encode().hex().upper()}"
        return OutboundResponse(
            400 if "refuse" in url else 200, {"content-type": "text/plain"}, text.encode(), url
        )

    monkeypatch.setattr(outbound, "send", echo)
    body = {"answerTo": "https://x/v1/callbacks/{{ $execution.callbackToken }}"}
    nodes = [
        node("show", "set", values=body),
        node("tell", "http_request", method="POST", url="https://x/", body=body),
        node("bad", "http_request", method="POST", url="https://x/refuse", body=body, onError="continue"),
        node("w", "wait", until="callback"),
    ]
    execution = start_execution(
        me, create_workflow(me, definition(nodes, "start > show", "show > tell", "tell > bad", "bad > w"))
    )
    starter.run_pending()
    token = sent[0].rpartition("/")[2]
    forms = (
        token[64:90],
        base64.b64encode(f"a{token}".encode()).decode()[100:],
        token.encode().hex().upper()[150:],
    )
    assert any(token in text for text in read_all(me.client, execution)), "its owner may complete it"
    viewer = register_member(me, "viewer")
    for text in read_all(viewer.client, execution):
        assert not any(form in text for form in forms), text
    assert me.client.post(f"/v1/callbacks/{token}", {"value": {"token": token}}).status == 200
    assert me.client.get(execution).json["output"] == [{"token": token}]
    for text in read_all(viewer.client, execution):
        assert token not in text


def test_nothing_that_is_stored_of_an_answer_has_the_token(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def echo(method: str, url: str, **options: Any) -> OutboundResponse:
        sent.append(url.rpartition("/")[2])
        text = "-" * (301 - len(sent[0])) + sent[0] + " rest"
        kind = {"content-type": "text/plain"}
        return OutboundResponse(400 if "refuse" in url else 200, kind, text.encode(), url)

    monkeypatch.setattr(outbound, "send", echo)
    nodes = [
        node("file", "http_request", url="https://x/{{ $execution.callbackToken }}", responseFormat="file"),
        node(
            "bad", "http_request", url="https://x/refuse/{{ $execution.callbackToken }}", onError="continue"
        ),
        node("w", "wait", until="callback"),
    ]
    execution = start_execution(
        me, create_workflow(me, definition(nodes, "start > file", "file > bad", "bad > w"))
    )
    starter.run_pending()
    assert len(sent) == 2 and not any(sent[0][:70] in text for text in read_all(me.client, execution))
    (row,) = [row for row in FileRow.scan() if isinstance(row, FileRow)]
    content = payloads.load_file(UUID(me.organization["id"]), row.pointer).decode()
    assert content.startswith("---") and sent[0][:70] not in content


def test_viewers_see_no_callback_token_in_the_executions_of_agents(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = UUID(me.organization["id"]).hex + UUID(int=7).hex + "A" * 43
    agent = create_agent(me)
    script_replies(monkeypatch, ModelReply(text=f"I wrote of {token}"))
    started = me.client.post(f"{agent}/executions", {"input": f"Send {token}"})
    assert started.status == 202, started.text
    starter.run_pending()
    viewer = register_member(me, "viewer")
    for path in (f"{agent}/executions", f"{agent}/executions/{started.json['id']}"):
        assert token in me.client.get(path).text
        shown = viewer.client.get(path)
        assert shown.status == 200 and token[:70] not in shown.text and "I wrote of ••••" in shown.text, (
            shown.text
        )
