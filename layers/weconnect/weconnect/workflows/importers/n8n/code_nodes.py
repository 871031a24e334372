"""n8n's code nodes whose statements amount to one expression; the others must be rewritten by hand."""

from dataclasses import replace

from weconnect.expressions.variables import MAX_SOURCE
from weconnect.workflows.importers.n8n.expression_translator import ExpressionTranslator
from weconnect.workflows.importers.n8n.javascript_parser import parse_program
from weconnect.workflows.importers.n8n.jsonata_terms import ExpressionScope, Term
from weconnect.workflows.importers.n8n.source_node import MappedNode, NodeReader, NotConvertible
from weconnect.workflows.importers.n8n.syntax_tree import Unsupported

_ITEM = 'function($item_) { $type($item_.json) = "object" ? $item_.json : $item_ }'


def convert_code_node(reader: NodeReader) -> MappedNode:
    """Convert JavaScript without loops, assignments and libraries to one JSONata expression; raise NotConvertible."""
    if reader.read_constant("language", default="javaScript") != "javaScript":
        raise NotConvertible("code in Python is not converted: write it as a code node")
    each = reader.read_constant("mode", default="runOnceForAllItems") == "runOnceForEachItem"
    written = reader.read("jsCode") or reader.read("functionCode")
    if not isinstance(written, str) or not written.strip():
        raise NotConvertible("it has no code")
    try:
        source, notes = translate_program(written, replace(reader.scope, sees_all_items=not each))
    except Unsupported as refusal:
        text = f"JavaScript is not executed here, and this code does not amount to one expression ({refusal})"
        raise NotConvertible(f"{text}: write it in Python as a code node, or as a jsonata node") from None
    for note in notes:
        reader.report_left_out("code", note)
    reader.is_rewritten = True
    return MappedNode([("jsonata", {"expression": source, "mode": "each" if each else "all"})])


def translate_program(source: str, scope: ExpressionScope) -> tuple[str, list[str]]:
    """Return the JSONata for statements that return items, and notes for the report; raise Unsupported."""
    translator = ExpressionTranslator(scope)
    try:
        term = translator.translate(parse_program(source))
        if term.kind in ("list", "any", "object"):
            # Brackets around a list literal would make a list of lists.
            items = term.source if term.kind == "list" else f"[{term.source}]"
            term = Term(f"[$map({items}, {_ITEM})]", "items")
        if term.kind not in ("item", "items"):
            raise Unsupported("code that returns no items")
        text = translator.define_helpers(term.source)
    except RecursionError:
        raise Unsupported("nesting too deep") from None
    if len(text) > MAX_SOURCE:
        raise Unsupported(f"a translation of more than {MAX_SOURCE} characters")
    return text, list(translator.notes)
