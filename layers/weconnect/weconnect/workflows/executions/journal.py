"""The node runs of an execution: collected in memory, and written in batches at least two seconds apart."""

import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict
from uuid import UUID

from pydantic.alias_generators import to_camel

from weconnect.db import compression, table
from weconnect.executions.lifecycle import ACTOR, build_open_condition
from weconnect.executions.results import ErrorValues
from weconnect.executions.retention import compute_part_expiry, count_payload_days
from weconnect.workflows.executions.entities import NodeExecution, NodeExecutionSummary
from weconnect.workflows.executions.rows import NodeRunsRow, WorkflowExecutionRow

WRITE_AFTER_SECONDS = 2.0
WRITE_AFTER_ENTRIES = 100
WRITE_AFTER_BYTES = 512 * 1024
MAX_HELD_BYTES = 32 * 2**20
MAX_BATCHES = 999_999
MAX_SHOWN = 10_000


class LogLine(TypedDict):
    """A line that a node logged."""

    level: Literal["debug", "info", "warning", "error"]
    message: str


class JournalEntry(TypedDict):
    """One attempt of a node, with the keys of a `NodeExecution` as JSON, and the lines that it logged."""

    id: NotRequired[str]
    nodeId: str
    nodeName: str
    nodeType: str
    path: str
    attempt: int
    status: Literal["completed", "failed", "skipped"]
    startedAt: str
    durationMs: int
    itemsIn: int
    itemsOut: int
    input: dict[str, list[dict[str, Any]]]
    output: dict[str, list[dict[str, Any]]]
    error: NotRequired[ErrorValues]
    logs: NotRequired[list[LogLine]]
    retriedFrom: NotRequired[str]
    executionIds: NotRequired[list[str]]
    bytes: NotRequired[int]
    isComputed: NotRequired[bool]


_NOT_STORED = ("bytes", "isComputed")
"""What an entry says to the journal alone: the size of its output, and that every replay computes it again."""
_ITEMS_LEFT_OUT: LogLine = {
    "level": "warning",
    "message": f"The items are not stored: the execution has computed more than {MAX_HELD_BYTES >> 20} MB of them.",
}


@dataclass
class Journal:
    """The node runs that are not written yet, and the number of the batch that they will be written as."""

    written_at: float
    entries: list[JournalEntry] = field(default_factory=list)
    batch: int = 1
    bytes: int = 0
    counts: "Counter[str]" = field(default_factory=Counter)
    """All node runs so far, by status."""
    _bytes_by_item: dict[int, int] = field(default_factory=dict)
    """Sizes of the items of `entries` by `id`: nodes in parallel receive the same ones."""

    def add(self, entry: JournalEntry) -> None:
        """Add a node run and count its size and status.

        Nodes that only compute are not a reason to write, so beyond 32 MB their entries are added without items: a
        retry computes them again.
        """
        self.counts[entry["status"]] += 1
        size = entry.get("bytes")
        size = self._count_bytes(entry["output"]) if size is None else size
        size += self._count_bytes(entry["input"]) + len(json.dumps(entry.get("logs")))
        if entry.get("isComputed") and self.bytes + size > MAX_HELD_BYTES:
            entry = {**entry, "input": {}, "output": {}, "logs": [*entry.get("logs", []), _ITEMS_LEFT_OUT]}
            self._bytes_by_item.clear()  # the items may be gone, and their IDs those of others
            size = 0
        values: Any = {name: value for name, value in entry.items() if name not in _NOT_STORED}
        self.entries.append(values)
        self.bytes += size

    def _count_bytes(self, items_by_name: dict[str, list[dict[str, Any]]]) -> int:
        """Return the size of the JSON of items."""
        total = 0
        for item in itertools.chain.from_iterable(items_by_name.values()):
            if id(item) not in self._bytes_by_item:
                self._bytes_by_item[id(item)] = len(json.dumps(item))
            total += self._bytes_by_item[id(item)]
        return total

    def is_due(self, now: float) -> bool:
        """Return whether to write before the next effect; `now` in epoch seconds."""
        is_full = len(self.entries) >= WRITE_AFTER_ENTRIES or self.bytes >= WRITE_AFTER_BYTES
        return bool(self.entries) and (is_full or now - self.written_at >= WRITE_AFTER_SECONDS)

    def mark_written(self, now: float) -> None:
        """Begin the next batch, after the present one was written; `now` in epoch seconds."""
        self.entries, self.bytes, self._bytes_by_item = [], 0, {}
        self.batch += 1
        self.written_at = now


@dataclass(frozen=True)
class UnwrittenJournal:
    """The rest of a journal, written with the completion: its last batch, and the number of node runs by status."""

    entries: list[JournalEntry]
    batch: int
    counts: dict[str, int]


def write(
    row: WorkflowExecutionRow,
    entries: list[JournalEntry],
    batch: int,
    node_ids: list[str],
    progress: int | None = None,
) -> None:
    """Write a batch of node runs, the IDs of the present nodes and the progress (percent). Idempotent."""
    if entries:
        table.put(_build_row(row, batch, entries, compute_part_expiry(row)), ACTOR)
    values: dict[str, Any] = {"current_node_ids": node_ids}
    if progress is not None:
        values["progress"] = progress
    table.touch(row, put=values, condition=build_open_condition())


def build_last_row(row: WorkflowExecutionRow, unwritten: UnwrittenJournal, ttl: int | None) -> NodeRunsRow:
    """Return the row of the last batch of node runs, which expires at `ttl` (epoch seconds)."""
    return _build_row(row, unwritten.batch, unwritten.entries, ttl)


def _build_row(
    row: WorkflowExecutionRow, batch: int, entries: list[JournalEntry], ttl: int | None
) -> NodeRunsRow:
    """Return the row of a batch, which expires at `ttl`; a long batch is stored outside of it."""
    organization_id, execution_id = UUID(row.organization_id), UUID(row.id)
    pk, sk = NodeRunsRow.at(organization_id, execution_id, batch)
    days = count_payload_days(row.retention_days, is_express=row.is_express)
    packed = compression.pack(organization_id, f"runs/{execution_id}/nodes-{batch}", entries, days)
    return NodeRunsRow(pk=pk, sk=sk, ttl=ttl, **packed)


def load_batches(organization_id: UUID, execution_id: UUID, after: int = 0) -> list[NodeRunsRow]:
    """Return the batches of an execution in order, those after number `after`."""
    pk, first = NodeRunsRow.at(organization_id, execution_id, after + 1)
    _, last = NodeRunsRow.at(organization_id, execution_id, MAX_BATCHES)
    return list(NodeRunsRow.query(pk, NodeRunsRow.sk.between(first, last), consistent_read=True))


def get_batch_number(row: NodeRunsRow) -> int:
    """Return the number of a batch, from its key."""
    return int(row.sk.rpartition("#")[2])


def load_entries(organization_id: UUID, execution_id: UUID, after: int = 0) -> list[JournalEntry]:
    """Return the node runs of an execution in order, with their IDs; those of the batches after number `after`."""
    entries: list[JournalEntry] = []
    for row in load_batches(organization_id, execution_id, after):
        batch: list[JournalEntry] = compression.unpack(organization_id, row.packed, row.pointer)
        number = get_batch_number(row)
        entries += [{**entry, "id": f"{number:06d}-{index:03d}"} for index, entry in enumerate(batch)]
    return entries


def load_outputs(organization_id: UUID, execution_id: UUID) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the outputs of the completed nodes by path, which a retry of the execution can reuse."""
    entries = load_entries(organization_id, execution_id)
    return {entry["path"]: entry["output"] for entry in entries if entry["status"] == "completed"}


def load_summaries(organization_id: UUID, execution_id: UUID) -> list[NodeExecutionSummary]:
    """Return the node runs of an execution, oldest first: at most the last 10,000, for Lambda returns at most 6 MB."""
    return [to_summary(entry) for entry in load_entries(organization_id, execution_id)[-MAX_SHOWN:]]


def to_summary(entry: JournalEntry) -> NodeExecutionSummary:
    """Return the node run as the API shows it, without its items."""
    names = {to_camel(name) for name in NodeExecutionSummary.model_fields}
    return NodeExecutionSummary.model_validate(
        {name: value for name, value in entry.items() if name in names}
    )


def to_node_execution(entry: JournalEntry) -> NodeExecution:
    """Return the node run as the API shows it, with its items."""
    return NodeExecution.model_validate({name: value for name, value in entry.items() if name != "logs"})
