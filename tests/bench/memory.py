"""Quality and speed of search in memories. LOCOMO=path/to/locomo10.json measures with LoCoMo's conversations."""

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
from tests.agents import letter_embedder
from tests.bench import recall_set
from tests.bench.calls import count_calls
from tests.bench.recall_set import Conversation
from tests.bench.rows import Line
from tests.integration.emulator import running_emulator
from weconnect import clock, ids
from weconnect.agents.memory import lexicon, ranking, search, storage, vector_index
from weconnect.agents.memory.embedders import minilm
from weconnect.agents.memory.entities import MemorySearch, NewAIAgentMemory
from weconnect.agents.memory.ranking import SearchEntry
from weconnect.agents.memory.rows import LexiconRow, MemoryTermRow
from weconnect.db import table
from weconnect.settings import settings

RECALL_BOUNDS = {5: (0.465, 0.491), 10: (0.546, 0.602)}  # by the number of hits: (required, aim)
SIZES = (100, 1_000, 10_000)
SEARCHES = 15
_WORDS = (
    "office invoice printer meeting garden bicycle window coffee server contract river museum ticket lamp"
)
WORDS = _WORDS.split()


def lines() -> Iterator[Line]:
    """Yield recall at 5 and 10, then CPU time and calls among 100, 1,000 and 10,000 memories."""
    yield from _recall()
    yield from _growth()


# Quality


def _recall() -> Iterator[Line]:
    path = os.environ.get("LOCOMO")
    name = "LoCoMo" if path else "a generated set"
    conversations = recall_set.read_locomo(Path(path)) if path else recall_set.generate()
    by_words, combined = _compute_recall(conversations, False), _compute_recall(conversations, True)
    count = sum(len(conversation.questions) for conversation in conversations)
    for k, (required, aim) in RECALL_BOUNDS.items():
        yield Line(
            f"memory search: recall at {k} on {name}, {count} questions",
            f"{combined[k]:.3f}",
            f"{by_words[k]:.3f} BM25 alone",
            combined[k] / by_words[k],
            f"≥ {required} (aim {aim})" if path else "none: shows what similarity adds",
            combined[k] >= required if path else None,
        )


def _compute_recall(conversations: Sequence[Conversation], with_similarity: bool) -> dict[int, float]:
    """Return the mean share of a question's evidence among the first 5 and 10 hits."""
    shares: dict[int, list[float]] = {k: [] for k in RECALL_BOUNDS}
    for conversation in conversations:
        entries = [_entry(key, text, with_similarity) for key, text in conversation.texts.items()]
        for question, evidence in conversation.questions:
            similarities: dict[str, float] = {}
            if with_similarity:
                (vector,) = minilm.embed([question])
                similarities = ranking.compute_cosines(vector, entries, minilm.NAME, minilm.MIN_COSINE)
            best = [hit.entry.id for hit in ranking.rank(question, entries, similarities, 0)]
            for k, shares_at_k in shares.items():
                shares_at_k.append(len(evidence & set(best[:k])) / len(evidence))
    return {k: statistics.mean(shares_at_k) for k, shares_at_k in shares.items()}


def _entry(key: str, text: str, with_similarity: bool) -> SearchEntry:
    entry = SearchEntry(key, "", "conversation", "", 0, None, None, 0, ranking.count_terms(text))
    if with_similarity:
        (vector,) = minilm.embed([text])
        entry.embedder = minilm.NAME
        entry.vector, entry.norm = ranking.quantize(vector)
    return entry


# Speed


def _growth() -> Iterator[Line]:
    """Yield the CPU time of a search in our process and of the bundled embedder, without that of the emulator."""
    started = time.process_time()
    minilm.embed(["where is the meeting number 500"] * 20)
    embedding = 50 * (time.process_time() - started)  # milliseconds for one text
    with _use_emulator():
        first = 0.0
        for size in SIZES:
            calls, search_ms = _measure_search(size)
            first = first or search_ms + embedding
            yield Line(
                f"memory search among {size} memories",
                f"{search_ms:.1f} + {embedding:.1f} ms CPU (embedder), {calls} calls",
                f"{first:.1f} ms among {SIZES[0]}",
                (search_ms + embedding) / first,
                "≤ 2 ×; ≤ 8 calls",
                search_ms + embedding <= 2 * first and calls <= 8,
            )


def _measure_search(size: int) -> tuple[int, float]:
    """Return the number of calls and the median CPU milliseconds of a search among `size` memories."""
    organization_id, agent_id = uuid4(), uuid4()
    sks = _fill(organization_id, agent_id, size)
    request = MemorySearch(query=f"where is the {WORDS[3]} number {size // 2}")
    nearest = vector_index.find_nearest
    # Counted but not sent: the emulator would scan every row of the table.
    with count_calls() as counts, letter_embedder.use_embedder():

        def count_search(*_: object, **__: object) -> dict[str, float]:
            counts["SearchVectors"] += 1
            return dict.fromkeys(sks[:100], 0.6)

        vector_index.find_nearest = count_search
        try:
            times = []
            for _ in range(SEARCHES):
                counts.clear()
                started = time.process_time()
                assert search.search_agent(organization_id, agent_id, request).items
                times.append(1_000 * (time.process_time() - started))
        finally:
            vector_index.find_nearest = nearest
    return counts.total(), statistics.median(times)


def _fill(organization_id: UUID, agent_id: UUID, size: int) -> list[str]:
    """Store `size` memories with the rows that a search reads; return their sort keys."""
    entries, sks, moment = [], [], clock.now()
    with table.Row.batch_write() as batch:
        for number in range(size):
            noun, neighbour = WORDS[number % 14], WORDS[number * 5 % 13]
            text = f"The {noun} number {number} is beside the {neighbour} of floor {number % 9}"
            new = NewAIAgentMemory(content=text)
            row = storage.build_row(
                organization_id, agent_id, uuid4(), new, str(number), ids.new_id(), moment
            )
            batch.save(_with_creation_time(row))
            for term in (row.terms or [])[:2]:
                at = MemoryTermRow.at(organization_id, agent_id, term, UUID(row.id))
                batch.save(_with_creation_time(MemoryTermRow(*at, memory_sk=row.sk)))
            (vector,) = letter_embedder.embed([text])
            entry = storage.build_entry(row, text, vector)
            entry.embedder = letter_embedder.NAME
            entries.append(entry)
            sks.append(row.sk)
        for number, start in enumerate(range(0, size, lexicon.PAGE_ENTRIES), start=1):
            pk, sk = LexiconRow.page_at(organization_id, agent_id, number)
            chunk = entries[start : start + lexicon.PAGE_ENTRIES]
            batch.save(
                _with_creation_time(LexiconRow(pk, sk, number=number, before=start, **lexicon._pack(chunk)))
            )
    return sks


def _with_creation_time(row: table.Row) -> table.Row:
    row.created_at = clock.iso(clock.now())
    return row


@contextmanager
def _use_emulator() -> Iterator[None]:
    """Store rows in an emulator for the duration of the context."""
    original = table.Row._connection, table.Row.Meta.host
    assert conftest
    with TemporaryDirectory() as folder, running_emulator(Path(folder)) as address:
        client = boto3.client("dynamodb", region_name=settings.region, endpoint_url=address)
        client.create_table(**cloudformation.read_table_definition(settings.table_name, vectors=True))
        table.Row._connection, table.Row.Meta.host = None, address
        try:
            yield
        finally:
            table.Row._connection, table.Row.Meta.host = original
