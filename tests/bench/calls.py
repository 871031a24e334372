"""What each operation asks of AWS, counted at botocore's endpoint."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.endpoint import Endpoint

from tests.bench.rows import Line
from tests.bench.world import world
from tests.factories import registered
from tests.gateway import Answer

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count calls by their name; a transaction is one call."""
    seen: Counter[str] = Counter()
    send = Endpoint.make_request

    def counted(self: Any, operation: Any, request: Any) -> Any:
        seen[operation.name] += 1
        return send(self, operation, request)

    Endpoint.make_request = counted  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        Endpoint.make_request = send  # type: ignore[method-assign]


def lines() -> Iterator[Line]:
    """One line for each operation that has a bound."""
    with world() as starter:
        me = registered()
        path = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
        tool = me.client.post(f"{path}/tools", {"toolName": "calculator"}).headers["Location"]
        for number in range(60):
            assert me.client.post("/v1/agents", {"name": f"Agent {number}"}).status == 201

        def start() -> Answer:
            return me.client.post(f"{path}/executions", {"input": "hello"})

        def count(
            name: str, call: Callable[[], Answer], bound: str, within: Callable[[Counter[str]], bool]
        ) -> Line:
            asked = len(starter.asked)
            with counting() as seen:
                answer = call()
            assert answer.status < 300, answer.text
            seen["Invoke"] += len(starter.asked) - asked
            text = ", ".join(f"{found} {number}" for found, number in sorted(seen.items()) if number)
            return Line(f"calls: {name}", text, bound=bound, met=within(seen))

        def at_most(number: int) -> Callable[[Counter[str]], bool]:
            return lambda seen: seen.total() <= number

        def starts_with(limits: int) -> Callable[[Counter[str]], bool]:
            return lambda seen: sum(seen[name] for name in WRITES) <= 2 + limits and seen["Invoke"] == 1

        yield count("get an agent", lambda: me.client.get(path), "1", at_most(1))
        yield count("get a tool of an agent", lambda: me.client.get(tool), "2", at_most(2))
        yield count("list tools of an agent", lambda: me.client.get(f"{path}/tools"), "2", at_most(2))
        yield count("list 50 agents", lambda: me.client.get("/v1/agents?limit=50"), "1", at_most(1))
        made = lambda: me.client.post("/v1/agents", {"name": "One more"})  # noqa: E731
        yield count(
            "create an agent", made, "≤ 1 transaction", lambda seen: sum(seen[name] for name in WRITES) <= 1
        )
        yield count("update an agent", lambda: me.client.patch(path, {"description": "x"}), "≤ 2", at_most(2))
        yield count("update a tool", lambda: me.client.patch(tool, {"description": "x"}), "≤ 2", at_most(2))
        yield count("start a run, no limits", start, "2 writes + 1 invoke", starts_with(0))
        for period in ("hourly", "daily"):
            limit = f"/v1/execution-limits/{me.user['id']}/{period}"
            assert me.client.put(limit, {"maxExecutions": 100}).status == 200
        start()  # the first of a period starts it
        yield count("start a run, 2 limits", start, "4 writes + 1 invoke", starts_with(2))
