"""Episodes: one record of each finished run, recalled by likeness and time."""

import hashlib
from uuid import UUID

from weconnect import clock, ids
from weconnect.agents.memory import embedders, lexicon, rejections, storage
from weconnect.agents.memory.entities import MemoryMetadata, MemoryType, NewAIAgentMemory
from weconnect.db import table
from weconnect.errors import Conflict

LONGEST = 1_000  # characters of a goal and of an outcome
TOOLS = 20
FOLD_EVERY = 16


def record(
    organization_id: UUID,
    agent_id: UUID,
    user_id: UUID,
    session_id: str | None,
    execution_id: UUID,
    *,
    goal: str,
    outcome: str,
    status: str,
    tools: list[str],
) -> None:
    """Remember how a run went, once however often it is asked. What looks like a secret is masked."""
    moment = clock.now()
    digest = hashlib.sha256(f"{execution_id}episode".encode()).digest()
    new = NewAIAgentMemory(
        content=_told(goal, outcome, status, tools[:TOOLS], f"{moment:%A %d %B %Y, %H:%M} UTC"),
        memory_type=MemoryType.EPISODIC,
        session_id=session_id,
        metadata=MemoryMetadata(source="run", tags=[status[:100]]),
    )
    vectors, _ = embedders.embed([new.content])
    row = storage.new_row(
        organization_id,
        agent_id,
        user_id,
        new,
        f"run:{execution_id}",
        ids.derived_id(int(ids.time_of(execution_id) * 1000), b"\2\0" + digest),
        moment,
    )
    try:
        with table.transaction({"system": "run_agent", "executionId": str(execution_id)}) as writes:
            writes.create(row)
            storage.index(writes, row, new.content, vectors[0] if vectors else None)
    except Conflict:
        return  # the step was repeated
    if execution_id.int % FOLD_EVERY == 0:
        lexicon.fold(organization_id, agent_id)


def _told(goal: str, outcome: str, status: str, tools: list[str], when: str) -> str:
    said = rejections.masked(outcome)
    lines = [
        f"Goal: {_cut(rejections.masked(goal))}",
        f"Outcome ({status}): {_cut(said) or 'nothing was said'}",
    ]
    lines += [f"Tools: {', '.join(tools)}"] if tools else []
    return "\n".join([*lines, f"When: {when}"])


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else flat[:LONGEST] + "…"
