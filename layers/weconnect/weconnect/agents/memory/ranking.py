"""Ranking of memories for a question: BM25 and vector similarity, fused by reciprocal rank. Pure functions."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import NamedTuple

from weconnect.agents.memory.tokenizer import extract_terms

K1, B = 1.2, 0.75
FUSION_CONSTANT = 20  # reciprocal rank: 1 / (20 + rank)
MAX_SIMILAR = 100  # the number of most similar entries that count
HALF_LIFE_DAYS = 30
RECENCY_WEIGHT, IMPORTANCE_WEIGHT = (
    0.05,
    0.15,
)  # bonus of the newest and the most important: one to three ranks
EPISODIC_RECENCY_WEIGHT = 0.25
MAX_TERMS = 256  # distinct terms of a text that count


@dataclass(slots=True)
class SearchEntry:
    """The searchable part of a memory. Stored as a list, so the order of the fields matters.

    Times are Unix seconds; `vector` has 256 signed bytes, whose Euclidean length is `norm`.
    """

    id: str
    sk: str
    memory_type: str
    session_id: str
    valid_from: float
    valid_to: float | None
    expires: int | None
    importance: float
    terms: dict[str, int]
    embedder: str = ""
    norm: float = 0
    vector: bytes = b""

    def is_valid_at(self, moment: float) -> bool:
        """Return whether the memory was valid at `moment`, in epoch seconds."""
        return self.valid_from <= moment and (self.valid_to is None or moment < self.valid_to)


@dataclass
class RankedEntry:
    """An entry with its score and the reasons for it."""

    entry: SearchEntry
    score: float
    reasons: list[str] = field(default_factory=list)


class LexicalMatch(NamedTuple):
    """An entry that shares words with a query; `position` is its index among the entries."""

    position: int
    score: float
    shared_terms: set[str]


def count_terms(text: str) -> dict[str, int]:
    """Return the number of occurrences of each term; of a long text, of its 256 most frequent terms."""
    counts = Counter(extract_terms(text))
    return dict(counts.most_common(MAX_TERMS)) if len(text) > 2_000 else dict(counts)


def rank(
    query: str,
    entries: Sequence[SearchEntry],
    similarities: dict[str, float],
    moment: float,
    *,
    embedder: str = "",
) -> list[RankedEntry]:
    """Return the entries that share a word with the query or are similar to it, best first.

    `similarities` has the cosine of each similar entry by its id; `moment`, in Unix seconds, is the time from which an
    entry's age counts.
    """
    by_similarity = sorted(
        (-cosine, index) for index, entry in enumerate(entries) if (cosine := similarities.get(entry.id))
    )
    ranked_by_index: dict[int, RankedEntry] = {}
    for number, match in enumerate(score_bm25(query, entries), start=1):
        reason = f"shares {', '.join(sorted(match.shared_terms))} (number {number} by words)"
        score = 1 / (FUSION_CONSTANT + number)
        ranked_by_index[match.position] = RankedEntry(entries[match.position], score, [reason])
    for number, (negative_cosine, index) in enumerate(by_similarity[:MAX_SIMILAR], start=1):
        ranked = ranked_by_index.setdefault(index, RankedEntry(entries[index], 0))
        ranked.score += 1 / (FUSION_CONSTANT + number)
        ranked.reasons.append(f"similarity {-negative_cosine:.2f} by {embedder} (number {number})")
    for ranked in ranked_by_index.values():
        _add_bonus(ranked, moment)
    return sorted(ranked_by_index.values(), key=lambda ranked: (-ranked.score, ranked.entry.id))


def _add_bonus(ranked: RankedEntry, moment: float) -> None:
    """Raise the score of recent and important entries, so that they come first among equal matches."""
    entry = ranked.entry
    recency = 0.5 ** (max(0.0, moment - entry.valid_from) / 86_400 / HALF_LIFE_DAYS)
    weight = EPISODIC_RECENCY_WEIGHT if entry.memory_type == "episodic" else RECENCY_WEIGHT
    ranked.score *= 1 + weight * recency + IMPORTANCE_WEIGHT * entry.importance
    if entry.importance:
        ranked.reasons.append(f"importance {entry.importance:g}")
    if recency > 0.5:
        ranked.reasons.append("recent")


def score_bm25(query: str, entries: Sequence[SearchEntry]) -> list[LexicalMatch]:
    """Return the entries that share a word with the query, best first (Robertson's BM25, k1 1.2, b 0.75)."""
    query_terms = set(extract_terms(query))
    shared_by_index = {
        index: shared for index, entry in enumerate(entries) if (shared := query_terms & entry.terms.keys())
    }
    if not shared_by_index:
        return []
    lengths = [sum(entry.terms.values()) for entry in entries]
    average = sum(lengths) / len(lengths)
    frequencies = Counter(term for shared in shared_by_index.values() for term in shared)
    rarity = {term: math.log(1 + (len(entries) - n + 0.5) / (n + 0.5)) for term, n in frequencies.items()}
    matches = []
    for index, shared in shared_by_index.items():
        norm = K1 * (1 - B + B * lengths[index] / average)
        counts = entries[index].terms
        score = sum(rarity[term] * counts[term] * (K1 + 1) / (counts[term] + norm) for term in shared)
        matches.append(LexicalMatch(index, score, shared))
    return sorted(matches, key=lambda match: -match.score)


def quantize(vector: Sequence[float]) -> tuple[bytes, float]:
    """Return the direction of a vector as signed bytes, and the Euclidean length of those."""
    largest = max(map(abs, vector)) or 1
    numbers = [round(127 * number / largest) for number in vector]
    return bytes(number & 0xFF for number in numbers), math.sqrt(sum(map(mul, numbers, numbers))) or 1


def compute_cosines(
    vector: Sequence[float], entries: Sequence[SearchEntry], embedder: str, floor: float
) -> dict[str, float]:
    """Return the cosine by entry id, where it is at least `floor`, of entries with a vector by the same embedder."""
    quantized, norm = quantize(vector)
    query = memoryview(quantized).cast("b")
    cosines = {}
    for entry in entries:
        if entry.embedder == embedder and entry.vector:
            product = _dot_product(query, memoryview(entry.vector).cast("b"))
            cosine = product / (norm * entry.norm)
            if cosine >= floor:
                cosines[entry.id] = cosine
    return cosines


def _compute_dot_product(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the sum of the products of two vectors' numbers."""
    return sum(map(mul, one, other))


_dot_product = getattr(math, "sumprod", _compute_dot_product)  # Python 3.12 and later, four times as fast
