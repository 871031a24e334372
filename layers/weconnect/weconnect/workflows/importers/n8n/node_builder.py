"""Construction of our nodes from n8n's: names, positions, retries and placeholders."""

import json
from math import ceil
from typing import Any

from pydantic import ValidationError

from weconnect.expressions import rendering
from weconnect.expressions.rendering import ExpressionError
from weconnect.node_sdk.entities import Node, NodeRetry, Position
from weconnect.texts import make_visible
from weconnect.workflows.importers.n8n.export_file import N8nNode
from weconnect.workflows.importers.n8n.source_node import MappedNode, NodeReader, NotConvertible
from weconnect.workflows.node_catalogue import find_node_type

MAX_NAME = 100
MAX_NOTES = 2_000
MAX_ORIGINAL = 20_000
MAX_ORIGINALS = 500_000
MAX_TEXT = 2_000
_COORDINATE = 1_000_000


def make_unique_names(nodes: list[N8nNode]) -> list[str]:
    """Return a name for each node: its own, shortened, and made unique without regard to case."""
    taken: dict[str, int] = {}
    names = []
    for node in nodes:
        base = (
            make_visible(" ".join(node.name.split())[:MAX_NAME].strip())
            or node.type.rpartition(".")[2][:MAX_NAME].strip()
            or "node"
        )
        names.append(_make_unique_name(base, taken, " ({})"))
    return names


def build_nodes(reader: NodeReader, mapped: MappedNode, name: str, taken: dict[str, int]) -> list[Node]:
    """Return the nodes for one of n8n's; the last one has its name, because expressions refer to that."""
    count, acts = len(mapped.steps), find_acting_step(mapped)
    nodes = []
    continues = _read_on_error(reader.node) == "continue"
    for number, (kind, parameters) in enumerate(mapped.steps, start=1):
        last = number == count
        if number > acts and continues and kind == "jsonata":
            # The item that the previous node failed on arrives with its error, and is passed through.
            parameters = {"expression": f"$exists(error.nodeId) ? $ : ({parameters['expression']})"}
        own = (
            name
            if last
            else _make_unique_name(f"{name[: MAX_NAME - 12].strip()} ({kind.replace('_', ' ')[:8]})", taken)
        )
        nodes.append(
            Node(
                id=f"node-{reader.index}" if last else f"node-{reader.index}-{number}",
                name=own,
                type=kind,
                parameters=parameters,
                position=_read_position(reader.node, count - number),
                is_enabled=_read_extra(reader.node, "disabled") is not True,
                retry=_read_retry(reader.node) if number == acts else NodeRetry(),
                on_error=_read_on_error(reader.node) if number == acts else "stop",
                notes=_read_notes(reader.node) if last else None,
            )
        )
    return nodes


def find_acting_step(mapped: MappedNode) -> int:
    """Return the number, from 1, of the step that does the actual work, may fail and is retried."""
    return next((number for number, (kind, _) in enumerate(mapped.steps, start=1) if kind != "set"), 1)


def check_parameters(mapped: MappedNode) -> None:
    """Raise NotConvertible for parameters that our node types reject, except values that expressions compute."""
    for type_, parameters in mapped.steps:
        kind = find_node_type(type_)
        assert kind is not None, type_
        try:
            rendering.find_expressions(parameters)
            kind.parameters.model_validate(parameters)
        except ExpressionError as error:
            raise NotConvertible(f"{error}: {error.pointer[:200]} of a {type_} node") from None
        except ValidationError as error:
            for wrong in error.errors(include_url=False):
                path = "/".join(str(part) for part in wrong["loc"])
                if path in mapped.missing or (isinstance(wrong["input"], str) and "{{" in wrong["input"]):
                    continue
                raise NotConvertible(f"{wrong['msg']}: {path[:200]} of a {type_} node") from None


def build_placeholder(reader: NodeReader, name: str, why: str, outputs: list[str], budget: int) -> Node:
    """Return a disabled node that stores the original; one larger than `budget` characters is cut."""
    original, is_cut = _write_original(reader.node, budget)
    parameters: dict[str, Any] = {
        "originalType": _replace_braces(reader.node.type[:200]),
        "reason": _replace_braces(why[:1_000]),
        "original": original,
    }
    if is_cut:
        parameters["isCut"] = True
        reader.report_left_out(
            "original", f"exceeds {budget} characters: the placeholder stores a part of it"
        )
    if outputs:
        parameters["outputs"] = outputs[:100]
    return Node(
        id=f"node-{reader.index}",
        name=name,
        type="placeholder",
        parameters=parameters,
        position=_read_position(reader.node, 0),
        is_enabled=False,
        retry=_read_retry(reader.node),
        on_error=_read_on_error(reader.node),
        notes=_read_notes(reader.node),
    )


def build_original(
    reader: NodeReader, name: str, mapped: MappedNode, budget: int, taken: dict[str, int]
) -> Node:
    """Return a placeholder next to an incomplete node, so that nothing of the file is lost."""
    node = build_placeholder(
        reader, _make_unique_name(f"{name[: MAX_NAME - 20].strip()} (original)", taken), "", [], budget
    )
    node.parameters["reason"] = _replace_braces(
        f"{', '.join(mapped.missing)} must be set in {name!r}; this is the original node"
    )
    node.id = f"node-{reader.index}-original"
    node.on_error, node.retry, node.notes = "stop", NodeRetry(), None
    node.position = _read_position(reader.node, -1)
    return node


def _make_unique_name(wanted: str, taken: dict[str, int], ending: str = " {}") -> str:
    """Return a name that is not in `taken`, without regard to case, and add it.

    `taken` has the last number that was added to each name, so that none is tried twice.
    """
    name, number = wanted, taken.get(wanted.casefold(), 1)
    while name.casefold() in taken:
        number += 1
        name = wanted[: MAX_NAME - 6].strip() + ending.format(number)
    taken[wanted.casefold()] = number
    taken.setdefault(name.casefold(), 1)
    return name


def _read_extra(node: N8nNode, key: str) -> Any:
    """Return a field of n8n's node that the model does not declare; None without it."""
    return (node.model_extra or {}).get(key)


def _read_position(node: N8nNode, back: int) -> Position:
    """Return a node's position; the steps before the last are a little to the left."""
    position = _read_extra(node, "position")
    pair = position if isinstance(position, list) and len(position) == 2 else [0, 0]
    numbers = [
        max(-_COORDINATE, min(_COORDINATE, value)) if isinstance(value, int | float) else 0 for value in pair
    ]
    return Position(x=float(numbers[0]) - 90 * back, y=float(numbers[1]) + 60 * back)


def _read_retry(node: N8nNode) -> NodeRetry:
    """Return a node's retries: n8n's number of attempts, and the pause rounded up to seconds."""
    if _read_extra(node, "retryOnFail") is not True:
        return NodeRetry()
    tries, pause = _read_extra(node, "maxTries"), _read_extra(node, "waitBetweenTries")
    tries = tries if isinstance(tries, int) and not isinstance(tries, bool) else 3
    pause = pause if isinstance(pause, int | float) and not isinstance(pause, bool) else 1_000
    return NodeRetry(
        max_attempts=max(1, min(10, tries)), delay_seconds=max(1, min(3_600, ceil(min(pause, 4e6) / 1_000)))
    )


def _read_on_error(node: N8nNode) -> Any:
    """Return the node's treatment of errors: "continue", "error_output" or "stop"."""
    modes = {"continueRegularOutput": "continue", "continueErrorOutput": "error_output"}
    mode = _read_extra(node, "onError")
    if isinstance(mode, str) and mode in modes:
        return modes[mode]
    return "continue" if mode is None and _read_extra(node, "continueOnFail") is True else "stop"


def _read_notes(node: N8nNode) -> str | None:
    """Return a node's notes, shortened; None without any."""
    notes = _read_extra(node, "notes")
    return notes[:MAX_NOTES] if isinstance(notes, str) and notes else None


def _write_original(node: N8nNode, budget: int) -> tuple[str, bool]:
    """Return the node as JSON text without double braces, and whether it was cut."""
    whole = _write_json(_dump_without_credentials(node))
    if len(whole) <= budget:
        return whole, False
    shorter = _write_json(_cut_values(_dump_without_credentials(node)))
    return (shorter if len(shorter) <= budget else shorter[:budget]), True


def _dump_without_credentials(node: N8nNode) -> dict[str, Any]:
    """Return a node as JSON values, without its credentials."""
    values = node.model_dump()
    values.pop("credentials", None)  # names of accounts; the report lists the nodes that need credentials
    return values


def _write_json(value: Any) -> str:
    """Return a value as compact JSON text in which double braces do not begin an expression."""
    return _replace_braces(json.dumps(value, ensure_ascii=False, separators=(",", ":")), "{\\u007b")


def _replace_braces(text: str, instead: str = "{ {") -> str:
    """Return a text in which `instead` replaces each pair of opening braces."""
    while "{{" in text:
        text = text.replace("{{", instead)
    return text


def _cut_values(value: Any) -> Any:
    """Return a JSON value with long texts, lists and objects cut."""
    if isinstance(value, dict):
        return {key: _cut_values(inner) for key, inner in list(value.items())[:100]}
    if isinstance(value, list):
        return [_cut_values(inner) for inner in value[:50]]
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"{value[:MAX_TEXT]}… (cut from {len(value)} characters)"
    return value
