"""n8n's code nodes: those whose statements come to one expression; the others have to be written anew."""

from dataclasses import replace

from weconnect.expressions.rendering import MAX_SOURCE
from weconnect.workflows.importers.n8n.expression_parser import parse_program
from weconnect.workflows.importers.n8n.expression_translator import Translation
from weconnect.workflows.importers.n8n.jsonata_terms import Surroundings, Term
from weconnect.workflows.importers.n8n.source_node import Made, Reading, Refused
from weconnect.workflows.importers.n8n.syntax_tree import Unsupported

_ITEM = 'function($item_) { $type($item_.json) = "object" ? $item_.json : $item_ }'


def code(reading: Reading) -> Made:
    """JavaScript without loops, assignments and libraries, as one JSONata expression; raises Refused."""
    if reading.fixed("language", default="javaScript") != "javaScript":
        raise Refused("code in Python is not read here: write it as a code node")
    each = reading.fixed("mode", default="runOnceForAllItems") == "runOnceForEachItem"
    written = reading.raw("jsCode") or reading.raw("functionCode")
    if not isinstance(written, str) or not written.strip():
        raise Refused("it has no code")
    try:
        source, notes = program(written, replace(reading.where, whole=not each))
    except Unsupported as refusal:
        text = f"code in JavaScript is not run here, and this does not come to one expression ({refusal})"
        raise Refused(f"{text}: write it in Python as a code node, or as a jsonata node") from None
    for note in notes:
        reading.leave("code", note)
    reading.rewritten = True
    return Made([("jsonata", {"expression": source, "mode": "each" if each else "all"})])


def program(source: str, where: Surroundings) -> tuple[str, list[str]]:
    """The JSONata for statements that return items, and what is to be said of it; raises Unsupported."""
    writer = Translation(where)
    try:
        found = writer.term(parse_program(source))
        if found.kind in ("list", "any", "object"):
            # Brackets around a list that is written out would make a list of lists.
            items = found.source if found.kind == "list" else f"[{found.source}]"
            found = Term(f"[$map({items}, {_ITEM})]", "items")
        if found.kind not in ("item", "items"):
            raise Unsupported("code that returns no items")
        text = writer.introduced(found.source)
    except RecursionError:
        raise Unsupported("nesting that deep") from None
    if len(text) > MAX_SOURCE:
        raise Unsupported(f"a translation of more than {MAX_SOURCE} characters")
    return text, list(writer.notes)
