"""Rows of a memory: the memory itself, and its entries in the search index."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from weconnect import clock, ids
from weconnect.agents.memory import lexicon, ranking, vector_index
from weconnect.agents.memory.entities import AIAgentMemory, MemoryMetadata, NewAIAgentMemory
from weconnect.agents.memory.ranking import SearchEntry
from weconnect.agents.memory.rows import MemoryRow, MemoryTermRow, VectorRow
from weconnect.agents.memory.tokenizer import pick_rare
from weconnect.db import payloads, table
from weconnect.db.payloads import StoredText
from weconnect.db.table import Transaction
from weconnect.errors import FieldError, Invalid
from weconnect.settings import settings

RARE_TERMS = 6


def to_memory(row: MemoryRow, **more: Any) -> AIAgentMemory:
    """Return the memory of a row; `more` are the fields that the row does not have."""
    return row.to_entity(content=load_content(row), **more)


def load_content(row: MemoryRow) -> str:
    """Return the content of a memory, which is in S3 when it is long."""
    return payloads.load(row.organization_id, row.content)


def build_row(
    organization_id: UUID,
    agent_id: UUID,
    user_id: UUID,
    new: NewAIAgentMemory,
    name: str,
    memory_id: UUID,
    moment: datetime,
) -> MemoryRow:
    """Return the row of a new memory with the key `name`, valid from `moment`; stores a long content in S3."""
    memory = AIAgentMemory(
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
        memory,
        pk=pk,
        sk=sk,
        gsi1pk=MemoryRow.by_id(organization_id, agent_id),
        gsi1sk=str(memory_id),
        ttl=compute_ttl(new.metadata),
        content=store_content(organization_id, memory_id, new.content),
        terms=_pick_rare_terms(new.content),
    )


def store_content(organization_id: UUID, memory_id: UUID, content: str) -> StoredText:
    """Return the content as a row holds it; a long one is stored in S3 under a new key."""
    return payloads.store(organization_id, f"memories/{memory_id}/{ids.new_id()}", content)


def add_to_index(
    writes: Transaction, row: MemoryRow, content: str, vector: Sequence[float] | None, version: int = 1
) -> None:
    """Make a version of a memory searchable, by its words and by its vector."""
    organization_id, agent_id = UUID(row.organization_id), UUID(row.agent_id)
    entry = build_entry(row, content, vector)
    writes.put(lexicon.build_row(organization_id, agent_id, entry, version))
    if vector:
        writes.put(vector_index.build_row(organization_id, agent_id, entry, vector, _to_int(row.ttl)))
    for term in row.terms or []:
        at = MemoryTermRow.at(organization_id, agent_id, term, UUID(row.id))
        writes.put(MemoryTermRow(*at, memory_sk=row.sk, ttl=row.ttl))


def replace_in_index(
    writes: Transaction, row: MemoryRow, values: dict[str, Any], content: str, vector: Sequence[float] | None
) -> None:
    """Replace the index entries of a memory with those of its correction; adds the new `terms` to `values`."""
    organization_id, agent_id = UUID(row.organization_id), UUID(row.agent_id)
    values["terms"] = _pick_rare_terms(content)
    for term in set(row.terms or []) - set(values["terms"]):
        writes.discard(MemoryTermRow(*MemoryTermRow.at(organization_id, agent_id, term, UUID(row.id))))
    if not vector:
        writes.discard(VectorRow(*VectorRow.at(organization_id, agent_id, UUID(row.id))))
    changed = type(row)(row.pk, row.sk, **{**row.values(), "ttl": row.ttl, **values})
    add_to_index(writes, changed, content, vector, int(row.version) + 1)


def supersede(writes: Transaction, row: MemoryRow, moment: datetime, by: str) -> None:
    """End a memory's validity at `moment`, by the memory `by`; it stays readable, and searchable in the past."""
    organization_id, agent_id = UUID(row.organization_id), UUID(row.agent_id)
    entry = build_entry(row, load_content(row), None)
    entry.valid_to = moment.timestamp()
    vector_row = table.get(VectorRow, VectorRow.at(organization_id, agent_id, UUID(row.id)))
    if vector_row:
        entry.embedder = vector_row.embedder
        entry.vector, entry.norm = ranking.quantize(vector_row.vector)
        scope = VectorRow.scope(organization_id, agent_id, vector_row.embedder, superseded=True)
        writes.change(vector_row, {"vector_scope": scope})
    writes.put(lexicon.build_row(organization_id, agent_id, entry, int(row.version) + 1))
    writes.change(row, {"valid_to": clock.iso(moment), "superseded_by": by})


def remove_from_index(writes: Transaction, row: MemoryRow) -> None:
    """Delete a memory's index entries, except those in the pages of the lexicon."""
    organization_id, agent_id = UUID(row.organization_id), UUID(row.agent_id)
    writes.discard(VectorRow(*VectorRow.at(organization_id, agent_id, UUID(row.id))))
    for term in row.terms or []:
        writes.discard(MemoryTermRow(*MemoryTermRow.at(organization_id, agent_id, term, UUID(row.id))))


def build_entry(row: MemoryRow, content: str, vector: Sequence[float] | None) -> SearchEntry:
    """Return the search entry of a memory."""
    valid_to = datetime.fromisoformat(row.valid_to).timestamp() if row.valid_to else None
    direction, norm = ranking.quantize(vector) if vector else (b"", 0.0)
    return SearchEntry(
        id=row.id,
        sk=row.sk,
        memory_type=row.memory_type,
        session_id=row.session_id or "",
        valid_from=datetime.fromisoformat(row.valid_from).timestamp(),
        valid_to=valid_to,
        expires=_to_int(row.ttl),
        importance=row.metadata.get("importance") or 0,
        terms=ranking.count_terms(content),
        embedder=settings.embedder if vector else "",
        norm=norm,
        vector=direction,
    )


def load_rows(organization_id: UUID, agent_id: UUID, sks: Sequence[str]) -> dict[str, MemoryRow]:
    """Return the memories at up to 100 sort keys, by sort key, in one call; deleted and expired ones are missing."""
    pk, _ = MemoryRow.of_type(organization_id, agent_id)
    rows = table.get_many([(pk, sk) for sk in sks]) if sks else {}
    return {sk: row for (_, sk), row in rows.items() if isinstance(row, MemoryRow)}


def check_expiry(metadata: MemoryMetadata) -> None:
    """Raise Invalid for an expiry in the past."""
    if metadata.expires and metadata.expires <= clock.now():
        errors: list[FieldError] = [{"pointer": "/metadata/expires", "detail": "is in the past"}]
        raise Invalid("A memory cannot expire in the past. Set `expires` to a later time.", errors=errors)


def compute_ttl(metadata: MemoryMetadata) -> int | None:
    """Return the expiry in epoch seconds; None for a memory that does not expire."""
    return int(metadata.expires.timestamp()) if metadata.expires else None


def _pick_rare_terms(content: str) -> list[str]:
    """Return the content's terms that are likely to be in few memories."""
    return pick_rare(set(ranking.count_terms(content)), RARE_TERMS)


def _to_int(number: float | None) -> int | None:
    return None if number is None else int(number)
