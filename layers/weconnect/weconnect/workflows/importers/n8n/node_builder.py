"""Nodes of ours out of nodes of n8n's: names, places, retries and placeholders."""

import json
from math import ceil
from typing import Any

from pydantic import ValidationError

from weconnect.expressions import rendering
from weconnect.expressions.rendering import ExpressionError
from weconnect.workflows.entities import Node, Position, Retry
from weconnect.workflows.importers.n8n.export_file import N8nNode
from weconnect.workflows.importers.n8n.source_node import Made, Reading, Refused
from weconnect.workflows.node_sdk.catalogue import node_type

MAX_NAME = 100
MAX_NOTES = 2_000
MAX_ORIGINAL = 20_000
MAX_ORIGINALS = 500_000
MAX_TEXT = 2_000
_COORDINATE = 1_000_000


def names_of(nodes: list[N8nNode]) -> list[str]:
    """A name for each node: its own, cut, and made unique whatever the case of its letters."""
    taken: set[str] = set()
    found = []
    for node in nodes:
        wanted = (
            " ".join(node.name.split())[:MAX_NAME].strip()
            or node.type.rpartition(".")[2][:MAX_NAME].strip()
            or "node"
        )
        name, number = wanted, 1
        while name.casefold() in taken:
            number += 1
            name = f"{wanted[: MAX_NAME - 6].strip()} ({number})"
        taken.add(name.casefold())
        found.append(name)
    return found


def nodes_of(reading: Reading, made: Made, name: str, taken: set[str]) -> list[Node]:
    """The nodes that stand for one: the last has its name, since that is what others refer to."""
    count, acts = len(made.chain), acting(made)
    found = []
    goes_on = _on_error(reading.node) == "continue"
    for number, (kind, parameters) in enumerate(made.chain, start=1):
        last = number == count
        if number > acts and goes_on and kind == "jsonata":
            # What the node before could not do comes as the item with its error, and passes.
            parameters = {"expression": f"$exists(error.nodeId) ? $ : ({parameters['expression']})"}
        own = (
            name if last else _free(f"{name[: MAX_NAME - 12].strip()} ({kind.replace('_', ' ')[:8]})", taken)
        )
        found.append(
            Node(
                id=f"node-{reading.place}" if last else f"node-{reading.place}-{number}",
                name=own,
                type=kind,
                parameters=parameters,
                position=_position(reading.node, count - number),
                is_enabled=_extra(reading.node, "disabled") is not True,
                retry=_retry(reading.node) if number == acts else Retry(),
                on_error=_on_error(reading.node) if number == acts else "stop",
                notes=_notes(reading.node) if last else None,
            )
        )
    return found


def acting(made: Made) -> int:
    """Which node of a chain, from 1, does what the whole is for: what may fail, and is tried again."""
    return next((number for number, (kind, _) in enumerate(made.chain, start=1) if kind != "set"), 1)


def refuse_unfit(made: Made) -> None:
    """Raise Refused for parameters that our node types do not take, but for what is known only when a run is there."""
    for type_, parameters in made.chain:
        kind = node_type(type_)
        assert kind is not None, type_
        try:
            rendering.find(parameters)
            kind.parameters.model_validate(parameters)
        except ExpressionError as error:
            raise Refused(f"{error}: {error.pointer[:200]} of a {type_} node") from None
        except ValidationError as error:
            for wrong in error.errors(include_url=False):
                place = "/".join(str(part) for part in wrong["loc"])
                if place in made.missing or (isinstance(wrong["input"], str) and "{{" in wrong["input"]):
                    continue
                raise Refused(f"{wrong['msg']}: {place[:200]} of a {type_} node") from None


def placeholder(reading: Reading, name: str, why: str, outputs: list[str], budget: int) -> Node:
    """A disabled node that keeps the original; one too large for `budget` characters is cut."""
    original, is_cut = _original(reading.node, budget)
    parameters: dict[str, Any] = {
        "originalType": _unbraced(reading.node.type[:200]),
        "reason": _unbraced(why[:1_000]),
        "original": original,
    }
    if is_cut:
        parameters["isCut"] = True
        reading.leave("original", f"more than {budget} characters: the placeholder keeps a part")
    if outputs:
        parameters["outputs"] = outputs[:100]
    return Node(
        id=f"node-{reading.place}",
        name=name,
        type="placeholder",
        parameters=parameters,
        position=_position(reading.node, 0),
        is_enabled=False,
        retry=_retry(reading.node),
        on_error=_on_error(reading.node),
        notes=_notes(reading.node),
    )


def original(reading: Reading, name: str, made: Made, budget: int, taken: set[str]) -> Node:
    """What stands beside a node that has to be filled in, so that nothing of the file is lost."""
    kept = placeholder(reading, _free(f"{name[: MAX_NAME - 20].strip()} (original)", taken), "", [], budget)
    kept.parameters["reason"] = _unbraced(
        f"{', '.join(made.missing)} is to be set in {name!r}; this is what it was"
    )
    kept.id = f"node-{reading.place}-original"
    kept.on_error, kept.retry, kept.notes = "stop", Retry(), None
    kept.position = _position(reading.node, -1)
    return kept


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name.casefold() in taken:
        number += 1
        name = f"{wanted[: MAX_NAME - 6]} {number}"
    taken.add(name.casefold())
    return name


def _extra(node: N8nNode, key: str) -> Any:
    return (node.model_extra or {}).get(key)


def _position(node: N8nNode, back: int) -> Position:
    """Where it stands; nodes before the last of a chain a little to the left."""
    given = _extra(node, "position")
    pair = given if isinstance(given, list) and len(given) == 2 else [0, 0]
    numbers = [
        max(-_COORDINATE, min(_COORDINATE, value)) if isinstance(value, int | float) else 0 for value in pair
    ]
    return Position(x=float(numbers[0]) - 90 * back, y=float(numbers[1]) + 60 * back)


def _retry(node: N8nNode) -> Retry:
    if _extra(node, "retryOnFail") is not True:
        return Retry()
    tries, pause = _extra(node, "maxTries"), _extra(node, "waitBetweenTries")
    tries = tries if isinstance(tries, int) and not isinstance(tries, bool) else 3
    pause = pause if isinstance(pause, int | float) and not isinstance(pause, bool) else 1_000
    return Retry(
        max_attempts=max(1, min(10, tries)), delay_seconds=max(1, min(3_600, ceil(min(pause, 4e6) / 1_000)))
    )


def _on_error(node: N8nNode) -> Any:
    known = {"continueRegularOutput": "continue", "continueErrorOutput": "error_output"}
    found = _extra(node, "onError")
    if isinstance(found, str) and found in known:
        return known[found]
    return "continue" if found is None and _extra(node, "continueOnFail") is True else "stop"


def _notes(node: N8nNode) -> str | None:
    found = _extra(node, "notes")
    return found[:MAX_NOTES] if isinstance(found, str) and found else None


def _original(node: N8nNode, budget: int) -> tuple[str, bool]:
    """The node as JSON text in which no braces stand that our expressions begin with."""
    whole = _written(_visible(node))
    if len(whole) <= budget:
        return whole, False
    shorter = _written(_cut(_visible(node)))
    return (shorter if len(shorter) <= budget else shorter[:budget]), True


def _visible(node: N8nNode) -> dict[str, Any]:
    kept = node.model_dump()
    kept.pop("credentials", None)  # names of somebody's accounts; the slots are in the report
    return kept


def _written(value: Any) -> str:
    return _unbraced(json.dumps(value, ensure_ascii=False, separators=(",", ":")), "{\\u007b")


def _unbraced(text: str, instead: str = "{ {") -> str:
    while "{{" in text:
        text = text.replace("{{", instead)
    return text


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cut(inner) for key, inner in list(value.items())[:100]}
    if isinstance(value, list):
        return [_cut(inner) for inner in value[:50]]
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"{value[:MAX_TEXT]}… (cut from {len(value)} characters)"
    return value
