"""xml: reads XML as JSON, and writes JSON as XML. Document types, and so entities, are refused."""

from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.workflows.node_sdk import field_paths, xml_json
from weconnect.workflows.node_sdk.node_type import Call, NodeType, Outputs, Parameters


class XmlParameters(Parameters):
    operation: Literal["parse", "write"]
    """What to do."""
    text: Annotated[str, Field(max_length=xml_json.MAX_CHARACTERS)] = ""
    """For `parse`: the document."""
    value: dict[str, Any] = {}
    """For `write`: an object with one field, the outermost element."""
    into: Annotated[str, Field(min_length=1, max_length=255)] = Field(default="xml", alias="as")
    """The field that takes the result."""


def run(call: Call) -> Outputs:
    """Each item with the document: elements by name, a list where there are several, `@name` attributes, `#text`."""
    return {
        "main": [
            field_paths.put(item, given.into, _result(given)) for given, item in call.each(XmlParameters)
        ]
    }


def _result(given: XmlParameters) -> Any:
    return xml_json.parse(given.text) if given.operation == "parse" else xml_json.write(given.value)


NODE = NodeType(
    label="XML",
    description="Reads XML as JSON, and writes JSON as XML.",
    category="data",
    parameters=XmlParameters,
    run=run,
)
