"""How well and how fast memories are found. LOCOMO=path/to/locomo10.json measures on LoCoMo's conversations."""

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from tests import conftest  # the environment, before anything reads it

import boto3  # isort: skip

from infra import cloudformation
from tests.agents import letters
from tests.bench import recall_set
from tests.bench.calls import counting
from tests.bench.recall_set import Conversation
from tests.bench.rows import Line
from tests.integration.emulator import emulator
from weconnect import clock, ids
from weconnect.agents.memory import lexicon, ranking, search, storage, vector_index
from weconnect.agents.memory.embedders import minilm
from weconnect.agents.memory.entities import MemorySearch, NewAIAgentMemory
from weconnect.agents.memory.ranking import Entry
from weconnect.agents.memory.rows import LexiconRow, MemoryTermRow
from weconnect.db import table
from weconnect.settings import settings

BOUNDS = {5: (0.465, 0.491), 10: (0.546, 0.602)}
SIZES = (100, 1_000, 10_000)
SEARCHES = 15
_WORDS = (
    "office invoice printer meeting garden bicycle window coffee server contract river museum ticket lamp"
)
WORDS = _WORDS.split()


def lines() -> Iterator[Line]:
    yield from _recall()
    yield from _growth()


# How well


def _recall() -> Iterator[Line]:
    path = os.environ.get("LOCOMO")
    name = "LoCoMo" if path else "a generated set"
    conversations = recall_set.locomo(Path(path)) if path else recall_set.made()
    alone, fused = _recalls(conversations, False), _recalls(conversations, True)
    asked = sum(len(conversation.questions) for conversation in conversations)
    for k, (must, aim) in BOUNDS.items():
        yield Line(
            f"memory search: recall at {k} on {name}, {asked} questions",
            f"{fused[k]:.3f}",
            f"{alone[k]:.3f} BM25 alone",
            fused[k] / alone[k],
            f"≥ {must} (aim {aim})" if path else "says only what likeness adds",
            fused[k] >= must if path else None,
        )


def _recalls(conversations: Sequence[Conversation], with_likeness: bool) -> dict[int, float]:
    """The mean share of a question's evidence among the first 5 and 10."""
    shares: dict[int, list[float]] = {k: [] for k in BOUNDS}
    for conversation in conversations:
        entries = [_entry(key, text, with_likeness) for key, text in conversation.texts.items()]
        for question, evidence in conversation.questions:
            likeness: dict[str, float] = {}
            if with_likeness:
                (vector,) = minilm.embed([question])
                likeness = ranking.cosines(vector, entries, minilm.NAME, minilm.FLOOR)
            best = [hit.entry.id for hit in ranking.rank(question, entries, likeness, 0)]
            for k, found in shares.items():
                found.append(len(evidence & set(best[:k])) / len(evidence))
    return {k: statistics.mean(found) for k, found in shares.items()}


def _entry(key: str, text: str, with_likeness: bool) -> Entry:
    entry = Entry(key, "", "conversation", "", 0, None, None, 0, ranking.terms(text))
    if with_likeness:
        (vector,) = minilm.embed([text])
        entry.embedder = minilm.NAME
        entry.vector, entry.norm = ranking.packed(vector)
    return entry


# How fast


def _growth() -> Iterator[Line]:
    """CPU of a search in our process and of the bundled embedder for its question; the emulator's is not in it."""
    began = time.process_time()
    minilm.embed(["where is the meeting number 500"] * 20)
    embedding = 50 * (time.process_time() - began)
    with _emulated():
        first = 0.0
        for size in SIZES:
            calls, own = _searched(size)
            first = first or own + embedding
            yield Line(
                f"memory search among {size} memories",
                f"{own:.1f} + {embedding:.1f} ms CPU (embedder), {calls} calls",
                f"{first:.1f} ms among {SIZES[0]}",
                (own + embedding) / first,
                "≤ 2 ×; ≤ 8 calls",
                own + embedding <= 2 * first and calls <= 8,
            )


def _searched(size: int) -> tuple[int, float]:
    organization_id, agent_id = uuid4(), uuid4()
    sks = _fill(organization_id, agent_id, size)
    request = MemorySearch(query=f"where is the {WORDS[3]} number {size // 2}")
    nearest = vector_index.nearest
    # Counted and not asked: the emulator would look at all rows of the table, one by one.
    with counting() as seen, letters.chosen():

        def answered(*_: object, **__: object) -> dict[str, float]:
            seen["SearchVectors"] += 1
            return dict.fromkeys(sks[:100], 0.6)

        vector_index.nearest = answered  # type: ignore[assignment]
        try:
            times = []
            for _ in range(SEARCHES):
                seen.clear()
                began = time.process_time()
                assert search.find(organization_id, agent_id, request).items
                times.append(1_000 * (time.process_time() - began))
        finally:
            vector_index.nearest = nearest
    return seen.total(), statistics.median(times)


def _fill(organization_id: UUID, agent_id: UUID, size: int) -> list[str]:
    """As many memories, with the rows that a search reads; their sort keys."""
    entries, sks, moment = [], [], clock.now()
    with table.Row.batch_write() as batch:
        for number in range(size):
            what, beside = WORDS[number % 14], WORDS[number * 5 % 13]
            text = f"The {what} number {number} is beside the {beside} of floor {number % 9}"
            new = NewAIAgentMemory(content=text)
            row = storage.new_row(organization_id, agent_id, uuid4(), new, str(number), ids.new_id(), moment)
            batch.save(_stamped(row))
            for term in (row.terms or [])[:2]:
                at = MemoryTermRow.at(organization_id, agent_id, term, UUID(row.id))
                batch.save(_stamped(MemoryTermRow(*at, memory_sk=row.sk)))
            (vector,) = letters.embed([text])
            entry = storage.entry(row, text, vector)
            entry.embedder = letters.NAME
            entries.append(entry)
            sks.append(row.sk)
        for number, start in enumerate(range(0, size, lexicon.PAGE), start=1):
            pk, sk = LexiconRow.page_at(organization_id, agent_id, number)
            chunk = entries[start : start + lexicon.PAGE]
            batch.save(_stamped(LexiconRow(pk, sk, number=number, before=start, **lexicon._pack(chunk))))
    return sks


def _stamped(row: table.Row) -> table.Row:
    row.created_at = clock.iso(clock.now())
    return row


@contextmanager
def _emulated() -> Iterator[None]:
    """Our rows in an emulator of their own."""
    kept = table.Row._connection, table.Row.Meta.host
    assert conftest
    with TemporaryDirectory() as folder, emulator(Path(folder)) as address:
        client = boto3.client("dynamodb", region_name=settings.region, endpoint_url=address)
        client.create_table(**cloudformation.table_definition(settings.table_name, vectors=True))
        table.Row._connection, table.Row.Meta.host = None, address
        try:
            yield
        finally:
            table.Row._connection, table.Row.Meta.host = kept
