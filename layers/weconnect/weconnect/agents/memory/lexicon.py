"""The search index of an agent: compact rows, so that a search takes as many calls for 10 memories as for 10,000.

A write adds a small row to the tail. Whoever reads a long tail folds it into the newest page, in one transaction. The
rows are an index only: search results are read from the memories themselves. Entries are read newest first; of several
entries of one memory, the newest counts.
"""

import json
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import TypedDict
from uuid import UUID

from weconnect import clock
from weconnect.actor import Actor
from weconnect.agents.memory.ranking import SearchEntry
from weconnect.agents.memory.rows import LexiconRow
from weconnect.db import table
from weconnect.errors import Conflict, Unavailable

MAX_LOADED = 2_000  # up to this number of memories, all of an agent's are candidates
NEWEST_LOADED = 200  # of a larger agent, the newest are candidates besides those that are looked up
PAGE_ENTRIES, PAGE_BYTES = 500, 200_000
FOLD_AT_ROWS, MAX_FOLDED_ROWS = 64, 90  # a transaction takes 100 writes
VECTOR_BYTES = 256
ACTOR: Actor = {"system": "lexicon"}


@dataclass
class Lexicon:
    """The newest entries of an agent; `is_complete` when it has all of them. `size` includes superseded ones."""

    entries: list[SearchEntry]
    size: int
    is_complete: bool


class _PackedEntries(TypedDict):
    """The values of a row that has entries."""

    entries: bytes
    vectors: bytes | None
    held: int


def build_row(organization_id: UUID, agent_id: UUID, entry: SearchEntry, version: int) -> LexiconRow:
    """Return the tail row that makes the present version of a memory searchable."""
    pk, sk = LexiconRow.at(organization_id, agent_id, UUID(entry.id), version)
    return LexiconRow(pk=pk, sk=sk, ttl=entry.expires, **_pack([entry]))


def load(organization_id: UUID, agent_id: UUID) -> Lexicon:
    """Return the newest entries: all of an agent with at most 2,000 memories, else at least 200."""
    tail: list[LexiconRow] = []
    entries: dict[str, SearchEntry] = {}
    size, is_large, is_complete = 0, False, True
    pk, prefix = LexiconRow.of_agent(organization_id, agent_id)
    rows = LexiconRow.query(
        pk, LexiconRow.sk.startswith(prefix), consistent_read=True, scan_index_forward=False
    )
    for row in rows:
        if len(entries) >= (NEWEST_LOADED if is_large else MAX_LOADED):
            is_complete = False
            break
        # An entry that a newer one replaced expires with the newer one.
        live = [
            entry for entry in _live_entries(row) if not (entry.id in entries and entries[entry.id].expires)
        ]
        if row.number:
            size = max(size, len(tail) + int(row.before) + int(row.held))
            is_large = size > MAX_LOADED
            if len(live) < row.held:
                _rewrite(row, live)
        else:
            tail.append(row)
        for entry in reversed(live):
            entries.setdefault(entry.id, entry)
    if len(tail) >= FOLD_AT_ROWS:
        fold_tail(organization_id, agent_id)
    return Lexicon(list(entries.values()), max(size, len(entries)), is_complete)


def _rewrite(row: LexiconRow, entries: list[SearchEntry]) -> None:
    """Remove expired entries from a page, which would otherwise stay until the next write to it."""
    with suppress(Conflict):
        table.change(row, dict(_pack(entries)), ACTOR)


def fold_tail(organization_id: UUID, agent_id: UUID) -> None:
    """Move the oldest rows of a long tail into the newest page; of concurrent calls, one has an effect."""
    tail, pages = LexiconRow.tail(organization_id, agent_id), LexiconRow.pages(organization_id, agent_id)
    rows = list(
        LexiconRow.query(
            tail[0], LexiconRow.sk.startswith(tail[1]), consistent_read=True, limit=MAX_FOLDED_ROWS
        )
    )
    if len(rows) < FOLD_AT_ROWS:
        return
    newest = LexiconRow.query(
        pages[0],
        LexiconRow.sk.startswith(pages[1]),
        consistent_read=True,
        scan_index_forward=False,
        limit=1,
    )
    page = next(iter(newest), None)
    entries = {entry.id: entry for entry in (_live_entries(page) if page else [])}
    for row in rows:
        for entry in _live_entries(row):
            entries.pop(entry.id, None)
            entries[entry.id] = entry
    try:
        with table.transaction(ACTOR) as writes:
            for row in rows:
                writes.delete(row)
            _write_pages(writes, organization_id, agent_id, page, list(entries.values()))
    except Conflict:
        return


def _write_pages(
    writes: table.Transaction,
    organization_id: UUID,
    agent_id: UUID,
    page: LexiconRow | None,
    entries: list[SearchEntry],
) -> None:
    """Write entries into `page` (None: the first page) and, where they do not fit, into new pages after it."""
    number, before = (int(page.number), int(page.before)) if page else (1, 0)
    for chunk in _chunks(entries):
        packed = _pack(chunk)
        if page:
            writes.change(page, {**packed, "before": before, "number": number})
        else:
            pk, sk = LexiconRow.page_at(organization_id, agent_id, number)
            writes.create(LexiconRow(pk=pk, sk=sk, before=before, number=number, **packed))
        page, number, before = None, number + 1, before + len(chunk)


def remove_memories(organization_id: UUID, agent_id: UUID, memory_ids: Iterable[UUID]) -> None:
    """Remove memories from every row, with their words and vectors; repeats until none is left.

    Raises Unavailable when concurrent writes keep adding them.
    """
    removed_ids = {str(memory_id) for memory_id in memory_ids}
    pk, prefix = LexiconRow.of_agent(organization_id, agent_id)
    for _ in range(table.MAX_ATTEMPTS):
        rows = LexiconRow.query(pk, LexiconRow.sk.startswith(prefix), consistent_read=True)
        affected = [row for row in rows if any(entry.id in removed_ids for entry in _unpack(row))]
        if not affected:
            return
        for row in affected:
            remaining = [entry for entry in _unpack(row) if entry.id not in removed_ids]
            with suppress(Conflict):
                if row.number:
                    table.change(row, dict(_pack(remaining)), ACTOR)
                else:
                    row.delete()
    raise Unavailable("The agent's memories are being changed by too many requests. Try again.")


def _chunks(entries: list[SearchEntry]) -> list[list[SearchEntry]]:
    """Return the entries page by page, at least one page."""
    chunks: list[list[SearchEntry]] = []
    for start in range(0, len(entries), PAGE_ENTRIES):
        chunk = entries[start : start + PAGE_ENTRIES]
        while len(chunk) > 1 and len(_pack(chunk)["entries"]) > PAGE_BYTES:
            half = len(chunk) // 2
            chunks.append(chunk[:half])
            chunk = chunk[half:]
        chunks.append(chunk)
    return chunks or [[]]


def _pack(entries: Sequence[SearchEntry]) -> _PackedEntries:
    """Return the entries as a row holds them: compressed JSON, and their vectors one after the other."""
    without_vectors = [astuple(entry)[:-1] for entry in entries]
    text = json.dumps(without_vectors, ensure_ascii=False, separators=(",", ":"))
    vectors = b"".join(entry.vector for entry in entries)
    return {"entries": zlib.compress(text.encode()), "vectors": vectors or None, "held": len(entries)}


def _unpack(row: LexiconRow) -> list[SearchEntry]:
    """Return the row's entries with their vectors, also the expired ones."""
    entries = [SearchEntry(*values) for values in json.loads(zlib.decompress(row.entries))]
    offset, vectors = 0, row.vectors or b""
    for entry in entries:
        if entry.embedder:
            entry.vector = vectors[offset : offset + VECTOR_BYTES]
            offset += VECTOR_BYTES
    return entries


def _live_entries(row: LexiconRow) -> list[SearchEntry]:
    """Return the row's entries that have not expired."""
    moment = clock.epoch_seconds()
    return [entry for entry in _unpack(row) if entry.expires is None or entry.expires > moment]
