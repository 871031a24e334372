"""A node of an n8n file while it is read: its parameters in our terms, and a record of what was left out."""

import json
from dataclasses import dataclass, field
from typing import Any

from weconnect.expressions.braces import split_at_braces
from weconnect.workflows.importers.n8n.export_file import N8nNode, write_pointer
from weconnect.workflows.importers.n8n.expression_translator import translate
from weconnect.workflows.importers.n8n.jsonata_terms import ExpressionScope, Term, constant
from weconnect.workflows.importers.n8n.report import ImportedExpression, LeftOut
from weconnect.workflows.importers.n8n.syntax_tree import Unsupported

MAX_SHOWN = 300  # characters of an expression in the report
GROUPS = ("options", "additionalFields")
MISSING = object()


class NotConvertible(Exception):
    """The node has no equivalent; the text says why."""


@dataclass
class MappedNode:
    """The equivalent of a node: types and parameters of one of our nodes, or of several in sequence.

    `outputs` and `inputs` are names by n8n's number; a missing input is `main`. `absorbed` has the indexes of n8n nodes
    that became a part of this one. `missing` has the parameters that the user must set, with instructions.
    """

    steps: list[tuple[str, dict[str, Any]]]
    outputs: tuple[str, ...] = ("main",)
    inputs: tuple[str, ...] = ()
    absorbed: list[int] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass
class NodeReader:
    """Reader of a node's parameters; each one that was read counts as imported.

    `attached` has the nodes at its inputs of other kinds, such as `ai_languageModel`: (index, node).
    """

    node: N8nNode
    index: int
    version: float
    scope: ExpressionScope
    attached: dict[str, list[tuple[int, N8nNode]]] = field(default_factory=dict)
    expressions: list[ImportedExpression] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    is_rewritten: bool = False
    _read_names: set[tuple[str, ...]] = field(default_factory=set)

    def read(self, *path: str, default: Any = None) -> Any:
        """Return a parameter as it is in the file, by the keys on the way to it."""
        self._read_names.add(path[:2] if path[0] in GROUPS else path[:1])
        value: Any = self.node.parameters
        for key in path:
            value = value.get(key, MISSING) if isinstance(value, dict) else MISSING
        return default if value is MISSING else value

    def read_constant(self, *path: str, default: Any = None) -> Any:
        """Return a parameter that decides which node this is; raise NotConvertible for an expression or wrong type."""
        value = self.read(*path, default=default)
        if isinstance(default, str) and isinstance(value, dict | list):
            raise NotConvertible(f"{'.'.join(path)} has the wrong type")
        if is_expression(value):
            raise NotConvertible(
                f"{'.'.join(path)} is an expression, so the node's behaviour is unknown before it runs"
            )
        return value

    def read_rows(self, *path: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """Return the objects of a list as (path, object)."""
        value = self.read(*path, default=[])
        rows = value if isinstance(value, list) else [value]
        return [((*path, number), row) for number, row in enumerate(rows) if isinstance(row, dict)]

    def read_template(self, *path: str, default: Any = None) -> Any:
        """Return a parameter as one of ours, with its expressions translated."""
        return self.convert(self.read(*path, default=default), path)

    def convert(self, value: Any, path: tuple[Any, ...]) -> Any:
        """Return a value of a parameter as one of ours, with every expression in it translated."""
        if isinstance(value, dict):
            return {key: self.convert(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.convert(inner, (*path, number)) for number, inner in enumerate(value)]
        if not isinstance(value, str):
            return value
        if not is_expression(value):
            return escape_braces(value)
        return "".join(
            escape_braces(part)
            if isinstance(part, str)
            else wrap_expression(self.translate(part[0], path).source)
            for part in split_parts(value[1:])
        )

    def to_term(self, value: Any, path: tuple[Any, ...]) -> Term:
        """Return a value of a parameter as one JSONata expression."""
        if not isinstance(value, str) or not is_expression(value):
            return constant(value) if not isinstance(value, dict | list) else Term(json.dumps(value), "any")
        parts = split_parts(value[1:])
        if len(parts) == 1 and not isinstance(parts[0], str):
            return self.translate(parts[0][0], path)
        terms = [constant(part) if isinstance(part, str) else self.translate(part[0], path) for part in parts]
        if not terms:
            return constant("")
        self.is_rewritten = True
        return Term(f"({' & '.join(term.source for term in terms)})", "text")

    def translate(self, source: str, path: tuple[Any, ...]) -> Term:
        """Translate one expression; one that is not translatable fails the execution with its text as the error."""
        pointer = self.build_pointer("parameters", *path)
        self.is_rewritten = True
        try:
            term, notes = translate(source, self.scope)
        except Unsupported as error:
            self.expressions.append(describe_untranslated(pointer, source, f"{error} is not translated"))
            text = f"Not translated from n8n: {source.strip()[:500]}"
            return Term(f"$error({constant(text).source})")
        self.expressions.append(
            ImportedExpression(pointer=pointer, expression=shorten(source), status="translated", notes=notes)
        )
        return term

    def report_left_out(self, what: str, why: str) -> None:
        """Record a part of the node that was not imported."""
        self.left_out.append(LeftOut(what=what[:200], why=why[:500]))

    def report_unread(self) -> None:
        """Record the parameters that were not read, and the expressions in them."""
        for key, inner in self.node.parameters.items():
            names = [(key, each) for each in inner] if key in GROUPS and isinstance(inner, dict) else [(key,)]
            for name in names:
                if name not in self._read_names:
                    self.report_left_out(".".join(name), "has no equivalent")
        recorded = {expression.pointer for expression in self.expressions}
        self.expressions += [
            expression
            for expression in self.list_untranslated("belongs to a part that was left out")
            if expression.pointer not in recorded
        ]

    def list_untranslated(self, why: str) -> list[ImportedExpression]:
        """Return all expressions of the node as not translated."""
        return [
            describe_untranslated(self.build_pointer("parameters", *path), source, why)
            for path, text in find_texts(self.node.parameters)
            for source in find_sources(text)
        ]

    def build_pointer(self, *path: Any) -> str:
        """Return the JSON pointer (RFC 6901) to the node, or to a part of it, in the file."""
        return write_pointer("nodes", self.index, *path)


def describe_untranslated(pointer: str, source: str, why: str) -> ImportedExpression:
    """Return the report's entry of an expression that was not translated."""
    return ImportedExpression(pointer=pointer, expression=shorten(source), status="left", reason=why[:500])


def shorten(source: str) -> str:
    """Return an expression as the report shows it: at most 300 characters, then an ellipsis."""
    source = source.strip()
    return source if len(source) <= MAX_SHOWN else source[:MAX_SHOWN] + "…"


def is_expression(value: Any) -> bool:
    """Return whether a value is a text with expressions: n8n puts an equals sign before it."""
    return isinstance(value, str) and value.startswith("=")


def split_parts(text: str) -> list[str | tuple[str]]:
    """Return a text's parts: a string is plain text, `(source,)` an expression, which ends at the first `}}`."""
    parts: list[str | tuple[str]] = []
    for number, part in enumerate(split_at_braces(text)):
        if number % 2:
            parts.append((part,))
        elif part:
            parts.append(part)
    return parts


def find_sources(text: str) -> list[str]:
    """Return the expressions in a text."""
    if not is_expression(text):
        return []
    return [part[0] for part in split_parts(text[1:]) if isinstance(part, tuple)]


def find_texts(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], str]]:
    """Return all texts within a value: (path, text)."""
    if isinstance(value, str):
        return [(path, value)]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [text for key, each in inner for text in find_texts(each, (*path, key))]


def wrap_expression(source: str) -> str:
    """Return an expression as a part of one of our texts."""
    return f"{{{{ {source} }}}}"


def escape_braces(text: str) -> str:
    """Return plain text in which double braces do not begin an expression."""
    return text.replace("{{", '{{ "{{" }}')
