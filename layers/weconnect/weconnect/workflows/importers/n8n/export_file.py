"""Format of n8n's export file: one workflow, or several."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from weconnect.errors import Invalid
from weconnect.workflows.entities import MAX_CONNECTIONS, MAX_NODES

MAX_DEPTH = 60
MAX_EXPRESSIONS = 10_000
MAX_POINTER = 1_000


class N8nNode(BaseModel):
    """A node. Optional values of a wrong type are treated as missing."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(min_length=1, max_length=200)
    name: str = Field(default="", max_length=1_000)
    parameters: dict[str, Any] = {}


class N8nWorkflow(BaseModel):
    """A workflow; `connections` are by source node name, kind and output."""

    model_config = ConfigDict(extra="allow")

    nodes: list[N8nNode] = Field(max_length=MAX_NODES)
    connections: dict[str, dict[str, list[list[dict[str, Any]] | None] | None]]


class N8nBundle(BaseModel):
    """Several workflows in one file. The first is imported: one request creates one workflow."""

    workflows: list[N8nWorkflow] = Field(min_length=1, max_length=100)


class Link(BaseModel):
    """A connection between two nodes, by their indexes in the file."""

    source: int
    kind: str
    output: int
    target: int
    target_kind: str
    input: int
    pointer: str


def read_links(workflow: N8nWorkflow) -> tuple[list[Link], list[tuple[str, str]]]:
    """Return the connections, and `(pointer, reason)` of those without source or target.

    Raises Invalid for too many connections.
    """
    indexes: dict[str, int] = {}
    for index, node in enumerate(workflow.nodes):
        indexes.setdefault(node.name, index)
    result: list[Link] = []
    lost: list[tuple[str, str]] = []
    for pointer, source, kind, output, end in _iterate_ends(workflow):
        target = end.get("node")
        if source not in indexes or not isinstance(target, str) or target not in indexes:
            lost.append((pointer, "its source or target node does not exist"))
            continue
        number = end.get("index")
        number = number if isinstance(number, int) and 0 <= number < 1_000 else 0
        result.append(
            Link(
                source=indexes[source],
                kind=kind,
                output=output,
                target=indexes[target],
                target_kind=str(end.get("type") or kind),
                input=number,
                pointer=pointer,
            )
        )
    if len(result) > MAX_CONNECTIONS:
        raise Invalid(
            f"The file has {len(result)} connections. A workflow may have {MAX_CONNECTIONS}.",
            pointer="/connections",
        )
    return result, lost


def _iterate_ends(workflow: N8nWorkflow) -> Iterator[tuple[str, str, str, int, dict[str, Any]]]:
    """Yield (pointer, source's name, kind, output's number, target) for each connection in the file."""
    for source, kinds in workflow.connections.items():
        for kind, outputs in kinds.items():
            for output, ends in enumerate(outputs or []):
                for number, end in enumerate(ends or []):
                    pointer = write_pointer("connections", source, kind, output, number)
                    yield pointer, source, kind, output, end


def write_pointer(*path: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a path, cut: many values may be below a long name."""
    names = (part[:MAX_POINTER] if isinstance(part, str) else part for part in path)
    return "".join(f"/{escape_pointer(part)}" for part in names)[:MAX_POINTER]


def escape_pointer(part: str | int) -> str:
    """Return a segment of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def check_bounds(value: Any) -> None:
    """Raise Invalid for a value that is nested deeper, or has more expressions, than any file of n8n."""
    expression_count = 0
    left: list[tuple[Any, int, tuple[Any, ...]]] = [(value, 0, ())]
    while left:
        inner, depth, at = left.pop()
        if depth > MAX_DEPTH:
            raise Invalid(
                f"The file is nested deeper than {MAX_DEPTH} levels.", pointer=write_pointer(*at[:6])
            )
        if isinstance(inner, dict):
            left += [(each, depth + 1, (*at, key)) for key, each in inner.items()]
        elif isinstance(inner, list):
            left += [(each, depth + 1, (*at, key)) for key, each in enumerate(inner)]
        elif isinstance(inner, str) and inner.startswith("="):
            expression_count += inner.count("{{")
            if expression_count > MAX_EXPRESSIONS:
                raise Invalid(
                    f"The file has more than {MAX_EXPRESSIONS} expressions. Split the workflow.",
                    pointer="/nodes",
                )
