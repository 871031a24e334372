"""Workflows started on the local host by an agent's tool, and by the event of that agent's end."""

import contextlib
from typing import Any

import httpx
import pytest

from tests.e2e.fake_services import ModelAndTools
from tests.e2e.test_agent_kills import AgentApi
from tests.host.local_host import LocalHost, wait_until
from tests.soak import sample_cases
from tests.workflows.definitions import connect, definition, node


def activate_workflow(api: AgentApi, name: str, value: dict[str, Any]) -> str:
    """Return the ID of an active workflow of that name, creating it if needed."""
    for workflow in api("GET", "/v1/workflows")["items"]:
        if workflow["name"] == name:
            return str(workflow["id"])
    workflow_id = api("POST", "/v1/workflows", {"name": name, **value})["id"]
    api("POST", f"/v1/workflows/{workflow_id}/activate", {})
    return str(workflow_id)


def replace_tool(api: AgentApi) -> tuple[str, str]:
    """Let the agent's tool `first` execute a workflow.

    Return its ID, and the ID of the workflow that the end of the agent's executions starts.
    """
    inner = activate_workflow(
        api, "Inner", definition([node("a", "set", values={"did": "{{ what }}"})], "start > a")
    )
    on_end = node("on", "event", types=["agent.run.completed"], condition="data.output = 'all done'")
    value = {"nodes": [on_end, node("a", "noop")], "connections": [connect("on > a")]}
    listener = activate_workflow(api, "Listener", value)
    for tool in api("GET", f"{api.path}/tools")["items"]:
        if tool["toolName"] == "first" and tool["toolType"] == "http":
            api.host.request("DELETE", f"{api.path}/tools/{tool['id']}", headers=api.headers)
            configuration = {"workflowId": inner}
            body = {"toolName": "first", "toolType": "workflow", "configuration": configuration}
            api("POST", f"{api.path}/tools", body)
    return inner, listener


@pytest.mark.parametrize(
    "point", sample_cases([None, "after:tool-1-1-begin", "after:tool-1-1-run-announced"])
)
def test_an_agent_executes_a_workflow_and_its_end_starts_another(
    host: LocalHost, services: ModelAndTools, point: str | None
) -> None:
    """Each is executed once, also when the host is killed in between."""
    api = AgentApi(host, services)
    inner, listener = replace_tool(api)
    before = [execution["id"] for execution in api("GET", f"{api.path}/executions")["items"]]
    if point:
        host.environment["WECONNECT_KILL_AT"] = point
        host.restart()
    with contextlib.suppress(httpx.HTTPError):
        host.request("POST", f"{api.path}/executions", json={"input": "go"}, headers=api.headers)
    if point:
        host.wait_killed()
        host.environment.pop("WECONNECT_KILL_AT")
        host.start()

    def finished() -> Any:
        executions = [
            execution
            for execution in api("GET", f"{api.path}/executions")["items"]
            if execution["id"] not in before
        ]
        return (
            executions
            if executions and executions[0]["status"] not in ("pending", "running", "waiting")
            else None
        )

    (execution,) = wait_until(finished, seconds=120)
    assert (execution["status"], execution["output"]) == ("completed", "all done")
    steps = api("GET", f"{api.path}/executions/{execution['id']}")["steps"]
    assert steps[1]["result"] == [{"what": "x", "did": "x"}]
    children = [
        child
        for child in api("GET", f"/v1/executions?workflowId={inner}")["items"]
        if child["parentExecutionId"] == execution["id"]
    ]
    assert [(child["id"], child["status"]) for child in children] == [(steps[1]["executionId"], "completed")]

    def started() -> Any:
        executions = api("GET", f"/v1/executions?workflowId={listener}&status=completed")["items"]
        return executions if len(executions) == len(before) + 1 else None

    wait_until(started, seconds=60)
    inputs = [
        api("GET", f"/v1/executions/{event_execution['id']}")["input"]
        for event_execution in api("GET", f"/v1/executions?workflowId={listener}")["items"]
    ]
    assert sorted(event_input["data"]["executionId"] for event_input in inputs) == sorted(
        [*before, execution["id"]]
    )
