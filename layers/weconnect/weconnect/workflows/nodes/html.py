"""html: extracts texts and attributes from HTML by CSS selectors."""

from typing import Annotated, Any

from pydantic import Field

from weconnect.node_sdk import field_paths
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeError, NodeRun, NodeType

MAX_CHARACTERS = 2_000_000
MAX_MATCHES = 10_000


class Extraction(Parameters):
    """The part of a document to extract."""

    selector: Annotated[str, Field(min_length=1, max_length=500)]
    """CSS selector, such as `table.prices td:first-child`."""
    attribute: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """Attribute to extract. Default: the text."""
    html: bool = False
    """Extract the element's HTML instead of its text."""
    all: bool = False
    """Extract a list of all matches instead of the first one, or null."""


class HtmlParameters(Parameters):
    text: Annotated[str, Field(max_length=MAX_CHARACTERS)]
    """HTML to parse, as browsers do. Nothing in it is executed or fetched."""
    extract: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=255)], Extraction],
        Field(min_length=1, max_length=100),
    ]
    """Extractions by the path of the field for their result."""
    keep_input: bool = True
    """Whether to keep the item's other fields."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return each item with the extracted fields added."""
    items = []
    for parameters, item in node_run.resolve_each(HtmlParameters):
        result = item if parameters.keep_input else {}
        for path, value in _extract(parameters).items():
            result = field_paths.put(result, path, value)
        items.append(result)
    return {"main": items}


def _extract(parameters: HtmlParameters) -> dict[str, Any]:
    """Return the extracted values by path. Raises NodeError for an invalid selector."""
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError  # cold start

    document = LexborHTMLParser(parameters.text.encode(errors="replace").decode())
    values_by_path: dict[str, Any] = {}
    for path, extraction in parameters.extract.items():
        try:
            elements = document.css(extraction.selector)
        except (SelectolaxError, ValueError) as error:
            raise NodeError(
                "invalid_parameters", f"/extract/{path}/selector: is not a valid CSS selector"
            ) from error
        if len(elements) > MAX_MATCHES:
            raise NodeError("too_large", f"/extract/{path}: the selector has more than {MAX_MATCHES} matches")
        values = [
            _read_value(element, extraction) for element in (elements if extraction.all else elements[:1])
        ]
        values_by_path[path] = values if extraction.all else (values[0] if values else None)
    return values_by_path


def _read_value(element: Any, extraction: Extraction) -> str | None:
    """Return an element's attribute, HTML or text."""
    if extraction.attribute is not None:
        value = element.attributes.get(extraction.attribute)
        return "" if value is None and extraction.attribute in element.attributes else value
    return str(element.html) if extraction.html else " ".join(element.text().split())


NODE = NodeType(
    label="HTML",
    description="Extracts texts and attributes from HTML by CSS selectors, and adds them to the item.",
    category="data",
    parameters=HtmlParameters,
    run=run,
)
