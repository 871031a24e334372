"""Checks of a definition's expressions: their number, length and syntax, and the nodes that they name."""

from collections.abc import Iterator

from weconnect.expressions import rendering
from weconnect.expressions.rendering import ExpressionError
from weconnect.expressions.variables import find_members
from weconnect.node_sdk.entities import Node
from weconnect.workflows.definition import hints
from weconnect.workflows.definition.graph import Graph
from weconnect.workflows.entities import Finding

MAX_EXPRESSIONS = 5_000
MAX_CHARACTERS = 500_000


def find_syntax_errors(sources: list[str]) -> list[str | None] | Finding:
    """Return the syntax error of each expression, or None; the finding when they are too many or took too long."""
    if len(sources) > MAX_EXPRESSIONS:
        text = f"The definition has more than {MAX_EXPRESSIONS} expressions. Split the workflow."
        return Finding(code="too_many_expressions", message=text, pointer="/nodes")
    if sum(map(len, sources)) > MAX_CHARACTERS:
        limit = f"{MAX_CHARACTERS:,} characters"
        text = f"The expressions of the definition have more than {limit} together. Split the workflow."
        return Finding(code="too_many_expressions", message=text, pointer="/nodes")
    try:
        return rendering.syntax_errors(sources) if sources else []
    except ExpressionError as error:
        text = f"The expressions could not be checked together: {error}. Try again, or split the workflow."
        return Finding(code="expressions_not_checked", message=text, pointer="/nodes")


def check_references(
    node: Node,
    source: str,
    ids_by_name: dict[str, str],
    names_by_id: dict[str, str],
    graph: Graph,
    suggestions: hints.Suggestions,
) -> Iterator[tuple[str, str]]:
    """Yield the code and the message of each finding about a node that an expression names after `$nodes`."""
    for name in sorted(find_members([source], "nodes") or ()):
        if name not in ids_by_name:
            hint = (
                f" This is the ID of {names_by_id[name]!r}: use its name."
                if name in names_by_id
                else suggestions.suggest(name, ids_by_name)
            )
            yield "unknown_reference", f"No node is named {name!r}.{hint}"
        elif not graph.is_before(ids_by_name[name], node.id):
            text = f"{name!r} is not executed before {node.name!r}. Connect them, or use another node."
            yield "reference_not_before", text
