"""Jobs: what takes longer than a request, batch by batch."""

from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, Field, computed_field

from weconnect.base_entity import BaseEntity, Wire


class JobStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = frozenset({JobStatus.QUEUED, JobStatus.RUNNING})


class JobError(Wire):
    """Why a job ended before all was done; what it had done stays done and counted."""

    code: str
    message: str


class JobFailure(Wire):
    """One thing that a job could not do."""

    id: str
    code: str


class JobResult(Wire):
    """How many things came to what, by outcome or by reason, and the first 100 that failed."""

    counts: dict[str, int] = {}
    failures: list[JobFailure] = []


class Job(BaseEntity):
    """A long piece of work. `skipped` are things in a state in which there was nothing to do."""

    organization_id: UUID
    type: str
    created_by: UUID
    api_key_id: UUID | None = Field(default=None, description="The API key that asked for it")
    status: JobStatus = JobStatus.QUEUED
    total: int | None = Field(default=None, description="How many things there are; missing when not counted")
    done: int = 0
    failed: int = 0
    skipped: int = 0
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    cancel_requested_at: AwareDatetime | None = None
    result: JobResult = JobResult()
    error: JobError | None = None

    @computed_field(description="Percent; missing while `total` is")  # type: ignore[prop-decorator]
    @property
    def progress(self) -> int | None:
        if self.status == JobStatus.COMPLETED:
            return 100
        if not self.total:
            return None if self.total is None else 0
        return min(99, (self.done + self.failed + self.skipped) * 100 // self.total)
