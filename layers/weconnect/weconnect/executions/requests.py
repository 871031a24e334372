"""The request to start an execution: one object for every reason to start one."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from weconnect import clock, ids
from weconnect.actor import Actor
from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.executions.entities import ExecutionMode, KindName
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.rows import AnyRow

Express = Literal["never", "as_set", "preferred"]


@dataclass(frozen=True, kw_only=True)
class StartExecution:
    """The request to start an execution, for `start`. Idempotent by the execution's ID.

    - `target_id`: the workflow or agent to execute. `version`: its number; None: the one that executions use now.
    - `user_id`: for whom it is executed. `caller`: the one whose access to it is checked, if any.
    - `counted_for`: the caller or owner whose limits count it; None: it is part of something that was counted.
    - `parent`: the execution that waits for it. `depth`: how many executions have led to it.
    - `retry_of`: the execution that it repeats.
    - `reuses_outputs_of`: the execution whose completed nodes are not executed again.
    - `failed`: the execution because of whose failure it is started.
    - `express`: `never`, `as_set` (as the workflow's settings say) or `preferred`: whether it is executed within this
      call, where its workflow can be.
    - `part`: the batches of a loop that it processes for its parent, and its variables: `{"part", "variables"}`.
    """

    kind: KindName
    organization_id: UUID
    target_id: UUID
    execution_id: UUID
    user_id: UUID
    input: Any = None
    mode: ExecutionMode = "api"
    version: int | None = None
    caller: Caller | None = None
    counted_for: Caller | None = None
    actor: Actor = field(default_factory=lambda: ACTOR)
    api_key_id: UUID | None = None
    may_start_workflows: bool = True
    retention_days: int = 0
    """The days for which an execution that is not counted is kept; for one that is counted, the plan has the number."""
    requested_at: datetime = field(default_factory=clock.now)
    """Its time of creation: of two with new IDs, the one with the higher ID was requested later."""
    depth: int = 0
    parent: AnyRow | None = None
    trigger_node_id: str | None = None
    session_id: str | None = None
    express: Express = "never"
    retry_of: AnyRow | None = None
    reuses_outputs_of: UUID | None = None
    failed: AnyRow | None = None
    part: Any = None

    @classmethod
    def by_caller(
        cls,
        caller: Caller,
        kind: KindName,
        target_id: UUID,
        input: Any,
        *,
        mode: ExecutionMode = "api",
        trigger_node_id: str | None = None,
        session_id: str | None = None,
        express: Express = "never",
    ) -> Self:
        """Return the request of a caller, counted against their limits."""
        return cls(
            kind=kind,
            organization_id=caller.organization_id,
            target_id=target_id,
            execution_id=replay_safe_id(),
            user_id=caller.user_id,
            input=input,
            mode=mode,
            caller=caller,
            counted_for=caller,
            actor=caller.actor(),
            api_key_id=caller.api_key_id,
            may_start_workflows=caller.has_permission("workflows:execute"),
            trigger_node_id=trigger_node_id,
            session_id=session_id,
            express=express,
        )

    @classmethod
    def by_parent(cls, parent: AnyRow, name: str, kind: KindName, target_id: UUID, input: Any) -> Self:
        """Return the request of an execution that waits for the one it starts, under a `name` of its own."""
        return cls(
            kind=kind,
            organization_id=UUID(parent.organization_id),
            target_id=target_id,
            execution_id=derive_child_id(UUID(parent.id), name),
            user_id=UUID(parent.user_id),
            input=input,
            mode="subworkflow",
            api_key_id=UUID(parent.api_key_id) if parent.api_key_id else None,
            may_start_workflows=parent.may_start_workflows,
            retention_days=parent.retention_days,
            depth=int(parent.depth or 0) + 1,
            parent=parent,
        )


def derive_child_id(parent_id: UUID, name: str) -> UUID:
    """Return the ID of an execution that a parent starts under a name: the same at each attempt."""
    return ids.derived_from(parent_id, name)
