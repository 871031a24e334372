"""`kill -9` of the whole host at chosen points of a run: it ends all the same, nothing checkpointed is done again."""

import contextlib
from typing import Any

import httpx
import pytest

from tests.depth import some
from tests.e2e.services import Services
from tests.host.local_host import LocalHost, wait_until

STEPS = ["model-1", "tool-1-1", "model-2", "tool-2-1", "tool-2-2", "model-3"]
NAMES = {
    "model-1": "model-1",
    "tool-1-1": "first",
    "model-2": "model-2",
    "tool-2-1": "second",
    "tool-2-2": "third",
    "model-3": "model-3",
}

# Where the kill falls between an effect and its checkpoint, that step may be done twice; the step beside it, too.
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


class Api:
    """A user with an agent, over HTTP."""

    def __init__(self, host: LocalHost, services: Services) -> None:
        self.host = host
        body = {
            "email": "killed@example.com",
            "password": "Correct-Horse-7-Battery",
            "firstName": "A",
            "lastName": "B",
        }
        registered = host.request("POST", "/v1/auth/register", json=body)
        if registered.status_code == 409:
            registered = host.request(
                "POST", "/v1/auth/login", json={k: body[k] for k in ("email", "password")}
            )
        self.headers = {"Authorization": f"Bearer {registered.json()['accessToken']}"}
        agents = self("GET", "/v1/agents")["items"]
        self.path = f"/v1/agents/{agents[0]['id']}" if agents else self._make(services)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self.host.request(method, path, json=body, headers=self.headers | headers)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def _make(self, services: Services) -> str:
        base = f"http://{services.place}"
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


@pytest.mark.parametrize(("point", "may_repeat"), some(POINTS), ids=[point for point, _ in some(POINTS)])
def test_a_run_survives_a_kill(
    host: LocalHost, services: Services, point: str, may_repeat: str | None
) -> None:
    api = Api(host, services)
    before = [run["id"] for run in api("GET", f"{api.path}/executions")["items"]]
    finished_before = api("GET", f"{api.path}/stats")["runs"]["completed"]
    assert finished_before == len(before)
    services.calls.clear()

    host.environment["WECONNECT_KILL_AT"] = point
    host.restart()
    with contextlib.suppress(httpx.HTTPError):  # killed while it answers
        host.request("POST", f"{api.path}/executions", json={"input": "go"}, headers=api.headers)
    host.wait_killed()
    host.environment.pop("WECONNECT_KILL_AT")
    host.start()

    def ended() -> Any:
        runs = api("GET", f"{api.path}/executions")["items"]
        new = [run for run in runs if run["id"] not in before]
        return new if new and all(run["status"] not in ("pending", "running") for run in new) else None

    (run,) = wait_until(ended, seconds=120)
    assert (run["status"], run["output"]) == ("completed", "all done")
    steps = api("GET", f"{api.path}/executions/{run['id']}")["steps"]
    assert [(step["number"], step["type"]) for step in steps] == list(
        enumerate(["model", "tool", "model", "tool", "tool", "model"], start=1)
    )
    for step in STEPS:
        done = services.count(NAMES[step])
        repeats = may_repeat is not None and step.startswith(may_repeat)
        assert done == 1 or (repeats and done == 2), f"{step} was done {done} times"
    for name in ("first", "second", "third"):
        assert len(services.keys(name)) == 1, "a repeated call carries the same idempotency key"
    assert api("GET", f"{api.path}/stats")["runs"]["completed"] == finished_before + 1


@pytest.mark.parametrize("point", [None, "before:resume-1", "after:resume-1", "after:tool-1-1"])
def test_a_run_that_waits_for_a_person_survives_kills(
    host: LocalHost, services: Services, point: str | None
) -> None:
    """Killed while it waits, and again when it wakes up: it ends, and the approved call is made once."""
    api = Api(host, services)
    (tool,) = [item for item in api("GET", f"{api.path}/tools")["items"] if item["toolName"] == "first"]
    api("PATCH", f"{api.path}/tools/{tool['id']}", {"requiresApproval": True})
    services.calls.clear()
    run = api("POST", f"{api.path}/executions", {"input": "go"})
    place = f"{api.path}/executions/{run['id']}"

    def status(wanted: str) -> Any:
        found = api("GET", place)
        return found if found["status"] == wanted else None

    waiting = wait_until(lambda: status("waiting"), seconds=60)
    host.kill()
    if point:
        host.environment["WECONNECT_KILL_AT"] = point
    host.start()
    answer = {"decision": "approve", "arguments": {"what": "edited"}}
    with contextlib.suppress(httpx.HTTPError):  # killed while it answers
        api("POST", f"/v1/approvals/{waiting['waitingFor'][0]}/decide", answer)
    if point:
        host.wait_killed()
        host.environment.pop("WECONNECT_KILL_AT")
        host.start()
    done = wait_until(lambda: status("completed"), seconds=120)
    assert done["steps"][1]["arguments"] == {"what": "edited"} and done["steps"][1]["approval"]["edited"]
    repeated = 2 if point == "after:tool-1-1" else 1
    assert services.count("first") == repeated and len(services.keys("first")) == 1
    assert [services.count(f"model-{number}") for number in (1, 2, 3)] == [1, 1, 1]
    api("PATCH", f"{api.path}/tools/{tool['id']}", {"requiresApproval": False})
