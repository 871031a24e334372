"""The local host carries a job to its end: batch by batch through its queue, and when it is killed between two."""

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.host.local_host import LocalHost, wait_until
from tests.jobs.runs import FAILING

RUNS = 30  # two batches


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHost]:
    host = LocalHost(tmp_path_factory.mktemp("jobs"), environment={"BCRYPT_COST": "4"}).start()
    yield host
    host.stop()


class Api:
    """A user with failed runs, over HTTP."""

    def __init__(self, host: LocalHost, email: str) -> None:
        self.host = host
        person = {"email": email, "password": "Correct-Horse-7-Battery", "firstName": "A", "lastName": "B"}
        registered = host.request("POST", "/v1/auth/register", json=person)
        self.headers = {"Authorization": f"Bearer {registered.json()['accessToken']}"}
        path = f"/v1/workflows/{self('POST', '/v1/workflows', {'name': 'Flow', **FAILING})['id']}"
        self("POST", f"{path}/activate", {})
        for _ in range(RUNS):
            run = self("POST", f"{path}/executions", {}, Prefer="wait=20")
            assert run["status"] == "failed"

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self.host.request(method, path, json=body, headers=self.headers | headers)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def runs(self) -> list[Any]:
        found: list[Any] = self("GET", "/v1/executions?limit=100")["items"]
        return found

    def ended_job(self) -> Any:
        """The newest job, once it has ended."""
        job = self("GET", "/v1/jobs")["items"][0]
        return job if job["status"] not in ("queued", "running") else None


def test_a_job_comes_to_its_end(host: LocalHost) -> None:
    api = Api(host, "bulk@example.com")
    before = {run["id"] for run in api.runs()}
    asked = {"action": "retry", "filter": {"status": "failed"}}
    assert api("POST", "/v1/executions/bulk", asked | {"dryRun": True})["count"] == RUNS
    job = api("POST", "/v1/executions/bulk", asked)
    ended = wait_until(api.ended_job, seconds=60)
    assert (ended["id"], ended["status"], ended["progress"]) == (job["id"], "completed", 100)
    assert ended["result"]["counts"] == {"retried": RUNS}
    assert {run["retryOf"] for run in api.runs() if run["id"] not in before} == before


def test_a_job_survives_a_kill_between_two_batches(host: LocalHost) -> None:
    """The message of the second batch is never sent: the sweeper asks for it."""
    api = Api(host, "killed@example.com")
    host.environment["WECONNECT_KILL_AT"] = "before:ask-job-1"
    host.restart()
    with contextlib.suppress(httpx.HTTPError):  # killed while it answers
        api("POST", "/v1/executions/bulk", {"action": "delete", "filter": {"status": "failed"}})
    host.wait_killed()
    host.environment.pop("WECONNECT_KILL_AT")
    host.start()
    assert len(api.runs()) <= RUNS - 25
    ended = wait_until(api.ended_job, seconds=150)
    assert (ended["status"], ended["result"]["counts"]) == ("completed", {"deleted": RUNS})
    assert api.runs() == []
