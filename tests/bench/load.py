"""Throughput of workflow executions whose callers wait for the result, on the local host, beside n8n's figures.

n8n 2.8.4 (Node 20, sqlite, executions saved) was measured on another day on a machine of the same size (two cores), so
a ratio to it shows the direction only. `GET /healthz`, measured in the same run, shows how fast this machine is today.
"""

import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from tests.bench.host import sign_in
from tests.bench.rows import Line
from tests.host.local_host import LocalHost
from tests.workflows.definitions import definition, node

SECONDS = 8.0
CALLERS = (1, 8, 25)


def _set_chain(count: int) -> dict[str, Any]:
    names = [f"s{number}" for number in range(count)]
    steps = [f"{one} > {other}" for one, other in pairwise(names)]
    nodes = [node(name, "set", values={"n": "{{ n + 1 }}"}) for name in names]
    return definition(nodes, "start > s0", *steps)


def _decision() -> dict[str, Any]:
    nodes = [
        node("first", "set", values={"n": "{{ n + 1 }}"}),
        node("large", "if", condition="{{ n > 1 }}"),
        node("last", "set", values={"m": "{{ n * 2 }}"}),
    ]
    return definition(nodes, "start > first", "first > large", "large.true > last")


def _branches(count: int) -> dict[str, Any]:
    names = [f"b{number}" for number in range(count)]
    nodes = [node(name, "set", values={name: "{{ n }}"}) for name in names]
    ends = [f"start > {name}" for name in names] + [f"{name} > merge" for name in names]
    return definition([*nodes, node("merge", "merge")], *ends)


SHAPES = {
    "set, if, set": (_decision(), (58, 65, 68)),
    "40 set nodes": (_set_chain(40), (30, 32, 36)),
    "10 branches, merge": (_branches(10), (49, 52, 59)),
}


def lines() -> Iterator[Line]:
    """Yield executions per second, and p50 and p99 in milliseconds, with 1, 8 and 25 concurrent callers."""
    with tempfile.TemporaryDirectory() as folder:
        host = LocalHost(Path(folder), environment={"DEFAULT_PLAN": "enterprise"}).start()
        try:
            with httpx.Client(base_url=host.address, timeout=60) as client:
                yield from _shapes(client)
        finally:
            host.stop()


def _shapes(client: httpx.Client) -> Iterator[Line]:
    sign_in(client)
    for callers in CALLERS:
        rate, _, _ = _load(client, callers, "GET", "/healthz", {})
        yield Line(f"local host: GET /healthz, {callers} concurrent", f"{rate:.0f}/s")
    for name, (workflow, baselines) in SHAPES.items():
        path = client.post("/v1/workflows", json={"name": name, **workflow}).headers["Location"]
        client.post(f"{path}/activate", json={}).raise_for_status()
        request = {"json": {"input": {"n": 1}}, "headers": {"Prefer": "wait=20"}}
        _load(client, max(CALLERS), "POST", f"{path}/executions", request)  # starts all workers
        for callers, baseline in zip(CALLERS, baselines, strict=True):
            rate, p50, p99 = _load(client, callers, "POST", f"{path}/executions", request)
            yield Line(
                f"local host: {name}, {callers} concurrent",
                f"{rate:.0f}/s, p50 {p50:.0f}, p99 {p99:.0f} ms",
                f"{baseline}/s n8n",
                rate / baseline,
                "≥ 1.0 ×",
                rate >= baseline,
            )


def _load(
    client: httpx.Client, callers: int, method: str, path: str, request: dict[str, Any]
) -> tuple[float, float, float]:
    """Return calls per second, and p50 and p99 in milliseconds; each caller has its own connection."""
    times: list[float] = []
    failures: list[str] = []
    began = time.perf_counter()

    def call_repeatedly() -> None:
        with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=60) as own_client:
            while time.perf_counter() - began < SECONDS and not failures:
                started = time.perf_counter()
                response = own_client.request(method, path, **request)
                times.append((time.perf_counter() - started) * 1000)
                status = response.json().get("status") if response.status_code == 200 else "error"
                if status not in ("completed", "ok", None):
                    failures.append(response.text)

    threads = [threading.Thread(target=call_repeatedly) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    assert not failures, failures[0]
    times.sort()
    return len(times) / elapsed, times[len(times) // 2], times[int(len(times) * 0.99)]
