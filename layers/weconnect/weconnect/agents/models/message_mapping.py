"""Our messages in pydantic-ai's words, and its answer in ours.

The same messages always make the same parts, so that a conversation that went through a checkpoint reaches
the provider byte for byte as before and its prompt cache holds.
"""

import hashlib
import json
import re
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequestPart,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.messages import ModelRequest as Turn
from pydantic_ai.messages import ModelResponse as Answer
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from weconnect.agents.models.messages import Message, ModelRequest, ToolCall, ToolSpec

NAME_LENGTH = 64  # the most that all of the wires take
NO_OUTPUT = "(no output)"


def turns(request: ModelRequest) -> list[ModelMessage]:
    """The conversation; what stands between two answers (tool results, user text) is one turn."""
    result: list[ModelMessage] = []
    pending: list[ModelRequestPart] = [SystemPromptPart(request.system)] if request.system else []
    for message in request.messages:
        if message.role != "assistant":
            pending.append(_asked(message))
            continue
        if pending:
            result.append(Turn(parts=pending))
            pending = []
        result.append(Answer(parts=_answered(message)))
    if pending:
        result.append(Turn(parts=pending))
    return result


def wire_name(name: str) -> str:
    """A tool's name as every provider takes it: it stays as it is, or is shortened beside a hash of itself.

    Models also make names up, and what they called stands in the conversation from then on.
    """
    if re.fullmatch(rf"[a-zA-Z_][a-zA-Z0-9_-]{{0,{NAME_LENGTH - 1}}}", name):
        return name
    kept = re.sub(r"[^a-zA-Z0-9_-]", "_", name)[: NAME_LENGTH - 10]
    return f"_{kept}_{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def parameters(tools: list[ToolSpec]) -> ModelRequestParameters:
    """The tools as they were declared: `strict=False` keeps the library from rewriting their schemas."""
    return ModelRequestParameters(
        function_tools=[
            ToolDefinition(
                name=wire_name(tool.name),
                description=tool.description or None,
                parameters_json_schema=tool.input_schema,
                strict=False,
            )
            for tool in tools
        ]
    )


def text_of(answer: Answer) -> str:
    return "".join(part.content for part in answer.parts if isinstance(part, TextPart))


def calls_of(answer: Answer, request: ModelRequest) -> tuple[list[ToolCall], list[str]]:
    """The tool calls, each with an id of its own in the conversation, and a warning for each that is not usable.

    Arguments that are no JSON object become `{"INVALID_JSON": "…"}`, which an input schema refuses: the model is told.
    """
    names = {wire_name(tool.name): tool.name for tool in request.tools}
    taken = {call.id for message in request.messages for call in message.tool_calls}
    calls: list[ToolCall] = []
    warnings: list[str] = []
    for part in answer.parts:
        if not isinstance(part, ToolCallPart):
            continue
        id = _free_id(part.tool_call_id, taken)
        taken.add(id)
        name = names.get(part.tool_name, part.tool_name)
        calls.append(ToolCall(id=id, name=name, arguments=_arguments(part)))
        if "INVALID_JSON" in calls[-1].arguments:
            warnings.append(f"The model's arguments for {name} are not a JSON object.")
    return calls, warnings


def _arguments(part: ToolCallPart) -> dict[str, Any]:
    if part.args is None or isinstance(part.args, str | dict):
        return part.args_as_dict()
    return {"INVALID_JSON": json.dumps(part.args)}


def _free_id(id: str, taken: set[str]) -> str:
    """Some servers count their calls anew in each answer, or give no id; a conversation with twins is refused."""
    if id and id not in taken:
        return id
    number = next(number for number in range(2, len(taken) + 3) if f"{id or 'call'}_{number}" not in taken)
    return f"{id or 'call'}_{number}"


def finish_reason(answer: Answer) -> str:
    """`tool_calls`, `stop`, `length`, `content_filter` or `error`; Google says `stop` when it calls tools."""
    if answer.finish_reason in ("tool_call", "stop", None):
        return "tool_calls" if any(isinstance(part, ToolCallPart) for part in answer.parts) else "stop"
    return answer.finish_reason


def _asked(message: Message) -> ModelRequestPart:
    if message.role == "user":
        return UserPromptPart(message.content)
    return ToolReturnPart(
        tool_name=wire_name(message.tool_name or ""),
        # Anthropic and Bedrock refuse a blank one.
        content=message.content if message.content.strip() else NO_OUTPUT,
        tool_call_id=message.tool_call_id or "",
        outcome="failed" if message.is_error else "success",
    )


def _answered(message: Message) -> list[ModelResponsePart]:
    parts: list[ModelResponsePart] = [TextPart(message.content)] if message.content else []
    for call in message.tool_calls:
        parts.append(ToolCallPart(tool_name=wire_name(call.name), args=call.arguments, tool_call_id=call.id))
    return parts
