"""Many callers at once."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from tests.factories import Registered
from weconnect import aws
from weconnect.api.caller import Caller
from weconnect.errors import Problem


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work(0)` … `work(count - 1)` answered, all begun at the same moment; a problem is an answer too."""
    barrier = threading.Barrier(count)

    def one(number: int) -> Any:
        barrier.wait()
        try:
            return work(number)
        except Problem as problem:
            return problem
        finally:
            hang_up()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def hang_up() -> None:
    """Close the connections that this thread keeps."""
    kept = aws._connections()
    while kept:
        kept.popitem()[1].close()


def outcomes(answers: list[Any]) -> Counter[str]:
    """How many answers were problems of which code; the others are `ok`."""
    return Counter(answer.code if isinstance(answer, Problem) else "ok" for answer in answers)


def caller_of(person: Registered) -> Caller:
    """The owner, below the routes: handlers take one call at a time in a process, services take many."""
    return Caller(UUID(person.user["id"]), UUID(person.organization["id"]), "owner", frozenset({"*"}))
