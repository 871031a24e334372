"""Rows of jobs."""

from typing import Any, TypedDict
from uuid import UUID

from pynamodb.attributes import Attribute, UnicodeSetAttribute

from weconnect.base_entity import JsonObject
from weconnect.db.table import EntityRow, Row, key, stored
from weconnect.jobs.entities import Job


class JobRow(EntityRow[Job], discriminator="JOB"):
    """A job. `batch` is the number of the next batch, and `cursor` its beginning.

    `plan` is present while a batch is processed, and after its function died in it; `due` (epoch seconds) is when
    another message may take the batch up. `needs` are the permissions that the job requires.
    """

    apart = frozenset({"progress"})
    PREFIX = "JOB#"

    id: Attribute[str]
    organization_id: Attribute[str]
    type: Attribute[str]
    created_by: Attribute[str]
    done: Attribute[int]
    failed: Attribute[int]
    skipped: Attribute[int]
    started_at: Attribute[str | None]
    status: Attribute[str] = stored()
    needs: Attribute[list[str]] = stored()
    batch: Attribute[int] = stored(default=0)
    attempts: Attribute[int] = stored(default=0)
    plan: Attribute[JsonObject | None] = stored()
    cursor: Attribute[JsonObject | None] = stored()
    due: Attribute[int | None] = stored()
    cancel_requested_at: Attribute[str | None] = stored()

    @staticmethod
    def at(organization_id: UUID, job_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of a job."""
        return key("ORG", organization_id), key("JOB", job_id)

    @staticmethod
    def of_sweeper() -> str:
        """Return the partition of gsi2 with the open jobs of all organizations, by when they are due."""
        return key("RUN", "job")

    @staticmethod
    def of_sweeper_order(due: int, job_id: object) -> str:
        """Return the sort key of gsi2; `due` is in epoch seconds."""
        return key(f"{due:012d}", job_id)

    @classmethod
    def due_keys(cls, job_id: object, due: int | None) -> dict[str, Any]:
        """Return `due` with its index keys; None removes an ended job from the index."""
        if due is None:
            return {"due": None, "gsi2pk": None, "gsi2sk": None}
        return {"due": due, "gsi2pk": cls.of_sweeper(), "gsi2sk": cls.of_sweeper_order(due, job_id)}


class OpenJobsRow(Row, discriminator="OPENJOBS"):
    """The IDs of an organization's open jobs, and of those that are executed now. An empty set is not stored."""

    open_ids = UnicodeSetAttribute(null=True, attr_name="openIds")
    active_ids = UnicodeSetAttribute(null=True, attr_name="activeIds")

    @staticmethod
    def at(organization_id: object) -> tuple[str, str]:
        """Return the key (pk, sk) of an organization's open jobs."""
        return key("ORG", organization_id), "OPENJOBS"


class StoredRequestInfo(TypedDict):
    """The origin of the request that created a job, as stored JSON."""

    id: str
    ip: str
    user_agent: str


class StoredCaller(TypedDict):
    """The caller who created a job, as stored JSON."""

    userId: str
    apiKeyId: str | None
    role: str
    permissions: list[str]
    scopes: list[str] | None
    operator: bool
    sso: bool
    request: StoredRequestInfo


class JobInputRow(Row, discriminator="JOBINPUT"):
    """The input of a job, and its caller with their rights; it never changes, and no index copies it."""

    input: Attribute[JsonObject] = stored()
    caller: Attribute[StoredCaller] = stored()

    @staticmethod
    def at(organization_id: UUID, job_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of a job's input."""
        return key("ORG", organization_id), key("JOBINPUT", job_id)
