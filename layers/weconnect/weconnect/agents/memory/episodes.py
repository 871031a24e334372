"""Episodes: one record of each finished execution, recalled by similarity and time."""

import hashlib
from uuid import UUID

from weconnect import clock, ids
from weconnect.agents.memory import embedders, lexicon, rejections, storage
from weconnect.agents.memory.entities import MemoryMetadata, MemoryType, NewAIAgentMemory
from weconnect.db import table
from weconnect.errors import Conflict

MAX_CHARACTERS = 1_000  # of a goal, and of an outcome
MAX_READ = 10 * MAX_CHARACTERS  # before blanks are removed and secrets are masked
MAX_TOOLS = 20
FOLD_EVERY_EPISODES = 16


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
    """Remember how an execution went; idempotent for its `execution_id`. Apparent secrets are masked."""
    moment = clock.now()
    digest = hashlib.sha256(f"{execution_id}episode".encode()).digest()
    new = NewAIAgentMemory(
        content=_compose(goal, outcome, status, tools[:MAX_TOOLS], f"{moment:%A %d %B %Y, %H:%M} UTC"),
        memory_type=MemoryType.EPISODIC,
        session_id=session_id,
        metadata=MemoryMetadata(source="run", tags=[status[:100]]),
    )
    vectors, _ = embedders.embed([new.content])
    row = storage.build_row(
        organization_id,
        agent_id,
        user_id,
        new,
        f"run:{execution_id}",
        ids.derived_id(int(ids.timestamp_of(execution_id) * 1000), b"\2\0" + digest),
        moment,
    )
    try:
        with table.transaction({"system": "run_agent", "executionId": str(execution_id)}) as writes:
            writes.create(row)
            storage.add_to_index(writes, row, new.content, vectors[0] if vectors else None)
    except Conflict:
        return  # the step was repeated
    if execution_id.int % FOLD_EVERY_EPISODES == 0:
        lexicon.fold_tail(organization_id, agent_id)


def _compose(goal: str, outcome: str, status: str, tools: list[str], when: str) -> str:
    """Return the text of an episode, one line each for goal, outcome, tools and time; secrets are masked."""
    lines = [
        f"Goal: {_shorten(rejections.mask_secrets(goal[:MAX_READ]))}",
        f"Outcome ({status}): {_shorten(rejections.mask_secrets(outcome[:MAX_READ])) or 'no answer'}",
    ]
    lines += [f"Tools: {', '.join(tools)}"] if tools else []
    return "\n".join([*lines, f"When: {when}"])


def _shorten(text: str) -> str:
    """Return the text on one line, cut to MAX_CHARACTERS."""
    flat = " ".join(text.split())
    return flat if len(flat) <= MAX_CHARACTERS else flat[:MAX_CHARACTERS] + "…"
