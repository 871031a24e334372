"""The expressions of nodes and connections, and the names that they read from variables such as `$vars`."""

from collections.abc import Iterable

from weconnect.expressions import rendering
from weconnect.expressions.rendering import Expression, ExpressionError
from weconnect.expressions.variables import find_members
from weconnect.node_sdk.entities import Connection, Node

_EXPRESSION_PARAMETERS = {"jsonata": "expression", "event": "condition"}
"""The parameter of a node type that is an expression as a whole, without braces."""


def find_node_expressions(node: Node) -> list[Expression]:
    """Return the expressions in a node's parameters, with their pointers there. Raises ExpressionError."""
    name = _EXPRESSION_PARAMETERS.get(node.type)
    if name and isinstance(source := node.parameters.get(name), str):
        return [Expression(source, (name,))]
    return rendering.find_expressions(node.parameters)


def find_used_names(
    nodes: Iterable[Node], connections: Iterable[Connection], variable: str
) -> set[str] | None:
    """Return the names that nodes and connections read from a variable: `x` of `$vars.x` for "vars".

    None when an expression may read any name, or cannot be read.
    """
    sources = [connection.condition for connection in connections if connection.condition]
    for node in nodes:
        try:
            sources += [expression.source for expression in find_node_expressions(node)]
        except ExpressionError:  # such as braces in the Python of a code node
            if f"${variable}" in str(node.parameters):
                return None
    return find_members(sources, variable)
