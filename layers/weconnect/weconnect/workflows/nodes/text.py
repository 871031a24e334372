"""text: transforms texts."""

from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.node_sdk import field_paths, output_budget
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeError, NodeRun, NodeType
from weconnect.node_sdk.output_budget import OutputBudget


class TextParameters(Parameters):
    operation: Literal["upper", "lower", "trim", "replace", "slice", "split", "join", "length"]
    """The operation."""
    text: str | list[str]
    """The text; for `join`, a list of texts."""
    into: Annotated[str, Field(min_length=1, max_length=255)] = Field(default="text", alias="as")
    """Path of the field for the result."""
    search: str = ""
    """For `replace`: the text to find. For `split` and `join`: the separator."""
    replacement: str = ""
    """For `replace`: the new text."""
    start: int = 0
    """For `slice`: index of the first character, from the end if negative."""
    end: int | None = None
    """For `slice`: index after the last character. Default: the end of the text."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return each item with the result added."""
    budget = OutputBudget(node_run.node.name)
    return output_budget.collect(
        node_run.node.name,
        {
            "main": (
                field_paths.put(item, parameters.into, _compute_result(parameters, budget))
                for parameters, item in node_run.resolve_each(TextParameters)
            )
        },
    )


def _compute_result(parameters: TextParameters, budget: OutputBudget) -> Any:
    """Return the result of the operation on one text. Raises NodeError before it makes one beyond the budget."""
    text = parameters.text
    if parameters.operation == "join":
        texts = text if isinstance(text, list) else [text]
        budget.require(sum(map(len, texts)) + (len(texts) - 1) * len(parameters.search))
        return parameters.search.join(texts)
    if isinstance(text, list):
        raise NodeError(
            "invalid_parameters", f"/text: must be a text, not a list, for {parameters.operation}"
        )
    match parameters.operation:
        case "upper":
            return text.upper()
        case "lower":
            return text.lower()
        case "trim":
            return text.strip()
        case "slice":
            return text[parameters.start : parameters.end]
        case "split":
            budget.require(4 * (text.count(parameters.search) if parameters.search else len(text)))
            return text.split(parameters.search) if parameters.search else list(text)
        case "length":
            return len(text)
    if not parameters.search:
        raise NodeError("invalid_parameters", "/search: is required for replace")
    growth = len(parameters.replacement) - len(parameters.search)
    budget.require(len(text) + text.count(parameters.search) * growth)
    return text.replace(parameters.search, parameters.replacement)


NODE = NodeType(
    label="Text",
    description="Transforms texts: case, trimming, slicing, replacing, splitting and joining.",
    category="data",
    parameters=TextParameters,
    run=run,
)
