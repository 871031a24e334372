"""The tools that every agent may be given by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from weconnect.agents.tools import calculator, date_time, http_tool, json_query, memory_tools, text
from weconnect.agents.tools.context import ToolContext
from weconnect.agents.tools.errors import ToolError

ASK_AGENT = "ask_agent"
RUN_WORKFLOW = "run_workflow"


@dataclass(frozen=True)
class Builtin:
    display_name: str
    description: str
    input_schema: dict[str, Any]
    run: Callable[[dict[str, Any], ToolContext], Any]


def _only_in_a_run(arguments: dict[str, Any], context: ToolContext) -> Any:
    """What another agent or a workflow answers is a run, which `nested` and `workflows` make of the call."""
    raise ToolError("It is a run that a run starts; start the agent or the workflow itself")


BUILTINS: dict[str, Builtin] = {
    calculator.NAME: Builtin(
        calculator.DISPLAY_NAME,
        calculator.DESCRIPTION,
        calculator.INPUT_SCHEMA,
        lambda arguments, _: calculator.run(arguments),
    ),
    date_time.NAME: Builtin(
        date_time.DISPLAY_NAME,
        date_time.DESCRIPTION,
        date_time.INPUT_SCHEMA,
        lambda arguments, _: date_time.run(arguments),
    ),
    http_tool.NAME: Builtin(
        http_tool.DISPLAY_NAME,
        http_tool.DESCRIPTION,
        http_tool.INPUT_SCHEMA,
        lambda arguments, context: http_tool.run(arguments, idempotency_key=context.call_key),
    ),
    json_query.NAME: Builtin(
        json_query.DISPLAY_NAME,
        json_query.DESCRIPTION,
        json_query.INPUT_SCHEMA,
        lambda arguments, _: json_query.run(arguments),
    ),
    text.NAME: Builtin(
        text.DISPLAY_NAME,
        text.DESCRIPTION,
        text.INPUT_SCHEMA,
        lambda arguments, _: text.run(arguments),
    ),
    memory_tools.SEARCH_NAME: Builtin(
        memory_tools.SEARCH_DISPLAY_NAME,
        memory_tools.SEARCH_DESCRIPTION,
        memory_tools.SEARCH_INPUT_SCHEMA,
        memory_tools.run_search,
    ),
    memory_tools.SAVE_NAME: Builtin(
        memory_tools.SAVE_DISPLAY_NAME,
        memory_tools.SAVE_DESCRIPTION,
        memory_tools.SAVE_INPUT_SCHEMA,
        memory_tools.run_save,
    ),
    ASK_AGENT: Builtin(
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
        _only_in_a_run,
    ),
    RUN_WORKFLOW: Builtin(
        "Run a workflow",
        "Run an active workflow of the organization, by its name or id, and get what it answers.",
        {
            "type": "object",
            "properties": {
                "workflow": {"type": "string", "minLength": 1, "maxLength": 255, "description": "Name or id"},
                "input": {"type": "object", "description": "What the workflow begins with"},
            },
            "required": ["workflow"],
            "additionalProperties": False,
        },
        _only_in_a_run,
    ),
}
