"""Workflows started from elsewhere on the local host: by an agent's tool, and by the event of that agent's end."""

import contextlib
from typing import Any

import httpx
import pytest

from tests.e2e.services import Services
from tests.e2e.test_kills import Api
from tests.host.local_host import LocalHost, wait_until
from tests.workflows.definitions import connect, definition, node


def active(api: Api, name: str, value: dict[str, Any]) -> str:
    """The id of an active workflow of that name, made when it is not there."""
    for found in api("GET", "/v1/workflows")["items"]:
        if found["name"] == name:
            return str(found["id"])
    made = api("POST", "/v1/workflows", {"name": name, **value})["id"]
    api("POST", f"/v1/workflows/{made}/activate", {})
    return str(made)


def equip(api: Api) -> tuple[str, str]:
    """The workflow that the agent's tool `first` runs, and the one that begins at the end of the agent's runs."""
    inner = active(api, "Inner", definition([node("a", "set", values={"did": "{{ what }}"})], "start > a"))
    on_end = node("on", "event", types=["agent.run.completed"], condition="data.output = 'all done'")
    value = {"nodes": [on_end, node("a", "noop")], "connections": [connect("on > a")]}
    listener = active(api, "Listener", value)
    for tool in api("GET", f"{api.path}/tools")["items"]:
        if tool["toolName"] == "first" and tool["toolType"] == "http":
            api.host.request("DELETE", f"{api.path}/tools/{tool['id']}", headers=api.headers)
            configuration = {"workflowId": inner}
            body = {"toolName": "first", "toolType": "workflow", "configuration": configuration}
            api("POST", f"{api.path}/tools", body)
    return inner, listener


@pytest.mark.parametrize("point", [None, "after:tool-1-1-begin", "after:tool-1-1-run-announced"])
def test_an_agent_runs_a_workflow_and_its_end_begins_another(
    host: LocalHost, services: Services, point: str | None
) -> None:
    """Each runs once, also when the whole host is killed in between."""
    api = Api(host, services)
    inner, listener = equip(api)
    before = [run["id"] for run in api("GET", f"{api.path}/executions")["items"]]
    if point:
        host.environment["WECONNECT_KILL_AT"] = point
        host.restart()
    with contextlib.suppress(httpx.HTTPError):
        host.request("POST", f"{api.path}/executions", json={"input": "go"}, headers=api.headers)
    if point:
        host.wait_killed()
        host.environment.pop("WECONNECT_KILL_AT")
        host.start()

    def ended() -> Any:
        runs = [run for run in api("GET", f"{api.path}/executions")["items"] if run["id"] not in before]
        return runs if runs and runs[0]["status"] not in ("pending", "running", "waiting") else None

    (run,) = wait_until(ended, seconds=120)
    assert (run["status"], run["output"]) == ("completed", "all done")
    steps = api("GET", f"{api.path}/executions/{run['id']}")["steps"]
    assert steps[1]["result"] == [{"what": "x", "did": "x"}]
    children = [
        child
        for child in api("GET", f"/v1/executions?workflowId={inner}")["items"]
        if child["parentExecutionId"] == run["id"]
    ]
    assert [(child["id"], child["status"]) for child in children] == [(steps[1]["executionId"], "completed")]

    def begun() -> Any:
        runs = api("GET", f"/v1/executions?workflowId={listener}&status=completed")["items"]
        return runs if len(runs) == len(before) + 1 else None

    wait_until(begun, seconds=60)
    inputs = [
        api("GET", f"/v1/executions/{found['id']}")["input"]
        for found in api("GET", f"/v1/executions?workflowId={listener}")["items"]
    ]
    assert sorted(each["data"]["executionId"] for each in inputs) == sorted([*before, run["id"]])
