"""text: changes texts."""

from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.workflows.node_sdk import field_paths
from weconnect.workflows.node_sdk.node_type import Call, NodeError, NodeType, Outputs, Parameters


class TextParameters(Parameters):
    operation: Literal["upper", "lower", "trim", "replace", "slice", "split", "join", "length"]
    """What to do."""
    text: str | list[str]
    """The text; for `join` a list of them."""
    into: Annotated[str, Field(min_length=1, max_length=255)] = Field(default="text", alias="as")
    """The field that takes the result."""
    search: str = ""
    """For `replace`: the text to find; for `split` and `join`: what stands between."""
    replacement: str = ""
    """For `replace`."""
    start: int = 0
    """For `slice`: the first character; from the end when negative."""
    end: int | None = None
    """For `slice`: the character after the last."""


def run(call: Call) -> Outputs:
    """Each item with the result."""
    return {
        "main": [
            field_paths.put(item, given.into, _result(given)) for given, item in call.each(TextParameters)
        ]
    }


def _result(given: TextParameters) -> Any:
    text = given.text
    if given.operation == "join":
        return given.search.join(text if isinstance(text, list) else [text])
    if isinstance(text, list):
        raise NodeError("invalid_parameters", f"/text: {given.operation} takes one text, not a list")
    match given.operation:
        case "upper":
            return text.upper()
        case "lower":
            return text.lower()
        case "trim":
            return text.strip()
        case "slice":
            return text[given.start : given.end]
        case "split":
            return text.split(given.search) if given.search else list(text)
        case "length":
            return len(text)
    if not given.search:
        raise NodeError("invalid_parameters", "/search: replace needs a text to find")
    most = len(text) + text.count(given.search) * len(given.replacement)
    if most > 1_000_000:
        raise NodeError("too_large", "The text would have more than 1,000,000 characters")
    return text.replace(given.search, given.replacement)


NODE = NodeType(
    label="Text",
    description="Changes texts: letters, blanks, parts, replacements, splitting and joining.",
    category="data",
    parameters=TextParameters,
    run=run,
)
