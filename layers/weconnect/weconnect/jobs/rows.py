"""Jobs in the table."""

from typing import Any
from uuid import UUID

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute

from weconnect.db.table import Row, key
from weconnect.jobs.entities import Job


class JobRow(Row, discriminator="JOB"):
    """A job. `batch` is the number of the one that is next, and `cursor` where it begins.

    `plan` is there while a batch is worked on, or was when its function died; `due` (epoch seconds) is when somebody
    else may take it up. `needs` are the permissions that it asks for.
    """

    entity = Job
    apart = frozenset({"progress"})
    PREFIX = "JOB#"

    status = UnicodeAttribute()
    needs = JSONAttribute()
    batch = NumberAttribute(default=0)
    attempts = NumberAttribute(default=0)
    plan = JSONAttribute(null=True)
    cursor = JSONAttribute(null=True)
    due = NumberAttribute(null=True)
    cancel_requested_at = UnicodeAttribute(null=True, attr_name="cancelRequestedAt")

    @staticmethod
    def at(organization_id: UUID, job_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("JOB", job_id)

    @staticmethod
    def of_sweeper() -> str:
        """gsi2: open jobs of all organizations, by when they are due."""
        return key("RUN", "job")

    @staticmethod
    def of_sweeper_order(due: int, job_id: object) -> str:
        return key(f"{due:012d}", job_id)

    @classmethod
    def due_keys(cls, job_id: object, due: int | None) -> dict[str, Any]:
        """When the job is due, and its place in the index; None where it has ended."""
        if due is None:
            return {"due": None, "gsi2pk": None, "gsi2sk": None}
        return {"due": due, "gsi2pk": cls.of_sweeper(), "gsi2sk": cls.of_sweeper_order(due, job_id)}


class JobInputRow(Row, discriminator="JOBINPUT"):
    """What a job was asked for, and by whom with which rights; it never changes, and stands in no index."""

    input = JSONAttribute()
    caller = JSONAttribute()

    @staticmethod
    def at(organization_id: UUID, job_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("JOBINPUT", job_id)
