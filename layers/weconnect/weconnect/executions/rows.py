"""The rows that runs of agents and workflows have in common, and every key that they are found by."""

from typing import Any
from uuid import UUID

from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
)

from weconnect.db.table import Row, key
from weconnect.executions.entities import Approval, Execution, ExecutionStatus


class ApprovalRow(Row, discriminator="APPROVAL"):
    """A question. `callback_id` is where its run waits, as soon as it does, and `depth` how deep that run stands; long
    arguments leave the row, which stands in two indexes.
    """

    entity = Approval

    status = UnicodeAttribute()
    arguments = JSONAttribute()
    edited_arguments = JSONAttribute(null=True, attr_name="editedArguments")
    callback_id = UnicodeAttribute(null=True, attr_name="callbackId")
    depth = NumberAttribute(default=0)

    @staticmethod
    def at(organization_id: UUID, approval_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("APPROVAL", approval_id)

    @staticmethod
    def by_status(organization_id: UUID, status: str) -> str:
        """gsi2: questions of an organization by status."""
        return key("ORG", organization_id, "APPROVAL", status)

    @staticmethod
    def undelivered() -> str:
        """gsi3: answers of all organizations that their runs have not been sent yet, for the sweeper."""
        return key("RUN", "answered")


class ExecutionRow(Row, discriminator="EXECUTION"):
    """A run of a workflow. `input` and `output` are JSON texts, or pointers to longer ones.

    `callback_hash` is that of the token which completes its callbacks; `parent_key` and `parent_callback` say which run
    waits for it, and where. `concurrency` is `{"key", "limit", "policy"}` of a run that its workflow limits, and
    `queued_at` the key of the row that queues it, until it is let in. `part` is what a run goes by that does batches of
    a loop for another, `{"part", "variables"}`, stored like the input.
    """

    entity = Execution

    status = UnicodeAttribute()
    input = JSONAttribute(null=True)
    output = JSONAttribute(null=True)
    is_express = BooleanAttribute(default=False, attr_name="isExpress")
    cancel_requested_at = UnicodeAttribute(null=True, attr_name="cancelRequestedAt")
    pause_requested_at = UnicodeAttribute(null=True, attr_name="pauseRequestedAt")
    parent_key = JSONAttribute(null=True, attr_name="parentKey")
    parent_callback = UnicodeAttribute(null=True, attr_name="parentCallback")
    trigger_node_id = UnicodeAttribute(null=True, attr_name="triggerNodeId")
    keeps = UnicodeAttribute(null=True)
    callback_hash = UnicodeAttribute(null=True, attr_name="callbackHash")
    error_workflow_id = UnicodeAttribute(null=True, attr_name="errorWorkflowId")
    depth = NumberAttribute(default=0)
    concurrency = JSONAttribute(null=True)
    queued_at = JSONAttribute(null=True, attr_name="queuedAt")
    handles_error = BooleanAttribute(default=False, attr_name="handlesError")
    part = JSONAttribute(null=True)

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        return of_run(organization_id, execution_id), key("EXECUTION")

    @staticmethod
    def of_organization(organization_id: UUID) -> str:
        """gsi1: runs of an organization, by their ids."""
        return key("ORG", organization_id, "EXECUTION")

    @staticmethod
    def by_status(organization_id: UUID, status: str) -> str:
        """gsi2: runs of an organization by status, but for those that are pending, express or completed."""
        return key("ORG", organization_id, "STATUS", status)

    @staticmethod
    def of_workflow(organization_id: UUID, workflow_id: UUID) -> str:
        """gsi3: runs of a workflow, by their ids."""
        return key("ORG", organization_id, "WORKFLOW", workflow_id, "EXECUTION")

    @staticmethod
    def of_sweeper(what: str, shard: str) -> str:
        """gsi2: runs of all organizations that have not begun (`pending`), or run in a caller's time (`express`)."""
        return key("RUN", what, shard)

    @staticmethod
    def shard(execution_id: object) -> str:
        """The last digit: the first ones of a UUIDv7 are its time, and would make one hot partition."""
        return str(execution_id)[-1]

    @classmethod
    def status_keys(
        cls, organization_id: UUID, execution_id: UUID, status: str, express: bool
    ) -> dict[str, Any]:
        """The keys that move with the status; None where the run leaves the index."""
        if status == ExecutionStatus.PENDING:
            pk: str | None = cls.of_sweeper("pending", cls.shard(execution_id))
        elif status == ExecutionStatus.RUNNING and express:
            pk = cls.of_sweeper("express", cls.shard(execution_id))
        elif status == ExecutionStatus.COMPLETED:
            pk = None
        else:
            pk = cls.by_status(organization_id, status)
        return {"gsi2pk": pk, "gsi2sk": str(execution_id) if pk else None}


class GateRow(Row, discriminator="GATE"):
    """Where runs of a workflow's key, or of an organization, are let in. Written by `gates`, which keeps here too which
    runs have a place (`holders`) and when one was last put into the queue before it (`waitedAt`).
    """

    organization_id = UnicodeAttribute(attr_name="organizationId")
    workflow_id = UnicodeAttribute(null=True, attr_name="workflowId")
    run_key = UnicodeAttribute(null=True, attr_name="runKey")

    @staticmethod
    def of_workflow(organization_id: UUID, workflow_id: UUID, run_key: str) -> tuple[str, str]:
        return key("ORG", organization_id, "WORKFLOW", workflow_id), key("PLACES", run_key)

    @staticmethod
    def of_organization(organization_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("PLACES")

    @staticmethod
    def waited() -> str:
        """gsi2: the gates of all organizations before which runs may wait."""
        return key("RUN", "gates")


class QueueRow(Row, discriminator="QUEUE"):
    """A run that waits before a gate; the oldest is let in first."""

    execution_id = UnicodeAttribute(attr_name="executionId")

    @staticmethod
    def of_workflow(organization_id: UUID, workflow_id: UUID, run_key: str) -> tuple[str, str]:
        return key("ORG", organization_id, "WORKFLOW", workflow_id), key("QUEUE", run_key, "")

    @staticmethod
    def of_all(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        """Those of all keys of a workflow."""
        return key("ORG", organization_id, "WORKFLOW", workflow_id), key("QUEUE", "")

    @staticmethod
    def of_organization(organization_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("QUEUE", "")


class NodeRunsRow(Row, discriminator="NODERUNS"):
    """The node runs between two writes of a run's journal, packed."""

    packed = BinaryAttribute(null=True, legacy_encoding=False)
    pointer = JSONAttribute(null=True)

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID, batch: int) -> tuple[str, str]:
        return of_run(organization_id, execution_id), key("NODES", f"{batch:06d}")


class FileRow(Row, discriminator="FILE"):
    """A file that a node of a run has got; `pointer` says where its content is."""

    name = UnicodeAttribute()
    content_type = UnicodeAttribute(attr_name="contentType")
    size = NumberAttribute()
    pointer = JSONAttribute()

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID, file_id: UUID) -> tuple[str, str]:
        return of_run(organization_id, execution_id), key("FILE", file_id)


class CallbackRow(Row, discriminator="CALLBACK"):
    """Where a node of a run waits to be called, or a paused run to be resumed: beside other branches, or alone."""

    callback_id = UnicodeAttribute(attr_name="callbackId")
    completed_at = UnicodeAttribute(null=True, attr_name="completedAt")
    is_branch = BooleanAttribute(null=True, attr_name="isBranch")

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID, path: str) -> tuple[str, str]:
        return of_run(organization_id, execution_id), key("CALLBACK", path)

    @staticmethod
    def of_run(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        return of_run(organization_id, execution_id), key("CALLBACK", "")

    @staticmethod
    def at_pause(organization_id: UUID, execution_id: UUID, path: str) -> tuple[str, str]:
        return of_run(organization_id, execution_id), key("PAUSED", path)

    @staticmethod
    def of_pauses(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        return of_run(organization_id, execution_id), key("PAUSED", "")


class QuestionRow(Row, discriminator="QUESTION"):
    """An approval that a run has asked for, to be taken back when the run ends before it is decided."""

    approval_id = UnicodeAttribute(attr_name="approvalId")

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID, path: str) -> tuple[str, str]:
        return of_run(organization_id, execution_id), key("QUESTION", path)

    @staticmethod
    def of_run(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        return of_run(organization_id, execution_id), key("QUESTION", "")


class ChildRow(Row, discriminator="CHILD"):
    """Names a workflow's run that another run started and waits for, under that one."""

    id = UnicodeAttribute()

    @staticmethod
    def at(organization_id: UUID, parent_id: UUID, execution_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id, "RUN", parent_id), key("CHILD", execution_id)

    @staticmethod
    def of_parent(organization_id: UUID, parent_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id, "RUN", parent_id), key("CHILD", "")


class DeletedRunRow(Row, discriminator="DELETEDRUN"):
    """Holds the id of a run that began by itself and was deleted: what began it may be told again for some days."""

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("DELETEDRUN", execution_id)


def of_run(organization_id: UUID, execution_id: UUID) -> str:
    """The partition of everything that belongs to one run."""
    return key("ORG", organization_id, "EXECUTION", execution_id)
