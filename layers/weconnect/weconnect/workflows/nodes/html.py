"""html: takes texts and attributes out of HTML by CSS selectors."""

from typing import Annotated, Any

from pydantic import Field

from weconnect.workflows.node_sdk import field_paths
from weconnect.workflows.node_sdk.node_type import Call, NodeError, NodeType, Outputs, Parameters

MAX_CHARACTERS = 2_000_000
MAX_MATCHES = 10_000


class Extraction(Parameters):
    selector: Annotated[str, Field(min_length=1, max_length=500)]
    """A CSS selector: `table.prices td:first-child`."""
    attribute: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """The attribute to take; none: the text."""
    html: bool = False
    """The element's HTML instead of its text."""
    all: bool = False
    """A list of all matches; else the first, or null."""


class HtmlParameters(Parameters):
    text: Annotated[str, Field(max_length=MAX_CHARACTERS)]
    """The HTML; it is read as browsers do, and nothing of it is run or fetched."""
    extract: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=255)], Extraction],
        Field(min_length=1, max_length=100),
    ]
    """What to take, by the path of the field that takes it."""
    keep_input: bool = True
    """Whether the item's other fields stay."""


def run(call: Call) -> Outputs:
    """Each item with what was found."""
    found = []
    for given, item in call.each(HtmlParameters):
        result = item if given.keep_input else {}
        for path, value in _extracted(given).items():
            result = field_paths.put(result, path, value)
        found.append(result)
    return {"main": found}


def _extracted(given: HtmlParameters) -> dict[str, Any]:
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError

    document = LexborHTMLParser(given.text.encode(errors="replace").decode())
    found: dict[str, Any] = {}
    for path, wanted in given.extract.items():
        try:
            elements = document.css(wanted.selector)
        except (SelectolaxError, ValueError) as error:
            raise NodeError("invalid_parameters", f"/extract/{path}/selector: is no CSS selector") from error
        if len(elements) > MAX_MATCHES:
            raise NodeError("too_large", f"/extract/{path}: more than {MAX_MATCHES} matches")
        values = [_value(element, wanted) for element in (elements if wanted.all else elements[:1])]
        found[path] = values if wanted.all else (values[0] if values else None)
    return found


def _value(element: Any, wanted: Extraction) -> str | None:
    if wanted.attribute is not None:
        value = element.attributes.get(wanted.attribute)
        return "" if value is None and wanted.attribute in element.attributes else value
    return str(element.html) if wanted.html else " ".join(element.text().split())


NODE = NodeType(
    label="HTML",
    description="Takes texts and attributes out of HTML by CSS selectors.",
    category="data",
    parameters=HtmlParameters,
    run=run,
)
