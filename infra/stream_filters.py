"""The filters of the table's stream in template.yaml, which `make api` writes between two markers."""

import json
from collections.abc import Iterable
from typing import Any

from weconnect.manifest import Module

INDENT = " " * 16
BEGIN = f"{INDENT}# Written by `make api` from the manifests: rows that are purged, and changes that are events.\n"
END = f"{INDENT}# End of the filters.\n"
LEFT_TRASH = {"eventName": ["REMOVE"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "TRASH#"}]}}}}
LEFT_EXECUTIONS = {
    "eventName": ["REMOVE"],
    "dynamodb": {
        "Keys": {"sk": {"S": [{"prefix": "EXECUTION"}]}},
        "OldImage": {"isExpress": {"BOOL": [False]}},
    },
}
"""Executions that expired or were deleted; what belongs to an express one expires by itself."""
MAX_FILTERS = 5
"""The most filters that Lambda allows for one stream."""


def write_filters(template: str, modules: Iterable[Module]) -> str:
    """Return the template with the stream's filters between the markers. Raises ValueError for too many."""
    patterns = build_patterns(modules)
    if len(patterns) > MAX_FILTERS:
        raise ValueError(
            f"The manifests need {len(patterns)} filters of the stream; Lambda allows {MAX_FILTERS}. "
            "Give kinds of events the same `change`."
        )
    head, _, rest = template.partition(BEGIN)
    _, _, tail = rest.partition(END)
    lines = "".join(f"{INDENT}- Pattern: '{json.dumps(pattern)}'\n" for pattern in patterns)
    return head + BEGIN + lines + END + tail


def build_patterns(modules: Iterable[Module]) -> list[dict[str, Any]]:
    """Return the event patterns: for the trash, for executions, and for each change, with the kinds that share it."""
    kinds_by_change: dict[str, list[str]] = {}
    for module in modules:
        for kind, source in module.events.items():
            kinds_by_change.setdefault(json.dumps(source.change, sort_keys=True), []).append(kind)
    return [
        LEFT_TRASH,
        LEFT_EXECUTIONS,
        *(_add_kinds(json.loads(change), kinds) for change, kinds in kinds_by_change.items()),
    ]


def _add_kinds(change: dict[str, Any], kinds: list[str]) -> dict[str, Any]:
    """Return the pattern of a change, for these kinds of rows only."""
    images = change.get("dynamodb", {})
    new_image = {"kind": {"S": kinds}} | images.get("NewImage", {})
    return change | {"dynamodb": images | {"NewImage": new_image}}
