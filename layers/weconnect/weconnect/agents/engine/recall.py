"""The agent's memory in an execution: what it recalls at the start, and what it stores at the end."""

import time

from weconnect import clock
from weconnect.agents.engine.execution_context import AgentSnapshot, ExecutionContext, record_step
from weconnect.agents.entities import AgentExecutionStep, AIAgentExecution
from weconnect.agents.memory import context as memory_context
from weconnect.agents.memory import episodes, service
from weconnect.agents.memory.context import MemoryContext
from weconnect.agents.memory.entities import MemoryType
from weconnect.agents.rows import AgentExecutionRow
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.results import Completion


def recall(row: AgentExecutionRow, execution: AIAgentExecution, snapshot: AgentSnapshot) -> MemoryContext:
    """Return what memory contributes to an execution; recorded as step 0 unless it is empty."""
    started, began = clock.now(), time.monotonic()
    memory = memory_context.assemble(
        execution.organization_id,
        execution.agent_id,
        snapshot.session_id,
        snapshot.input,
        snapshot.definition.configuration,
    )
    if memory.system or memory.history:
        step = AgentExecutionStep(
            number=0,
            type="memory",
            name="recall",
            started_at=started,
            duration_ms=int((time.monotonic() - began) * 1000),
        )
        record_step(row, step, {"reasons": memory.reasons})
    return memory


def should_remember(snapshot: AgentSnapshot, completion: Completion) -> bool:
    """Return whether an execution is remembered.

    It is when it completed within a session, and always when the agent's memory consists of episodes.
    """
    is_turn = snapshot.session_id is not None and completion.status == ExecutionStatus.COMPLETED
    return is_turn or snapshot.definition.configuration.memory_type == MemoryType.EPISODIC


def remember(
    context: ExecutionContext, snapshot: AgentSnapshot, completion: Completion, tools_used: list[str]
) -> None:
    """Append the turn to its session; store an episode when the agent's memory consists of episodes. Idempotent."""
    organization_id, agent_id, execution_id = context.organization_id, context.agent_id, context.execution_id
    user_id, session_id = snapshot.user_id, snapshot.session_id
    output: str = completion.output or ""
    if session_id and completion.status == ExecutionStatus.COMPLETED:
        service.add_turn(
            organization_id,
            agent_id,
            user_id,
            session_id,
            execution_id,
            question=snapshot.input,
            reply=output,
        )
    if snapshot.definition.configuration.memory_type == MemoryType.EPISODIC:
        episodes.record(
            organization_id,
            agent_id,
            user_id,
            session_id,
            execution_id,
            goal=snapshot.input,
            outcome=output or (completion.error.message if completion.error else ""),
            status=str(completion.status),
            tools=tools_used,
        )
