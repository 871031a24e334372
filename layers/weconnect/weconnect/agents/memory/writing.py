"""Write a memory: decide what becomes of it, and keep all its rows in one transaction.

How it is decided, in this order and without a model:
1. rejected: it says nothing, looks like a secret, or the agent has no room left;
2. by key: the caller's, else (semantic ones) the slot that a plain statement is about, `office.location`, else the
   text itself. What holds that key now is a duplicate when it says the same, else it is superseded;
   A value supersedes one of the same kind only (`kinds`); else both are kept, and the reason says so;
3. semantic ones without a caller's key: among the most similar, one that tells of the same slot is a duplicate or
   superseded by the same rule; one of the same words, or of nearly the same vector, names and numbers, is a duplicate.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from weconnect import clock, ids
from weconnect.agents.memory import embedders, facts, lexicon, ranking, rejections, storage
from weconnect.agents.memory.entities import MemoryType, MemoryWritten, NewAIAgentMemory
from weconnect.agents.memory.facts import Fact
from weconnect.agents.memory.lexicon import Lexicon
from weconnect.agents.memory.rows import MemoryKeyRow, MemoryRow
from weconnect.agents.memory.tokenizer import spoken
from weconnect.db import table
from weconnect.errors import Conflict
from weconnect.settings import settings

MOST = 100_000  # memories of an agent
PROCEDURES = 200
SIMILAR = 8  # of the most similar memories by words, and by likeness
ALIKE = 0.93  # cosine from which on two texts of the same names and numbers say the same
ATTEMPTS = 3
SAME_TIME = "The same key was written at the same time"

Vector = list[float] | None


@dataclass
class Decision:
    """What becomes of a text under its key; `before` is what it repeats or supersedes, `marker` what holds the key."""

    kind: Literal["added", "duplicate_of", "supersedes"]
    reason: str
    key: str
    marker: MemoryKeyRow | None
    before: MemoryRow | None = None


def write(
    organization_id: UUID, agent_id: UUID, user_id: UUID, new: NewAIAgentMemory, actor: dict[str, Any]
) -> MemoryWritten:
    """Add a memory, or find it there already, or let it supersede an older value, or reject it."""
    storage.check_expiry(new.metadata)
    known = lexicon.read(organization_id, agent_id)
    refused = rejections.why_refused(new.content) or _no_room(organization_id, agent_id, new, known)
    if refused:
        return MemoryWritten(decision="rejected", reason=refused)
    vectors, _ = embedders.embed([new.content])
    vector = vectors[0] if vectors else None
    fact = facts.read(new.content) if new.memory_type == MemoryType.SEMANTIC else None
    if fact and new.subject:
        fact = replace(fact, subject=new.subject.casefold())
    new = new.model_copy(update={"subject": new.subject or (fact.subject[:255] if fact else None)})
    for _ in range(ATTEMPTS - 1):
        decided = _decide(organization_id, agent_id, new, fact, vector, known)
        try:
            return _carry_out(organization_id, agent_id, user_id, new, vector, decided, actor)
        except Conflict:
            known = lexicon.read(organization_id, agent_id)
    decided = _decide(organization_id, agent_id, new, fact, vector, known)
    return _carry_out(organization_id, agent_id, user_id, new, vector, decided, actor)


def _carry_out(
    organization_id: UUID,
    agent_id: UUID,
    user_id: UUID,
    new: NewAIAgentMemory,
    vector: Vector,
    decided: Decision,
    actor: dict[str, Any],
) -> MemoryWritten:
    before, marker = decided.before, decided.marker
    other_id = UUID(before.id) if before else None
    if before and decided.kind == "duplicate_of":
        kept = storage.memory(before)
        return MemoryWritten(decision=decided.kind, other_id=other_id, reason=decided.reason, memory=kept)
    moment = clock.now()
    row = storage.new_row(organization_id, agent_id, user_id, new, decided.key, ids.new_id(), moment)
    with table.transaction(actor) as writes:
        writes.create(row)
        storage.index(writes, row, new.content, vector)
        if marker:
            writes.change(marker, {"memory_sk": row.sk, "ttl": row.ttl})
        else:
            at = MemoryKeyRow.at(organization_id, agent_id, new.memory_type, decided.key)
            taken = Conflict(SAME_TIME, code="version_conflict")
            writes.create(MemoryKeyRow(*at, memory_sk=row.sk, ttl=row.ttl), taken)
        if before:
            storage.retire(writes, before, moment, row.id)
    kept = storage.memory(row)
    return MemoryWritten(decision=decided.kind, other_id=other_id, reason=decided.reason, memory=kept)


def _no_room(organization_id: UUID, agent_id: UUID, new: NewAIAgentMemory, known: Lexicon) -> str | None:
    """Why there is no room; what expired or was superseded takes none of the instructions'."""
    replaces = new.key and _holder(organization_id, agent_id, new.memory_type, new.key)[1]
    if new.memory_type == MemoryType.PROCEDURAL and not replaces:
        present = MemoryRow.get_attributes()["valid_to"].does_not_exist()
        held = sum(
            entry.memory_type == MemoryType.PROCEDURAL and entry.valid_to is None for entry in known.entries
        )
        if held >= PROCEDURES or not known.complete:
            pk, prefix = MemoryRow.of_type(organization_id, agent_id, MemoryType.PROCEDURAL)
            held = _count(pk, prefix, present)
        if held >= PROCEDURES:
            return f"The agent has its {PROCEDURES} instructions"
    if known.size >= MOST:
        pk, prefix = MemoryRow.of_type(organization_id, agent_id)
        if _count(pk, prefix) >= MOST:
            return f"The agent has its {MOST} memories"
    return None


def _count(pk: str, prefix: str, condition: Any = None) -> int:
    alive = MemoryRow.ttl.does_not_exist() | (MemoryRow.ttl > clock.epoch())
    return MemoryRow.count(
        pk,
        MemoryRow.sk.startswith(prefix),
        filter_condition=alive if condition is None else alive & condition,
        consistent_read=True,
    )


# What is decided


def _decide(
    organization_id: UUID,
    agent_id: UUID,
    new: NewAIAgentMemory,
    fact: Fact | None,
    vector: Vector,
    known: Lexicon,
) -> Decision:
    name = new.key or _name(new.content, fact)
    reason = "Nothing of it was known"
    marker, before = _holder(organization_id, agent_id, new.memory_type, name)
    if before:
        decided = _against(new.content, fact, before, marker, name, by_key=new.key is not None)
        if decided:
            return decided
        reason = _why_both(fact, before) or reason
        name = _name(f"{name} {new.content}", None)  # it is about the same, and both hold
        marker, before = _holder(organization_id, agent_id, new.memory_type, name)
        if before:
            return Decision("duplicate_of", "It is there in these words", name, marker, before)
    if new.memory_type == MemoryType.SEMANTIC and new.key is None:
        for found, cosine in _similar(organization_id, agent_id, new.content, vector, known):
            its_marker, holder = _holder(organization_id, agent_id, new.memory_type, found.key)
            if holder and holder.id == found.id:
                decided = _against(new.content, fact, found, its_marker, found.key, cosine=cosine)
                if decided:
                    return decided
                reason = _why_both(fact, found) or reason
    return Decision("added", reason, name, marker)


def _why_both(fact: Fact | None, before: MemoryRow) -> str | None:
    """Why a fact may hold beside one of its slot."""
    other = facts.read(storage.text(before))
    if not fact or not other or fact.slot != other.slot or fact.value == other.value:
        return None
    return f"{fact.slot} is known with a value that is not of the same kind as this one, so both are kept"


def _against(
    content: str,
    fact: Fact | None,
    before: MemoryRow,
    marker: MemoryKeyRow | None,
    name: str,
    *,
    by_key: bool = False,
    cosine: float = 0,
) -> Decision | None:
    """What a text is beside one that holds now; None when both may hold."""
    said = storage.text(before)
    if spoken(said) == spoken(content):
        return Decision("duplicate_of", "It is there in these words", name, marker, before)
    other = facts.read(said)
    if fact and other and fact.slot == other.slot:
        if fact.agrees(other):
            return Decision("duplicate_of", f"It says the same of {fact.slot}", name, marker, before)
        if fact.contradicts(other) or by_key:
            return Decision("supersedes", f"{fact.slot} has another value now", name, marker, before)
        return None
    if by_key:
        return Decision("supersedes", f"The key {name} has another value now", name, marker, before)
    if facts.same_words(said, content):
        return Decision("duplicate_of", "It is there in nearly these words", name, marker, before)
    if cosine >= ALIKE and not (fact and other) and facts.same_details(said, content):
        return Decision("duplicate_of", f"It is there, with a likeness of {cosine:.2f}", name, marker, before)
    return None


def _holder(
    organization_id: UUID, agent_id: UUID, memory_type: str, name: str
) -> tuple[MemoryKeyRow | None, MemoryRow | None]:
    """What holds a key now."""
    at = MemoryKeyRow.at(organization_id, agent_id, memory_type, name)
    marker = table.get(MemoryKeyRow, at)
    return marker, table.get(MemoryRow, (at[0], marker.memory_sk)) if marker else None


def _similar(
    organization_id: UUID, agent_id: UUID, content: str, vector: Vector, known: Lexicon
) -> list[tuple[MemoryRow, float]]:
    """The most similar facts that hold now, each with its cosine."""
    moment = clock.now().timestamp()
    held = [
        entry for entry in known.entries if entry.memory_type == MemoryType.SEMANTIC and entry.holds(moment)
    ]
    chosen = embedders.chosen()
    like = ranking.cosines(vector, held, settings.embedder, chosen.FLOOR) if vector and chosen else {}
    places = {entry.id: entry.sk for entry in held}
    sks = [held[place].sk for place, _, _ in ranking.bm25(content, held)[:SIMILAR]]
    sks += [places[found] for found in sorted(like, key=lambda found: -like[found])[:SIMILAR]]
    rows = storage.rows(organization_id, agent_id, list(dict.fromkeys(sks)))
    found = [rows[sk] for sk in dict.fromkeys(sks) if sk in rows]
    return [(row, like.get(row.id, 0.0)) for row in found if row.valid_to is None]


def _name(content: str, fact: Fact | None) -> str:
    """A key for a text that was given none."""
    if fact and len(fact.slot) <= 200:
        return fact.slot
    return hashlib.sha256(" ".join(spoken(content)).encode()).hexdigest()[:32]
