"""The rows of workflows' executions, and every key that they are found by."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self
from uuid import UUID

from pynamodb.attributes import Attribute

from weconnect.db import table
from weconnect.db.payloads import Pointer, StoredText
from weconnect.db.table import Row, key, stored
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.errors import ExecutionNotFound
from weconnect.executions.rows import (
    ExecutionRow,
    FunctionCall,
    StatusKeys,
    partition_of,
    workflow_execution_key,
)
from weconnect.settings import settings
from weconnect.workflows.executions.entities import Execution


class WorkflowExecutionRow(ExecutionRow[Execution], discriminator="EXECUTION"):
    """An execution of a workflow. `input` and `output` are JSON texts, or pointers to longer ones.

    - `callback_hash`: the hash of the token that completes the execution's callbacks.
    - `reuses_outputs_of`: the earlier execution of a retry; its completed nodes are not executed again.
    - `part`: for an execution that processes batches of another one's loop, `{"part", "variables"}` as stored JSON.
    """

    execution_kind = "workflow"
    swept_states = ("pending", "express")
    swept_index = "gsi2"

    workflow_id: Attribute[str]
    workflow_name: Attribute[str]
    workflow_version: Attribute[int]
    mode: Attribute[str]
    current_node_ids: Attribute[list[str]]
    retry_count: Attribute[int]
    retry_of: Attribute[str | None]
    trigger_node_id: Attribute[str | None] = stored()
    reuses_outputs_of: Attribute[str | None] = stored()
    callback_hash: Attribute[str | None] = stored()
    error_workflow_id: Attribute[str | None] = stored()
    part: Attribute[StoredText | None] = stored()

    @classmethod
    def new(cls, execution: Execution, **fields: Any) -> Self:
        """Return the row of a new execution with all its keys; `fields` are those that the entity does not have."""
        organization_id, execution_id = execution.organization_id, str(execution.id)
        pk, sk = cls.at(organization_id, execution.id)
        fields |= {"gsi1pk": cls.of_organization(organization_id), "gsi1sk": execution_id}
        fields |= {"gsi3pk": cls.of_workflow(organization_id, execution.workflow_id), "gsi3sk": execution_id}
        row = cls.of(execution, pk=pk, sk=sk, **fields)
        row.set(**row.status_keys(execution.status))
        return row

    @property
    def target_id(self) -> UUID:
        return UUID(self.workflow_id)

    @property
    def function_call(self) -> FunctionCall:
        name = UUID(self.organization_id).hex + UUID(self.id).hex
        payload = {"organizationId": self.organization_id, "executionId": self.id}
        return FunctionCall(settings.run_workflow_function, name, payload)

    @property
    def may_start_workflows(self) -> bool:
        return True  # or it would not be executed itself

    @property
    def needs_slot(self) -> bool:
        return not self.parent_key  # else it counts as a part of its parent

    @property
    def is_part(self) -> bool:
        return self.part is not None

    @property
    def may_start_again(self) -> bool:
        return self.mode == "event"  # which may be delivered again

    @property
    def is_of_organization(self) -> bool:
        return self.mode == "event" and not self.retry_of

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of an execution."""
        return workflow_execution_key(organization_id, execution_id)

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

    def status_keys(self, status: str, milliseconds: int = 0) -> StatusKeys:
        """Return the keys that change with the status."""
        if status == ExecutionStatus.PENDING:
            pk: str | None = self.sweeper_partition("pending", self.shard(self.id))
        elif status == ExecutionStatus.RUNNING and self.is_express:
            pk = self.sweeper_partition("express", self.shard(self.id))
        elif status == ExecutionStatus.COMPLETED:
            pk = None
        else:
            pk = self.by_status(UUID(self.organization_id), status)
        return {"gsi2pk": pk, "gsi2sk": self.id if pk else None}


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


@dataclass(frozen=True)
class ExecutionKey:
    """The identity of a workflow's execution."""

    organization_id: UUID
    execution_id: UUID

    @classmethod
    def of(cls, row: WorkflowExecutionRow) -> Self:
        """Return the key of an execution's row."""
        return cls(UUID(row.organization_id), UUID(row.id))

    @cached_property
    def row_key(self) -> tuple[str, str]:
        """Return the key (pk, sk) of the execution's row."""
        return WorkflowExecutionRow.at(self.organization_id, self.execution_id)

    def load(self) -> WorkflowExecutionRow:
        """Return the execution's present row. Raises ExecutionNotFound."""
        return table.require(WorkflowExecutionRow, self.row_key, ExecutionNotFound)
