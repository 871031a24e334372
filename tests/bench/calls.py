"""Calls of AWS for each operation, counted at botocore's endpoint."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.endpoint import Endpoint

from tests.bench.rows import Line
from tests.bench.world import world
from tests.factories import register
from tests.gateway import ApiResponse

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}


@contextmanager
def count_calls() -> Iterator[Counter[str]]:
    """Yield a counter of AWS calls by operation; a transaction is one call."""
    counts: Counter[str] = Counter()
    send = Endpoint.make_request

    def count_and_send(self: Any, operation: Any, request: Any) -> Any:
        counts[operation.name] += 1
        return send(self, operation, request)

    Endpoint.make_request = count_and_send
    try:
        yield counts
    finally:
        Endpoint.make_request = send


def lines() -> Iterator[Line]:
    """Yield a line for each operation that has a bound."""
    with world() as starter:
        me = register()
        path = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
        tool = me.client.post(f"{path}/tools", {"toolName": "calculator"}).headers["Location"]
        for number in range(60):
            assert me.client.post("/v1/agents", {"name": f"Agent {number}"}).status == 201

        def start() -> ApiResponse:
            return me.client.post(f"{path}/executions", {"input": "hello"})

        def count(
            name: str, call: Callable[[], ApiResponse], bound: str, is_met: Callable[[Counter[str]], bool]
        ) -> Line:
            invocations = len(starter.invocations)
            with count_calls() as counts:
                response = call()
            assert response.status < 300, response.text
            counts["Invoke"] += len(starter.invocations) - invocations
            text = ", ".join(
                f"{operation} {number}" for operation, number in sorted(counts.items()) if number
            )
            return Line(f"calls: {name}", text, bound=bound, met=is_met(counts))

        def at_most(number: int) -> Callable[[Counter[str]], bool]:
            return lambda counts: counts.total() <= number

        def starts_with(limits: int) -> Callable[[Counter[str]], bool]:
            return lambda counts: _count_writes(counts) <= 2 + limits and counts["Invoke"] == 1

        yield count("get an agent", lambda: me.client.get(path), "1", at_most(1))
        yield count("get a tool of an agent", lambda: me.client.get(tool), "2", at_most(2))
        yield count("list tools of an agent", lambda: me.client.get(f"{path}/tools"), "2", at_most(2))
        yield count("list 50 agents", lambda: me.client.get("/v1/agents?limit=50"), "1", at_most(1))
        yield count(
            "create an agent",
            lambda: me.client.post("/v1/agents", {"name": "One more"}),
            "≤ 1 transaction",
            lambda counts: _count_writes(counts) <= 1,
        )
        yield count("update an agent", lambda: me.client.patch(path, {"description": "x"}), "≤ 2", at_most(2))
        yield count("update a tool", lambda: me.client.patch(tool, {"description": "x"}), "≤ 2", at_most(2))
        yield count("start an execution, no limits", start, "2 writes + 1 invoke", starts_with(0))
        for period in ("hourly", "daily"):
            limit = f"/v1/execution-limits/{me.user['id']}/{period}"
            assert me.client.put(limit, {"maxExecutions": 100}).status == 200
        start()  # the first execution starts the period
        yield count("start an execution, 2 limits", start, "4 writes + 1 invoke", starts_with(2))


def _count_writes(counts: Counter[str]) -> int:
    return sum(counts[name] for name in WRITES)
