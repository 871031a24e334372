"""Two tenants on one host: what the requests of one are answered, and when, while the other waits and runs agents."""

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from tests.host.local_host import LocalHost
from tests.workflows.definitions import definition, node

WAITING_CALLERS = 130
AGENT_EXECUTIONS = 125
REQUESTS = 200  # of the other tenant, alone and then under load
PASSWORD = "Correct-Horse-7"
_numbers = count()


@dataclass
class Load:
    """The statuses of the noisy tenant's requests, and the milliseconds of the other's, with their statuses."""

    noisy: Counter[int] = field(default_factory=Counter)
    quiet: Counter[int] = field(default_factory=Counter)
    idle_ms: list[float] = field(default_factory=list)
    loaded_ms: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Return the 99th percentile of the other tenant's requests under load, as a multiple of that without."""
        return compute_p99(self.loaded_ms) / compute_p99(self.idle_ms)


def compute_p99(times: list[float]) -> float:
    """Return the 99th percentile."""
    return sorted(times)[int(len(times) * 0.99)]


def sign_up(host: LocalHost) -> httpx.Client:
    """Register a user with an organization of their own and return a client of theirs."""
    email = f"tenant{next(_numbers)}@example.com"
    body = {"email": email, "password": PASSWORD, "firstName": "A", "lastName": "B"}
    client = httpx.Client(base_url=host.address, timeout=60, limits=httpx.Limits(max_connections=None))
    response = client.post("/v1/auth/register", json=body)
    assert response.status_code == 201, response.text
    client.headers["authorization"] = f"Bearer {response.json()['accessToken']}"
    return client


def run_load(host: LocalHost, callers: int = WAITING_CALLERS, agents: int = AGENT_EXECUTIONS) -> Load:
    """Measure a tenant's GET, alone and while another has so many waiting callers and starts so many agents."""
    load = Load()
    with closing(sign_up(host)) as noisy, closing(sign_up(host)) as quiet:
        agent = _create(quiet, "/v1/agents", {"name": "Quiet"})
        for _ in range(10):  # workers that exist are not forked
            quiet.get(agent)
        load.idle_ms += [_measure(quiet, agent, load.quiet) for _ in range(REQUESTS)]
        with _make_noise(noisy, load, callers, agents):
            load.loaded_ms += [_measure(quiet, agent, load.quiet) for _ in range(REQUESTS)]
    return load


@contextmanager
def _make_noise(client: httpx.Client, load: Load, callers: int, agents: int) -> Iterator[None]:
    """Let a tenant's callers wait and its agents run while the block is executed.

    They are in a process of their own, so that they do not take the time of whoever measures.
    """
    nodes = [node("hold", "wait", seconds=600)]
    workflow = _create(client, "/v1/workflows", {"name": "Long", **definition(nodes, "start > hold")})
    assert client.post(f"{workflow}/activate", json={}).status_code < 300
    agent = _create(client, "/v1/agents", {"name": "Noisy"})
    started = client.post(f"{workflow}/executions", json={})
    events = f"{started.headers['location']}/events"
    processes = multiprocessing.get_context("spawn")
    counted, is_over = processes.Queue(), processes.Event()
    address = str(client.base_url), client.headers["authorization"]
    noise = processes.Process(
        target=_send_noise, args=(*address, (callers, agents), workflow, agent, events, counted, is_over)
    )
    noise.start()
    counted.get()  # the first answer
    try:
        yield
    finally:
        is_over.set()
        load.noisy.update(counted.get())
        noise.join()


def _send_noise(
    address: str,
    authorization: str,
    numbers: tuple[int, int],
    workflow: str,
    agent: str,
    events: str,
    counted: Any,
    is_over: Any,
) -> None:
    """Send the requests of callers and starts until `is_over`; put None at the first answer, then the counts."""
    os.nice(5)  # like the workers: clients elsewhere would not take the time of the host
    client = httpx.Client(
        base_url=address,
        timeout=None,
        limits=httpx.Limits(max_connections=None),
        headers={"authorization": authorization},
    )
    counts: Counter[int] = Counter()
    cursor = client.get(events).json()["nextCursor"]

    def wait(number: int) -> None:
        """Wait for an execution that does not end, in a start or in a long poll, again and again."""
        while not is_over.is_set():
            if number % 2:
                send("GET", events, headers={"prefer": "wait=25"}, params={"cursor": cursor})
            else:
                send("POST", f"{workflow}/executions", headers={"prefer": "wait=25"}, json={})

    def start_agent(number: int) -> None:
        send("POST", f"{agent}/executions", json={"input": "What is 17 * 23?"})
        if number == 0:
            counted.put(None)

    def send(method: str, path: str, **options: Any) -> None:
        """Send a request, count its status, and do what its Retry-After says."""
        response = client.request(method, path, **options)
        counts[response.status_code] += 1
        is_over.wait(float(response.headers.get("retry-after", 0)))

    with closing(client), ThreadPoolExecutor(sum(numbers)) as pool:
        agents = pool.map(start_agent, range(numbers[1]))
        callers = pool.map(wait, range(numbers[0]))
        for _ in (*agents, *callers):  # raises what a thread raised
            pass
    counted.put(counts)


def _create(client: httpx.Client, path: str, body: dict[str, Any]) -> str:
    """Create a resource and return its path."""
    response = client.post(path, json=body)
    assert response.status_code == 201, response.text
    return str(response.headers["location"])


def _measure(client: httpx.Client, path: str, statuses: Counter[int]) -> float:
    """Send a GET and return the milliseconds until its response."""
    began = time.perf_counter()
    response = client.get(path)
    statuses[response.status_code] += 1
    return (time.perf_counter() - began) * 1000
