"""Jobs: work that takes longer than a request, done batch by batch."""

from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, Field, computed_field

from weconnect.base_entity import ApiModel, BaseEntity


class JobStatus(StrEnum):
    """The status of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = frozenset({JobStatus.QUEUED, JobStatus.RUNNING})


class JobError(ApiModel):
    """The reason why a job ended early; what was done until then stays done and counted."""

    code: str
    message: str


class JobFailure(ApiModel):
    """An item that a job failed to process."""

    id: str
    code: str


class JobResult(ApiModel):
    """The number of items by outcome or reason, and the first 100 failures."""

    counts: dict[str, int] = {}
    failures: list[JobFailure] = []


class Job(BaseEntity):
    """A long piece of work. `skipped` counts the items whose state needed no processing."""

    organization_id: UUID
    type: str
    created_by: UUID
    api_key_id: UUID | None = Field(default=None, description="The API key that created the job")
    status: JobStatus = JobStatus.QUEUED
    total: int | None = Field(
        default=None, description="The number of items; missing when it was not counted"
    )
    done: int = 0
    failed: int = 0
    skipped: int = 0
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    cancel_requested_at: AwareDatetime | None = None
    result: JobResult = JobResult()
    error: JobError | None = None

    @computed_field(description="In percent; missing without a `total`")  # type: ignore[prop-decorator]
    @property
    def progress(self) -> int | None:
        if self.status == JobStatus.COMPLETED:
            return 100
        if not self.total:
            return None if self.total is None else 0
        return min(99, (self.done + self.failed + self.skipped) * 100 // self.total)
