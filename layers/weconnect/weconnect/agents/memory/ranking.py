"""How well memories fit a question: BM25 and likeness, fused by reciprocal rank. Pure; no table, no clock."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import mul

from weconnect.agents.memory.tokenizer import words

K1, B = 1.2, 0.75
FUSION = 20  # reciprocal rank: 1 / (20 + rank)
LIKE = 100  # how many of the likest count
HALF_LIFE_DAYS = 30
RECENT, IMPORTANT = 0.05, 0.15  # what the newest and the most important get on top: one to three ranks
EPISODIC_RECENT = 0.25
TERMS = 256  # different words of a text that are looked at


@dataclass(slots=True)
class Entry:
    """What search knows of a memory. Times are seconds since 1970; `vector` is 256 signed bytes, as long as `norm`."""

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

    def holds(self, moment: float) -> bool:
        return self.valid_from <= moment and (self.valid_to is None or moment < self.valid_to)


@dataclass
class Ranked:
    """An entry's place, and why."""

    entry: Entry
    score: float
    reasons: list[str] = field(default_factory=list)


def terms(text: str) -> dict[str, int]:
    """How often a text has each of its first 256 different words."""
    return dict(Counter(words(text)).most_common(TERMS)) if len(text) > 2_000 else dict(Counter(words(text)))


def rank(
    query: str,
    entries: Sequence[Entry],
    likeness: dict[str, float],
    moment: float,
    *,
    embedder: str = "",
) -> list[Ranked]:
    """The entries that share a word with the question or are like it, best first.

    `likeness` gives the cosine of those that are like it, by id.
    """
    lexical = bm25(query, entries)
    like = sorted(
        (-cosine, place) for place, entry in enumerate(entries) if (cosine := likeness.get(entry.id))
    )
    found: dict[int, Ranked] = {}
    for number, (place, _, matched) in enumerate(lexical, start=1):
        why = f"shares {', '.join(sorted(matched))} (number {number} by words)"
        found[place] = Ranked(entries[place], 1 / (FUSION + number), [why])
    for number, (negative, place) in enumerate(like[:LIKE], start=1):
        hit = found.setdefault(place, Ranked(entries[place], 0))
        hit.score += 1 / (FUSION + number)
        hit.reasons.append(f"likeness {-negative:.2f} by {embedder} (number {number})")
    for hit in found.values():
        _weigh(hit, moment)
    return sorted(found.values(), key=lambda hit: (-hit.score, hit.entry.id))


def _weigh(hit: Ranked, moment: float) -> None:
    """Newer and more important ones come first among those that fit alike."""
    entry = hit.entry
    recency = 0.5 ** (max(0.0, moment - entry.valid_from) / 86_400 / HALF_LIFE_DAYS)
    weight = EPISODIC_RECENT if entry.memory_type == "episodic" else RECENT
    hit.score *= 1 + weight * recency + IMPORTANT * entry.importance
    if entry.importance:
        hit.reasons.append(f"importance {entry.importance:g}")
    if recency > 0.5:
        hit.reasons.append("recent")


def bm25(query: str, entries: Sequence[Entry]) -> list[tuple[int, float, set[str]]]:
    """Robertson's BM25 (k1 1.2, b 0.75): (place, score, shared words) of what shares a word, best first."""
    wanted = set(words(query))
    holding = [
        (place, shared) for place, entry in enumerate(entries) if (shared := wanted & entry.terms.keys())
    ]
    if not holding:
        return []
    lengths = [sum(entry.terms.values()) for entry in entries]
    average = sum(lengths) / len(lengths)
    spread = Counter(word for _, shared in holding for word in shared)
    rarity = {word: math.log(1 + (len(entries) - n + 0.5) / (n + 0.5)) for word, n in spread.items()}
    ranked = []
    for place, shared in holding:
        norm = K1 * (1 - B + B * lengths[place] / average)
        found = entries[place].terms
        score = sum(rarity[word] * found[word] * (K1 + 1) / (found[word] + norm) for word in shared)
        ranked.append((place, score, shared))
    return sorted(ranked, key=lambda item: -item[1])


def packed(vector: Sequence[float]) -> tuple[bytes, float]:
    """A vector's direction as signed bytes, and the length that it has so."""
    largest = max(map(abs, vector)) or 1
    numbers = [round(127 * number / largest) for number in vector]
    return bytes(number & 0xFF for number in numbers), math.sqrt(sum(map(mul, numbers, numbers))) or 1


def cosines(
    vector: Sequence[float], entries: Sequence[Entry], embedder: str, floor: float
) -> dict[str, float]:
    """The likeness, at least `floor`, of entries whose vector the same embedder made."""
    own, norm = packed(vector)
    wanted = memoryview(own).cast("b")
    found = {}
    for entry in entries:
        if entry.embedder == embedder and entry.vector:
            product = _product(wanted, memoryview(entry.vector).cast("b"))
            cosine = product / (norm * entry.norm)
            if cosine >= floor:
                found[entry.id] = cosine
    return found


def _plain_product(one: Sequence[int], other: Sequence[int]) -> int:
    return sum(map(mul, one, other))


_product = getattr(math, "sumprod", _plain_product)  # Python 3.12 and later, four times as fast
