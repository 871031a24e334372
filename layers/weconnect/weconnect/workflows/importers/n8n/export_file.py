"""n8n's file: a workflow, or several, as people export them."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from weconnect.errors import Invalid
from weconnect.workflows.entities import MAX_CONNECTIONS, MAX_NODES

MAX_DEPTH = 60


class N8nNode(BaseModel):
    """A node. What is of another type than it should be, and not needed, is read as missing."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(min_length=1, max_length=200)
    name: str = Field(default="", max_length=1_000)
    parameters: dict[str, Any] = {}


class N8nWorkflow(BaseModel):
    """A workflow; `connections` are by the name of the node they leave, by kind, by output."""

    model_config = ConfigDict(extra="allow")

    nodes: list[N8nNode] = Field(max_length=MAX_NODES)
    connections: dict[str, dict[str, list[list[dict[str, Any]] | None] | None]]


class N8nBundle(BaseModel):
    """Several workflows in one file, of which the first is taken: one call makes one workflow."""

    workflows: list[N8nWorkflow] = Field(min_length=1, max_length=100)


class Link(BaseModel):
    """A connection between two nodes by their places in the file."""

    source: int
    kind: str
    output: int
    target: int
    target_kind: str
    input: int
    pointer: str


def links(workflow: N8nWorkflow) -> tuple[list[Link], list[tuple[str, str]]]:
    """The connections, and `(pointer, why)` of those that lead from or to nothing."""
    places: dict[str, int] = {}
    for place, node in enumerate(workflow.nodes):
        places.setdefault(node.name, place)
    found: list[Link] = []
    lost: list[tuple[str, str]] = []
    for pointer, source, kind, output, end in _ends(workflow):
        target = end.get("node")
        if source not in places or not isinstance(target, str) or target not in places:
            lost.append((pointer, "leads from or to a node that there is not"))
            continue
        number = end.get("index")
        number = number if isinstance(number, int) and 0 <= number < 1_000 else 0
        found.append(
            Link(
                source=places[source],
                kind=kind,
                output=output,
                target=places[target],
                target_kind=str(end.get("type") or kind),
                input=number,
                pointer=pointer,
            )
        )
    if len(found) > MAX_CONNECTIONS:
        text = f"{len(found)} connections, and a workflow has at most {MAX_CONNECTIONS}"
        raise Invalid(text, errors=[{"pointer": "/connections", "detail": text}])
    return found, lost


def _ends(workflow: N8nWorkflow) -> Iterator[tuple[str, str, str, int, dict[str, Any]]]:
    for source, kinds in workflow.connections.items():
        for kind, outputs in kinds.items():
            for output, ends in enumerate(outputs or []):
                for number, end in enumerate(ends or []):
                    place = f"/connections/{escaped(source)}/{escaped(kind)}/{output}/{number}"
                    yield place, source, kind, output, end


def escaped(part: str | int) -> str:
    """A part of a JSON pointer."""
    return str(part).replace("~", "~0").replace("/", "~1")


def check_depth(value: Any) -> None:
    """Raise Invalid, with the place, for a value nested deeper than any file of n8n is."""
    left: list[tuple[Any, int, tuple[Any, ...]]] = [(value, 0, ())]
    while left:
        inner, depth, at = left.pop()
        if depth > MAX_DEPTH:
            pointer = "".join(f"/{escaped(part)}" for part in at[:6])
            text = f"Nested deeper than {MAX_DEPTH} levels"
            raise Invalid(text, errors=[{"pointer": pointer, "detail": text}])
        if isinstance(inner, dict):
            left += [(each, depth + 1, (*at, key)) for key, each in inner.items()]
        elif isinstance(inner, list):
            left += [(each, depth + 1, (*at, key)) for key, each in enumerate(inner)]
