"""Memories of an agent: write, read, correct, erase.

What a run may do with them takes the organization and the agent; what a route may do takes its caller.
"""

import hashlib
from typing import Any
from uuid import UUID

from weconnect import clock, ids, payloads, table
from weconnect.agents import service as agents
from weconnect.agents.memories.entities import (
    AgentSession,
    AIAgentMemory,
    AIAgentMemoryChanges,
    MemoryMetadata,
    MemoryType,
    MemoryWritten,
    NewAIAgentMemory,
    SessionErased,
)
from weconnect.agents.memories.rows import AgentSessionRow, MemoryKeyRow, MemoryRow
from weconnect.caller import Caller
from weconnect.errors import Conflict, Invalid
from weconnect.pages import Page, query_page


def create(caller: Caller, agent_id: UUID, new: NewAIAgentMemory) -> MemoryWritten:
    """Write a memory for the agent; the answer says what was decided."""
    agents.need_own(caller, agent_id)
    return write(caller.organization_id, agent_id, caller.user_id, new, caller.actor())


def write(
    organization_id: UUID, agent_id: UUID, user_id: UUID, new: NewAIAgentMemory, actor: dict[str, Any]
) -> MemoryWritten:
    """Add a memory, or find it there already, or let it supersede the older value of its key."""
    _check_expiry(new.metadata)
    name = new.key or hashlib.sha256(new.content.casefold().encode()).hexdigest()[:32]
    marker_at = MemoryKeyRow.at(organization_id, agent_id, new.memory_type, name)
    marker = table.get(MemoryKeyRow, marker_at)
    before = table.get(MemoryRow, (marker_at[0], marker.memory_sk)) if marker else None
    if before and memory(before).content == new.content:
        return MemoryWritten(decision="duplicate_of", other_id=UUID(before.id), memory=memory(before))
    row = _row(organization_id, agent_id, user_id, new, name, ids.new_id())
    pointer = MemoryKeyRow(*marker_at, memory_sk=row.sk, ttl=row.ttl)
    with table.transaction(actor) as writes:
        writes.create(row)
        if marker:
            writes.change(marker, {"memory_sk": row.sk, "ttl": row.ttl})
        else:
            writes.create(
                pointer, Conflict("The same key was written at the same time", code="version_conflict")
            )
        if before:
            ended = {"valid_to": clock.iso(clock.now()), "superseded_by": row.id}
            writes.change(before, ended)
    written = memory(row)
    if before:
        return MemoryWritten(decision="supersedes", other_id=UUID(before.id), memory=written)
    return MemoryWritten(decision="added", memory=written)


def get(caller: Caller, agent_id: UUID, memory_id: UUID) -> AIAgentMemory:
    """One memory; raises NotFound."""
    agents.need(caller, agent_id)
    return memory(_need(caller, agent_id, memory_id))


def find(
    caller: Caller,
    agent_id: UUID,
    *,
    limit: int,
    cursor: str | None,
    memory_type: MemoryType | None = None,
    session_id: str | None = None,
    tag: str | None = None,
) -> Page[AIAgentMemory]:
    """Memories, newest first, superseded ones among them."""
    agents.need(caller, agent_id)
    index: str | None = "gsi1"
    pk, prefix = MemoryRow.by_id(caller.organization_id, agent_id), ""
    if memory_type:
        index, (pk, prefix) = (
            None,
            MemoryRow.of_type(
                caller.organization_id, agent_id, memory_type, *([session_id] if session_id else [])
            ),
        )

    def keep(row: MemoryRow) -> bool:
        return (session_id is None or row.session_id == session_id) and (
            tag is None or tag in row.metadata.get("tags", [])
        )

    filters = [memory_type, session_id, tag]
    rows, following = query_page(
        MemoryRow,
        pk,
        prefix,
        index=index,
        limit=limit,
        cursor=cursor,
        keep=keep if session_id or tag else None,
        filters=filters,
    )
    return Page(items=[memory(row) for row in rows], next_cursor=following)


def update(
    caller: Caller, agent_id: UUID, memory_id: UUID, changes: AIAgentMemoryChanges, if_match: int | None
) -> AIAgentMemory:
    """Correct a memory's content or metadata."""
    agents.need_own(caller, agent_id)
    row = _need(caller, agent_id, memory_id)
    values: dict[str, Any] = {}
    if changes.content is not None:
        values["content"] = _stored(caller.organization_id, memory_id, changes.content)
    if changes.metadata is not None:
        _check_expiry(changes.metadata)
        values["metadata"] = changes.metadata.model_dump(mode="json")
        values["ttl"] = _ttl(changes.metadata)
    return memory(table.change(row, values, caller.actor(), if_match=if_match))


def delete(caller: Caller, agent_id: UUID, memory_id: UUID, if_match: int | None) -> None:
    """Delete a memory for good, and the claim on its key."""
    agents.need_own(caller, agent_id)
    row = _need(caller, agent_id, memory_id)
    marker = table.get(
        MemoryKeyRow, MemoryKeyRow.at(caller.organization_id, agent_id, row.memory_type, row.key)
    )
    with table.transaction(caller.actor()) as writes:
        writes.delete(row, if_match=if_match)
        if marker and marker.memory_sk == row.sk:
            writes.discard(marker)
    payloads.discard(caller.organization_id, row.content)


def erase_session(caller: Caller, agent_id: UUID, session_id: str) -> SessionErased:
    """Delete all memories of a session, and the session; safe to repeat when it was interrupted."""
    agents.need_own(caller, agent_id)
    deleted = 0
    for memory_type in MemoryType:
        pk, prefix = MemoryRow.of_type(caller.organization_id, agent_id, memory_type, session_id)
        for row in MemoryRow.query(pk, MemoryRow.sk.startswith(prefix), consistent_read=True):
            marker = MemoryKeyRow(*MemoryKeyRow.at(caller.organization_id, agent_id, memory_type, row.key))
            with table.transaction(caller.actor()) as writes:
                writes.discard(row)
                writes.discard(marker)
            payloads.discard(caller.organization_id, row.content)
            deleted += 1
    AgentSessionRow(*AgentSessionRow.at(caller.organization_id, agent_id, session_id)).delete()
    return SessionErased(deleted=deleted)


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


def memory(row: MemoryRow) -> AIAgentMemory:
    """The memory on the wire."""
    values = row.values()
    values["content"] = payloads.load(UUID(row.organization_id), row.content)
    return AIAgentMemory.model_validate(values, by_name=True)


def add_turn(
    organization_id: UUID,
    agent_id: UUID,
    user_id: UUID,
    session_id: str,
    execution_id: UUID,
    said: dict[str, str],
) -> None:
    """Append a run's turn (`{"user": …, "assistant": …}`) to its session, once however often it is asked."""
    moment = clock.iso(clock.now())
    session = AgentSessionRow(*AgentSessionRow.at(organization_id, agent_id, session_id))
    used = {
        "session_id": session_id,
        "last_used_at": moment,
        "gsi1pk": AgentSessionRow.by_use(organization_id, agent_id),
        "gsi1sk": moment,
    }
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
                    metadata=MemoryMetadata(source=speaker),
                )
                name = f"{execution_id}:{speaker}"
                writes.create(_row(organization_id, agent_id, user_id, new, name, memory_id))
            writes.count(session, "turns", 1, put=used)
    except Conflict:
        return  # the step was repeated


def window(
    organization_id: UUID, agent_id: UUID, session_id: str, turns: int, tokens: int
) -> list[tuple[str, str]]:
    """The last `turns` of a session, as far as they fit into `tokens`: (speaker, content), oldest first."""
    pk, prefix = MemoryRow.of_type(organization_id, agent_id, MemoryType.CONVERSATION, session_id)
    newest = MemoryRow.query(
        pk,
        MemoryRow.sk.startswith(prefix),
        consistent_read=True,
        scan_index_forward=False,
        limit=max(1, 2 * turns),
    )
    said: list[tuple[str, str]] = []
    for row in newest if turns else []:
        if table.is_expired(row):
            continue
        content = memory(row).content
        tokens -= estimate_tokens(content)
        if tokens < 0:
            break
        said.append((row.metadata.get("source") or "user", content))
    return said[::-1]


def estimate_tokens(text: str) -> int:
    """About four characters a token: the tables of a real tokenizer would have to be fetched."""
    return -(-len(text) // 4)


def _row(
    organization_id: UUID, agent_id: UUID, user_id: UUID, new: NewAIAgentMemory, name: str, memory_id: UUID
) -> MemoryRow:
    moment = clock.now()
    stored = AIAgentMemory(
        id=memory_id,
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        user_id=user_id,
        agent_id=agent_id,
        session_id=new.session_id,
        memory_type=new.memory_type,
        key=name,
        content="",
        metadata=new.metadata,
        valid_from=moment,
    )
    pk, sk = MemoryRow.at(organization_id, agent_id, new.memory_type, new.session_id, memory_id)
    return MemoryRow.of(
        stored,
        pk=pk,
        sk=sk,
        gsi1pk=MemoryRow.by_id(organization_id, agent_id),
        gsi1sk=str(memory_id),
        ttl=_ttl(new.metadata),
        content=_stored(organization_id, memory_id, new.content),
    )


def _stored(organization_id: UUID, memory_id: UUID, content: str) -> Any:
    return payloads.store(organization_id, f"memories/{memory_id}/{ids.new_id()}", content)


def _check_expiry(metadata: MemoryMetadata) -> None:
    if metadata.expires and metadata.expires <= clock.now():
        errors = [{"pointer": "/metadata/expires", "detail": "lies in the past"}]
        raise Invalid("A memory cannot expire before it is written", errors=errors)


def _ttl(metadata: MemoryMetadata) -> int | None:
    return int(metadata.expires.timestamp()) if metadata.expires else None


def _need(caller: Caller, agent_id: UUID, memory_id: UUID) -> MemoryRow:
    pk = MemoryRow.by_id(caller.organization_id, agent_id)
    found = next(iter(MemoryRow.gsi1.query(pk, MemoryRow.gsi1sk == str(memory_id))), None)
    at = (
        (found.pk, found.sk) if found else MemoryRow.at(caller.organization_id, agent_id, "", None, memory_id)
    )
    return table.need(MemoryRow, at, "memory")
