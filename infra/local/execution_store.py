"""Storage of durable executions in SQLite, with one row per operation; live executions are cached in memory.

Implements the `ExecutionStore` interface of the durable SDK's testing package. That package's own store writes an
execution as one document at every step, so that steps of long executions become slow.
"""

import json
import sqlite3
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.stores.base import ExecutionStore

CACHED_COMPLETED = 100  # in memory, because the executor reads an execution a few more times after its end
SCHEMA = """
CREATE TABLE IF NOT EXISTS executions (
    arn TEXT PRIMARY KEY, function TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, started REAL NOT NULL,
    input TEXT NOT NULL, state TEXT NOT NULL, reported INTEGER NOT NULL DEFAULT 0, UNIQUE (function, name)
);
CREATE INDEX IF NOT EXISTS by_status ON executions (status, reported);
CREATE TABLE IF NOT EXISTS operations (
    arn TEXT NOT NULL, n INTEGER NOT NULL, data TEXT NOT NULL, touched INTEGER, size INTEGER, PRIMARY KEY (arn, n)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS updates (
    arn TEXT NOT NULL, n INTEGER NOT NULL, data TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (arn, n)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS invocations (id INTEGER PRIMARY KEY, function TEXT NOT NULL, payload BLOB NOT NULL);
"""
STATUS_RUNNING = "RUNNING"


class _CachedExecution:
    """A cached execution, with the operations and the number of updates that the database has already."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self.operations: list[Any] = []
        self.updates = 0


class SqliteStore(ExecutionStore):
    """Stores the changes since the last save. Operations are immutable, so a new object is a changed operation."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(
            "PRAGMA synchronous=NORMAL"
        )  # a killed process loses nothing, a power cut the last transactions
        self._database.executescript(SCHEMA)
        self._lock = threading.RLock()
        self._live: OrderedDict[str, _CachedExecution] = OrderedDict()

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def save(self, execution: Execution) -> None:
        """Write the changes of an execution since it was last saved, in one transaction."""
        arn = execution.durable_execution_arn
        with self._lock:
            live = self._live.get(arn)
            if live is None or live.execution is not execution:
                live = self._live[arn] = _CachedExecution(execution)
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._write_changes(live)
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
            if execution.is_complete:
                self._evict_completed()

    def update(self, execution: Execution) -> None:
        self.save(execution)

    def load(self, execution_arn: str) -> Execution:
        """Return the execution. Raises KeyError."""
        with self._lock:
            live = self._live.get(execution_arn)
            if live is None:
                live = self._live[execution_arn] = self._read_execution(execution_arn)
            return live.execution

    def query(
        self, function_name: str | None = None, execution_name: str | None = None, status_filter: str | None = None,
        started_after: str | None = None, started_before: str | None = None, limit: int | None = None, offset: int = 0,
        reverse_order: bool = False,
    ) -> tuple[list[Execution], str | None]:  # fmt: skip
        """Return a page of executions and the marker of the next; statuses are separated by commas."""
        conditions: dict[str, list[Any]] = {
            "function = ?": [function_name],
            "name = ?": [execution_name],
            "started >= ?": [float(started_after)] if started_after else [None],
            "started <= ?": [float(started_before)] if started_before else [None],
        }
        if status_filter:
            statuses = status_filter.split(",")
            conditions[f"status IN ({','.join('?' * len(statuses))})"] = [*statuses]
        used = {text: values for text, values in conditions.items() if values[0]}
        sql = "SELECT arn FROM executions"
        if used:
            sql += " WHERE " + " AND ".join(used)
        sql += f" ORDER BY started {'DESC' if reverse_order else 'ASC'} LIMIT ? OFFSET ?"
        values = [value for group in used.values() for value in group]
        count = limit or 50
        with self._lock:
            arns = [row[0] for row in self._database.execute(sql, [*values, count + 1, offset])]
        more = str(offset + count) if len(arns) > count else None
        return [self.load(arn) for arn in arns[:count]], more

    def list_all(self) -> list[Execution]:
        return [self.load(arn) for arn in self._select_column("SELECT arn FROM executions ORDER BY started")]

    def find(self, function: str, name: str) -> Execution | None:
        """Return the execution of that name, whatever its status, or None."""
        arns = self._select_column(
            "SELECT arn FROM executions WHERE function = ? AND name = ?", function, name
        )
        return self.load(arns[0]) if arns else None

    def list_unfinished(self) -> list[Execution]:
        """Return the executions that have not ended, oldest first."""
        arns = self._select_column(
            "SELECT arn FROM executions WHERE status = ? ORDER BY started", STATUS_RUNNING
        )
        return [self.load(arn) for arn in arns]

    def list_unreported(self) -> list[str]:
        """Return the ARNs of ended executions whose end was not reported to functions yet."""
        return self._select_column(
            "SELECT arn FROM executions WHERE status != ? AND reported = 0", STATUS_RUNNING
        )

    def mark_reported(self, arn: str) -> None:
        with self._lock:
            self._database.execute("UPDATE executions SET reported = 1 WHERE arn = ?", [arn])

    def delete_before(self, started: float) -> None:
        """Delete ended and reported executions that started before this time (epoch seconds)."""
        with self._lock:
            old = "SELECT arn FROM executions WHERE reported = 1 AND started < ?"
            for table in ("operations", "updates"):
                self._database.execute(f"DELETE FROM {table} WHERE arn IN ({old})", [started])
            self._database.execute("DELETE FROM executions WHERE reported = 1 AND started < ?", [started])

    def add_invocation(self, function: str, payload: bytes) -> int:
        """Store an asynchronous invocation until it has run; return its ID."""
        with self._lock:
            sql = "INSERT INTO invocations (function, payload) VALUES (?, ?)"
            return int(self._database.execute(sql, [function, payload]).lastrowid or 0)

    def remove_invocation(self, number: int) -> None:
        with self._lock:
            self._database.execute("DELETE FROM invocations WHERE id = ?", [number])

    def list_invocations(self) -> list[tuple[int, str, bytes]]:
        """Return the ID, function and payload of each stored asynchronous invocation, oldest first."""
        with self._lock:
            return list(self._database.execute("SELECT id, function, payload FROM invocations ORDER BY id"))

    def _select_column(self, sql: str, *values: Any) -> list[str]:
        """Return the first column of a query's result."""
        with self._lock:
            return [row[0] for row in self._database.execute(sql, values)]

    def _write_changes(self, live: _CachedExecution) -> None:
        """Write the execution's row, and the operations and updates that have changed since the last write."""
        execution, arn = live.execution, live.execution.durable_execution_arn
        start = execution.start_input
        status, state = execution.current_status().value, json.dumps(_collect_state(execution))
        if not live.operations:
            started = execution.get_operation_execution_started().start_timestamp
            self._database.execute(
                "INSERT INTO executions (arn, function, name, status, started, input, state) VALUES (?,?,?,?,?,?,?)"
                " ON CONFLICT (arn) DO NOTHING",
                [arn, start.function_name, start.execution_name, status, started.timestamp() if started else 0,
                 json.dumps(start.to_dict()), state],
            )  # fmt: skip
        self._database.execute(
            "UPDATE executions SET status = ?, state = ? WHERE arn = ?", [status, state, arn]
        )
        operations = list(execution.operations)
        for n, operation in enumerate(operations):
            if n >= len(live.operations) or live.operations[n] is not operation:
                touched = execution.operation_last_touched_seq.get(operation.operation_id)
                size = execution.operation_size_bytes.get(operation.operation_id)
                self._database.execute(
                    "INSERT OR REPLACE INTO operations VALUES (?,?,?,?,?)",
                    [arn, n, json.dumps(operation.to_json_dict()), touched, size],
                )
        for n in range(live.updates, len(execution.updates)):
            self._database.execute(
                "INSERT OR REPLACE INTO updates VALUES (?,?,?,?)",
                [
                    arn,
                    n,
                    json.dumps(execution.updates[n].to_dict()),
                    execution.update_timestamps[n].isoformat(),
                ],
            )
        live.operations, live.updates = operations, len(execution.updates)

    def _read_execution(self, arn: str) -> _CachedExecution:
        """Return an execution as the database has it. Raises KeyError."""
        row = self._database.execute("SELECT input, state FROM executions WHERE arn = ?", [arn]).fetchone()
        if row is None:
            raise KeyError(arn)
        rows = self._database.execute(
            "SELECT data, touched, size FROM operations WHERE arn = ? ORDER BY n", [arn]
        )
        operations = [(json.loads(data), touched, size) for data, touched, size in rows]
        updates = list(self._database.execute("SELECT data, at FROM updates WHERE arn = ? ORDER BY n", [arn]))
        execution = Execution.from_json_dict(
            {
                **json.loads(row[1]),
                "DurableExecutionArn": arn,
                "StartInput": json.loads(row[0]),
                "Operations": [data for data, _, _ in operations],
                "Updates": [json.loads(data) for data, _ in updates],
                "UpdateTimestamps": [at for _, at in updates],
            }
        )
        for operation, (_, touched, size) in zip(execution.operations, operations, strict=True):
            if touched is not None:
                execution.operation_last_touched_seq[operation.operation_id] = touched
            if size is not None:
                execution.operation_size_bytes[operation.operation_id] = size
        live = _CachedExecution(execution)
        live.operations, live.updates = list(execution.operations), len(execution.updates)
        return live

    def _evict_completed(self) -> None:
        """Remove all but the 100 newest completed executions from memory."""
        completed = [arn for arn, live in self._live.items() if live.execution.is_complete]
        for arn in completed[:-CACHED_COMPLETED]:
            del self._live[arn]


def _collect_state(execution: Execution) -> dict[str, Any]:
    """Return the fields that change from save to save.

    The response of the last checkpoint is left out, because its caller dies with the host.
    """
    result = execution.result
    return {
        "InvocationCompletions": [
            completion.to_json_dict() for completion in execution.invocation_completions
        ],
        "UpdatedOperationIds": execution.updated_operation_ids,
        "TokenSequence": execution.token_sequence,
        "SeqCounter": execution.seq_counter,
        "HandlerSeenSeq": execution.handler_seen_seq,
        "ChainedInvokeChildren": dict(execution.chained_invoke_children),
        "ParentExecutionArn": execution.parent_execution_arn,
        "Region": execution.region,
        "NeedsReinvoke": execution.needs_reinvoke,
        "IsComplete": execution.is_complete,
        "Result": result.to_dict() if result else None,
        "ConsecutiveFailedInvocationAttempts": execution.consecutive_failed_invocation_attempts,
        "CloseStatus": execution.close_status.value if execution.close_status else None,
        "CurrentInvocationId": execution.current_invocation_id,
        "PauseState": execution.pause_state.value,
    }
