"""Writing of a memory: decide what becomes of it, then store all its rows in one transaction.

The decision follows these rules, in this order and without a model:
1. rejected: the text has no content, seems to contain a secret, or the agent has reached its limit;
2. by key: the caller's, else (semantic memories) the key of the plain statement, `office.location`, else a hash of the
   text. The memory that has this key now makes the new one a duplicate when both say the same, else it is superseded.
   A value supersedes only a value of the same kind (`value_kinds`); otherwise both are stored, and the reason says so;
3. semantic memories without a caller's key: among the most similar memories, one about the same key makes the new one a
   duplicate or is superseded by the same rule; one with the same words, or with nearly the same vector and the same
   names and numbers, makes it a duplicate.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple
from uuid import UUID

from pynamodb.expressions.condition import Condition

from weconnect import clock, ids
from weconnect.actor import Actor
from weconnect.agents.memory import embedders, facts, lexicon, ranking, rejections, storage
from weconnect.agents.memory.entities import MemoryType, MemoryWriteResult, NewAIAgentMemory
from weconnect.agents.memory.facts import Fact
from weconnect.agents.memory.lexicon import Lexicon
from weconnect.agents.memory.rows import MemoryKeyRow, MemoryRow
from weconnect.agents.memory.tokenizer import split_words
from weconnect.db import table
from weconnect.errors import Conflict, VersionConflict
from weconnect.settings import settings

MAX_MEMORIES = 100_000  # of an agent
MAX_INSTRUCTIONS = 200
MAX_CANDIDATES = 8  # memories that are compared, by words and by similarity each
DUPLICATE_COSINE = 0.93  # from here on, two texts with the same names and numbers say the same
ATTEMPTS = 3

Vector = list[float] | None


@dataclass
class Decision:
    """The decision about a text; `existing` is the memory that it repeats or supersedes, `key_row` the key's row."""

    kind: Literal["added", "duplicate_of", "supersedes"]
    reason: str
    key: str
    key_row: MemoryKeyRow | None
    existing: MemoryRow | None = None


class KeyHolder(NamedTuple):
    """The row of a key, and the memory that has it now."""

    key_row: MemoryKeyRow | None
    memory: MemoryRow | None


def write(
    organization_id: UUID, agent_id: UUID, user_id: UUID, new: NewAIAgentMemory, actor: Actor
) -> MemoryWriteResult:
    """Store a memory unless it is rejected or a duplicate, and supersede the value that it replaces.

    Raises Invalid for an expiry in the past, VersionConflict when the same key keeps being written concurrently.
    """
    storage.check_expiry(new.metadata)
    loaded = lexicon.load(organization_id, agent_id)
    rejection = rejections.find_rejection(new.content) or _check_limits(
        organization_id, agent_id, new, loaded
    )
    if rejection:
        return MemoryWriteResult(decision="rejected", reason=rejection)
    vectors, _ = embedders.embed([new.content])
    vector = vectors[0] if vectors else None
    fact = facts.parse_statement(new.content) if new.memory_type == MemoryType.SEMANTIC else None
    if fact and new.subject:
        fact = replace(fact, subject=new.subject.casefold())
    new = new.model_copy(update={"subject": new.subject or (fact.subject[:255] if fact else None)})
    for _ in range(ATTEMPTS - 1):
        decision = _decide(organization_id, agent_id, new, fact, vector, loaded)
        try:
            return _apply(organization_id, agent_id, user_id, new, vector, decision, actor)
        except Conflict:
            loaded = lexicon.load(organization_id, agent_id)
    decision = _decide(organization_id, agent_id, new, fact, vector, loaded)
    return _apply(organization_id, agent_id, user_id, new, vector, decision, actor)


def _apply(
    organization_id: UUID,
    agent_id: UUID,
    user_id: UUID,
    new: NewAIAgentMemory,
    vector: Vector,
    decision: Decision,
    actor: Actor,
) -> MemoryWriteResult:
    """Store a new memory, superseding the existing one where that was decided; a duplicate writes nothing."""
    existing, key_row = decision.existing, decision.key_row
    other_id = UUID(existing.id) if existing else None
    if existing and decision.kind == "duplicate_of":
        memory = storage.to_memory(existing)
        return MemoryWriteResult(
            decision=decision.kind, other_id=other_id, reason=decision.reason, memory=memory
        )
    moment = clock.now()
    row = storage.build_row(organization_id, agent_id, user_id, new, decision.key, ids.new_id(), moment)
    with table.transaction(actor) as writes:
        writes.create(row)
        storage.add_to_index(writes, row, new.content, vector)
        if key_row:
            writes.change(key_row, {"memory_sk": row.sk, "ttl": row.ttl})
        else:
            at = MemoryKeyRow.at(organization_id, agent_id, new.memory_type, decision.key)
            conflict = VersionConflict("The same key was written by another request. Try again.")
            writes.create(MemoryKeyRow(*at, memory_sk=row.sk, ttl=row.ttl), conflict)
        if existing:
            storage.supersede(writes, existing, moment, row.id)
    memory = storage.to_memory(row)
    return MemoryWriteResult(decision=decision.kind, other_id=other_id, reason=decision.reason, memory=memory)


def _check_limits(
    organization_id: UUID, agent_id: UUID, new: NewAIAgentMemory, loaded: Lexicon
) -> str | None:
    """Return the reason why the agent can store no more; expired and superseded instructions do not count."""
    replaces = new.key and _find_holder(organization_id, agent_id, new.memory_type, new.key).memory
    if new.memory_type == MemoryType.PROCEDURAL and not replaces:
        count = sum(
            entry.memory_type == MemoryType.PROCEDURAL and entry.valid_to is None for entry in loaded.entries
        )
        if count >= MAX_INSTRUCTIONS or not loaded.is_complete:
            pk, prefix = MemoryRow.of_type(organization_id, agent_id, MemoryType.PROCEDURAL)
            is_current = MemoryRow.get_attributes()["valid_to"].does_not_exist()
            count = _count_live(pk, prefix, is_current)
        if count >= MAX_INSTRUCTIONS:
            return f"The agent has reached the limit of {MAX_INSTRUCTIONS} instructions"
    if loaded.size >= MAX_MEMORIES:
        pk, prefix = MemoryRow.of_type(organization_id, agent_id)
        if _count_live(pk, prefix) >= MAX_MEMORIES:
            return f"The agent has reached the limit of {MAX_MEMORIES} memories"
    return None


def _count_live(pk: str, prefix: str, condition: Condition | None = None) -> int:
    """Return the number of memories under a key prefix that have not expired and meet the condition."""
    is_live = MemoryRow.ttl.does_not_exist() | (MemoryRow.ttl > clock.epoch_seconds())
    return MemoryRow.count(
        pk,
        MemoryRow.sk.startswith(prefix),
        filter_condition=is_live if condition is None else is_live & condition,
        consistent_read=True,
    )


# Decisions


def _decide(
    organization_id: UUID,
    agent_id: UUID,
    new: NewAIAgentMemory,
    fact: Fact | None,
    vector: Vector,
    loaded: Lexicon,
) -> Decision:
    """Decide whether to add a new memory, drop it as a duplicate, or supersede one that it contradicts."""
    key = new.key or _derive_key(new.content, fact)
    reason = "Nothing similar was stored"
    key_row, existing = _find_holder(organization_id, agent_id, new.memory_type, key)
    if existing:
        decision = _compare(new.content, fact, existing, key_row, key, has_callers_key=new.key is not None)
        if decision:
            return decision
        reason = _explain_coexistence(fact, existing) or reason
        key = _derive_key(f"{key} {new.content}", None)  # it is about the same, and both are valid
        key_row, existing = _find_holder(organization_id, agent_id, new.memory_type, key)
        if existing:
            return Decision("duplicate_of", "The same text is already stored", key, key_row, existing)
    if new.memory_type == MemoryType.SEMANTIC and new.key is None:
        for candidate, cosine in _find_similar(organization_id, agent_id, new.content, vector, loaded):
            holder = _find_holder(organization_id, agent_id, new.memory_type, candidate.key)
            if holder.memory and holder.memory.id == candidate.id:
                decision = _compare(
                    new.content, fact, candidate, holder.key_row, candidate.key, cosine=cosine
                )
                if decision:
                    return decision
                reason = _explain_coexistence(fact, candidate) or reason
    return Decision("added", reason, key, key_row)


def _explain_coexistence(fact: Fact | None, existing: MemoryRow) -> str | None:
    """Return the reason why a fact and an existing one with the same key are both stored, if that is so."""
    other = facts.parse_statement(storage.load_content(existing))
    if not fact or not other or fact.key != other.key or fact.value == other.value:
        return None
    return f"The stored value of {fact.key} is of another kind than this one, so both are stored"


def _compare(
    content: str,
    fact: Fact | None,
    existing: MemoryRow,
    key_row: MemoryKeyRow | None,
    key: str,
    *,
    has_callers_key: bool = False,
    cosine: float = 0,
) -> Decision | None:
    """Return the decision that a text repeats or supersedes a memory that is valid now; None when both may be valid."""
    existing_content = storage.load_content(existing)
    if split_words(existing_content) == split_words(content):
        return Decision("duplicate_of", "The same text is already stored", key, key_row, existing)
    other = facts.parse_statement(existing_content)
    if fact and other and fact.key == other.key:
        if fact.is_implied_by(other):
            return Decision(
                "duplicate_of", f"The same value of {fact.key} is already stored", key, key_row, existing
            )
        if fact.contradicts(other) or has_callers_key:
            return Decision("supersedes", f"{fact.key} has a new value", key, key_row, existing)
        return None
    if has_callers_key:
        return Decision("supersedes", f"The key {key} has a new value", key, key_row, existing)
    if facts.have_same_words(existing_content, content):
        return Decision("duplicate_of", "Nearly the same text is already stored", key, key_row, existing)
    if (
        cosine >= DUPLICATE_COSINE
        and not (fact and other)
        and facts.have_same_details(existing_content, content)
    ):
        reason = f"A text with a similarity of {cosine:.2f} is already stored"
        return Decision("duplicate_of", reason, key, key_row, existing)
    return None


def _find_holder(organization_id: UUID, agent_id: UUID, memory_type: str, key: str) -> KeyHolder:
    """Return the row of a key and the memory that has the key now, each None when there is none."""
    at = MemoryKeyRow.at(organization_id, agent_id, memory_type, key)
    key_row = table.get(MemoryKeyRow, at)
    return KeyHolder(key_row, table.get(MemoryRow, (at[0], key_row.memory_sk)) if key_row else None)


def _find_similar(
    organization_id: UUID, agent_id: UUID, content: str, vector: Vector, loaded: Lexicon
) -> list[tuple[MemoryRow, float]]:
    """Return the most similar facts that are valid now, each with its cosine."""
    moment = clock.now().timestamp()
    entries = [
        entry
        for entry in loaded.entries
        if entry.memory_type == MemoryType.SEMANTIC and entry.is_valid_at(moment)
    ]
    embedder = embedders.load_embedder()
    cosines = (
        ranking.compute_cosines(vector, entries, settings.embedder, embedder.MIN_COSINE)
        if vector and embedder
        else {}
    )
    sks_by_id = {entry.id: entry.sk for entry in entries}
    sks = [entries[match.position].sk for match in ranking.score_bm25(content, entries)[:MAX_CANDIDATES]]
    sks += [
        sks_by_id[memory_id]
        for memory_id in sorted(cosines, key=lambda memory_id: -cosines[memory_id])[:MAX_CANDIDATES]
    ]
    unique_sks = list(dict.fromkeys(sks))
    rows_by_sk = storage.load_rows(organization_id, agent_id, unique_sks)
    rows = [rows_by_sk[sk] for sk in unique_sks if sk in rows_by_sk]
    return [(row, cosines.get(row.id, 0.0)) for row in rows if row.valid_to is None]


def _derive_key(content: str, fact: Fact | None) -> str:
    """Return the key for a text without one: the fact's, else a hash of its words."""
    if fact and len(fact.key) <= 200:
        return fact.key
    return hashlib.sha256(" ".join(split_words(content)).encode()).hexdigest()[:32]
