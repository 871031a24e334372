"""The node types: one file each in `nodes`, imported when it is asked for."""

import importlib
import pkgutil
from functools import cache
from typing import Any

from weconnect.base_entity import Wire
from weconnect.errors import NotFound
from weconnect.workflows import nodes
from weconnect.workflows.node_sdk.node_type import NodeType


class NodeTypeSummary(Wire):
    """A node type in the list. `inputs` is missing where any name will do."""

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
    """A node type with the JSON Schema of its parameters, in which any value may be an expression instead."""

    parameters: dict[str, Any]


class NodeTypes(Wire):
    items: list[NodeTypeSummary]


@cache
def names() -> frozenset[str]:
    """The types that there are, without importing them."""
    return frozenset(module.name for module in pkgutil.iter_modules(nodes.__path__))


@cache
def node_type(name: str) -> NodeType | None:
    """The node type of that name, or None."""
    if name not in names():
        return None
    found: NodeType = importlib.import_module(f"{nodes.__name__}.{name}").NODE
    return found


def find() -> NodeTypes:
    """All node types, by category and name."""
    found = [_summary(name) for name in sorted(names())]
    order = ("trigger", "flow", "data", "http", "mail", "aws", "database", "ai", "code")
    return NodeTypes(items=sorted(found, key=lambda summary: order.index(summary.category)))


def get(name: str) -> NodeTypeDescription:
    """One node type; raises NotFound."""
    found = node_type(name)
    if found is None:
        raise NotFound(f"There is no node type {name!r}", code="node_type_not_found")
    return NodeTypeDescription(
        **_summary(name).model_dump(), parameters=found.parameters.model_json_schema(by_alias=True)
    )


def _summary(name: str) -> NodeTypeSummary:
    found = node_type(name)
    assert found
    return NodeTypeSummary(
        type=name,
        label=found.label,
        description=found.description,
        category=found.category,
        kind=found.kind,
        inputs=None if found.inputs is None else list(found.inputs),
        outputs=list(found.outputs),
        may_suspend=found.may_suspend,
        express=found.express,
    )
