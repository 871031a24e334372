"""Memories of an agent: read, correct, erase; and the turns of its sessions.

Functions for routes take the caller and check permissions; those for executions take the organization and the agent.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from weconnect import clock, ids
from weconnect.actor import Actor
from weconnect.agents import service as agents
from weconnect.agents.memory import embedders, lexicon, rejections, storage, writing
from weconnect.agents.memory.entities import (
    HISTORY_SHOWN,
    AgentSession,
    AIAgentMemory,
    AIAgentMemoryChanges,
    MemoryChange,
    MemoryMetadata,
    MemoryType,
    MemoryWriteResult,
    NewAIAgentMemory,
    SessionErasure,
)
from weconnect.agents.memory.errors import MemoryNotFound
from weconnect.agents.memory.rows import AgentSessionRow, MemoryHistoryRow, MemoryKeyRow, MemoryRow
from weconnect.agents.memory.tokenizer import estimate_tokens
from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.db import payloads, table
from weconnect.errors import Conflict, Invalid

FOLD_EVERY_TURNS = 16  # a search folds the rest


class SessionMessage(NamedTuple):
    """A message of a session; `speaker` is `user` or `assistant`."""

    speaker: str
    content: str


def create(caller: Caller, agent_id: UUID, new: NewAIAgentMemory) -> MemoryWriteResult:
    """Write a memory for the agent; the result says what was decided. Raises AgentNotFound, Forbidden, Invalid."""
    agents.require_own_agent(caller, agent_id)
    return writing.write(caller.organization_id, agent_id, caller.user_id, new, caller.actor())


def get(caller: Caller, agent_id: UUID, memory_id: UUID, as_of: datetime | None = None) -> AIAgentMemory:
    """Return one memory with its history, or as it was at `as_of`. Raises AgentNotFound, MemoryNotFound."""
    agents.require_agent(caller, agent_id)
    row = _require_memory(caller, agent_id, memory_id)
    memory = storage.to_memory(row, history=_history(row))
    if as_of is None:
        return memory
    if not memory.is_valid_at(as_of):
        raise MemoryNotFound("The memory was not valid at this time. Choose another `asOf`.")
    earlier = next((change for change in reversed(memory.history) if as_of < change.changed_at), None)
    if earlier is None:
        return memory
    return memory.model_copy(update={"content": earlier.content, "metadata": earlier.metadata})


def list_memories(
    caller: Caller,
    agent_id: UUID,
    *,
    limit: int,
    cursor: str | None,
    memory_type: MemoryType | None = None,
    session_id: str | None = None,
    tag: str | None = None,
    as_of: datetime | None = None,
) -> Page[AIAgentMemory]:
    """Return memories, newest first, including superseded ones; with `as_of`, those that were valid then."""
    agents.require_agent(caller, agent_id)
    index: str | None = "gsi1"
    pk, prefix = MemoryRow.by_id(caller.organization_id, agent_id), ""
    if memory_type:
        parts = [memory_type, *([session_id] if session_id else [])]
        index, (pk, prefix) = None, MemoryRow.of_type(caller.organization_id, agent_id, *parts)

    def is_match(row: MemoryRow) -> bool:
        """Return whether the row has the session and the tag and was valid at `as_of`."""
        return (
            (session_id is None or row.session_id == session_id)
            and (tag is None or tag in row.metadata.get("tags", []))
            and (as_of is None or row.to_entity(content="").is_valid_at(as_of))
        )

    rows, following = query_page(
        MemoryRow,
        pk,
        prefix,
        index=index,
        limit=limit,
        cursor=cursor,
        keep=is_match if session_id or tag or as_of else None,
        filters=[memory_type, session_id, tag, as_of],
    )
    return Page(items=[storage.to_memory(row) for row in rows], next_cursor=following)


def update(
    caller: Caller, agent_id: UUID, memory_id: UUID, changes: AIAgentMemoryChanges, if_match: int | None
) -> AIAgentMemory:
    """Correct a memory's content or metadata; the earlier ones stay in its history.

    Raises AgentNotFound, MemoryNotFound, StaleVersion, and Invalid for a content that must not be stored.
    """
    agents.require_own_agent(caller, agent_id)
    row = _require_memory(caller, agent_id, memory_id)
    content = storage.load_content(row) if changes.content is None else changes.content
    values: dict[str, Any] = {}
    if changes.content is not None:
        if rejection := rejections.find_rejection(content):
            raise Invalid(f"{rejection}.", pointer="/content")
        values["content"] = storage.store_content(caller.organization_id, memory_id, content)
    if changes.metadata is not None:
        storage.check_expiry(changes.metadata)
        values["metadata"] = changes.metadata.model_dump(mode="json")
        values["ttl"] = storage.compute_ttl(changes.metadata)
    vectors, _ = embedders.embed([content])
    with table.transaction(caller.actor()) as writes:
        writes.create(_history_row(row, caller))
        storage.replace_in_index(writes, row, values, content, vectors[0] if vectors else None)
        key_row = _own_key_row(row)
        if key_row and key_row.ttl != values.get("ttl", row.ttl):
            writes.change(key_row, {"ttl": values["ttl"]})
        writes.change(row, values, if_match=if_match)
    for history_row in _query_history(row) if "ttl" in values else []:
        table.touch(history_row, put={"ttl": values["ttl"]})  # the history expires with the memory
    return storage.to_memory(row, history=_history(row))


def delete(caller: Caller, agent_id: UUID, memory_id: UUID, if_match: int | None) -> None:
    """Delete a memory permanently, with its index entries, its vector, its history and its key.

    Raises AgentNotFound, MemoryNotFound, StaleVersion.
    """
    agents.require_own_agent(caller, agent_id)
    row = _require_memory(caller, agent_id, memory_id)
    table.check_version(row, if_match)
    _erase([row], caller.actor())


def erase_session(caller: Caller, agent_id: UUID, session_id: str) -> SessionErasure:
    """Delete all memories of a session permanently, and the session. Idempotent. Raises AgentNotFound."""
    agents.require_own_agent(caller, agent_id)
    rows: list[MemoryRow] = []
    for memory_type in MemoryType:
        pk, prefix = MemoryRow.of_type(caller.organization_id, agent_id, memory_type, session_id)
        rows += MemoryRow.query(pk, MemoryRow.sk.startswith(prefix), consistent_read=True)
    _erase(rows, caller.actor())
    AgentSessionRow(*AgentSessionRow.at(caller.organization_id, agent_id, session_id)).delete()
    return SessionErasure(deleted=sum(not table.is_expired(row) for row in rows))


def _erase(rows: list[MemoryRow], actor: Actor) -> None:
    """Delete memories permanently. A memory's own row is deleted last: until then the deletion can be repeated."""
    if not rows:
        return
    organization_id, agent_id = UUID(rows[0].organization_id), UUID(rows[0].agent_id)
    lexicon.remove_memories(organization_id, agent_id, [UUID(row.id) for row in rows])
    for row in rows:
        history_rows = list(_query_history(row))
        with MemoryHistoryRow.batch_write() as batch:
            for history_row in history_rows:
                batch.delete(history_row)
        key_row = _own_key_row(row)
        with table.transaction(actor) as writes:
            storage.remove_from_index(writes, row)
            if key_row:
                writes.delete(key_row)
            writes.delete(row)
        for content in (row.content, *(history_row.content for history_row in history_rows)):
            payloads.discard(organization_id, content)


def _own_key_row(row: MemoryRow) -> MemoryKeyRow | None:
    """Return the row of the memory's key, if this memory has the key now."""
    at = MemoryKeyRow.at(UUID(row.organization_id), UUID(row.agent_id), row.memory_type, row.key)
    key_row = table.get(MemoryKeyRow, at)
    return key_row if key_row and key_row.memory_sk == row.sk else None


def _history_row(row: MemoryRow, caller: Caller) -> MemoryHistoryRow:
    """Return a history row with the memory's present content and metadata."""
    organization_id, agent_id = UUID(row.organization_id), UUID(row.agent_id)
    at = MemoryHistoryRow.at(organization_id, agent_id, UUID(row.id), int(row.version))
    return MemoryHistoryRow(
        *at,
        ttl=row.ttl,
        content=row.content,
        metadata=row.metadata,
        changed_at=clock.iso(clock.now()),
        changed_by=caller.actor(),
    )


def _query_history(row: MemoryRow, limit: int | None = None) -> Iterable[MemoryHistoryRow]:
    """Return the corrections of a memory, the latest first."""
    at = MemoryHistoryRow.of_memory(UUID(row.organization_id), UUID(row.agent_id), UUID(row.id))
    return MemoryHistoryRow.query(
        at[0],
        MemoryHistoryRow.sk.startswith(at[1]),
        consistent_read=True,
        scan_index_forward=False,
        limit=limit,
    )


def _history(row: MemoryRow) -> list[MemoryChange]:
    """Return the latest 50 corrections, the latest first; a memory that was never changed costs no read."""
    if row.version == 1:
        return []
    return [
        MemoryChange(
            content=payloads.load(row.organization_id, history_row.content),
            metadata=MemoryMetadata.model_validate(history_row.metadata),
            changed_at=datetime.fromisoformat(history_row.changed_at),
            changed_by=history_row.changed_by,
        )
        for history_row in _query_history(row, HISTORY_SHOWN)
    ]


def list_sessions(caller: Caller, agent_id: UUID, *, limit: int, cursor: str | None) -> Page[AgentSession]:
    """Return the sessions of an agent, the last used first. Raises AgentNotFound."""
    agents.require_agent(caller, agent_id)
    pk = AgentSessionRow.by_use(caller.organization_id, agent_id)
    rows, following = query_page(AgentSessionRow, pk, index="gsi1", limit=limit, cursor=cursor)
    items = [
        AgentSession(
            session_id=row.session_id,
            turns=int(row.turns),
            created_at=row.created_at,
            last_used_at=row.last_used_at,
        )
        for row in rows
    ]
    return Page(items=items, next_cursor=following)


def add_turn(
    organization_id: UUID,
    agent_id: UUID,
    user_id: UUID,
    session_id: str,
    execution_id: UUID,
    *,
    question: str,
    reply: str,
) -> None:
    """Append an execution's question and reply to its session. Idempotent for the `execution_id`."""
    moment = clock.now()
    session = AgentSessionRow(*AgentSessionRow.at(organization_id, agent_id, session_id))
    session_values = {
        "session_id": session_id,
        "last_used_at": clock.iso(moment),
        "gsi1pk": AgentSessionRow.by_use(organization_id, agent_id),
        "gsi1sk": clock.iso(moment),
    }
    messages = [SessionMessage("user", question), SessionMessage("assistant", reply)]
    vectors, _ = embedders.embed([question, reply])
    try:
        with table.transaction({"system": "run_agent"}) as writes:
            for position, (speaker, content) in enumerate(messages):
                digest = hashlib.sha256(f"{execution_id}{speaker}".encode()).digest()
                memory_id = ids.derived_id(
                    int(ids.timestamp_of(execution_id) * 1000), bytes([0, position]) + digest
                )
                new = NewAIAgentMemory.model_construct(
                    content=content,
                    memory_type=MemoryType.CONVERSATION,
                    session_id=session_id,
                    subject=None,
                    metadata=MemoryMetadata(source=speaker),
                )
                key = f"{execution_id}:{speaker}"
                row = storage.build_row(organization_id, agent_id, user_id, new, key, memory_id, moment)
                writes.create(row)
                storage.add_to_index(writes, row, content, vectors[position] if vectors else None)
            writes.increment(session, "turns", 1, put=session_values)
    except Conflict:
        return  # the step was repeated
    if execution_id.int % FOLD_EVERY_TURNS == 0:
        lexicon.fold_tail(organization_id, agent_id)


def load_window(
    organization_id: UUID, agent_id: UUID, session_id: str, turns: int, tokens: int
) -> list[SessionMessage]:
    """Return the messages of a session's last `turns` that fit into `tokens`, oldest first."""
    return take_fitting(load_recent(organization_id, agent_id, session_id, turns), tokens)


def load_recent(organization_id: UUID, agent_id: UUID, session_id: str, turns: int) -> list[SessionMessage]:
    """Return the messages of a session's last `turns`, oldest first."""
    pk, prefix = MemoryRow.of_type(organization_id, agent_id, MemoryType.CONVERSATION, session_id)
    newest = MemoryRow.query(
        pk,
        MemoryRow.sk.startswith(prefix),
        consistent_read=True,
        scan_index_forward=False,
        limit=max(1, 2 * turns),
    )
    rows = [row for row in newest if not table.is_expired(row)] if turns else []
    return [
        SessionMessage(row.metadata.get("source") or "user", storage.load_content(row))
        for row in reversed(rows)
    ]


def take_fitting(messages: list[SessionMessage], tokens: int) -> list[SessionMessage]:
    """Return the last messages that fit into `tokens`."""
    first = len(messages)
    while first and (tokens := tokens - estimate_tokens(messages[first - 1].content)) >= 0:
        first -= 1
    return messages[first:]


def _require_memory(caller: Caller, agent_id: UUID, memory_id: UUID) -> MemoryRow:
    """Return the row of a memory by its id, read consistently. Raises MemoryNotFound."""
    pk = MemoryRow.by_id(caller.organization_id, agent_id)
    indexed = next(iter(MemoryRow.gsi1.query(pk, MemoryRow.gsi1sk == str(memory_id))), None)
    if indexed is None:
        raise MemoryNotFound()
    return table.require(MemoryRow, (indexed.pk, indexed.sk), MemoryNotFound)
