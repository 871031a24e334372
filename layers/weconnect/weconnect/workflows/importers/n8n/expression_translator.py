"""Translates n8n's JavaScript expressions to JSONata: what is not certain to mean the same is refused."""

from collections.abc import Callable

from weconnect.expressions.rendering import MAX_SOURCE
from weconnect.workflows.importers.n8n import functions, methods
from weconnect.workflows.importers.n8n.expression_parser import parse
from weconnect.workflows.importers.n8n.jsonata_terms import (
    HELPERS,
    NEEDS,
    SCALARS,
    Kind,
    Surroundings,
    Term,
    constant,
    number,
    quoted,
    text,
    truth,
    value,
    variable,
)
from weconnect.workflows.importers.n8n.operators import OPERATORS
from weconnect.workflows.importers.n8n.syntax_tree import (
    Arrow,
    Binary,
    Bound,
    Conditional,
    Constant,
    Element,
    Invoke,
    Joined,
    ListOf,
    Member,
    Name,
    ObjectOf,
    Regex,
    Spread,
    Tree,
    Unary,
    Unsupported,
)

SHORT = 80
VARIABLE = "reads the variable {name!r}, which has to be made here"
_RUN = {
    "$execution.id": "$execution.id",
    "$workflow.id": "$execution.workflowId",
    "$workflow.name": "$execution.workflowName",
}
ASSUMED = "takes the first item of {name!r}, where n8n takes the one that the item came from"


class Translation:
    """One expression on its way: the helpers it needs and what is to be said of it."""

    def __init__(self, where: Surroundings) -> None:
        self.where = where
        self.notes: dict[str, None] = {}
        self._helpers: dict[str, None] = {}
        self._local: dict[str, Term] = {}

    def helper(self, name: str, *arguments: Term) -> str:
        for needed in (*NEEDS.get(name, ()), name):
            self._helpers[needed] = None
        return f"${name}({', '.join(argument.source for argument in arguments)})"

    def whole(self, term: Term) -> Term:
        """The value of an expression, with the helpers it needs before it."""
        source = value(term)
        return Term(self.introduced(source), term.kind)

    def introduced(self, source: str) -> str:
        if not self._helpers:
            return source
        defined = "; ".join(f"${name} := {HELPERS[name]}" for name in self._helpers)
        return f"({defined}; {source})"

    def term(self, tree: Tree) -> Term:
        """The JSONata for a tree; raises Unsupported."""
        match tree:
            case Constant():
                return constant(tree.value)
            case Name():
                return self._name(tree.name)
            case Member():
                return self._member(tree)
            case Invoke():
                return self._invoke(tree)
            case Unary():
                return self._unary(tree)
            case Binary():
                return self._binary(tree)
            case Conditional():
                test = truth(self, self.term(tree.test))
                return self._either(test, self.term(tree.then), self.term(tree.otherwise))
            case Element():
                return self._element(tree)
            case Bound():
                return self._bound(tree)
            case ListOf():
                return Term(f"[{', '.join(self._listed(element) for element in tree.elements)}]", "list")
            case ObjectOf():
                return self._object(tree)
            case Joined():
                return self._joined(tree)
            case Regex():
                raise Unsupported("a regular expression here")
        raise Unsupported("a function here")

    def function(self, tree: Tree, of: Term, *, same: bool = False) -> tuple[str, Term]:
        if isinstance(tree, Name) and tree.name in ("Boolean", "String", "Number"):
            tree = Arrow(("x",), Invoke(tree, (Name("x"),)))
        if not isinstance(tree, Arrow) or not (not same) <= len(tree.parameters) <= 2:
            raise Unsupported("a callback that is no arrow function of one or two parameters")
        kinds: list[Kind] = ["item" if of.kind == "items" else "any", "any" if same else "number"]
        before = self._local
        names = [variable(name) for name in tree.parameters]
        if len(set(names)) < len(names):
            raise Unsupported("two parameters of one name")
        terms = [Term(name, kind) for name, kind in zip(names, kinds, strict=False)]
        if any(self._is_of_another(name, known) for known, name in zip(tree.parameters, names, strict=True)):
            raise Unsupported("two names that differ by their underscores")
        self._local = before | dict(zip(tree.parameters, terms, strict=True))
        try:
            return f"function({', '.join(names)})", self.term(tree.body)
        finally:
            self._local = before

    def _bound(self, tree: Bound) -> Term:
        """A name for a value, within the parentheses that it is in."""
        if isinstance(tree.value, Arrow):
            head, body = self.function(tree.value, Term("", "any"), same=True)
            given = Term(f"{head} {{ {value(body)} }}", "function")
        else:
            given = self.term(tree.value)
        before = self._local
        if given.kind == "node":
            self._local = before | {tree.name: given}
            try:
                return self.term(tree.body)
            finally:
                self._local = before
        name = self._new_variable(tree.name)
        self._local = before | {tree.name: Term(name, given.kind)}
        try:
            body = self.term(tree.body)
        finally:
            self._local = before
        return Term(f"({name} := {given.source}; {body.source})", body.kind)

    def _new_variable(self, name: str) -> str:
        """A variable that means nothing else here."""
        found = variable(name).rstrip("_") + "_"
        if self._is_of_another(found, name):
            raise Unsupported("two names that differ by their underscores")
        return found

    def _is_of_another(self, found: str, name: str) -> bool:
        return any(term.source == found for known, term in self._local.items() if known != name)

    def _listed(self, tree: Tree) -> str:
        """An element of a list: what is a list itself stays one, unless it is spread."""
        if isinstance(tree, Spread):
            term = self.term(tree.of)
            if term.kind not in ("any", "list"):
                raise Unsupported(f"... of a {term.kind}")
            return term.source if term.kind == "list" else self.helper("spread", term)
        term = self.term(tree)
        return term.source if term.kind in (*SCALARS, "object") else self.helper("one", Term(value(term)))

    def _object(self, tree: ObjectOf) -> Term:
        parts: list[str] = []
        fields: list[str] = []
        for name, inner in tree.fields:
            if isinstance(inner, Spread):
                term = self.term(inner.of)
                if term.kind not in ("any", "object"):
                    raise Unsupported(f"... of a {term.kind}")
                parts += [f"{{{', '.join(fields)}}}"] if fields else []
                parts.append(term.source if term.kind == "object" else self.helper("fields", term))
                fields = []
            else:
                fields.append(f"{constant(name).source}: {value(self.term(inner))}")
        last = f"{{{', '.join(fields)}}}"
        return Term(f"$merge([{', '.join([*parts, last])}])" if parts else last, "object")

    # Names and paths

    def _name(self, name: str) -> Term:
        if name in self._local:
            return self._local[name]
        match name:
            case "$json" if not self.where.whole:
                return Term("$json", "object")
            case "$now":
                return Term("$millis()", "moment")
            case "$today":
                return functions.today(self)
            case "$itemIndex" if not self.where.whole:
                return Term("$index", "number")
            case "items" if self.where.whole:
                return Term("$input", "items")
            case "undefined":
                return Term("()", "missing")
        raise Unsupported(name if name.startswith("$") else f"the name {name}")

    def _member(self, tree: Member) -> Term:
        of, key = tree.of, tree.key
        if isinstance(of, Name) and of.name not in self._local:
            if of.name == "$node" and isinstance(key, str):
                return self._node(key)
            if of.name == "$input" and key == "item" and not self.where.whole:
                return Term("$json", "item")
            if known := _RUN.get(f"{of.name}.{key}"):
                return Term(known, "text")
            if of.name in ("$vars", "$env") and isinstance(key, str):
                self.notes[VARIABLE.format(name=key)] = None
                return Term(f"$vars.{quoted(key)}")
            if of.name == "Math" and key == "PI":
                return constant(3.141592653589793)
            if of.name in ("$input", "$workflow", "$execution", "Math"):
                raise Unsupported(f"{of.name}.{key}")
        term = self.term(of)
        if term.kind == "node":
            return self._of_node(term, key)
        if term.kind == "item":
            if key == "json":
                return Term(term.source, "object")
            raise Unsupported(f".{key} of an item")
        if key == "length":
            return methods.length(self, term)
        if term.kind == "moment":
            return functions.part(self, term, key)
        if term.kind == "match":
            if not isinstance(key, int) or key < 0:
                raise Unsupported(f".{key} of what a pattern finds")
            return Term(f"{term.source}.{'match' if key == 0 else f'groups[{key - 1}]'}")
        if isinstance(key, int):
            if key < 0 or term.kind not in ("any", "list", "items"):
                raise Unsupported(f"[{key}] here")
            return Term(f"({term.source})[{key}]", "item" if term.kind == "items" else "any")
        if term.kind not in ("any", "object") or key.isdecimal():
            raise Unsupported(f".{key} of what is no object")
        try:
            plain = quoted(key)
        except Unsupported:
            return Term(f"$lookup({term.source}, {constant(key).source})")
        if term.source.startswith("["):
            return Term(f"({term.source}).{plain}")
        if not term.source.startswith(("$", "(")):
            raise Unsupported(f".{key} of an object that is written out")
        return Term(f"{term.source}.{plain}")

    def _element(self, tree: Element) -> Term:
        """`of[key]`: a place in a list or a text, or a field."""
        term, key = self.term(tree.of), self.term(tree.key)
        if term.kind not in ("any", "list", "object", "text") or key.kind not in ("any", "number", "text"):
            raise Unsupported("a key in brackets that is computed")
        return Term(self.helper("at", term, key))

    def _node(self, name: str) -> Term:
        if name not in self.where.names:
            raise Unsupported(f"the node {name!r}, which there is not")
        return Term(f"$nodes.{quoted(self.where.names[name])}", "node", name)

    def _of_node(self, node: Term, key: str | int) -> Term:
        if key not in ("item", "json"):
            raise Unsupported(f".{key} of a node")
        which = self.where.of_node(node.name)
        if which == "assumed":
            self.notes[ASSUMED.format(name=node.name)] = None
        if which == "index" and self.where.whole:
            which = "assumed"
            self.notes[ASSUMED.format(name=node.name)] = None
        source = f"{node.source}.items[$index]" if which == "index" else f"{node.source}.output"
        return Term(source, "item" if key == "item" else "object")

    # Calls

    def _invoke(self, tree: Invoke) -> Term:
        function = tree.function
        if tree.new:
            return functions.made(self, tree)
        if isinstance(function, Arrow):
            if len(function.parameters) != len(tree.arguments):
                raise Unsupported("a function that is called with fewer or more values")
            body = function.body
            for name, argument in reversed(list(zip(function.parameters, tree.arguments, strict=True))):
                body = Bound(name, argument, body)
            return self.term(body)
        if isinstance(function, Name):
            if (known := self._local.get(function.name)) and known.kind == "function":
                given = [value(self.term(argument)) for argument in tree.arguments]
                return Term(f"{known.source}({', '.join(given)})")
            if function.name == "$items" and not tree.arguments:
                return Term("$input", "items")
            if function.name in ("$", "$items") and len(tree.arguments) == 1:
                named = tree.arguments[0]
                if not isinstance(named, Constant) or not isinstance(named.value, str):
                    raise Unsupported("a node whose name is computed")
                node = self._node(named.value)
                return node if function.name == "$" else Term(f"{node.source}.items", "items")
            return functions.called(self, function.name, tree.arguments)
        if not isinstance(function, Member) or not isinstance(function.key, str):
            raise Unsupported("a call of what is no method")
        of, name = function.of, function.key
        if isinstance(of, Name) and of.name not in self._local and of.name in functions.SPACES:
            return functions.called(self, f"{of.name}.{name}", tree.arguments)
        term = self.term(of)
        if term.kind == "node":
            return self._items(term, name, tree.arguments)
        return methods.called(self, term, name, tree.arguments)

    @staticmethod
    def _items(node: Term, name: str, arguments: tuple[Tree, ...]) -> Term:
        if arguments or name not in ("first", "last", "all"):
            raise Unsupported(f".{name}({'…' if arguments else ''}) of a node")
        if name == "all":
            return Term(f"{node.source}.items", "items")
        return Term(f"{node.source}.{'output' if name == 'first' else 'items[-1]'}", "item")

    # Operators

    def _joined(self, tree: Joined) -> Term:
        parts = [
            constant(part).source if isinstance(part, str) else text(self, self.term(part))
            for part in tree.parts
        ]
        parts = parts if len(parts) > 1 else ['""', *parts]
        return Term(f"({' & '.join(parts)})", "text")

    def _unary(self, tree: Unary) -> Term:
        operand = self.term(tree.operand)
        if tree.operator == "!":
            return Term(f"$not({truth(self, operand)})", "boolean")
        source = number(self, operand)
        return Term(f"(-{source})" if tree.operator == "-" else source, "number")

    def _binary(self, tree: Binary) -> Term:
        left, right = self.term(tree.left), self.term(tree.right)
        return _OPERATORS[tree.operator](self, left, right)

    def _either(self, test: str, then: Term, otherwise: Term) -> Term:
        kinds = {then.kind, otherwise.kind}
        if "match" in kinds:
            then, otherwise = Term(value(then)), Term(value(otherwise))
            kinds = {"any"}
        elif "moment" in kinds or "date" in kinds:
            if len(kinds) > 1:
                then, otherwise = Term(value(then)), Term(value(otherwise))
        elif kinds & {"node", "item", "items"}:
            raise Unsupported("a choice between items")
        return Term(f"({test} ? {then.source} : {otherwise.source})", then.kind if len(kinds) == 1 else "any")

    def either_or(self, left: Term, right: Term) -> Term:
        return self._named(left, lambda one: self._either(truth(self, one), one, right))

    def both(self, left: Term, right: Term) -> Term:
        if left.kind == right.kind == "boolean":
            return Term(f"({left.source} and {right.source})", "boolean")
        return self._named(left, lambda one: self._either(truth(self, one), right, one))

    def present(self, left: Term, right: Term) -> Term:
        if left.kind in SCALARS:
            return left

        def chosen(one: Term) -> Term:
            return self._either(f"$exists({one.source}) and {one.source} != null", one, right)

        return self._named(left, chosen)

    @staticmethod
    def _named(term: Term, use: Callable[[Term], Term]) -> Term:
        """`use` of a term that it writes twice: by a name where the term is long, lest nesting doubles it again."""
        if len(term.source) <= SHORT:
            return use(term)
        found = use(Term("$v", term.kind))
        return Term(f"($v := {term.source}; {found.source})", found.kind)


_OPERATORS: dict[str, Callable[[Translation, Term, Term], Term]] = {
    **OPERATORS,
    "||": Translation.either_or,
    "&&": Translation.both,
    "??": Translation.present,
}


def translate(source: str, where: Surroundings) -> tuple[Term, list[str]]:
    """The JSONata for an expression, and what is to be said of it; raises Unsupported."""
    writer = Translation(where)
    try:
        found = writer.whole(writer.term(parse(source)))
    except RecursionError:
        raise Unsupported("nesting that deep") from None
    if len(found.source) > MAX_SOURCE:
        raise Unsupported(f"a translation of more than {MAX_SOURCE} characters")
    return found, list(writer.notes)
