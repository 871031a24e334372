"""Bulk jobs on the local host: batch by batch through the queue, also when the host is killed between two batches."""

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.host.local_host import LocalHost, wait_until
from tests.jobs.bulk_helpers import FAILING

EXECUTION_COUNT = 30  # two batches


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHost]:
    host = LocalHost(tmp_path_factory.mktemp("jobs"), environment={"BCRYPT_COST": "4"}).start()
    yield host
    host.stop()


class Api:
    """A user with failed executions, over HTTP."""

    def __init__(self, host: LocalHost, email: str) -> None:
        self.host = host
        person = {"email": email, "password": "Correct-Horse-7-Battery", "firstName": "A", "lastName": "B"}
        registered = host.request("POST", "/v1/auth/register", json=person)
        self.headers = {"Authorization": f"Bearer {registered.json()['accessToken']}"}
        path = f"/v1/workflows/{self('POST', '/v1/workflows', {'name': 'Flow', **FAILING})['id']}"
        self("POST", f"{path}/activate", {})
        for _ in range(EXECUTION_COUNT):
            execution = self("POST", f"{path}/executions", {}, Prefer="wait=20")
            assert execution["status"] == "failed"

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        response = self.host.request(method, path, json=body, headers=self.headers | headers)
        assert response.status_code < 300, response.text
        return response.json()

    def list_executions(self) -> list[Any]:
        executions: list[Any] = self("GET", "/v1/executions?limit=100")["items"]
        return executions

    def finished_job(self) -> Any:
        """Return the newest job once it has finished, else None."""
        job = self("GET", "/v1/jobs")["items"][0]
        return job if job["status"] not in ("queued", "running") else None


def test_a_job_completes_batch_by_batch(host: LocalHost) -> None:
    api = Api(host, "bulk@example.com")
    before = {execution["id"] for execution in api.list_executions()}
    request = {"action": "retry", "filter": {"status": "failed"}}
    assert api("POST", "/v1/executions/bulk", request | {"dryRun": True})["count"] == EXECUTION_COUNT
    job = api("POST", "/v1/executions/bulk", request)
    finished = wait_until(api.finished_job, seconds=60)
    assert (finished["id"], finished["status"], finished["progress"]) == (job["id"], "completed", 100)
    assert finished["result"]["counts"] == {"retried": EXECUTION_COUNT}
    assert {
        execution["retryOf"] for execution in api.list_executions() if execution["id"] not in before
    } == before


def test_a_job_survives_a_kill_between_two_batches(host: LocalHost) -> None:
    """The message of the second batch is never sent, so the sweeper requests the batch."""
    api = Api(host, "killed@example.com")
    host.environment["WECONNECT_KILL_AT"] = "before:ask-job-1"
    host.restart()
    with contextlib.suppress(httpx.HTTPError):  # killed during the request
        api("POST", "/v1/executions/bulk", {"action": "delete", "filter": {"status": "failed"}})
    host.wait_killed()
    host.environment.pop("WECONNECT_KILL_AT")
    host.start()
    assert len(api.list_executions()) <= EXECUTION_COUNT - 25
    finished = wait_until(api.finished_job, seconds=150)
    assert (finished["status"], finished["result"]["counts"]) == ("completed", {"deleted": EXECUTION_COUNT})
    assert api.list_executions() == []
