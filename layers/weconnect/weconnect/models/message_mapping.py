"""Mapping between our messages and those of pydantic-ai.

The same messages always map to the same parts, so that a conversation that went through a checkpoint reaches the
provider unchanged, byte for byte, and its prompt cache still matches.
"""

import hashlib
import json
import re
from typing import Any

from pydantic_ai import messages as ai
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from weconnect.models.messages import Message, ModelRequest, ToolCall, ToolSpec

MAX_NAME_LENGTH = 64  # the longest tool name that all providers accept
NO_OUTPUT = "(no output)"


def to_model_messages(request: ModelRequest) -> list[ai.ModelMessage]:
    """Return the conversation for pydantic-ai; tool results and user texts between two replies form one message."""
    result: list[ai.ModelMessage] = []
    pending: list[ai.ModelRequestPart] = [ai.SystemPromptPart(request.system)] if request.system else []
    for message in request.messages:
        if message.role != "assistant":
            pending.append(_to_request_part(message))
            continue
        if pending:
            result.append(ai.ModelRequest(parts=pending))
            pending = []
        result.append(ai.ModelResponse(parts=_to_response_parts(message)))
    if pending:
        result.append(ai.ModelRequest(parts=pending))
    return result


def to_provider_tool_name(name: str) -> str:
    """Return a tool's name as every provider accepts it: unchanged, or shortened with a hash of the original.

    Models also invent names, and a name that a model called stays in the conversation.
    """
    if re.fullmatch(rf"[a-zA-Z_][a-zA-Z0-9_-]{{0,{MAX_NAME_LENGTH - 1}}}", name):
        return name
    prefix = re.sub(r"[^a-zA-Z0-9_-]", "_", name)[: MAX_NAME_LENGTH - 10]
    return f"_{prefix}_{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def to_request_parameters(tools: list[ToolSpec]) -> ModelRequestParameters:
    """Return the tools as they were declared: `strict=False` keeps the library from rewriting their schemas."""
    return ModelRequestParameters(
        function_tools=[
            ToolDefinition(
                name=to_provider_tool_name(tool.name),
                description=tool.description or None,
                parameters_json_schema=tool.input_schema,
                strict=False,
            )
            for tool in tools
        ]
    )


def read_text(response: ai.ModelResponse) -> str:
    """Return the text of a response, without the model's reasoning."""
    return "".join(part.content for part in response.parts if isinstance(part, ai.TextPart))


def read_tool_calls(response: ai.ModelResponse, request: ModelRequest) -> tuple[list[ToolCall], list[str]]:
    """Return the tool calls, each with an id that is unique in the conversation, and a warning for each unusable one.

    Arguments that are not a JSON object become `{"INVALID_JSON": "…"}`. The tool's input schema rejects that, and the
    model sees the error.
    """
    original_names = {to_provider_tool_name(tool.name): tool.name for tool in request.tools}
    used_ids = {call.id for message in request.messages for call in message.tool_calls}
    calls: list[ToolCall] = []
    warnings: list[str] = []
    for part in response.parts:
        if not isinstance(part, ai.ToolCallPart):
            continue
        id = _unique_id(part.tool_call_id, used_ids)
        used_ids.add(id)
        name = original_names.get(part.tool_name, part.tool_name)
        calls.append(ToolCall(id=id, name=name, arguments=_read_arguments(part)))
        if "INVALID_JSON" in calls[-1].arguments:
            warnings.append(f"The model's arguments for {name} are not a JSON object.")
    return calls, warnings


def _read_arguments(part: ai.ToolCallPart) -> dict[str, Any]:
    """Return a call's arguments; `{"INVALID_JSON": "…"}` for those that are not a JSON object."""
    if part.args is None or isinstance(part.args, str | dict):
        return part.args_as_dict()
    return {"INVALID_JSON": json.dumps(part.args)}


def _unique_id(id: str, used_ids: set[str]) -> str:
    """Return the id, numbered if it is empty or already used.

    Some servers restart their count with each reply, or send no ids; providers reject a conversation with duplicates.
    """
    if id and id not in used_ids:
        return id
    base = id or "call"
    number = next(number for number in range(2, len(used_ids) + 3) if f"{base}_{number}" not in used_ids)
    return f"{base}_{number}"


def read_finish_reason(response: ai.ModelResponse) -> str:
    """Return `tool_calls`, `stop`, `length`, `content_filter` or `error`; Google says `stop` when it calls tools."""
    if response.finish_reason in ("tool_call", "stop", None):
        has_calls = any(isinstance(part, ai.ToolCallPart) for part in response.parts)
        return "tool_calls" if has_calls else "stop"
    return response.finish_reason


def _to_request_part(message: Message) -> ai.ModelRequestPart:
    """Return a user's text or a tool's result as a part of a pydantic-ai request."""
    if message.role == "user":
        return ai.UserPromptPart(message.content)
    return ai.ToolReturnPart(
        tool_name=to_provider_tool_name(message.tool_name or ""),
        # Anthropic and Bedrock reject a blank result.
        content=message.content if message.content.strip() else NO_OUTPUT,
        tool_call_id=message.tool_call_id or "",
        outcome="failed" if message.is_error else "success",
    )


def _to_response_parts(message: Message) -> list[ai.ModelResponsePart]:
    """Return an earlier reply as pydantic-ai's parts: its text, then its tool calls."""
    parts: list[ai.ModelResponsePart] = [ai.TextPart(message.content)] if message.content else []
    for call in message.tool_calls:
        name = to_provider_tool_name(call.name)
        parts.append(ai.ToolCallPart(tool_name=name, args=call.arguments, tool_call_id=call.id))
    return parts
