"""The journal's entries of node runs: what a node has output, and what its errors become."""

from datetime import UTC, datetime
from typing import Any, TypedDict, cast

from weconnect import clock
from weconnect.executions.results import ErrorValues
from weconnect.hiding import hide_and_cut
from weconnect.log import logger
from weconnect.node_sdk import output_budget
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_type import (
    LOG,
    ItemsByOutput,
    NodeError,
    NodeRun,
    NodeType,
    pass_through,
)
from weconnect.workflows.executions.journal import JournalEntry, LogLine
from weconnect.workflows.node_catalogue import find_node_type

MAX_MESSAGE_LENGTH = 2_000


class NodeOutcome(TypedDict, total=False):
    """The outcome of a node run: outputs with their size, or an error with the lines logged until then."""

    outputs: ItemsByOutput
    bytes: int
    error: ErrorValues | None
    log: list[LogLine]


def require_node_type(node: Node) -> NodeType:
    """Return the node's type. Raises NodeError for an unknown one, which the workflow's validation excludes."""
    kind = find_node_type(node.type)
    if kind is None:
        raise NodeError("unknown_node_type", f"Unknown node type {node.type!r}")
    return kind


def compute_node(node_run: NodeRun, path: str, moment: float) -> JournalEntry:
    """Execute a node that only computes, and return its entry.

    It takes no step, so it is computed again on every replay; `moment` is the execution's clock (epoch seconds).
    """
    outcome: NodeOutcome = {}
    try:
        kind = require_node_type(node_run.node)
        outputs = kind.run(node_run) if node_run.node.is_enabled else pass_through(node_run)
        outcome = collect_outputs(node_run, outputs)
    except NodeError as error:
        outcome["error"] = to_error(error)
    except RecursionError:
        outcome["error"] = to_error(NodeError("too_deep", "The items are nested too deeply"))
    except Exception as error:
        logger.exception("node failed", path=path)
        outcome["error"] = to_error(NodeError("internal_error", type(error).__name__))
    return {**build_entry(node_run, path, 1, outcome, moment, 0), "isComputed": True}


def collect_outputs(node_run: NodeRun, outputs: ItemsByOutput) -> NodeOutcome:
    """Return the outcome of a node that has not failed. Raises NodeError as `output_budget.collect` does."""
    collected = output_budget.collect(node_run.node.name, outputs)
    return {"outputs": dict(collected), "bytes": collected.bytes}


def build_entry(
    node_run: NodeRun,
    path: str,
    attempt: int,
    outcome: NodeOutcome,
    started_at: float,
    duration_ms: int,
) -> JournalEntry:
    """Return the entry of one attempt of a node; `started_at` in epoch seconds.

    An error becomes items of the output `error` or `main`, unless the node's `onError` is `stop`.
    """
    node, error = node_run.node, outcome.get("error")
    outputs = dict(outcome.get("outputs", {}))
    lines = cast(list[LogLine], outputs.pop(LOG, None) or outcome.get("log"))
    entry: JournalEntry = {
        "nodeId": node.id,
        "nodeName": node.name,
        "nodeType": node.type,
        "path": path,
        "attempt": attempt,
        "status": "failed" if error else "completed",
        "startedAt": clock.iso(datetime.fromtimestamp(started_at, UTC)),
        "durationMs": duration_ms,
        "itemsIn": len(node_run.items),
        "itemsOut": 0,
        "input": dict(node_run.inputs),
        "output": {} if error else outputs,
    }
    if lines:
        entry["logs"] = lines
    if error:
        entry["error"] = {**error, "nodeId": node.id}
        if node.on_error != "stop":
            output = "error" if node.on_error == "error_output" else "main"
            entry["output"] = {output: _build_error_items(node_run, entry["error"])}
    elif "bytes" in outcome:
        entry["bytes"] = outcome["bytes"]
    entry["itemsOut"] = count_items(entry["output"])
    return entry


def _build_error_items(node_run: NodeRun, error: ErrorValues) -> list[dict[str, Any]]:
    """Return the node's items with its error in each; one with the error alone when they are too large with it."""
    items = ({**item, "error": error} for item in node_run.items or [{}])
    try:
        return output_budget.collect(node_run.node.name, {"error": items})["error"]
    except NodeError:
        return [{"error": dict(error)}]


def count_items(outputs: ItemsByOutput) -> int:
    """Return the number of items of all outputs."""
    return sum(len(items) for items in outputs.values())


def to_error(error: NodeError) -> ErrorValues:
    """Return the error as JSON; of the message, 2,000 characters are kept."""
    return {
        "code": error.code,
        "message": hide_and_cut(error.message, MAX_MESSAGE_LENGTH),
        "retryable": error.retryable,
    }
