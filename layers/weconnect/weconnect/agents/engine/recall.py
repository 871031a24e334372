"""What a run reads from its agent's memory when it begins, and what it leaves there when it has ended."""

import time

from weconnect import clock
from weconnect.agents.engine.run_context import Outcome, Pinned, Run, Spent, journal
from weconnect.agents.entities import AIAgentExecution, ExecutionStatus, ExecutionStep
from weconnect.agents.memory import context, episodes, service
from weconnect.agents.memory.context import Context
from weconnect.agents.memory.entities import MemoryType
from weconnect.agents.rows import ExecutionRow


def recall(row: ExecutionRow, execution: AIAgentExecution, pinned: Pinned) -> Context:
    """What memory gives the run; shown as its step 0 when it gave something."""
    started, began = clock.now(), time.monotonic()
    found = context.assemble(
        execution.organization_id,
        execution.agent_id,
        pinned.session_id,
        pinned.input,
        pinned.definition.configuration,
    )
    if found.system or found.history:
        step = ExecutionStep(
            number=0,
            type="memory",
            name="recall",
            started_at=started,
            duration_ms=int((time.monotonic() - began) * 1000),
        )
        journal(row, step, {"reasons": found.reasons})
    return found


def leaves_something(pinned: Pinned, outcome: Outcome) -> bool:
    """Whether the run is remembered: a completed one in its conversation, and any by an agent of episodes."""
    in_session = pinned.session_id is not None and outcome.status == ExecutionStatus.COMPLETED
    return in_session or pinned.definition.configuration.memory_type == MemoryType.EPISODIC


def remember(run: Run, pinned: Pinned, outcome: Outcome, spent: Spent) -> None:
    """Append the turn to the conversation; keep an episode where episodes are the agent's memory."""
    answer = outcome.output or ""
    if pinned.session_id and outcome.status == ExecutionStatus.COMPLETED:
        said = {"user": pinned.input, "assistant": answer}
        service.add_turn(run.organization_id, run.agent_id, pinned.user_id, pinned.session_id, run.id, said)
    if pinned.definition.configuration.memory_type == MemoryType.EPISODIC:
        episodes.record(
            run.organization_id,
            run.agent_id,
            pinned.user_id,
            pinned.session_id,
            run.id,
            goal=pinned.input,
            outcome=answer or outcome.error or "",
            status=str(outcome.status),
            tools=spent.tools,
        )
