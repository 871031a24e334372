"""Memories of an agent: read, correct, erase; and the turns of its sessions.

What a run may do with them takes the organization and the agent; what a route may do takes its caller.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from weconnect import clock, ids
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
    MemoryWritten,
    NewAIAgentMemory,
    SessionErased,
)
from weconnect.agents.memory.rows import AgentSessionRow, MemoryHistoryRow, MemoryKeyRow, MemoryRow
from weconnect.agents.memory.storage import memory as memory
from weconnect.agents.memory.storage import text
from weconnect.agents.memory.tokenizer import estimate_tokens
from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.db import payloads, table
from weconnect.errors import Conflict, Invalid, NotFound, Stale

FOLD_EVERY = 16  # turns; a search folds what is left


def create(caller: Caller, agent_id: UUID, new: NewAIAgentMemory) -> MemoryWritten:
    """Write a memory for the agent; the answer says what was decided."""
    agents.need_own(caller, agent_id)
    return writing.write(caller.organization_id, agent_id, caller.user_id, new, caller.actor())


def get(caller: Caller, agent_id: UUID, memory_id: UUID, as_of: datetime | None = None) -> AIAgentMemory:
    """One memory with its history, or as it was then; raises NotFound."""
    agents.need(caller, agent_id)
    row = _need(caller, agent_id, memory_id)
    found = memory(row, history=_history(row))
    if as_of is None:
        return found
    if not found.holds(as_of):
        raise NotFound("The memory did not hold then", code="memory_not_found")
    then = next((change for change in reversed(found.history) if as_of < change.changed_at), None)
    if then is None:
        return found
    return found.model_copy(update={"content": then.content, "metadata": then.metadata})


def find(
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
    """Memories, newest first, superseded ones among them; with `as_of` those that held then."""
    agents.need(caller, agent_id)
    index: str | None = "gsi1"
    pk, prefix = MemoryRow.by_id(caller.organization_id, agent_id), ""
    if memory_type:
        parts = [memory_type, *([session_id] if session_id else [])]
        index, (pk, prefix) = None, MemoryRow.of_type(caller.organization_id, agent_id, *parts)

    def keep(row: MemoryRow) -> bool:
        return (
            (session_id is None or row.session_id == session_id)
            and (tag is None or tag in row.metadata.get("tags", []))
            and (as_of is None or row.to_entity(content="").holds(as_of))
        )

    rows, following = query_page(
        MemoryRow,
        pk,
        prefix,
        index=index,
        limit=limit,
        cursor=cursor,
        keep=keep if session_id or tag or as_of else None,
        filters=[memory_type, session_id, tag, as_of],
    )
    return Page(items=[memory(row) for row in rows], next_cursor=following)


def update(
    caller: Caller, agent_id: UUID, memory_id: UUID, changes: AIAgentMemoryChanges, if_match: int | None
) -> AIAgentMemory:
    """Correct a memory's content or metadata; what it said before stays in its history."""
    agents.need_own(caller, agent_id)
    row = _need(caller, agent_id, memory_id)
    before = text(row)
    content = before if changes.content is None else changes.content
    values: dict[str, Any] = {}
    if changes.content is not None:
        if refused := rejections.why_refused(content):
            raise Invalid(refused, errors=[{"pointer": "/content", "detail": refused}])
        values["content"] = storage.stored(caller.organization_id, memory_id, content)
    if changes.metadata is not None:
        storage.check_expiry(changes.metadata)
        values["metadata"] = changes.metadata.model_dump(mode="json")
        values["ttl"] = storage.ttl(changes.metadata)
    vectors, _ = embedders.embed([content])
    with table.transaction(caller.actor()) as writes:
        writes.create(_past(row, caller))
        storage.correct(writes, row, values, content, vectors[0] if vectors else None)
        marker = _marker(row)
        if marker and marker.ttl != values.get("ttl", row.ttl):
            writes.change(marker, {"ttl": values["ttl"]})
        writes.change(row, values, if_match=if_match)
    for change in _changes(row) if "ttl" in values else []:
        table.touch(change, put={"ttl": values["ttl"]})  # what it said ends with it
    return memory(row, history=_history(row))


def delete(caller: Caller, agent_id: UUID, memory_id: UUID, if_match: int | None) -> None:
    """Delete a memory for good: its words, its vector, its history and the claim on its key go with it."""
    agents.need_own(caller, agent_id)
    row = _need(caller, agent_id, memory_id)
    if if_match is not None and if_match != row.version:
        raise Stale(f"The version is {row.version}, not {if_match}")
    _erase([row], caller.actor())


def erase_session(caller: Caller, agent_id: UUID, session_id: str) -> SessionErased:
    """Delete all memories of a session, and the session; safe to repeat when it was interrupted."""
    agents.need_own(caller, agent_id)
    found: list[MemoryRow] = []
    for memory_type in MemoryType:
        pk, prefix = MemoryRow.of_type(caller.organization_id, agent_id, memory_type, session_id)
        found += MemoryRow.query(pk, MemoryRow.sk.startswith(prefix), consistent_read=True)
    _erase(found, caller.actor())
    AgentSessionRow(*AgentSessionRow.at(caller.organization_id, agent_id, session_id)).delete()
    return SessionErased(deleted=sum(not table.is_expired(row) for row in found))


def _erase(rows: list[MemoryRow], actor: dict[str, Any]) -> None:
    """End memories for good. The memory's own row goes last: until then it can be asked again."""
    if not rows:
        return
    organization_id, agent_id = UUID(rows[0].organization_id), UUID(rows[0].agent_id)
    lexicon.forget(organization_id, agent_id, [UUID(row.id) for row in rows])
    for row in rows:
        past = list(_changes(row))
        with MemoryHistoryRow.batch_write() as batch:
            for change in past:
                batch.delete(change)
        marker = _marker(row)
        with table.transaction(actor) as writes:
            storage.discard(writes, row)
            if marker:
                writes.delete(marker)
            writes.delete(row)
        for content in (row.content, *(change.content for change in past)):
            payloads.discard(organization_id, content)


def _marker(row: MemoryRow) -> MemoryKeyRow | None:
    """The claim on its key, when this memory has it."""
    at = MemoryKeyRow.at(UUID(row.organization_id), UUID(row.agent_id), row.memory_type, row.key)
    marker = table.get(MemoryKeyRow, at)
    return marker if marker and marker.memory_sk == row.sk else None


def _past(row: MemoryRow, caller: Caller) -> MemoryHistoryRow:
    """What a memory says, to be kept while it is corrected."""
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


def _changes(row: MemoryRow, limit: int | None = None) -> Iterable[MemoryHistoryRow]:
    """Corrections of a memory, the latest first."""
    at = MemoryHistoryRow.of_memory(UUID(row.organization_id), UUID(row.agent_id), UUID(row.id))
    return MemoryHistoryRow.query(
        at[0],
        MemoryHistoryRow.sk.startswith(at[1]),
        consistent_read=True,
        scan_index_forward=False,
        limit=limit,
    )


def _history(row: MemoryRow) -> list[MemoryChange]:
    """The latest 50 corrections, the latest first; one that was never changed is not asked for."""
    if row.version == 1:
        return []
    return [
        MemoryChange(
            content=payloads.load(row.organization_id, change.content),
            metadata=change.metadata,
            changed_at=change.changed_at,
            changed_by=change.changed_by,
        )
        for change in _changes(row, HISTORY_SHOWN)
    ]


def sessions(caller: Caller, agent_id: UUID, *, limit: int, cursor: str | None) -> Page[AgentSession]:
    """Conversations with an agent, last used first."""
    agents.need(caller, agent_id)
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
    said: dict[str, str],
) -> None:
    """Append a run's turn (`{"user": …, "assistant": …}`) to its session, once however often it is asked."""
    spoken_at = clock.now()
    moment = clock.iso(spoken_at)
    session = AgentSessionRow(*AgentSessionRow.at(organization_id, agent_id, session_id))
    used = {
        "session_id": session_id,
        "last_used_at": moment,
        "gsi1pk": AgentSessionRow.by_use(organization_id, agent_id),
        "gsi1sk": moment,
    }
    vectors, _ = embedders.embed(list(said.values()))
    try:
        with table.transaction({"system": "run_agent"}) as writes:
            for position, (speaker, content) in enumerate(said.items()):
                digest = hashlib.sha256(f"{execution_id}{speaker}".encode()).digest()
                memory_id = ids.derived_id(
                    int(ids.time_of(execution_id) * 1000), bytes([0, position]) + digest
                )
                new = NewAIAgentMemory.model_construct(
                    content=content,
                    memory_type=MemoryType.CONVERSATION,
                    session_id=session_id,
                    subject=None,
                    metadata=MemoryMetadata(source=speaker),
                )
                name = f"{execution_id}:{speaker}"
                row = storage.new_row(organization_id, agent_id, user_id, new, name, memory_id, spoken_at)
                writes.create(row)
                storage.index(writes, row, content, vectors[position] if vectors else None)
            writes.count(session, "turns", 1, put=used)
    except Conflict:
        return  # the step was repeated
    if execution_id.int % FOLD_EVERY == 0:
        lexicon.fold(organization_id, agent_id)


def window(
    organization_id: UUID, agent_id: UUID, session_id: str, turns: int, tokens: int
) -> list[tuple[str, str]]:
    """The last `turns` of a session, as far as they fit into `tokens`: (speaker, content), oldest first."""
    return fitting(recent(organization_id, agent_id, session_id, turns), tokens)


def recent(organization_id: UUID, agent_id: UUID, session_id: str, turns: int) -> list[tuple[str, str]]:
    """The last `turns` of a session: (speaker, content), oldest first."""
    pk, prefix = MemoryRow.of_type(organization_id, agent_id, MemoryType.CONVERSATION, session_id)
    newest = MemoryRow.query(
        pk,
        MemoryRow.sk.startswith(prefix),
        consistent_read=True,
        scan_index_forward=False,
        limit=max(1, 2 * turns),
    )
    found = [row for row in newest if not table.is_expired(row)] if turns else []
    return [(row.metadata.get("source") or "user", text(row)) for row in reversed(found)]


def fitting(said: list[tuple[str, str]], tokens: int) -> list[tuple[str, str]]:
    """The last of what was said that fits into `tokens`."""
    first = len(said)
    while first and (tokens := tokens - estimate_tokens(said[first - 1][1])) >= 0:
        first -= 1
    return said[first:]


def _need(caller: Caller, agent_id: UUID, memory_id: UUID) -> MemoryRow:
    pk = MemoryRow.by_id(caller.organization_id, agent_id)
    found = next(iter(MemoryRow.gsi1.query(pk, MemoryRow.gsi1sk == str(memory_id))), None)
    at = (
        (found.pk, found.sk) if found else MemoryRow.at(caller.organization_id, agent_id, "", None, memory_id)
    )
    return table.need(MemoryRow, at, "memory")
