"""The builtin tools, which an agent gets by their names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from weconnect.agents.tools import http_tool, json_query, memory_tools, text
from weconnect.agents.tools.context import ToolContext
from weconnect.agents.tools.errors import ToolError
from weconnect.calculations import calculator, date_time
from weconnect.calculations.errors import CalculationError

ASK_AGENT = "ask_agent"
RUN_WORKFLOW = "run_workflow"


@dataclass(frozen=True)
class BuiltinTool:
    """A builtin tool; `execute` takes the arguments and returns a JSON value, or raises ToolError."""

    display_name: str
    description: str
    input_schema: dict[str, Any]
    execute: Callable[[dict[str, Any], ToolContext], Any]


def _refuse(arguments: dict[str, Any], context: ToolContext) -> Any:
    """Raise ToolError: a call of another agent or a workflow is an execution, which the engine starts."""
    raise ToolError("This tool works within an execution only. Start the agent or the workflow itself")


def _to_tool(calculate: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any], ToolContext], Any]:
    """Return a calculation as a tool's `execute`."""

    def execute(arguments: dict[str, Any], _: ToolContext) -> Any:
        try:
            return calculate(arguments)
        except CalculationError as failure:
            raise ToolError(str(failure)) from failure

    return execute


BUILTINS: dict[str, BuiltinTool] = {
    calculator.NAME: BuiltinTool(
        calculator.DISPLAY_NAME,
        calculator.DESCRIPTION,
        calculator.INPUT_SCHEMA,
        _to_tool(calculator.run),
    ),
    date_time.NAME: BuiltinTool(
        date_time.DISPLAY_NAME,
        date_time.DESCRIPTION,
        date_time.INPUT_SCHEMA,
        _to_tool(date_time.run),
    ),
    http_tool.NAME: BuiltinTool(
        http_tool.DISPLAY_NAME,
        http_tool.DESCRIPTION,
        http_tool.INPUT_SCHEMA,
        lambda arguments, context: http_tool.run(arguments, idempotency_key=context.call_key),
    ),
    json_query.NAME: BuiltinTool(
        json_query.DISPLAY_NAME,
        json_query.DESCRIPTION,
        json_query.INPUT_SCHEMA,
        lambda arguments, _: json_query.run(arguments),
    ),
    text.NAME: BuiltinTool(
        text.DISPLAY_NAME,
        text.DESCRIPTION,
        text.INPUT_SCHEMA,
        lambda arguments, _: text.run(arguments),
    ),
    memory_tools.SEARCH_NAME: BuiltinTool(
        memory_tools.SEARCH_DISPLAY_NAME,
        memory_tools.SEARCH_DESCRIPTION,
        memory_tools.SEARCH_INPUT_SCHEMA,
        memory_tools.run_search,
    ),
    memory_tools.SAVE_NAME: BuiltinTool(
        memory_tools.SAVE_DISPLAY_NAME,
        memory_tools.SAVE_DESCRIPTION,
        memory_tools.SAVE_INPUT_SCHEMA,
        memory_tools.run_save,
    ),
    ASK_AGENT: BuiltinTool(
        "Ask an agent",
        "Ask another agent of the organization, by its name or id, and get its answer.",
        {
            "type": "object",
            "properties": {
                "agent": {"type": "string", "minLength": 1, "maxLength": 255, "description": "Name or id"},
                "input": {"type": "string", "minLength": 1, "maxLength": 100_000},
            },
            "required": ["agent", "input"],
            "additionalProperties": False,
        },
        _refuse,
    ),
    RUN_WORKFLOW: BuiltinTool(
        "Run a workflow",
        "Run an active workflow of the organization, by its name or id, and get its output.",
        {
            "type": "object",
            "properties": {
                "workflow": {"type": "string", "minLength": 1, "maxLength": 255, "description": "Name or id"},
                "input": {"type": "object", "description": "The input of the workflow"},
            },
            "required": ["workflow"],
            "additionalProperties": False,
        },
        _refuse,
    ),
}
