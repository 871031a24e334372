"""A type of job: a module with a `JOB`, which `TYPES` names, because it lies in the package whose work it does."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.base_entity import Json, Wire
from weconnect.jobs.entities import JobFailure


class Plan(Wire):
    """A batch: what to do, what needs nothing or cannot be done, and where the next one begins (None: it is the last).

    It is stored before anything is done, so that a batch which is done again is the same.
    """

    items: list[str] = []
    skipped: dict[str, int] = {}
    failures: list[JobFailure] = []
    cursor: Json | None = None


@dataclass(frozen=True)
class Work:
    """A job as its type sees it. `caller` has what they held when they asked and still hold; `again` says that this
    batch was begun before, so that some of it may have been done.
    """

    caller: Caller
    job_id: UUID
    created_at: datetime
    input: Json
    again: bool


@dataclass(frozen=True)
class JobType:
    """`plan` finds the batch that begins at a cursor (None: the first) and changes nothing.

    `do` does one item and answers the outcome to count. It may be asked again after it was done, and must come to the
    same. It raises Conflict for what is in a state where there is nothing to do, LimitReached to end the job, any other
    problem for what failed.
    """

    plan: Callable[[Work, Json | None], Plan]
    do: Callable[[Work, str], str]


TYPES = {"bulk_executions": "weconnect.executions.bulk_job"}


def job_type(name: str) -> JobType:
    """The type of that name."""
    module: Any = importlib.import_module(TYPES[name])
    found: JobType = module.JOB
    return found
