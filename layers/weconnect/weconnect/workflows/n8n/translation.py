"""Translates n8n's JavaScript expressions to JSONata: what is not certain to mean the same is refused."""

from collections.abc import Callable

from weconnect.expressions import MAX_SOURCE
from weconnect.workflows.n8n import functions, methods
from weconnect.workflows.n8n.javascript import parse
from weconnect.workflows.n8n.syntax import (
    Arrow,
    Binary,
    Conditional,
    Constant,
    Invoke,
    Joined,
    ListOf,
    Member,
    Name,
    ObjectOf,
    Regex,
    Tree,
    Unary,
    Unsupported,
)
from weconnect.workflows.n8n.terms import (
    HELPERS,
    NEEDS,
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

SHORT = 80
SCALARS = ("text", "number", "boolean")
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
            case ListOf():
                elements = [self.term(element) for element in tree.elements]
                if any(element.kind not in (*SCALARS, "object") for element in elements):
                    raise Unsupported("a list of values of which one may be a list itself")
                return Term(f"[{', '.join(element.source for element in elements)}]", "list")
            case ObjectOf():
                fields = [(constant(name).source, value(self.term(inner))) for name, inner in tree.fields]
                return Term(f"{{{', '.join(f'{name}: {inner}' for name, inner in fields)}}}", "object")
            case Joined():
                return self._joined(tree)
            case Regex():
                raise Unsupported("a regular expression here")
        raise Unsupported("a function here")

    def function(self, tree: Tree, of: Term) -> tuple[str, Term]:
        if isinstance(tree, Name) and tree.name in ("Boolean", "String", "Number"):
            tree = Arrow(("x",), Invoke(tree, (Name("x"),)))
        if not isinstance(tree, Arrow) or not 1 <= len(tree.parameters) <= 2:
            raise Unsupported("a callback that is no arrow function of one or two parameters")
        kinds: list[Kind] = ["item" if of.kind == "items" else "any", "number"]
        before = self._local
        names = [variable(name) for name in tree.parameters]
        if len(set(names)) < len(names):
            raise Unsupported("two parameters of one name")
        terms = [Term(name, kind) for name, kind in zip(names, kinds, strict=False)]
        self._local = before | dict(zip(tree.parameters, terms, strict=True))
        try:
            return f"function({', '.join(names)})", self.term(tree.body)
        finally:
            self._local = before

    # Names and paths

    def _name(self, name: str) -> Term:
        if name in self._local:
            return self._local[name]
        match name:
            case "$json":
                return Term("$json", "object")
            case "$now":
                return Term("$millis()", "moment")
            case "$today":
                return functions.today(self)
            case "$itemIndex":
                return Term("$index", "number")
            case "undefined":
                return Term("()", "missing")
        raise Unsupported(name if name.startswith("$") else f"the name {name}")

    def _member(self, tree: Member) -> Term:
        of, key = tree.of, tree.key
        if isinstance(of, Name) and of.name not in self._local:
            if of.name == "$node" and isinstance(key, str):
                return self._node(key)
            if of.name == "$input" and key == "item":
                return Term("$json", "item")
            if of.name == "$execution" and key == "id":
                return Term("$execution.id", "text")
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
        if isinstance(key, int):
            if key < 0 or term.kind not in ("any", "list", "items"):
                raise Unsupported(f"[{key}] here")
            return Term(f"({term.source})[{key}]", "item" if term.kind == "items" else "any")
        if term.kind not in ("any", "object") or key.isdecimal():
            raise Unsupported(f".{key} of what is no object")
        if not term.source.startswith(("$", "(")):
            raise Unsupported(f".{key} of an object that is written out")
        return Term(f"{term.source}.{quoted(key)}")

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
        source = f"{node.source}.items[$index]" if which == "index" else f"{node.source}.output"
        return Term(source, "item" if key == "item" else "object")

    # Calls

    def _invoke(self, tree: Invoke) -> Term:
        function = tree.function
        if tree.new:
            return functions.made(self, tree)
        if isinstance(function, Name):
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
        if "moment" in kinds or "date" in kinds:
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


def _add(writer: Translation, left: Term, right: Term) -> Term:
    if "text" in (left.kind, right.kind):
        return Term(f"({text(writer, left)} & {text(writer, right)})", "text")
    if left.kind == right.kind == "number":
        return Term(f"({left.source} + {right.source})", "number")
    if {left.kind, right.kind} - {"any", "number", "boolean"}:
        raise Unsupported("+ of lists, objects or dates")
    return Term(writer.helper("plus", left, right))


def _arithmetic(operator: str) -> Callable[[Translation, Term, Term], Term]:
    def apply(writer: Translation, left: Term, right: Term) -> Term:
        return Term(f"({number(writer, left)} {operator} {number(writer, right)})", "number")

    return apply


def _compared(helper: str, operator: str, *, turned: bool) -> Callable[[Translation, Term, Term], Term]:
    def apply(writer: Translation, left: Term, right: Term) -> Term:
        if {left.kind, right.kind} & {"node", "item", "items", "list", "object", "missing"}:
            raise Unsupported("a comparison of lists, objects or nothing")
        if left.kind in ("number", "moment", "date") and right.kind in ("number", "moment", "date"):
            return Term(f"({left.source} {operator} {right.source})", "boolean")
        pair = (right, left) if turned else (left, right)
        return Term(writer.helper(helper, *pair), "boolean")

    return apply


def _strict(writer: Translation, left: Term, right: Term) -> Term:
    if left.kind == "missing" or right.kind == "missing":
        other = right if left.kind == "missing" else left
        return Term(f"$not($exists({value(other)}))", "boolean")
    if {left.kind, right.kind} & {"node", "item", "items", "moment", "date", "list", "object"}:
        raise Unsupported("=== of lists, objects or dates")
    if left.kind == right.kind == "any" and "null" not in (left.source, right.source):
        return Term(writer.helper("same", left, right), "boolean")
    return Term(f"({left.source} = {right.source})", "boolean")


def _loose(writer: Translation, left: Term, right: Term) -> Term:
    for one, other in ((left, right), (right, left)):
        if one.kind == "missing" or one.source == "null":
            return Term(f"($not($exists({value(other)})) or {value(other)} = null)", "boolean")
    if left.kind == right.kind and left.kind in SCALARS:
        return Term(f"({left.source} = {right.source})", "boolean")
    for one, other in ((left, right), (right, left)):
        if other.kind == "any" and one.kind in SCALARS and (found := _alike(one, other)):
            return Term(found, "boolean")
    raise Unsupported("== of values of which neither is known")


def _alike(one: Term, other: Term) -> str | None:
    """`==` with a constant: the values of other types that JavaScript takes for the same."""
    if one.kind == "text" and one.source.startswith('"') and one.source.strip('"').strip():
        plain = one.source.strip('"')
        if not plain[0].isdigit() and plain[0] not in "-+. \\" and plain != "Infinity":
            return f"({other.source} = {one.source})"
    if one.kind == "number" and one.source.isdecimal():
        more = {"0": ' or {0} = "" or {0} = false', "1": " or {0} = true"}.get(one.source, "")
        return (
            f'({other.source} = {one.source} or {other.source} = "{one.source}"{more.format(other.source)})'
        )
    return None


def _negated(equal: Callable[[Translation, Term, Term], Term]) -> Callable[[Translation, Term, Term], Term]:
    return lambda writer, left, right: Term(f"$not({equal(writer, left, right).source})", "boolean")


_OPERATORS: dict[str, Callable[[Translation, Term, Term], Term]] = {
    "+": _add,
    "-": _arithmetic("-"),
    "*": _arithmetic("*"),
    "/": _arithmetic("/"),
    "%": _arithmetic("%"),
    "<": _compared("less", "<", turned=False),
    ">": _compared("less", ">", turned=True),
    "<=": _compared("upto", "<=", turned=False),
    ">=": _compared("upto", ">=", turned=True),
    "===": _strict,
    "!==": _negated(_strict),
    "==": _loose,
    "!=": _negated(_loose),
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
