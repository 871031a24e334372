"""The tools that every agent may be given by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from weconnect.agents.tools import calculator, date_time, http, memory
from weconnect.agents.tools.context import ToolContext


@dataclass(frozen=True)
class Builtin:
    display_name: str
    description: str
    input_schema: dict[str, Any]
    run: Callable[[dict[str, Any], ToolContext], Any]


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
    http.NAME: Builtin(
        http.DISPLAY_NAME,
        http.DESCRIPTION,
        http.INPUT_SCHEMA,
        lambda arguments, context: http.run(arguments, idempotency_key=context.call_key),
    ),
    memory.SEARCH_NAME: Builtin(
        memory.SEARCH_DISPLAY_NAME, memory.SEARCH_DESCRIPTION, memory.SEARCH_INPUT_SCHEMA, memory.run_search
    ),
    memory.SAVE_NAME: Builtin(
        memory.SAVE_DISPLAY_NAME, memory.SAVE_DESCRIPTION, memory.SAVE_INPUT_SCHEMA, memory.run_save
    ),
}
