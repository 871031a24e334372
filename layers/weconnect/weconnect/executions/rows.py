"""The rows that executions of workflows and of agents have, and every key that they are found by."""

from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID

from pydantic import BaseModel
from pynamodb.attributes import Attribute

from weconnect.db.payloads import StoredText
from weconnect.db.table import EntityRow, Row, key, stored
from weconnect.executions.entities import KindName

E = TypeVar("E", bound=BaseModel)

StatusKeys = dict[str, str | None]
"""The index keys of an execution's row that depend on its status; None removes the row from the index."""

SweptState = Literal["pending", "express", "nested"]
"""The states in which the sweeper looks for executions that nobody works on."""

OpenState = Literal[SweptState, "running", "waiting"]
"""The states whose executions, of all organizations, are in a partition of an index."""

SWEEPER_SHARDS = "0123456789abcdef"


class ConcurrencyLimit(TypedDict):
    """The limit that a workflow's settings set for an execution: `limit` open executions with the same `key`."""

    key: str
    limit: int
    policy: Literal["queue", "skip", "cancel_running"]


class ExecutionTree(TypedDict):
    """The tree that an execution is in: who began it, how far below that the execution is, and the plan's limit."""

    root_id: str
    level: int
    max_descendants: int


class FunctionCall(NamedTuple):
    """A durable function, the name of the durable execution to start, and its payload as JSON."""

    function: str
    durable_name: str
    payload: dict[str, str]


class ExecutionRow(EntityRow[E], Generic[E]):
    """An execution of a workflow or of an agent: what both have.

    - `parent_key`: the row of the execution that waits for this one; `parent_callback`: the callback that it waits for.
    - `tree`: the executions that it belongs to, which have a limit together.
    - `concurrency`: the limit of executions that it counts for. `queued_at`: the key of the queue's row, until the
      execution is admitted; `waits_for`: the semaphore of that queue.
    - `was_queued`: it has waited for a slot, so what its request relied on may be gone when it begins.
    - `handles_error`: it was started because another execution failed.
    - `next_invocation_at`: before it, the sweeper does not start a pending execution; `invocations`: how often it has.
    - `retention_days`: how long it is kept after its end, -1 for ever. It has no `ttl` before.
    """

    execution_kind: ClassVar[KindName]
    """The name of its ExecutionKind."""
    swept_states: ClassVar[tuple[SweptState, ...]]
    swept_index: ClassVar[str]
    """The index that has the executions which the sweeper looks for."""

    id: Attribute[str] = stored()
    organization_id: Attribute[str] = stored()
    user_id: Attribute[str] = stored()
    api_key_id: Attribute[str | None] = stored()
    parent_execution_id: Attribute[str | None] = stored()
    status: Attribute[str] = stored()
    started_at: Attribute[str | None] = stored()
    finished_at: Attribute[str | None] = stored()
    cancel_requested_at: Attribute[str | None] = stored()
    input: Attribute[StoredText | None] = stored()
    output: Attribute[StoredText | None] = stored()
    depth: Attribute[int] = stored(default=0)
    is_express: Attribute[bool] = stored(default=False)
    pause_requested_at: Attribute[str | None] = stored()
    parent_key: Attribute[list[str] | None] = stored()
    parent_callback: Attribute[str | None] = stored()
    tree: Attribute[ExecutionTree] = stored(null=True)
    concurrency: Attribute[ConcurrencyLimit | None] = stored()
    queued_at: Attribute[list[str] | None] = stored()
    waits_for: Attribute[str | None] = stored()
    was_queued: Attribute[bool] = stored(default=False)
    handles_error: Attribute[bool] = stored(default=False)
    retention_days: Attribute[int] = stored()
    next_invocation_at: Attribute[str | None] = stored()
    invocations: Attribute[int | None] = stored()

    # What each kind of row must define raises NotImplementedError: pynamodb's metaclass knows no abstract methods.

    @property
    def target_id(self) -> UUID:
        """The ID of the workflow or the agent that is executed."""
        raise NotImplementedError

    @property
    def function_call(self) -> FunctionCall:
        """The call of the durable function that executes it. Its name leads from the platform's events to the row."""
        raise NotImplementedError

    @property
    def may_start_workflows(self) -> bool:
        """True when the user who started it may execute workflows, so that it may, too."""
        raise NotImplementedError

    @property
    def slot(self) -> str:
        """The name of the slots that it holds, from which `key_of_slot` makes its key."""
        return f"r{UUID(self.id).hex}"

    @property
    def needs_slot(self) -> bool:
        """True when it counts for the limit of the organization's open executions."""
        return False

    @property
    def is_nested(self) -> bool:
        """True when the function of another execution executes it, so that it needs no function of its own."""
        return False

    @property
    def is_part(self) -> bool:
        """True when it does a part of its parent's work: it is not counted, and pauses with the parent."""
        return False

    @property
    def may_start_again(self) -> bool:
        """True when what started it may do so again, so that its ID is remembered when it is deleted."""
        return False

    @property
    def is_of_organization(self) -> bool:
        """True when the organization relies on it, whoever set it up: no person has requested it."""
        return False

    def status_keys(self, status: str, milliseconds: int = 0) -> StatusKeys:
        """Return the keys that change with the status; `milliseconds` is the duration of one that has ended."""
        raise NotImplementedError

    @staticmethod
    def sweeper_partition(state: OpenState, shard: str) -> str:
        """Return the partition of the executions of all organizations that are in a state, for sweeper and closer."""
        return key("RUN", state, shard)

    @staticmethod
    def shard(execution_id: object) -> str:
        """Return the last digit of the ID: the first ones of a UUIDv7 are its time, and would make a hot partition."""
        return str(execution_id)[-1]


AnyRow = ExecutionRow[Any]
"""An execution of any kind."""


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

    execution_key: Attribute[list[str]] = stored()

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
    """A reference from an execution to one that it started and waits for, or that is a part of it."""

    execution_key: Attribute[list[str]] = stored()

    @staticmethod
    def at(organization_id: UUID, parent_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of the reference from a parent to an execution that it started."""
        return partition_of(organization_id, parent_id), key("CHILD", execution_id)

    @staticmethod
    def of_parent(organization_id: UUID, parent_id: UUID) -> tuple[str, str]:
        """Return the partition and the sort key prefix of the references of an execution."""
        return partition_of(organization_id, parent_id), key("CHILD", "")


class TreeRow(Row, discriminator="TREE"):
    """The number of executions that the first one of a tree has started, with theirs. Only `trees` writes it."""

    descendants: Attribute[int] = stored(default=0)

    @staticmethod
    def at(organization_id: UUID, root_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of the count of the tree that an execution began."""
        return partition_of(organization_id, root_id), key("TREE")


class EndingRow(Row, discriminator="ENDING"):
    """Marks an execution that has ended, or is to end, while what it has started may be open. See `endings`.

    Without `execution_key` it marks all of an organization that were requested until a time, which are to be cancelled.
    """

    organization_id: Attribute[str] = stored()
    execution_key: Attribute[list[str] | None] = stored()
    requested_until: Attribute[str | None] = stored()

    @staticmethod
    def of_execution(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of the mark of an execution."""
        return key("RUN", "ending"), key("ORG", organization_id, "EXECUTION", execution_id)

    @staticmethod
    def of_organization(organization_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of the mark of all executions of an organization."""
        return key("RUN", "ending"), key("ORG", organization_id)

    @staticmethod
    def of_all() -> str:
        """Return the partition of the marks of all organizations."""
        return key("RUN", "ending")


class SweepRow(Row, discriminator="SWEEP"):
    """The position in a partition, or in a list of the platform, from which the next sweep goes on."""

    position: Attribute[str] = stored()

    @staticmethod
    def of_semaphores() -> tuple[str, str]:
        """Return the key (pk, sk) of the position among the semaphores for which executions may be queued."""
        return key("RUN", "sweep"), key("SEMAPHORES")

    @staticmethod
    def of_endings() -> tuple[str, str]:
        """Return the key (pk, sk) of the position among the executions whose end is not finished."""
        return key("RUN", "sweep"), key("ENDINGS")

    @staticmethod
    def of_durable_executions(function: str) -> tuple[str, str]:
        """Return the key (pk, sk) of the position among the ended durable executions of a function."""
        return key("RUN", "sweep"), key("DURABLE", function)


class DeletedExecutionRow(Row, discriminator="DELETEDRUN"):
    """Keeps the ID of a deleted execution that an event had started: the event may be delivered again for some days."""

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) that remembers a deleted execution."""
        return key("ORG", organization_id), key("DELETEDRUN", execution_id)


def partition_of(organization_id: UUID, execution_id: UUID) -> str:
    """Return the partition of everything that belongs to one execution."""
    return key("ORG", organization_id, "EXECUTION", execution_id)


def workflow_execution_key(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
    """Return the key (pk, sk) of a workflow's execution, for semaphores and child calls, which read such rows."""
    return partition_of(organization_id, execution_id), key("EXECUTION")


def agent_execution_key(organization_id: UUID, agent_id: UUID, execution_id: UUID) -> tuple[str, str]:
    """Return the key (pk, sk) of an agent's execution, for semaphores, which read such rows."""
    return key("ORG", organization_id, "AGENT", agent_id), key("EXECUTION", execution_id)


def agent_slot(agent_id: UUID, execution_id: UUID) -> str:
    """Return the name of the slots that an agent's execution holds."""
    return f"a{agent_id.hex}_{execution_id.hex}"


def key_of_slot(organization_id: UUID, slot: str) -> tuple[str, str]:
    """Return the key (pk, sk) of the execution that holds a slot."""
    holder, *holder_ids = slot[0], *map(UUID, slot[1:].split("_"))
    return (
        workflow_execution_key(organization_id, holder_ids[0])
        if holder == "r"
        else agent_execution_key(organization_id, *holder_ids)
    )
