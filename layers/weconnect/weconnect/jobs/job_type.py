"""Job types: each is a `JobType` in the module whose work it does; a manifest names it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from weconnect import registry, registry_index
from weconnect.api.caller import Caller
from weconnect.base_entity import ApiModel, JsonObject
from weconnect.jobs.entities import JobFailure


class BatchPlan(ApiModel):
    """A batch: the items to process, those to skip or fail at once, and the cursor of the next batch.

    `skipped` counts items by reason. `cursor` is None for the last batch. The plan is stored before anything is
    processed, so that a repeated batch is the same.
    """

    items: list[str] = []
    skipped: dict[str, int] = {}
    failures: list[JobFailure] = []
    cursor: JsonObject | None = None


@dataclass(frozen=True)
class JobContext:
    """The job as its type sees it.

    `caller` has the rights that they had when they created the job and still have. `is_repeated`: this batch was
    started before, so that some of its items may have been processed.
    """

    caller: Caller
    job_id: UUID
    created_at: datetime
    input: JsonObject
    is_repeated: bool


@dataclass(frozen=True)
class JobType:
    """The two functions of a job type.

    `plan_batch` returns the batch that begins at a cursor (None: the first) and changes nothing.

    `process_item` processes one item and returns the outcome to count. It may be repeated after it succeeded, and must
    then return the same. It raises Conflict for an item whose state needs no processing, LimitReached to end the job,
    and any other problem for an item that failed.
    """

    plan_batch: Callable[[JobContext, JsonObject | None], BatchPlan]
    process_item: Callable[[JobContext, str], str]


def load_job_type(name: str) -> JobType:
    """Return the job type of that name, such as `bulk_executions`."""
    job_type: JobType = registry.resolve(registry_index.JOB_TYPES[name])
    return job_type
