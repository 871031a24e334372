"""xml: converts XML to JSON and back. Document types, and with them entities, are rejected."""

from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.node_sdk import field_paths, output_budget, xml_json
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeRun, NodeType


class XmlParameters(Parameters):
    operation: Literal["parse", "write"]
    """`parse` converts XML to JSON, `write` JSON to XML."""
    text: Annotated[str, Field(max_length=xml_json.MAX_CHARACTERS)] = ""
    """For `parse`: the XML document."""
    value: dict[str, Any] = {}
    """For `write`: an object with one field, the root element."""
    into: Annotated[str, Field(min_length=1, max_length=255)] = Field(default="xml", alias="as")
    """Path of the field for the result."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return each item with the result added: elements by name (a list for several), `@name` attributes, `#text`."""
    items = (
        field_paths.put(item, parameters.into, _compute_result(parameters))
        for parameters, item in node_run.resolve_each(XmlParameters)
    )
    return output_budget.collect(node_run.node.name, {"main": items})


def _compute_result(parameters: XmlParameters) -> Any:
    """Return the parsed or written document."""
    return (
        xml_json.parse(parameters.text)
        if parameters.operation == "parse"
        else xml_json.write(parameters.value)
    )


NODE = NodeType(
    label="XML",
    description="Converts XML to JSON, and JSON to XML.",
    category="data",
    parameters=XmlParameters,
    run=run,
)
