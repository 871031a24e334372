"""The rows of workflow executions, and every key that they are found by."""

from typing import Literal, TypedDict
from uuid import UUID

from pynamodb.attributes import Attribute

from weconnect.db.payloads import Pointer, StoredText
from weconnect.db.table import EntityRow, Row, key, stored
from weconnect.executions.entities import Execution, ExecutionStatus


class ConcurrencyLimit(TypedDict):
    """The limit that a workflow's settings set for an execution: `limit` open executions with the same `key`."""

    key: str
    limit: int
    policy: Literal["queue", "skip", "cancel_running"]


class StatusKeys(TypedDict):
    """The keys of an execution's row in gsi2; None removes the row from the index."""

    gsi2pk: str | None
    gsi2sk: str | None


class ExecutionRow(EntityRow[Execution], discriminator="EXECUTION"):
    """An execution of a workflow. `input` and `output` are JSON texts, or pointers to longer ones.

    - `callback_hash`: the hash of the token that completes the execution's callbacks.
    - `parent_key` and `parent_callback`: the execution that waits for this one, and the callback that it waits for.
    - `concurrency`: set when the workflow limits its executions. `queued_at`: the key of the queue's row, until the
      execution is admitted.
    - `reuses_outputs_of`: the earlier execution of a retry; its completed nodes are not executed again.
    - `part`: for an execution that processes batches of another one's loop, `{"part", "variables"}` as stored JSON.
    """

    id: Attribute[str]
    organization_id: Attribute[str]
    user_id: Attribute[str]
    workflow_id: Attribute[str]
    workflow_name: Attribute[str]
    workflow_version: Attribute[int]
    mode: Attribute[str]
    started_at: Attribute[str | None]
    current_node_ids: Attribute[list[str]]
    retry_count: Attribute[int]
    waits_for: Attribute[str | None]
    api_key_id: Attribute[str | None]
    status: Attribute[str] = stored()
    input: Attribute[StoredText | None] = stored()
    output: Attribute[StoredText | None] = stored()
    is_express: Attribute[bool] = stored(default=False)
    cancel_requested_at: Attribute[str | None] = stored()
    pause_requested_at: Attribute[str | None] = stored()
    parent_key: Attribute[list[str] | None] = stored()
    parent_callback: Attribute[str | None] = stored()
    trigger_node_id: Attribute[str | None] = stored()
    reuses_outputs_of: Attribute[str | None] = stored()
    callback_hash: Attribute[str | None] = stored()
    error_workflow_id: Attribute[str | None] = stored()
    depth: Attribute[int] = stored(default=0)
    concurrency: Attribute[ConcurrencyLimit | None] = stored()
    queued_at: Attribute[list[str] | None] = stored()
    handles_error: Attribute[bool] = stored(default=False)
    part: Attribute[StoredText | None] = stored()

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of an execution."""
        return partition_of(organization_id, execution_id), key("EXECUTION")

    @staticmethod
    def of_organization(organization_id: UUID) -> str:
        """Return the gsi1 partition of an organization's executions, sorted by ID."""
        return key("ORG", organization_id, "EXECUTION")

    @staticmethod
    def by_status(organization_id: UUID, status: str) -> str:
        """Return the gsi2 partition of an organization's executions in one status.

        Pending, completed and running express executions are not in it.
        """
        return key("ORG", organization_id, "STATUS", status)

    @staticmethod
    def of_workflow(organization_id: UUID, workflow_id: UUID) -> str:
        """Return the gsi3 partition of a workflow's executions, sorted by ID."""
        return key("ORG", organization_id, "WORKFLOW", workflow_id, "EXECUTION")

    @staticmethod
    def sweeper_partition(state: Literal["pending", "express"], shard: str) -> str:
        """Return the gsi2 partition of all organizations' pending, or running express, executions in one shard."""
        return key("RUN", state, shard)

    @staticmethod
    def shard(execution_id: object) -> str:
        """Return the last digit of the ID: the first ones of a UUIDv7 are its time, and would make a hot partition."""
        return str(execution_id)[-1]

    @classmethod
    def status_keys(
        cls, organization_id: UUID, execution_id: UUID, status: str, is_express: bool
    ) -> StatusKeys:
        """Return the keys that change with the status."""
        if status == ExecutionStatus.PENDING:
            pk: str | None = cls.sweeper_partition("pending", cls.shard(execution_id))
        elif status == ExecutionStatus.RUNNING and is_express:
            pk = cls.sweeper_partition("express", cls.shard(execution_id))
        elif status == ExecutionStatus.COMPLETED:
            pk = None
        else:
            pk = cls.by_status(organization_id, status)
        return {"gsi2pk": pk, "gsi2sk": str(execution_id) if pk else None}


class SemaphoreRow(Row, discriminator="SEMAPHORE"):
    """A semaphore of a workflow's concurrency key, or of an organization. Only `semaphores` writes it.

    It also holds which executions have a slot (`holders`), and when one was last queued (`waitedAt`).
    """

    organization_id: Attribute[str] = stored()
    workflow_id: Attribute[str | None] = stored()
    concurrency_key: Attribute[str | None] = stored()

    @staticmethod
    def of_workflow(organization_id: UUID, workflow_id: UUID, concurrency_key: str) -> tuple[str, str]:
        """Return the key (pk, sk) of the semaphore of a workflow's concurrency key."""
        return key("ORG", organization_id, "WORKFLOW", workflow_id), key("SLOTS", concurrency_key)

    @staticmethod
    def of_organization(organization_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of an organization's semaphore."""
        return key("ORG", organization_id), key("SLOTS")

    @staticmethod
    def with_queue() -> str:
        """Return the gsi2 partition of all organizations' semaphores for which executions may be queued."""
        return key("RUN", "semaphores")


class QueueRow(Row, discriminator="QUEUE"):
    """An execution that is queued for a slot of a semaphore; the oldest is admitted first."""

    execution_id: Attribute[str] = stored()

    @staticmethod
    def of_workflow(organization_id: UUID, workflow_id: UUID, concurrency_key: str) -> tuple[str, str]:
        """Return the partition and the sort key prefix of the queue of a workflow's concurrency key."""
        return key("ORG", organization_id, "WORKFLOW", workflow_id), key("QUEUE", concurrency_key, "")

    @staticmethod
    def of_all_keys(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        """Return the partition and the sort key prefix of the queues of all concurrency keys of a workflow."""
        return key("ORG", organization_id, "WORKFLOW", workflow_id), key("QUEUE", "")

    @staticmethod
    def of_organization(organization_id: UUID) -> tuple[str, str]:
        """Return the partition and the sort key prefix of an organization's queue."""
        return key("ORG", organization_id), key("QUEUE", "")


class NodeRunsRow(Row, discriminator="NODERUNS"):
    """A batch of an execution's journal: the node runs between two writes, compressed."""

    packed: Attribute[bytes | None] = stored()
    pointer: Attribute[Pointer | None] = stored()

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID, batch: int) -> tuple[str, str]:
        """Return the key (pk, sk) of a batch of node runs; `batch` counts from 1."""
        return partition_of(organization_id, execution_id), key("NODES", f"{batch:06d}")


class FileRow(Row, discriminator="FILE"):
    """A file that a node has received; `pointer` leads to its content."""

    name: Attribute[str] = stored()
    content_type: Attribute[str] = stored()
    size: Attribute[int] = stored()
    pointer: Attribute[Pointer] = stored()

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID, file_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of a file."""
        return partition_of(organization_id, execution_id), key("FILE", file_id)


class CallbackRow(Row, discriminator="CALLBACK"):
    """A callback that a waiting node, or a paused execution (`is_branch`: one of its parallel branches), waits for."""

    callback_id: Attribute[str] = stored()
    completed_at: Attribute[str | None] = stored()
    is_branch: Attribute[bool | None] = stored()

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID, path: str) -> tuple[str, str]:
        """Return the key (pk, sk) of the callback that the node at this path waits for."""
        return partition_of(organization_id, execution_id), key("CALLBACK", path)

    @staticmethod
    def of_execution(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the partition and the sort key prefix of the callbacks of an execution's nodes."""
        return partition_of(organization_id, execution_id), key("CALLBACK", "")

    @staticmethod
    def at_pause(organization_id: UUID, execution_id: UUID, path: str) -> tuple[str, str]:
        """Return the key (pk, sk) of the callback that an execution, or its branch at this path, is paused with."""
        return partition_of(organization_id, execution_id), key("PAUSED", path)

    @staticmethod
    def of_pauses(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the partition and the sort key prefix of the callbacks of an execution's pauses."""
        return partition_of(organization_id, execution_id), key("PAUSED", "")


class ChildRow(Row, discriminator="CHILD"):
    """A reference from an execution to a workflow's execution that it started and waits for."""

    id: Attribute[str] = stored()

    @staticmethod
    def at(organization_id: UUID, parent_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of the reference from a parent to an execution that it started."""
        return key("ORG", organization_id, "RUN", parent_id), key("CHILD", execution_id)

    @staticmethod
    def of_parent(organization_id: UUID, parent_id: UUID) -> tuple[str, str]:
        """Return the partition and the sort key prefix of the references of an execution."""
        return key("ORG", organization_id, "RUN", parent_id), key("CHILD", "")


class DeletedExecutionRow(Row, discriminator="DELETEDRUN"):
    """Keeps the ID of a deleted execution that an event had started: the event may be delivered again for some days."""

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) that remembers a deleted execution."""
        return key("ORG", organization_id), key("DELETEDRUN", execution_id)


def partition_of(organization_id: UUID, execution_id: UUID) -> str:
    """Return the partition of everything that belongs to one execution."""
    return key("ORG", organization_id, "EXECUTION", execution_id)
