"""The local host, in processes of its own: how long a request takes, beside one that does nothing."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.bench.rows import Line, median
from tests.host.local_host import LocalHost

REQUESTS = 200


def lines() -> Iterator[Line]:
    """Time to ready, and medians at one caller; the requests of the rows take turns."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        host = LocalHost(Path(folder)).start()
        ready = time.perf_counter() - began
        try:
            yield Line(
                "local host: time to ready",
                f"{ready:.1f} s",
                bound="n8n: 4 s to health, 6 s to webhooks",
                met=ready <= 6,
            )
            with httpx.Client(base_url=host.address, timeout=60) as client:
                yield from _requests(client)
        finally:
            host.stop()


def _requests(client: httpx.Client) -> Iterator[Line]:
    sign_in(client)
    path = client.post("/v1/agents", json={"name": "Bench"}).headers["Location"]
    client.post(f"{path}/tools", json={"toolName": "calculator"}).raise_for_status()
    question, wait = {"input": "what is 17 * 23?"}, {"Prefer": "wait=25"}
    asked: dict[str, Callable[[], Any]] = {
        "nothing": lambda: client.get("/healthz"),
        "agent": lambda: client.get(path),
        "list": lambda: client.get("/v1/agents?limit=50"),
    }
    took: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(REQUESTS + 5):
        for name, call in asked.items():
            milliseconds = _time(call, 200)
            if number >= 5:
                took[name].append(milliseconds)
    nothing = median(took["nothing"])
    runs = median(
        _time(lambda: client.post(f"{path}/executions", json=question, headers=wait), 200) for _ in range(15)
    )
    for name, title in (("agent", "GET an agent, p50"), ("list", "list of agents, p50")):
        found = median(took[name])
        yield Line(
            f"local host: {title}", f"{found:.1f} ms", f"{nothing:.1f} ms GET /healthz", found / nothing
        )
    yield Line(
        "local host: run with a tool call, waited for, p50",
        f"{runs:.0f} ms",
        f"{nothing:.1f} ms GET /healthz",
        runs / nothing,
    )


def sign_in(client: httpx.Client) -> None:
    """Register somebody, and let the client act for them."""
    body = {
        "email": "bench@example.com",
        "password": "Correct-Horse-7-Battery",
        "firstName": "A",
        "lastName": "B",
    }
    answer = client.post("/v1/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    client.headers["Authorization"] = f"Bearer {answer.json()['accessToken']}"


def _time(call: Callable[[], Any], status: int) -> float:
    began = time.perf_counter()
    answer = call()
    assert answer.status_code == status, answer.text
    return (time.perf_counter() - began) * 1000
