"""`kill -9` of the host at chosen points of an agent's execution: it completes without repeating checkpointed steps."""

import contextlib
from typing import Any

import httpx
import pytest

from tests.e2e.fake_services import ModelAndTools
from tests.host.local_host import LocalHost, wait_until
from tests.soak import sample_cases

STEPS = ["model-1", "tool-1-1", "model-2", "tool-2-1", "tool-2-2", "model-3"]
NAMES = {
    "model-1": "model-1",
    "tool-1-1": "first",
    "model-2": "model-2",
    "tool-2-1": "second",
    "tool-2-2": "third",
    "model-3": "model-3",
}

# A kill between an effect and its checkpoint may repeat that step, and the step that runs in parallel with it.
POINTS: list[tuple[str, str | None]] = [
    ("after:put:AGENTEXECUTION", None),
    ("after:invoke", None),
    ("after:load", None),
    ("before:model-1", None),
    ("after-effect:model-1", "model-1"),
    ("checkpointed:model-1", None),
    ("after-effect:tool-1-1", "tool-1-1"),
    ("after:tool-1-1", "tool-1-1"),
    ("checkpointed:tool-1-1", None),
    ("after-effect:tool-2-1", "tool-2"),
    ("checkpointed:tool-2-2", "tool-2-1"),
    ("finished:tools-2", None),
    ("before:finish", None),
    ("after:finish", None),
]
SAMPLE = sample_cases(POINTS, every=4)


class AgentApi:
    """A user with an agent, over HTTP."""

    def __init__(self, host: LocalHost, services: ModelAndTools) -> None:
        self.host = host
        body = {
            "email": "killed@example.com",
            "password": "Correct-Horse-7-Battery",
            "firstName": "A",
            "lastName": "B",
        }
        host.request("POST", "/v1/auth/register", json=body)  # it does not tell who has an account
        session = host.request("POST", "/v1/auth/login", json={k: body[k] for k in ("email", "password")})
        self.headers = {"Authorization": f"Bearer {session.json()['accessToken']}"}
        agents = self("GET", "/v1/agents")["items"]
        self.path = f"/v1/agents/{agents[0]['id']}" if agents else self._create(services)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        response = self.host.request(method, path, json=body, headers=self.headers | headers)
        assert response.status_code < 300, response.text
        return response.json()

    def _create(self, services: ModelAndTools) -> str:
        base = f"http://{services.address}"
        agent = {
            "name": "three tools",
            "provider": "openai_compatible",
            "model": "m",
            "baseUrl": f"{base}/v1",
        }
        path = f"/v1/agents/{self('POST', '/v1/agents', agent)['id']}"
        for name in ("first", "second", "third"):
            configuration = {"apiEndpoint": f"{base}/tools/{name}", "parameters": {"method": "POST"}}
            tool = {"toolName": name, "toolType": "http", "configuration": configuration}
            self("POST", f"{path}/tools", tool)
        return path


@pytest.mark.parametrize(("point", "may_repeat"), SAMPLE, ids=[point for point, _ in SAMPLE])
def test_an_execution_survives_a_kill(
    host: LocalHost, services: ModelAndTools, point: str, may_repeat: str | None
) -> None:
    api = AgentApi(host, services)
    before = [execution["id"] for execution in api("GET", f"{api.path}/executions")["items"]]
    finished_before = api("GET", f"{api.path}/stats")["runs"]["completed"]
    assert finished_before == len(before)
    services.calls.clear()

    host.environment["WECONNECT_KILL_AT"] = point
    host.restart()
    with contextlib.suppress(httpx.HTTPError):  # killed during the request
        host.request("POST", f"{api.path}/executions", json={"input": "go"}, headers=api.headers)
    host.wait_killed()
    host.environment.pop("WECONNECT_KILL_AT")
    host.start()

    def finished() -> Any:
        executions = api("GET", f"{api.path}/executions")["items"]
        new = [execution for execution in executions if execution["id"] not in before]
        return (
            new
            if new and all(execution["status"] not in ("pending", "running") for execution in new)
            else None
        )

    (execution,) = wait_until(finished, seconds=120)
    assert (execution["status"], execution["output"]) == ("completed", "all done")
    steps = api("GET", f"{api.path}/executions/{execution['id']}")["steps"]
    assert [(step["number"], step["type"]) for step in steps] == list(
        enumerate(["model", "tool", "model", "tool", "tool", "model"], start=1)
    )
    for step in STEPS:
        count = services.count(NAMES[step])
        repeats = may_repeat is not None and step.startswith(may_repeat)
        assert count == 1 or (repeats and count == 2), f"{step} was done {count} times"
    for name in ("first", "second", "third"):
        assert len(services.keys(name)) == 1, "a repeated call has the same idempotency key"
    assert api("GET", f"{api.path}/stats")["runs"]["completed"] == finished_before + 1


@pytest.mark.parametrize("point", sample_cases(["before:resume-1", None, "after:tool-1-1", "after:resume-1"]))
def test_an_execution_that_waits_for_approval_survives_kills(
    host: LocalHost, services: ModelAndTools, point: str | None
) -> None:
    """Killed while it waits and again when it resumes, it completes, and the approved call is made once."""
    api = AgentApi(host, services)
    (tool,) = [item for item in api("GET", f"{api.path}/tools")["items"] if item["toolName"] == "first"]
    api("PATCH", f"{api.path}/tools/{tool['id']}", {"requiresApproval": True})
    services.calls.clear()
    execution = api("POST", f"{api.path}/executions", {"input": "go"})
    path = f"{api.path}/executions/{execution['id']}"

    def in_status(wanted: str) -> Any:
        state = api("GET", path)
        return state if state["status"] == wanted else None

    waiting = wait_until(lambda: in_status("waiting"), seconds=60)
    host.kill()
    if point:
        host.environment["WECONNECT_KILL_AT"] = point
    host.start()
    decision = {"decision": "approve", "arguments": {"what": "edited"}}
    with contextlib.suppress(httpx.HTTPError):  # killed during the request
        api("POST", f"/v1/approvals/{waiting['waitingFor'][0]}/decide", decision)
    if point:
        host.wait_killed()
        host.environment.pop("WECONNECT_KILL_AT")
        host.start()
    finished = wait_until(lambda: in_status("completed"), seconds=120)
    assert (
        finished["steps"][1]["arguments"] == {"what": "edited"} and finished["steps"][1]["approval"]["edited"]
    )
    repeated = 2 if point == "after:tool-1-1" else 1
    assert services.count("first") == repeated and len(services.keys("first")) == 1
    assert [services.count(f"model-{number}") for number in (1, 2, 3)] == [1, 1, 1]
    api("PATCH", f"{api.path}/tools/{tool['id']}", {"requiresApproval": False})
