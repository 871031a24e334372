"""html: extracts texts and attributes from HTML by CSS selectors."""

import json
from typing import Annotated, Any

from pydantic import Field

from weconnect.expressions.bounded_process import BoundedProcess, BoundExceeded
from weconnect.node_sdk import field_paths, html_reader, output_budget
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeError, NodeRun, NodeType
from weconnect.node_sdk.output_budget import MAX_OUTPUT_BYTES

MAX_CHARACTERS = 2_000_000
MAX_SECONDS = 3


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
    return output_budget.collect(
        node_run.node.name,
        {
            "main": (
                field_paths.change(item if parameters.keep_input else {}, (), _extract(parameters))
                for parameters, item in node_run.resolve_each(HtmlParameters)
            )
        },
    )


def _extract(parameters: HtmlParameters) -> dict[str, Any]:
    """Return the extracted values by path. Raises NodeError."""
    extractions = [each.model_dump() for each in parameters.extract.values()]
    text = parameters.text.encode(errors="replace").decode()
    request = {"text": text, "extract": extractions, "maxBytes": MAX_OUTPUT_BYTES}
    try:
        response = _process.request(json.dumps(request))
    except BoundExceeded as error:
        message = f"/text: is too complex to read: {error}. Its elements may be nested too deeply"
        raise NodeError("too_large", message) from error
    if failure := response.get("error"):
        path = list(parameters.extract)[failure["extraction"]]
        field = "/selector" if failure["code"] == "invalid_parameters" else ""
        raise NodeError(failure["code"], f"/extract/{path}{field}: {failure['message']}")
    return dict(zip(parameters.extract, response["values"], strict=True))


_process = BoundedProcess(html_reader.__file__, "selectolax", html_reader.MAX_MEMORY, MAX_SECONDS)


NODE = NodeType(
    label="HTML",
    description="Extracts texts and attributes from HTML by CSS selectors, and adds them to the item.",
    category="data",
    parameters=HtmlParameters,
    run=run,
)
