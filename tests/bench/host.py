"""Response times of the local host, which runs in its own processes, beside a request that does no work."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.bench.rows import Line, median, ratio
from tests.e2e.noisy_tenant import compute_p99, run_load
from tests.host.local_host import LocalHost

REQUESTS = 200


def lines() -> Iterator[Line]:
    """Yield the time until ready, and medians with one caller; the requests of the lines alternate."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        host = LocalHost(Path(folder)).start()
        ready_seconds = time.perf_counter() - started
        try:
            yield Line(
                "local host: time until ready",
                f"{ready_seconds:.1f} s",
                bound="n8n: 4 s to health, 6 s to webhooks",
                met=ready_seconds <= 6,
            )
            with httpx.Client(base_url=host.address, timeout=60) as client:
                yield from _requests(client)
            load = run_load(host)
            yield ratio(
                "local host: GET beside 130 waiting callers and 125 agents of another tenant, p99",
                compute_p99(load.loaded_ms),
                compute_p99(load.idle_ms),
                "ms",
                "alone",
                5,
            )
        finally:
            host.stop()


def _requests(client: httpx.Client) -> Iterator[Line]:
    sign_in(client)
    path = client.post("/v1/agents", json={"name": "Bench"}).headers["Location"]
    client.post(f"{path}/tools", json={"toolName": "calculator"}).raise_for_status()
    body, headers = {"input": "what is 17 * 23?"}, {"Prefer": "wait=25"}
    calls: dict[str, Callable[[], Any]] = {
        "health": lambda: client.get("/healthz"),
        "agent": lambda: client.get(path),
        "list": lambda: client.get("/v1/agents?limit=50"),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(REQUESTS + 5):
        for name, call in calls.items():
            milliseconds = _time_ms(call, 200)
            if number >= 5:
                times[name].append(milliseconds)
    baseline = median(times["health"])
    execution = median(
        _time_ms(lambda: client.post(f"{path}/executions", json=body, headers=headers), 200)
        for _ in range(15)
    )
    for name, title in (("agent", "GET an agent, p50"), ("list", "list 50 agents, p50")):
        milliseconds = median(times[name])
        yield Line(
            f"local host: {title}",
            f"{milliseconds:.1f} ms",
            f"{baseline:.1f} ms GET /healthz",
            milliseconds / baseline,
        )
    yield Line(
        "local host: agent execution with a tool call, waited for, p50",
        f"{execution:.0f} ms",
        f"{baseline:.1f} ms GET /healthz",
        execution / baseline,
    )


def sign_in(client: httpx.Client) -> None:
    """Register a user and authenticate the client as this user."""
    body = {
        "email": "bench@example.com",
        "password": "Correct-Horse-7-Battery",
        "firstName": "A",
        "lastName": "B",
    }
    response = client.post("/v1/auth/register", json=body)
    assert response.status_code == 201, response.text
    client.headers["Authorization"] = f"Bearer {response.json()['accessToken']}"


def _time_ms(call: Callable[[], Any], status: int) -> float:
    started = time.perf_counter()
    response = call()
    assert response.status_code == status, response.text
    return (time.perf_counter() - started) * 1000
