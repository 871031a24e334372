"""The node runs of a run: kept in memory, and written in batches between two of which a moment has passed."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic.alias_generators import to_camel

from weconnect.db import compression
from weconnect.executions.entities import NodeExecution, NodeExecutionSummary
from weconnect.executions.rows import NodeRunsRow

WRITE_AFTER_SECONDS = 2.0
WRITE_AFTER_RECORDS = 100
WRITE_AFTER_BYTES = 512 * 1024
MOST_BATCHES = 999_999
MOST_SHOWN = 10_000

Record = dict[str, Any]
"""A `NodeExecution` as it is on the wire, without its id, and `logs`, if it has any: `[{"level", "message"}]`."""


@dataclass
class Journal:
    """What is not written yet, and the number that its batch will have."""

    written_at: float
    records: list[Record] = field(default_factory=list)
    batch: int = 1
    bytes: int = 0
    counts: "Counter[str]" = field(default_factory=Counter)

    def add(self, record: Record) -> None:
        self.records.append(record)
        self.bytes += len(json.dumps([record["output"], record.get("logs")]))
        self.counts[record["status"]] += 1

    def is_due(self, now: float) -> bool:
        """Whether to write before the next effect."""
        full = len(self.records) >= WRITE_AFTER_RECORDS or self.bytes >= WRITE_AFTER_BYTES
        return bool(self.records) and (full or now - self.written_at >= WRITE_AFTER_SECONDS)

    def written(self, now: float) -> None:
        """All that there was has been written."""
        self.records, self.bytes = [], 0
        self.batch += 1
        self.written_at = now


def row_of(
    organization_id: UUID, execution_id: UUID, batch: int, records: list[Record], days: int, ttl: int
) -> NodeRunsRow:
    """The row of a batch."""
    pk, sk = NodeRunsRow.at(organization_id, execution_id, batch)
    packed = compression.pack(organization_id, f"runs/{execution_id}/nodes-{batch}", records, days)
    return NodeRunsRow(pk=pk, sk=sk, ttl=ttl, **packed)


def batches(organization_id: UUID, execution_id: UUID, after: int = 0) -> list[NodeRunsRow]:
    """The batches of a run in order, those after number `after`."""
    pk, first = NodeRunsRow.at(organization_id, execution_id, after + 1)
    _, last = NodeRunsRow.at(organization_id, execution_id, MOST_BATCHES)
    return list(NodeRunsRow.query(pk, NodeRunsRow.sk.between(first, last), consistent_read=True))


def number_of(row: NodeRunsRow) -> int:
    """The number of a batch."""
    return int(row.sk.rpartition("#")[2])


def records_of(organization_id: UUID, execution_id: UUID, after: int = 0) -> list[Record]:
    """All node runs of a run in order, with the ids that they are found by; those of the batches after `after`."""
    return [
        record | {"id": f"{number_of(row):06d}-{index:03d}"}
        for row in batches(organization_id, execution_id, after)
        for index, record in enumerate(compression.unpack(organization_id, row.packed, row.pointer))
    ]


def outputs_of(organization_id: UUID, execution_id: UUID) -> dict[str, Any]:
    """What the nodes that ended well answered, by their paths: what another try of the run can keep."""
    found = records_of(organization_id, execution_id)
    return {record["path"]: record["output"] for record in found if record["status"] == "completed"}


def summaries(organization_id: UUID, execution_id: UUID) -> list[NodeExecutionSummary]:
    """The node runs of a run on the wire, in order; of very many the last, since Lambda answers at most 6 MB."""
    return [summary(record) for record in records_of(organization_id, execution_id)[-MOST_SHOWN:]]


def summary(record: Record) -> NodeExecutionSummary:
    """The node run on the wire, without its items."""
    wanted = {to_camel(name) for name in NodeExecutionSummary.model_fields}
    return NodeExecutionSummary.model_validate({name: record[name] for name in record if name in wanted})


def node_execution(record: Record) -> NodeExecution:
    """The node run on the wire."""
    return NodeExecution.model_validate({name: value for name, value in record.items() if name != "logs"})
