"""Our messages in pydantic-ai's words, and its answer in ours.

The same messages always make the same parts, so that a conversation that went through a checkpoint reaches
the provider byte for byte as before and its prompt cache holds.
"""

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

from weconnect.agents.providers.messages import Message, ModelRequest, ToolCall, ToolSpec


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


def parameters(tools: list[ToolSpec]) -> ModelRequestParameters:
    """The tools as they were declared: `strict=False` keeps the library from rewriting their schemas."""
    return ModelRequestParameters(
        function_tools=[
            ToolDefinition(
                name=tool.name,
                description=tool.description or None,
                parameters_json_schema=tool.input_schema,
                strict=False,
            )
            for tool in tools
        ]
    )


def text_of(answer: Answer) -> str:
    return "".join(part.content for part in answer.parts if isinstance(part, TextPart))


def calls_of(answer: Answer) -> tuple[list[ToolCall], list[str]]:
    """The tool calls, and a warning for each whose arguments are no JSON object.

    Such arguments come as `{"INVALID_JSON": "…"}`, which an input schema refuses: the model is told.
    """
    calls: list[ToolCall] = []
    warnings: list[str] = []
    for part in answer.parts:
        if not isinstance(part, ToolCallPart):
            continue
        calls.append(ToolCall(id=part.tool_call_id, name=part.tool_name, arguments=part.args_as_dict()))
        if "INVALID_JSON" in calls[-1].arguments:
            warnings.append(f"The model's arguments for {part.tool_name} are not a JSON object.")
    return calls, warnings


def finish_reason(answer: Answer) -> str:
    """`tool_calls`, `stop`, `length`, `content_filter` or `error`; Google says `stop` when it calls tools."""
    if answer.finish_reason in ("tool_call", "stop", None):
        return "tool_calls" if any(isinstance(part, ToolCallPart) for part in answer.parts) else "stop"
    return answer.finish_reason


def _asked(message: Message) -> ModelRequestPart:
    if message.role == "user":
        return UserPromptPart(message.content)
    return ToolReturnPart(
        tool_name=message.tool_name or "",
        content=message.content,
        tool_call_id=message.tool_call_id or "",
        outcome="failed" if message.is_error else "success",
    )


def _answered(message: Message) -> list[ModelResponsePart]:
    parts: list[ModelResponsePart] = [TextPart(message.content)] if message.content else []
    for call in message.tool_calls:
        parts.append(ToolCallPart(tool_name=call.name, args=call.arguments, tool_call_id=call.id))
    return parts
