"""Find the memories that fit a question: BM25 over an agent's memories, with recency and importance to break ties."""

import math
import re
from collections import Counter
from typing import Any
from uuid import UUID

from weconnect import clock, table
from weconnect.agents import service as agents
from weconnect.agents.memories.entities import AIAgentMemory, MemoryHit, MemoryHits, MemorySearch
from weconnect.agents.memories.rows import MemoryRow
from weconnect.agents.memories.service import memory
from weconnect.caller import Caller

CANDIDATES = 2_000  # the newest; all of them for nearly every agent
K1, B = 1.2, 0.75
HALF_LIFE_DAYS = 30
_COMMON = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "do",
        "does",
        "for",
        "from",
        "has",
        "have",
        "he",
        "her",
        "his",
        "how",
        "i",
        "in",
        "is",
        "it",
        "its",
        "me",
        "my",
        "of",
        "on",
        "or",
        "our",
        "she",
        "that",
        "the",
        "their",
        "them",
        "they",
        "this",
        "to",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whose",
        "why",
        "will",
        "with",
        "you",
        "your",
    ]
)


def search(caller: Caller, agent_id: UUID, request: MemorySearch) -> MemoryHits:
    """The memories that fit, best first, each with its reasons."""
    agents.need(caller, agent_id)
    return find(caller.organization_id, agent_id, request)


def find(organization_id: UUID, agent_id: UUID, request: MemorySearch) -> MemoryHits:
    """As `search`, for a run of the agent."""
    found = candidates(organization_id, agent_id, request)
    ranked = rank(request.query, [item.content for item in found])
    hits = []
    for position, score, matched in ranked:
        item = found[position]
        age = (clock.now() - item.created_at).total_seconds() / 86_400
        recency = 0.5 ** (age / HALF_LIFE_DAYS)
        importance = item.metadata.importance or 0
        reasons = [f"shares {', '.join(sorted(matched))}"]
        if importance:
            reasons.append(f"importance {importance:g}")
        if recency > 0.5:
            reasons.append("recent")
        total = score * (1 + 0.1 * recency + 0.2 * importance)
        hits.append(MemoryHit(memory=item, score=round(total, 4), reasons=reasons))
    hits.sort(key=lambda hit: -hit.score)
    return MemoryHits(items=hits[: request.limit])


def candidates(organization_id: UUID, agent_id: UUID, request: MemorySearch) -> list[AIAgentMemory]:
    """Memories that hold now: not superseded, not expired."""
    parts = [str(request.memory_type)] if request.memory_type else []
    pk, prefix = MemoryRow.of_type(organization_id, agent_id, *parts)
    rows: Any = MemoryRow.query(
        pk, MemoryRow.sk.startswith(prefix), consistent_read=True, scan_index_forward=False
    )
    found = []
    for row in rows:
        wanted = request.session_id is None or row.session_id == request.session_id
        if wanted and row.valid_to is None and not table.is_expired(row):
            found.append(memory(row))
        if len(found) == CANDIDATES:
            break
    return found


def rank(query: str, texts: list[str]) -> list[tuple[int, float, set[str]]]:
    """BM25 (Robertson, k1 1.2, b 0.75): (position, score, matched words) of the texts that share a word, best first."""
    documents = [Counter(words(text)) for text in texts]
    if not documents:
        return []
    lengths = [sum(document.values()) for document in documents]
    average = sum(lengths) / len(lengths) or 1
    wanted = set(words(query))
    spread = Counter(word for document in documents for word in wanted & document.keys())
    ranked = []
    for position, document in enumerate(documents):
        matched = wanted & document.keys()
        if not matched:
            continue
        score = 0.0
        for word in matched:
            rarity = math.log(1 + (len(documents) - spread[word] + 0.5) / (spread[word] + 0.5))
            frequency = document[word]
            score += (
                rarity * frequency * (K1 + 1) / (frequency + K1 * (1 - B + B * lengths[position] / average))
            )
        ranked.append((position, score, matched))
    return sorted(ranked, key=lambda item: -item[1])


def words(text: str) -> list[str]:
    """The words that tell texts apart, lower case, without English plural and possessive endings."""
    found = re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.casefold())
    return [_stem(word) for word in found if word not in _COMMON]


def _stem(word: str) -> str:
    word = word.removesuffix("'s")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
