"""The table's stream: reads MiniStack's journal and delivers its records to functions in DynamoDB's format."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.event_patterns import matches_pattern
from infra.local.gateway import report_failure
from infra.local.provisioning import AwsClients
from infra.local.settings import REGION
from infra.local.worker_pool import Pool

POLL_SECONDS = 0.05
RECORDS_PER_ENTRY = (
    1000  # sequence numbers reserved for one journal line: a transaction has at most 100 items
)
LONGEST_PAUSE_SECONDS = 30.0
TTL_IDENTITY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


@dataclass(frozen=True, order=True)
class Position:
    """The position of a reader: the segment's number and the offset in bytes."""

    segment: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Entry:
    """One journal line, and the position of the next one."""

    next: Position
    value: dict[str, Any]


class JournalReader:
    """Reads the segments that the launcher writes, and deletes those that neither it nor any reader needs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def list_segments(self) -> list[int]:
        return sorted(int(path.stem) for path in self.directory.glob("*.jsonl"))

    def read(self, position: Position, limit: int) -> Iterator[Entry]:
        """Yield up to `limit` complete lines from a position on."""
        for segment in self.list_segments():
            if segment < position.segment or limit <= 0:
                continue
            offset = position.offset if segment == position.segment else 0
            with (self.directory / f"{segment:08d}.jsonl").open("rb") as file:
                file.seek(offset)
                for line in file:
                    if limit <= 0 or not line.endswith(
                        b"\n"
                    ):  # the launcher is still writing it, or was killed meanwhile
                        break
                    limit -= 1
                    offset += len(line)
                    yield Entry(Position(segment, offset), json.loads(line))

    def has_grown(self, position: Position) -> bool:
        """Return whether there are entries after a position, without reading them."""
        segments = self.list_segments()
        if not segments:
            return False
        if position.segment < segments[-1]:
            return True
        return (self.directory / f"{segments[-1]:08d}.jsonl").stat().st_size > position.offset

    def delete_read(self, readers: list["StreamReader"]) -> None:
        """Delete the segments that MiniStack's snapshot covers and every reader has read."""
        covered_file = self.directory / "covered"
        covered = int(covered_file.read_text()) if covered_file.exists() else 0
        first = min((reader.position.segment for reader in readers), default=covered + 1)
        for number in self.list_segments():
            if number < first and number <= covered:
                (self.directory / f"{number:08d}.jsonl").unlink()


def build_stream_records(
    entry: Entry, table: str, key_names: tuple[str, ...], arn: str
) -> list[dict[str, Any]]:
    """Return the stream records of one journal line that belong to a table."""
    records = []
    for index, (name, old, new, expired) in enumerate(entry.value["w"]):
        if name != table:
            continue
        sequence = entry.value["n"] * RECORDS_PER_ENTRY + index
        image = new or old
        change: dict[str, Any] = {
            "ApproximateCreationDateTime": int(entry.value["t"]),
            "Keys": {key: image[key] for key in key_names},
            "SequenceNumber": f"{sequence:021d}",
            "SizeBytes": len(json.dumps(image)),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        if new is not None:
            change["NewImage"] = new
        if old is not None:
            change["OldImage"] = old
        record = {
            "eventID": f"{sequence:032x}",
            "eventName": "REMOVE" if new is None else "INSERT" if old is None else "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": REGION,
            "dynamodb": change,
            "eventSourceARN": arn,
        }
        if expired:
            record["userIdentity"] = TTL_IDENTITY
        records.append(record)
    return records


class StreamReader:
    """Delivers the stream to one function: in order, at least once, with Lambda's rules for partial failures."""

    def __init__(
        self, pool: Pool, clients: AwsClients, function: str, properties: dict[str, Any], journal: JournalReader,
        state: Path, table: str, key_names: tuple[str, ...],
    ) -> None:  # fmt: skip
        self.pool = pool
        self.clients = clients
        self.function = function
        self.properties = properties
        self.journal = journal
        self.file = state / f"stream-{function}.json"
        self.table = table
        self.key_names = key_names
        self.position = self._load_position()
        filters = properties.get("FilterCriteria", {}).get("Filters", [])
        self.patterns = [json.loads(entry["Pattern"]) for entry in filters]

    async def run(self) -> None:
        """Deliver the stream from the stored position on, until cancelled."""
        size = int(self.properties.get("BatchSize", 100))
        while True:
            if not self.journal.has_grown(self.position):
                await asyncio.sleep(POLL_SECONDS)
                continue
            entries = list(self.journal.read(self.position, size))
            if not entries:  # only a new, empty segment
                segments = self.journal.list_segments()
                self._store_position(Position(max(self.position.segment, segments[-1])))
                await asyncio.sleep(POLL_SECONDS)
                continue
            records = [
                record
                for entry in entries
                for record in build_stream_records(
                    entry, self.table, self.key_names, self.properties["Stream"]
                )
                if not self.patterns or any(matches_pattern(pattern, record) for pattern in self.patterns)
            ]
            for start in range(0, len(records), size):
                await self._deliver(records[start : start + size])
            self._store_position(entries[-1].next)

    async def _deliver(self, records: list[dict[str, Any]]) -> None:
        """Call the function until it has processed every record or its attempts are used up."""
        max_retries = int(self.properties.get("MaximumRetryAttempts", -1))
        attempt, pause = 0, 0.2
        while records:
            result = await self.pool.call(
                self.function, json.dumps({"Records": records}).encode(), lane="background", tenant="stream"
            )
            remaining = records
            if result.failed:
                report_failure(self.function, result, self.pool)
            else:
                remaining = self._list_unprocessed(records, result.parse_value())
            if len(remaining) < len(records):
                attempt, pause = 0, 0.2  # progress: Lambda counts attempts per batch
            elif attempt and len(records) > 1 and self.properties.get("BisectBatchOnFunctionError"):
                middle = len(records) // 2
                await self._deliver(records[:middle])
                await self._deliver(records[middle:])
                return
            if remaining and 0 <= max_retries <= attempt:
                await asyncio.to_thread(self._store_failed, remaining)
                return
            records, attempt = remaining, attempt + 1
            if records:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _list_unprocessed(self, records: list[dict[str, Any]], result: Any) -> list[dict[str, Any]]:
        """Return the records from the first failed one on, which Lambda delivers again."""
        if "ReportBatchItemFailures" not in self.properties.get("FunctionResponseTypes", []):
            return []
        failed = {failure.get("itemIdentifier") for failure in (result or {}).get("batchItemFailures") or []}
        if not failed:
            return []
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        return records[min((numbers.index(number) for number in failed if number in numbers), default=0) :]

    def _store_failed(self, records: list[dict[str, Any]]) -> None:
        """Store records that the function failed to process in the bucket of its failure destination."""
        destination = self.properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
        bucket = destination.removeprefix("arn:aws:s3:::")
        print(
            f"{self.function} failed to process {len(records)} stream records (bucket: {bucket or 'none'})",
            flush=True,
        )
        if bucket:
            key = f"failed-records/{self.function}/{time.strftime('%Y/%m/%d')}/{records[0]['eventID']}.json"
            self.clients("s3").put_object(
                Bucket=bucket, Key=key, Body=json.dumps({"Records": records}).encode()
            )

    def _load_position(self) -> Position:
        """Return the stored position, or the start of the journal."""
        return Position(**json.loads(self.file.read_text())) if self.file.exists() else Position()

    def _store_position(self, position: Position) -> None:
        """Store the position atomically: what was delivered before it is not delivered again."""
        self.position = position
        temporary = self.file.with_suffix(".tmp")
        temporary.write_text(json.dumps(vars(position)))
        temporary.replace(self.file)
