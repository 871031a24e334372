"""Concurrent callers within one process."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from tests.factories import RegisteredUser
from weconnect import aws
from weconnect.api.caller import Caller
from weconnect.errors import Problem


def run_concurrently(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Return the results of `work(0)` … `work(count - 1)`, started at the same moment; a problem is a result, too."""
    barrier = threading.Barrier(count)

    def run_one(number: int) -> Any:
        barrier.wait()
        try:
            return work(number)
        except Problem as problem:
            return problem
        finally:
            close_connections()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run_one, range(count)))


def close_connections() -> None:
    """Close the connections that this thread has open."""
    connections = aws._open_connections()
    while connections:
        connections.popitem()[1].close()


def count_outcomes(results: list[Any]) -> Counter[str]:
    """Return the number of results by the code of their problem; the others are `ok`."""
    return Counter(result.code if isinstance(result, Problem) else "ok" for result in results)


def owner_caller(person: RegisteredUser) -> Caller:
    """Return the owner as a caller of services, which take concurrent calls; handlers take one call at a time."""
    return Caller(UUID(person.user["id"]), UUID(person.organization["id"]), "owner", frozenset({"*"}))
