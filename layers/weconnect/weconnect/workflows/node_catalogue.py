"""The catalogue of node types: one file each in the `nodes` of a module, imported when it is first used."""

import importlib
import importlib.util
import pkgutil
from functools import cache
from typing import Any

from weconnect import registry_index
from weconnect.base_entity import ApiModel
from weconnect.node_sdk.node_type import NodeType
from weconnect.workflows.errors import NodeTypeNotFound


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
def _list_modules() -> dict[str, str]:
    """Return the module of each node type by the type's name, without importing it."""
    modules: dict[str, str] = {}
    for package in registry_index.NODE_PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec and spec.submodule_search_locations, f"{package} is not a package"
        names = [module.name for module in pkgutil.iter_modules(spec.submodule_search_locations)]
        modules |= {name: f"{package}.{name}" for name in names}
    return modules


def list_node_type_names() -> frozenset[str]:
    """Return the names of all node types, without importing them."""
    return frozenset(_list_modules())


@cache
def find_node_type(name: str) -> NodeType | None:
    """Return the node type with this name, or None."""
    module = _list_modules().get(name)
    if module is None:
        return None
    kind: NodeType = importlib.import_module(module).NODE
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
