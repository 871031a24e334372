"""Two tenants on one host: what the requests of one are answered, and when, while the other waits and runs agents."""

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
REQUESTS = 100
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


def run_load(host: LocalHost) -> Load:
    """Measure a tenant's GET, alone and while another has 130 waiting callers and starts 125 agents."""
    load = Load()
    with closing(sign_up(host)) as noisy, closing(sign_up(host)) as quiet:
        agent = _create(quiet, "/v1/agents", {"name": "Quiet"})
        for _ in range(10):  # workers that exist are not forked
            quiet.get(agent)
        load.idle_ms += [_measure(quiet, agent, load.quiet) for _ in range(REQUESTS)]
        with _make_noise(noisy, load):
            load.loaded_ms += [_measure(quiet, agent, load.quiet) for _ in range(REQUESTS)]
    return load


@contextmanager
def _make_noise(client: httpx.Client, load: Load) -> Iterator[None]:
    """Let a tenant's callers wait and its agents run while the block is executed."""
    nodes = [node("hold", "wait", seconds=600)]
    workflow = _create(client, "/v1/workflows", {"name": "Long", **definition(nodes, "start > hold")})
    assert client.post(f"{workflow}/activate", json={}).status_code < 300
    agent = _create(client, "/v1/agents", {"name": "Noisy"})
    started = client.post(f"{workflow}/executions", json={})
    events = f"{started.headers['location']}/events"
    cursor = client.get(events).json()["nextCursor"]
    is_over = False

    def wait(number: int) -> None:
        """Wait for an execution that does not end, in a start or in a long poll, again and again."""
        while not is_over:
            if number % 2:
                send("GET", events, headers={"prefer": "wait=25"}, params={"cursor": cursor})
            else:
                send("POST", f"{workflow}/executions", headers={"prefer": "wait=25"}, json={})

    def start_agent(_: int) -> None:
        send("POST", f"{agent}/executions", json={"input": "What is 17 * 23?"})

    def send(method: str, path: str, **options: Any) -> None:
        """Send a request, count its status, and do what its Retry-After says."""
        response = client.request(method, path, **options)
        load.noisy[response.status_code] += 1
        if not is_over:
            time.sleep(float(response.headers.get("retry-after", 0)))

    with ThreadPoolExecutor(WAITING_CALLERS + AGENT_EXECUTIONS) as pool:
        work = [pool.submit(wait, number) for number in range(WAITING_CALLERS)]
        work += [pool.submit(start_agent, number) for number in range(AGENT_EXECUTIONS)]
        try:
            yield
        finally:
            is_over = True
            for each in work:
                each.result()


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
