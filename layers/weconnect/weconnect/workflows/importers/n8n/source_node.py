"""One of n8n's nodes as it is read: its parameters in our terms, and what was left out of it."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from weconnect.workflows.importers.n8n.export_file import N8nNode, escaped
from weconnect.workflows.importers.n8n.expression_translator import translate
from weconnect.workflows.importers.n8n.jsonata_terms import Surroundings, Term, constant
from weconnect.workflows.importers.n8n.report import ImportedExpression, LeftOut
from weconnect.workflows.importers.n8n.syntax_tree import Unsupported

SHOWN = 300
GROUPS = ("options", "additionalFields")
MISSING = object()


class Refused(Exception):
    """The node has no counterpart that does the same; the text says why."""


@dataclass
class Made:
    """What stands for a node: types and parameters of one node, or of several in a row, and the names of its outputs.

    `outputs` and `inputs` are by n8n's number; an input that is missing is `main`.
    """

    chain: list[tuple[str, dict[str, Any]]]
    outputs: tuple[str, ...] = ("main",)
    inputs: tuple[str, ...] = ()
    folded: list[int] = field(default_factory=list)
    """Places of the nodes that are a part of it now."""
    missing: dict[str, str] = field(default_factory=dict)
    """Parameters of the chain's nodes that have to be filled in, and with what."""


@dataclass
class Reading:
    """A node's parameters; every one that is asked for counts as taken over."""

    node: N8nNode
    place: int
    version: float
    where: Surroundings
    helpers: dict[str, list[tuple[int, N8nNode]]] = field(default_factory=dict)
    """The nodes at its inputs of other kinds, as `ai_languageModel`."""
    expressions: list[ImportedExpression] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    rewritten: bool = False
    _asked: set[tuple[str, ...]] = field(default_factory=set)

    def raw(self, *path: str, default: Any = None) -> Any:
        """A parameter as it stands."""
        self._asked.add(path[:2] if path[0] in GROUPS else path[:1])
        found: Any = self.node.parameters
        for part in path:
            found = found.get(part, MISSING) if isinstance(found, dict) else MISSING
        return default if found is MISSING else found

    def fixed(self, *path: str, default: Any = None) -> Any:
        """A parameter that decides what the node is; raises Refused for an expression or another type."""
        found = self.raw(*path, default=default)
        if isinstance(default, str) and isinstance(found, dict | list):
            raise Refused(f"{'.'.join(path)} is of another type than it should be")
        if is_expression(found):
            raise Refused(
                f"{'.'.join(path)} is an expression, so what the node does is known only when it runs"
            )
        return found

    def rows(self, *path: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """The objects of a list, each with its place."""
        found = self.raw(*path, default=[])
        rows = found if isinstance(found, list) else [found]
        return [((*path, number), row) for number, row in enumerate(rows) if isinstance(row, dict)]

    def template(self, *path: str, default: Any = None) -> Any:
        """A parameter in our terms."""
        found = self.raw(*path, default=default)
        return self.value(found, path)

    def value(self, found: Any, path: tuple[Any, ...]) -> Any:
        """A value of a parameter in our terms: expressions translated, whatever stands within it."""
        if isinstance(found, dict):
            return {key: self.value(inner, (*path, key)) for key, inner in found.items()}
        if isinstance(found, list):
            return [self.value(inner, (*path, number)) for number, inner in enumerate(found)]
        if not isinstance(found, str):
            return found
        if not is_expression(found):
            return literal(found)
        return "".join(
            literal(part) if isinstance(part, str) else embedded(self.expression(part[0], path).source)
            for part in parts(found[1:])
        )

    def term(self, found: Any, path: tuple[Any, ...]) -> Term:
        """A value of a parameter as one JSONata expression."""
        if not isinstance(found, str) or not is_expression(found):
            return constant(found) if not isinstance(found, dict | list) else Term(json.dumps(found), "any")
        pieces = parts(found[1:])
        if len(pieces) == 1 and not isinstance(pieces[0], str):
            return self.expression(pieces[0][0], path)
        terms = [
            constant(part) if isinstance(part, str) else self.expression(part[0], path) for part in pieces
        ]
        if not terms:
            return constant("")
        self.rewritten = True
        return Term(f"({' & '.join(term.source for term in terms)})", "text")

    def expression(self, source: str, path: tuple[Any, ...]) -> Term:
        """One expression translated; one that cannot be ends the run with its own text."""
        pointer = self.pointer("parameters", *path)
        self.rewritten = True
        try:
            term, notes = translate(source, self.where)
        except Unsupported as refusal:
            self.expressions.append(told(pointer, source, f"{refusal} is not translated"))
            text = f"Not translated from n8n: {source.strip()[:500]}"
            return Term(f"$error({constant(text).source})")
        self.expressions.append(
            ImportedExpression(pointer=pointer, expression=shown(source), status="translated", notes=notes)
        )
        return term

    def leave(self, what: str, why: str) -> None:
        """Say what was not taken over."""
        self.left_out.append(LeftOut(what=what[:200], why=why[:500]))

    def finish(self) -> None:
        """Account for parameters that nobody asked for, and for the expressions in them."""
        for key, inner in self.node.parameters.items():
            names = [(key, each) for each in inner] if key in GROUPS and isinstance(inner, dict) else [(key,)]
            for name in names:
                if name not in self._asked:
                    self.leave(".".join(name), "has no counterpart")
        known = {found.pointer for found in self.expressions}
        self.expressions += [
            found for found in self.untaken("is in a part that was left out") if found.pointer not in known
        ]

    def untaken(self, why: str) -> list[ImportedExpression]:
        """All expressions of the node as left."""
        return [
            told(self.pointer("parameters", *path), source, why)
            for path, text in texts(self.node.parameters)
            for source in sources(text)
        ]

    def pointer(self, *path: Any) -> str:
        return f"/nodes/{self.place}" + "".join(f"/{escaped(part)}" for part in path)


def told(pointer: str, source: str, why: str) -> ImportedExpression:
    return ImportedExpression(pointer=pointer, expression=shown(source), status="left", reason=why[:500])


def shown(source: str) -> str:
    source = source.strip()
    return source if len(source) <= SHOWN else source[:SHOWN] + "…"


def is_expression(value: Any) -> bool:
    """n8n writes an equals sign before texts that hold expressions; without any it is plain text."""
    return isinstance(value, str) and value.startswith("=")


def parts(text: str) -> list[str | tuple[str]]:
    """A text in parts: plain ones, and `(source,)` for an expression, which ends at the first `}}`."""
    found: list[str | tuple[str]] = []
    for number, part in enumerate(re.split(r"\{\{(.*?)\}\}", text, flags=re.DOTALL)):
        if number % 2:
            found.append((part,))
        elif part:
            found.append(part)
    return found


def sources(text: str) -> list[str]:
    """The expressions of a text."""
    return [part[0] for part in parts(text[1:]) if isinstance(part, tuple)] if is_expression(text) else []


def texts(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], str]]:
    """All texts within a value with their places."""
    if isinstance(value, str):
        return [(path, value)]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, each in inner for found in texts(each, (*path, key))]


def embedded(source: str) -> str:
    """An expression within a text of ours."""
    return f"{{{{ {source} }}}}"


def literal(text: str) -> str:
    """Plain text that may hold the braces of expressions."""
    return text.replace("{{", '{{ "{{" }}')
