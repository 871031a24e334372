"""n8n's JavaScript expressions as JSONata; an expression that might mean something else is refused."""

from weconnect.expressions.variables import MAX_SOURCE
from weconnect.workflows.importers.n8n import functions, methods
from weconnect.workflows.importers.n8n.javascript_parser import parse
from weconnect.workflows.importers.n8n.jsonata_terms import (
    HELPER_DEPENDENCIES,
    HELPERS,
    SCALARS,
    ExpressionScope,
    Kind,
    Term,
    as_condition,
    as_number,
    as_text,
    as_value,
    constant,
    quote_field,
    variable_name,
)
from weconnect.workflows.importers.n8n.operators import OPERATORS, translate_conditional
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

VARIABLE_NOTE = "reads the variable {name!r}, which must be created here"
_EXECUTION_FIELDS = {
    "$execution.id": "$execution.id",
    "$workflow.id": "$execution.workflowId",
    "$workflow.name": "$execution.workflowName",
}
ASSUMED_ITEM_NOTE = "takes the first item of {name!r}, where n8n takes the one that the item originated from"


class ExpressionTranslator:
    """The translation of one expression: the helpers that it needs, and notes for the import's report."""

    def __init__(self, scope: ExpressionScope) -> None:
        self.scope = scope
        self.notes: dict[str, None] = {}
        self._helpers: dict[str, None] = {}
        self._local: dict[str, Term] = {}

    def call_helper(self, name: str, *arguments: Term) -> str:
        """Return JSONata that calls a helper, and note that the expression needs it."""
        for needed in (*HELPER_DEPENDENCIES.get(name, ()), name):
            self._helpers[needed] = None
        return f"${name}({', '.join(argument.source for argument in arguments)})"

    def with_helpers(self, term: Term) -> Term:
        """Return the value of a whole expression, preceded by the helpers that it needs."""
        source = as_value(term)
        return Term(self.define_helpers(source), term.kind)

    def define_helpers(self, source: str) -> str:
        """Return JSONata that defines the helpers called so far, then evaluates `source`."""
        if not self._helpers:
            return source
        defined = "; ".join(f"${name} := {HELPERS[name]}" for name in self._helpers)
        return f"({defined}; {source})"

    def translate(self, tree: Tree) -> Term:
        """Return the JSONata for a tree; raise Unsupported."""
        match tree:
            case Constant():
                return constant(tree.value)
            case Name():
                return self._translate_name(tree.name)
            case Member():
                return self._translate_member(tree)
            case Invoke():
                return self._translate_call(tree)
            case Unary():
                return self._translate_unary(tree)
            case Binary():
                return self._translate_binary(tree)
            case Conditional():
                test = as_condition(self, self.translate(tree.test))
                return translate_conditional(test, self.translate(tree.then), self.translate(tree.otherwise))
            case Element():
                return self._translate_element(tree)
            case Bound():
                return self._translate_bound(tree)
            case ListOf():
                return Term(
                    f"[{', '.join(self._translate_list_element(element) for element in tree.elements)}]",
                    "list",
                )
            case ObjectOf():
                return self._translate_object(tree)
            case Joined():
                return self._translate_template(tree)
            case Regex():
                raise Unsupported("a regular expression as a value")
        raise Unsupported("a function as a value")

    def translate_callback(self, tree: Tree, of: Term, *, same: bool = False) -> tuple[str, Term]:
        """Return a callback's head, `function($x)`, and body; with `same`, its 2nd parameter is not an index."""
        if isinstance(tree, Name) and tree.name in ("Boolean", "String", "Number"):
            tree = Arrow(("x",), Invoke(tree, (Name("x"),)))
        if not isinstance(tree, Arrow) or not (not same) <= len(tree.parameters) <= 2:
            raise Unsupported("a callback other than an arrow function of one or two parameters")
        kinds: list[Kind] = ["item" if of.kind == "items" else "any", "any" if same else "number"]
        before = self._local
        names = [variable_name(name) for name in tree.parameters]
        if len(set(names)) < len(names):
            raise Unsupported("two parameters with the same name")
        terms = [Term(name, kind) for name, kind in zip(names, kinds, strict=False)]
        if any(
            self._is_taken(name, parameter) for parameter, name in zip(tree.parameters, names, strict=True)
        ):
            raise Unsupported("two names that differ by their underscores")
        self._local = before | dict(zip(tree.parameters, terms, strict=True))
        try:
            return f"function({', '.join(names)})", self.translate(tree.body)
        finally:
            self._local = before

    def _translate_bound(self, tree: Bound) -> Term:
        """Bind a name to a value within parentheses."""
        if isinstance(tree.value, Arrow):
            head, body = self.translate_callback(tree.value, Term("", "any"), same=True)
            bound = Term(f"{head} {{ {as_value(body)} }}", "function")
        else:
            bound = self.translate(tree.value)
        before = self._local
        if bound.kind == "node":
            self._local = before | {tree.name: bound}
            try:
                return self.translate(tree.body)
            finally:
                self._local = before
        name = self._create_variable(tree.name)
        self._local = before | {tree.name: Term(name, bound.kind)}
        try:
            body = self.translate(tree.body)
        finally:
            self._local = before
        return Term(f"({name} := {bound.source}; {body.source})", body.kind)

    def _create_variable(self, name: str) -> str:
        """Return a variable that means nothing else in this expression."""
        variable = variable_name(name).rstrip("_") + "_"
        if self._is_taken(variable, name):
            raise Unsupported("two names that differ by their underscores")
        return variable

    def _is_taken(self, variable: str, name: str) -> bool:
        """Return whether another name than `name` uses the variable."""
        return any(term.source == variable for other, term in self._local.items() if other != name)

    def _translate_list_element(self, tree: Tree) -> str:
        """Return the JSONata of a list's element; a list within the list stays one, unless it is spread."""
        if isinstance(tree, Spread):
            term = self.translate(tree.of)
            if term.kind not in ("any", "list"):
                raise Unsupported(f"... of a {term.kind}")
            return term.source if term.kind == "list" else self.call_helper("spread", term)
        term = self.translate(tree)
        return (
            term.source
            if term.kind in (*SCALARS, "object")
            else self.call_helper("one", Term(as_value(term)))
        )

    def _translate_object(self, tree: ObjectOf) -> Term:
        """Translate an object literal; raise Unsupported."""
        parts: list[str] = []
        fields: list[str] = []
        for name, inner in tree.fields:
            if isinstance(inner, Spread):
                term = self.translate(inner.of)
                if term.kind not in ("any", "object"):
                    raise Unsupported(f"... of a {term.kind}")
                parts += [f"{{{', '.join(fields)}}}"] if fields else []
                parts.append(term.source if term.kind == "object" else self.call_helper("fields", term))
                fields = []
            else:
                fields.append(f"{constant(name).source}: {as_value(self.translate(inner))}")
        last = f"{{{', '.join(fields)}}}"
        return Term(f"$merge([{', '.join([*parts, last])}])" if parts else last, "object")

    # Names and paths

    def _translate_name(self, name: str) -> Term:
        """Translate a name that is not called, such as `$json`; raise Unsupported."""
        if name in self._local:
            return self._local[name]
        match name:
            case "$json" if not self.scope.sees_all_items:
                return Term("$json", "object")
            case "$now":
                return Term("$millis()", "moment")
            case "$today":
                return functions.translate_today(self)
            case "$itemIndex" if not self.scope.sees_all_items:
                return Term("$index", "number")
            case "items" if self.scope.sees_all_items:
                return Term("$input", "items")
            case "undefined":
                return Term("()", "missing")
        raise Unsupported(name if name.startswith("$") else f"the name {name}")

    def _translate_member(self, tree: Member) -> Term:
        """Translate `of.key` with a constant key; raise Unsupported."""
        of, key = tree.of, tree.key
        if isinstance(of, Name) and of.name not in self._local:
            if of.name == "$node" and isinstance(key, str):
                return self._translate_node(key)
            if of.name == "$input" and key == "item" and not self.scope.sees_all_items:
                return Term("$json", "item")
            if field := _EXECUTION_FIELDS.get(f"{of.name}.{key}"):
                return Term(field, "text")
            if of.name in ("$vars", "$env") and isinstance(key, str):
                self.notes[VARIABLE_NOTE.format(name=key)] = None
                return Term(f"$vars.{quote_field(key)}")
            if of.name == "Math" and key == "PI":
                return constant(3.141592653589793)
            if of.name in ("$input", "$workflow", "$execution", "Math"):
                raise Unsupported(f"{of.name}.{key}")
        term = self.translate(of)
        if term.kind == "node":
            return self._translate_node_item(term, key)
        if term.kind == "item":
            if key == "json":
                return Term(term.source, "object")
            raise Unsupported(f".{key} of an item")
        if key == "length":
            return methods.translate_length(self, term)
        if term.kind == "moment":
            return functions.translate_moment_part(self, term, key)
        if term.kind == "match":
            if not isinstance(key, int) or key < 0:
                raise Unsupported(f".{key} of the result of .match()")
            return Term(f"{term.source}.{'match' if key == 0 else f'groups[{key - 1}]'}")
        if isinstance(key, int):
            if key < 0 or term.kind not in ("any", "list", "items"):
                raise Unsupported(f"[{key}] of a {term.kind}")
            return Term(f"({term.source})[{key}]", "item" if term.kind == "items" else "any")
        if term.kind not in ("any", "object") or key.isdecimal():
            raise Unsupported(f".{key} of a value that may be a list or a text")
        try:
            plain = quote_field(key)
        except Unsupported:
            return Term(f"$lookup({term.source}, {constant(key).source})")
        if term.source.startswith("["):
            return Term(f"({term.source}).{plain}")
        if not term.source.startswith(("$", "(")):
            raise Unsupported(f".{key} of an object literal")
        return Term(f"{term.source}.{plain}")

    def _translate_element(self, tree: Element) -> Term:
        """Translate `of[key]`: an index into a list or a text, or a field."""
        term, key = self.translate(tree.of), self.translate(tree.key)
        if term.kind not in ("any", "list", "object", "text") or key.kind not in ("any", "number", "text"):
            raise Unsupported("a computed key in brackets")
        return Term(self.call_helper("at", term, key))

    def _translate_node(self, name: str) -> Term:
        """Return the term of a node by n8n's name; raise Unsupported when it does not exist."""
        if name not in self.scope.names:
            raise Unsupported(f"the node {name!r}, which does not exist")
        return Term(f"$nodes.{quote_field(self.scope.names[name])}", "node", name)

    def _translate_node_item(self, node: Term, key: str | int) -> Term:
        """Translate `.item` or `.json` of a node; note in the report that its first item is assumed."""
        if key not in ("item", "json"):
            raise Unsupported(f".{key} of a node")
        which = self.scope.item_of_node(node.name)
        if which == "assumed":
            self.notes[ASSUMED_ITEM_NOTE.format(name=node.name)] = None
        if which == "index" and self.scope.sees_all_items:
            which = "assumed"
            self.notes[ASSUMED_ITEM_NOTE.format(name=node.name)] = None
        source = f"{node.source}.items[$index]" if which == "index" else f"{node.source}.output"
        return Term(source, "item" if key == "item" else "object")

    # Calls

    def _translate_call(self, tree: Invoke) -> Term:
        """Translate a call of a function or a method; raise Unsupported."""
        function = tree.function
        if tree.new:
            return functions.translate_new(self, tree)
        if isinstance(function, Arrow):
            if len(function.parameters) != len(tree.arguments):
                raise Unsupported("a function that is called with too few or too many arguments")
            body = function.body
            for name, argument in reversed(list(zip(function.parameters, tree.arguments, strict=True))):
                body = Bound(name, argument, body)
            return self.translate(body)
        if isinstance(function, Name):
            if (local := self._local.get(function.name)) and local.kind == "function":
                values = [as_value(self.translate(argument)) for argument in tree.arguments]
                return Term(f"{local.source}({', '.join(values)})")
            if function.name == "$items" and not tree.arguments:
                return Term("$input", "items")
            if function.name in ("$", "$items") and len(tree.arguments) == 1:
                named = tree.arguments[0]
                if not isinstance(named, Constant) or not isinstance(named.value, str):
                    raise Unsupported("a node with a computed name")
                node = self._translate_node(named.value)
                return node if function.name == "$" else Term(f"{node.source}.items", "items")
            return functions.translate_call(self, function.name, tree.arguments)
        if not isinstance(function, Member) or not isinstance(function.key, str):
            raise Unsupported("a call of something other than a method")
        of, name = function.of, function.key
        if isinstance(of, Name) and of.name not in self._local and of.name in functions.NAMESPACES:
            return functions.translate_call(self, f"{of.name}.{name}", tree.arguments)
        term = self.translate(of)
        if term.kind == "node":
            return self._translate_node_method(term, name, tree.arguments)
        return methods.translate_method(self, term, name, tree.arguments)

    @staticmethod
    def _translate_node_method(node: Term, name: str, arguments: tuple[Tree, ...]) -> Term:
        """Translate `.first()`, `.last()` or `.all()` of a node; raise Unsupported."""
        if arguments or name not in ("first", "last", "all"):
            raise Unsupported(f".{name}({'…' if arguments else ''}) of a node")
        if name == "all":
            return Term(f"{node.source}.items", "items")
        return Term(f"{node.source}.{'output' if name == 'first' else 'items[-1]'}", "item")

    # Operators

    def _translate_template(self, tree: Joined) -> Term:
        """Translate a template string."""
        parts = [
            constant(part).source if isinstance(part, str) else as_text(self, self.translate(part))
            for part in tree.parts
        ]
        parts = parts if len(parts) > 1 else ['""', *parts]
        return Term(f"({' & '.join(parts)})", "text")

    def _translate_unary(self, tree: Unary) -> Term:
        """Translate `!`, `-` or `+` of an operand."""
        operand = self.translate(tree.operand)
        if tree.operator == "!":
            return Term(f"$not({as_condition(self, operand)})", "boolean")
        source = as_number(self, operand)
        return Term(f"(-{source})" if tree.operator == "-" else source, "number")

    def _translate_binary(self, tree: Binary) -> Term:
        """Translate a binary operator; raise Unsupported."""
        left, right = self.translate(tree.left), self.translate(tree.right)
        return OPERATORS[tree.operator](self, left, right)


def translate(source: str, scope: ExpressionScope) -> tuple[Term, list[str]]:
    """Return the JSONata for an expression, and notes for the report; raise Unsupported."""
    translator = ExpressionTranslator(scope)
    try:
        term = translator.with_helpers(translator.translate(parse(source)))
    except RecursionError:
        raise Unsupported("nesting too deep") from None
    if len(term.source) > MAX_SOURCE:
        raise Unsupported(f"a translation of more than {MAX_SOURCE} characters")
    return term, list(translator.notes)
