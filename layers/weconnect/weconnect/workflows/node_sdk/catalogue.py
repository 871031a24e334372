"""The catalogue of node types: one file each in `nodes`, imported when it is first used."""

import importlib
import pkgutil
from functools import cache
from typing import Any

from weconnect.base_entity import ApiModel
from weconnect.workflows import nodes
from weconnect.workflows.errors import NodeTypeNotFound
from weconnect.workflows.node_sdk.node_type import NodeType


class NodeTypeSummary(ApiModel):
    """A node type in a list. `inputs` is missing for a type whose inputs may have any names."""

    type: str
    label: str
    description: str
    category: str
    kind: str
    inputs: list[str] | None = None
    outputs: list[str]
    may_suspend: bool
    express: bool


class NodeTypeDescription(NodeTypeSummary):
    """A node type with the JSON Schema of its parameters. An expression may replace any value."""

    parameters: dict[str, Any]


class NodeTypes(ApiModel):
    """All node types."""

    items: list[NodeTypeSummary]


@cache
def list_node_type_names() -> frozenset[str]:
    """Return the names of all node types, without importing them."""
    return frozenset(module.name for module in pkgutil.iter_modules(nodes.__path__))


@cache
def find_node_type(name: str) -> NodeType | None:
    """Return the node type with this name, or None."""
    if name not in list_node_type_names():
        return None
    kind: NodeType = importlib.import_module(f"{nodes.__name__}.{name}").NODE
    return kind


def list_node_types() -> NodeTypes:
    """Return all node types, by category and name."""
    summaries = [_summarize(name) for name in sorted(list_node_type_names())]
    order = ("trigger", "flow", "data", "http", "mail", "aws", "database", "ai", "code")
    return NodeTypes(items=sorted(summaries, key=lambda summary: order.index(summary.category)))


def describe_node_type(name: str) -> NodeTypeDescription:
    """Return a node type with the JSON Schema of its parameters. Raises NodeTypeNotFound."""
    kind = find_node_type(name)
    if kind is None:
        raise NodeTypeNotFound(f"Unknown node type {name!r}. GET /v1/node-types lists them.")
    return NodeTypeDescription(
        **_summarize(name).model_dump(), parameters=kind.parameters.model_json_schema(by_alias=True)
    )


def _summarize(name: str) -> NodeTypeSummary:
    """Return the summary of an existing node type."""
    kind = find_node_type(name)
    assert kind
    return NodeTypeSummary(
        type=name,
        label=kind.label,
        description=kind.description,
        category=kind.category,
        kind=kind.kind,
        inputs=None if kind.inputs is None else list(kind.inputs),
        outputs=list(kind.outputs),
        may_suspend=kind.may_suspend,
        express=kind.express,
    )
