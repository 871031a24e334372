"""What search reads: compact rows of an agent's memories, so that a search costs as many calls for 10 as for 10,000.

A write adds a small row (the tail). Whoever reads a long tail folds it into the newest page, in one transaction. Rows
here are an index: what a search answers is read from the memories themselves. Newest comes first, and the newest of
two entries of a memory is the one that counts.
"""

import json
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.agents.memory.ranking import Entry
from weconnect.agents.memory.rows import LexiconRow
from weconnect.db import table
from weconnect.errors import Conflict, Unavailable

ALL = 2_000  # up to so many memories of an agent are all candidates
NEWEST = 200  # of an agent that has more, the newest are candidates beside what is looked up
PAGE, PAGE_BYTES = 500, 200_000
FOLD_AT, FOLDED = 64, 90  # a transaction takes 100 writes
ACTOR = {"system": "lexicon"}


@dataclass
class Lexicon:
    """The newest entries of an agent; `complete` when there are no others. `size` counts superseded ones, too."""

    entries: list[Entry]
    size: int
    complete: bool


def row(organization_id: UUID, agent_id: UUID, entry: Entry, version: int) -> LexiconRow:
    """The row that makes a memory's present version findable."""
    pk, sk = LexiconRow.at(organization_id, agent_id, UUID(entry.id), version)
    return LexiconRow(pk=pk, sk=sk, ttl=entry.expires, **_pack([entry]))


def read(organization_id: UUID, agent_id: UUID) -> Lexicon:
    """The newest entries: all of an agent that has at most 2,000, else at least 200."""
    tail: list[LexiconRow] = []
    entries: dict[str, Entry] = {}
    size, above, complete = 0, False, True
    pk, prefix = LexiconRow.of_agent(organization_id, agent_id)
    rows = LexiconRow.query(
        pk, LexiconRow.sk.startswith(prefix), consistent_read=True, scan_index_forward=False
    )
    for row in rows:
        if len(entries) >= (NEWEST if above else ALL):
            complete = False
            break
        # An entry that a newer one has taken the place of ends with that one.
        live = [entry for entry in _live(row) if not (entry.id in entries and entries[entry.id].expires)]
        if row.number:
            size = max(size, len(tail) + int(row.before) + int(row.held))
            above = size > ALL
            if len(live) < row.held:
                _rewrite(row, live)
        else:
            tail.append(row)
        for entry in reversed(live):
            entries.setdefault(entry.id, entry)
    if len(tail) >= FOLD_AT:
        fold(organization_id, agent_id)
    return Lexicon(list(entries.values()), max(size, len(entries)), complete)


def _rewrite(row: LexiconRow, entries: list[Entry]) -> None:
    """What has expired shall not stay in a page until the next one is written."""
    with suppress(Conflict):
        table.change(row, _pack(entries), ACTOR)


def fold(organization_id: UUID, agent_id: UUID) -> None:
    """Move the oldest of a long tail into the newest page; whoever folds at the same time wins or loses whole."""
    at, prefix = LexiconRow.tail(organization_id, agent_id), LexiconRow.pages(organization_id, agent_id)
    rows = LexiconRow.query(at[0], LexiconRow.sk.startswith(at[1]), consistent_read=True, limit=FOLDED)
    taken = list(rows)
    if len(taken) < FOLD_AT:
        return
    newest = LexiconRow.query(
        prefix[0],
        LexiconRow.sk.startswith(prefix[1]),
        consistent_read=True,
        scan_index_forward=False,
        limit=1,
    )
    page = next(iter(newest), None)
    entries = {entry.id: entry for entry in (_live(page) if page else [])}
    for row in taken:
        for entry in _live(row):
            entries.pop(entry.id, None)
            entries[entry.id] = entry
    try:
        with table.transaction(ACTOR) as writes:
            for row in taken:
                writes.delete(row)
            _write_pages(writes, organization_id, agent_id, page, list(entries.values()))
    except Conflict:
        return


def _write_pages(
    writes: table.Transaction,
    organization_id: UUID,
    agent_id: UUID,
    page: LexiconRow | None,
    entries: list[Entry],
) -> None:
    number, before = (int(page.number), int(page.before)) if page else (1, 0)
    for chunk in _chunks(entries):
        values = _pack(chunk) | {"before": before, "number": number}
        if page:
            writes.change(page, values)
        else:
            pk, sk = LexiconRow.page_at(organization_id, agent_id, number)
            writes.create(LexiconRow(pk=pk, sk=sk, **values))
        page, number, before = None, number + 1, before + len(chunk)


def forget(organization_id: UUID, agent_id: UUID, memory_ids: Iterable[UUID]) -> None:
    """Take memories out of every page, with their words and vectors; looks again until none is left."""
    gone = {str(memory_id) for memory_id in memory_ids}
    pk, prefix = LexiconRow.of_agent(organization_id, agent_id)
    for _ in range(table.CONFLICT_ATTEMPTS):
        rows = LexiconRow.query(pk, LexiconRow.sk.startswith(prefix), consistent_read=True)
        found = [row for row in rows if any(entry.id in gone for entry in _unpack(row))]
        if not found:
            return
        for row in found:
            kept = [entry for entry in _unpack(row) if entry.id not in gone]
            with suppress(Conflict):
                if row.number:
                    table.change(row, _pack(kept), ACTOR)
                else:
                    row.delete()
    raise Unavailable("Too many changes to the agent's memories at once; try again")


def _chunks(entries: list[Entry]) -> list[list[Entry]]:
    """Pages' worth of entries, at least one page."""
    found: list[list[Entry]] = []
    for start in range(0, len(entries), PAGE):
        chunk = entries[start : start + PAGE]
        while len(chunk) > 1 and len(_pack(chunk)["entries"]) > PAGE_BYTES:
            half = len(chunk) // 2
            found.append(chunk[:half])
            chunk = chunk[half:]
        found.append(chunk)
    return found or [[]]


def _pack(entries: Sequence[Entry]) -> dict[str, Any]:
    plain = [astuple(entry)[:-1] for entry in entries]
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    vectors = b"".join(entry.vector for entry in entries)
    return {"entries": zlib.compress(text.encode()), "vectors": vectors or None, "held": len(entries)}


def _unpack(row: LexiconRow) -> list[Entry]:
    entries = [Entry(*plain) for plain in json.loads(zlib.decompress(row.entries))]
    place, vectors = 0, row.vectors or b""
    for entry in entries:
        if entry.embedder:
            entry.vector = vectors[place : place + 256]
            place += 256
    return entries


def _live(row: LexiconRow) -> list[Entry]:
    """Its entries that have not expired."""
    moment = clock.epoch()
    return [entry for entry in _unpack(row) if entry.expires is None or entry.expires > moment]
