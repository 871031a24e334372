"""Hints in validation messages: existing names that are alike, and JSONata for what other languages write."""

import re
from collections.abc import Collection, Iterator

from pydantic_core import ErrorDetails

from weconnect.expressions.evaluator import REFUSED_FUNCTIONS, build_refusal_message
from weconnect.expressions.variables import find_variables
from weconnect.node_sdk.node_type import NodeType

VARIABLES = frozenset({"json", "input", "index", "execution", "trigger", "nodes", "vars"})
NODE_FIELDS = frozenset({"output", "items", "outputs"})
"""The variables of expressions and the fields of a node in them, as node_type sets them."""

_FUNCTIONS = """
abs append assert average base64decode base64encode boolean ceil contains count decodeUrl decodeUrlComponent
distinct each encodeUrl encodeUrlComponent error exists filter floor formatBase formatInteger formatNumber
fromMillis join keys length lookup lowercase map match max merge millis min not now number pad parseInteger
power reduce replace reverse round sift single sort split spread sqrt string substring substringAfter
substringBefore sum toMillis trim type uppercase zip
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())

_JSONATA_BY_OPERATOR = {"!": "$not(…)", "==": "=", "!==": "!=", "&&": "and", "||": "or", "?.": "."}
_SKIPPED = re.compile(
    r"""(?s)"(?:[^"\\]|\\(?:.|\Z))*+(?:"|\Z)|'(?:[^'\\]|\\(?:.|\Z))*+(?:'|\Z)|`[^`]*+(?:`|\Z)|/\*.*?(?:\*/|\Z)"""
)
"""Parts of an expression without operators and names: quoted texts, quoted names, comments."""
_FOREIGN_OPERATOR = re.compile(r"!==|={2,3}|&&|\|\||\?\.|!(?!=)")
_N8N_NODE_REFERENCE = re.compile(r"\$node\b|\$\(")
MAX_NAME = 100  # characters of a name that may have been meant
MAX_COMPARISONS = 3_000
_NOT_TEXT_ERRORS = ("bool_", "int_", "float_", "list_", "dict_")


class Suggestions:
    """Finds existing names that are like unknown ones, until it has compared `MAX_COMPARISONS` pairs of names."""

    def __init__(self) -> None:
        self._comparisons = MAX_COMPARISONS

    def suggest(self, name: str, existing: Collection[str]) -> str:
        """Return ` Did you mean 'x'?`, or an empty text when no existing name is like it."""
        from difflib import get_close_matches  # cold start

        if len(name) > MAX_NAME or len(existing) > self._comparisons:
            return ""
        self._comparisons -= len(existing)
        names_by_plain = {each.casefold().replace("_", ""): each for each in existing}
        matches = get_close_matches(name.casefold().replace("_", ""), names_by_plain, n=1, cutoff=0.75)
        return f" Did you mean {names_by_plain[matches[0]]!r}?" if matches else ""


def describe_parameter_error(kind: NodeType, error: ErrorDetails) -> str:
    """Return the message for a validation error of a node's parameters."""
    message, location = error["msg"].removeprefix("Value error, "), error["loc"]
    if error["type"] == "extra_forbidden" and len(location) == 1:
        names = [field.alias or name for name, field in kind.parameters.model_fields.items()]
        return f"Unknown parameter {location[0]!r}. The node type has {', '.join(names) or 'no parameters'}."
    if isinstance(error["input"], str) and error["type"].startswith(_NOT_TEXT_ERRORS):
        return f"{message}. Write an expression between {{{{ and }}}}."
    return message


def describe_syntax_error(source: str, message: str) -> str:
    """Return the parser's message, with the JSONata for the first operator of another language in the source."""
    match = _FOREIGN_OPERATOR.search(_SKIPPED.sub(" ", source))
    if not match:
        return message
    operator = match[0]
    return (
        f"{message}. In JSONata, write {_JSONATA_BY_OPERATOR.get(operator, '=')!r} instead of {operator!r}."
    )


def find_unknown_names(source: str, suggestions: Suggestions) -> Iterator[tuple[str, str]]:
    """Yield the code and the message of each finding about a name in an expression that does not exist."""
    uses = sorted(find_variables(source), key=lambda use: (use.name, use.path))
    for use in uses:
        if use.name == "nodes" and len(use.path) > 1 and use.path[1] not in NODE_FIELDS:
            text = f"A node has no field {use.path[1]!r}. Use output, items or outputs."
            yield "unknown_reference", text
    if _N8N_NODE_REFERENCE.search(_SKIPPED.sub('""', source)):
        yield (
            "unknown_name",
            "This is n8n's syntax. Write $nodes.`Its name`.output for a node's first item, .items for all.",
        )
        return
    own = {use.name for use in uses if use.is_definition}
    for name in dict.fromkeys(use.name for use in uses):
        if name in REFUSED_FUNCTIONS and name not in own:
            yield "unknown_name", build_refusal_message(name)
        elif name not in own | VARIABLES | FUNCTIONS:
            names = [f"${each}" for each in sorted(VARIABLES | FUNCTIONS)]
            yield "unknown_name", f"Unknown name ${name}.{suggestions.suggest(f'${name}', names)}"
