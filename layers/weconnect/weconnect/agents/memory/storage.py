"""How a memory stands in its rows: the memory itself, and what makes it findable."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from weconnect import clock, ids
from weconnect.agents.memory import lexicon, ranking, vector_index
from weconnect.agents.memory.entities import AIAgentMemory, MemoryMetadata, NewAIAgentMemory
from weconnect.agents.memory.ranking import Entry
from weconnect.agents.memory.rows import MemoryRow, MemoryTermRow, VectorRow
from weconnect.agents.memory.tokenizer import rare
from weconnect.db import payloads, table
from weconnect.db.table import Row, Transaction
from weconnect.errors import Invalid
from weconnect.settings import settings

RARE_TERMS = 6


def memory(row: MemoryRow, **more: Any) -> AIAgentMemory:
    """The memory on the wire."""
    found: AIAgentMemory = row.to_entity(content=text(row), **more)
    return found


def text(row: MemoryRow) -> str:
    return payloads.load(row.organization_id, row.content)


def new_row(
    organization_id: UUID,
    agent_id: UUID,
    user_id: UUID,
    new: NewAIAgentMemory,
    name: str,
    memory_id: UUID,
    moment: datetime,
) -> MemoryRow:
    """The row of a memory that holds from `moment` on."""
    kept = AIAgentMemory(
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
        subject=new.subject,
    )
    pk, sk = MemoryRow.at(organization_id, agent_id, new.memory_type, new.session_id, memory_id)
    return MemoryRow.of(
        kept,
        pk=pk,
        sk=sk,
        gsi1pk=MemoryRow.by_id(organization_id, agent_id),
        gsi1sk=str(memory_id),
        ttl=ttl(new.metadata),
        content=stored(organization_id, memory_id, new.content),
        terms=_rare(new.content),
    )


def stored(organization_id: UUID, memory_id: UUID, content: str) -> Any:
    return payloads.store(organization_id, f"memories/{memory_id}/{ids.new_id()}", content)


def index(
    writes: Transaction, row: MemoryRow, content: str, vector: Sequence[float] | None, version: int = 1
) -> None:
    """Make a version of a memory findable, by its words and by its vector."""
    organization_id, agent_id = UUID(row.organization_id), UUID(row.agent_id)
    found = entry(row, content, vector)
    writes.put(lexicon.row(organization_id, agent_id, found, version))
    if vector:
        writes.put(vector_index.row(organization_id, agent_id, found, vector, _whole(row.ttl)))
    for term in row.terms or []:
        at = MemoryTermRow.at(organization_id, agent_id, term, UUID(row.id))
        writes.put(MemoryTermRow(*at, memory_sk=row.sk, ttl=row.ttl))


def correct(
    writes: Transaction, row: MemoryRow, values: dict[str, Any], content: str, vector: Sequence[float] | None
) -> None:
    """Make a correction findable instead of what was there; adds to `values` what the memory's row keeps of it."""
    organization_id, agent_id = UUID(row.organization_id), UUID(row.agent_id)
    values["terms"] = _rare(content)
    for term in set(row.terms or []) - set(values["terms"]):
        writes.discard(MemoryTermRow(*MemoryTermRow.at(organization_id, agent_id, term, UUID(row.id))))
    if not vector:
        writes.discard(VectorRow(*VectorRow.at(organization_id, agent_id, UUID(row.id))))
    changed = type(row)(row.pk, row.sk, **{**row.values(), "ttl": row.ttl, **values})
    index(writes, changed, content, vector, int(row.version) + 1)


def retire(writes: Transaction, row: MemoryRow, moment: datetime, by: str) -> None:
    """End what a memory says; it stays readable, and findable in the past."""
    organization_id, agent_id = UUID(row.organization_id), UUID(row.agent_id)
    found = entry(row, text(row), None)
    found.valid_to = moment.timestamp()
    vector = table.get(VectorRow, VectorRow.at(organization_id, agent_id, UUID(row.id)))
    if vector:
        found.embedder = vector.embedder
        found.vector, found.norm = ranking.packed(vector.vector)
        past = VectorRow.scope(organization_id, agent_id, vector.embedder, past=True)
        writes.change(vector, {"vector_scope": past})
    writes.put(lexicon.row(organization_id, agent_id, found, int(row.version) + 1))
    writes.change(row, {"valid_to": clock.iso(moment), "superseded_by": by})


def discard(writes: Transaction, row: MemoryRow) -> None:
    """Delete what made a memory findable, but for the pages of the lexicon."""
    organization_id, agent_id = UUID(row.organization_id), UUID(row.agent_id)
    writes.discard(VectorRow(*VectorRow.at(organization_id, agent_id, UUID(row.id))))
    for term in row.terms or []:
        writes.discard(MemoryTermRow(*MemoryTermRow.at(organization_id, agent_id, term, UUID(row.id))))


def entry(row: MemoryRow, content: str, vector: Sequence[float] | None) -> Entry:
    """What search knows of a memory."""
    ended = datetime.fromisoformat(row.valid_to).timestamp() if row.valid_to else None
    direction, norm = ranking.packed(vector) if vector else (b"", 0.0)
    return Entry(
        id=row.id,
        sk=row.sk,
        memory_type=row.memory_type,
        session_id=row.session_id or "",
        valid_from=datetime.fromisoformat(row.valid_from).timestamp(),
        valid_to=ended,
        expires=_whole(row.ttl),
        importance=row.metadata.get("importance") or 0,
        terms=ranking.terms(content),
        embedder=settings.embedder if vector else "",
        norm=norm,
        vector=direction,
    )


def rows(organization_id: UUID, agent_id: UUID, sks: Sequence[str]) -> dict[str, MemoryRow]:
    """The memories at up to 100 sort keys, in one call; those that are gone or have expired are not there."""
    pk, _ = MemoryRow.of_type(organization_id, agent_id)
    found: dict[tuple[str, str], Row] = table.get_many([(pk, sk) for sk in sks]) if sks else {}
    return {sk: row for (_, sk), row in found.items() if isinstance(row, MemoryRow)}


def check_expiry(metadata: MemoryMetadata) -> None:
    if metadata.expires and metadata.expires <= clock.now():
        errors = [{"pointer": "/metadata/expires", "detail": "lies in the past"}]
        raise Invalid("A memory cannot expire before it is written", errors=errors)


def ttl(metadata: MemoryMetadata) -> int | None:
    return int(metadata.expires.timestamp()) if metadata.expires else None


def _rare(content: str) -> list[str]:
    return rare(set(ranking.terms(content)), RARE_TERMS)


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
