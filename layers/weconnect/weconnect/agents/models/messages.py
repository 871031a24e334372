"""The language between the agent loop and a model provider, independent of both.

Everything here goes through durable checkpoints, so everything is plain JSON data.
"""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field
from pydantic_core import PydanticSerializationError

Data = TypeVar("Data", bound=BaseModel)


class ToolSpec(BaseModel):
    """A tool as a model sees it; `input_schema` is a JSON Schema object."""

    name: str
    description: str = ""
    input_schema: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})


class ToolCall(BaseModel):
    id: str
    name: str
    arguments: dict[str, Any] = {}


class Message(BaseModel):
    """One turn. `tool` messages answer the call `tool_call_id` of the assistant's turn before them."""

    role: Literal["user", "assistant", "tool"]
    content: str = ""
    tool_calls: list[ToolCall] = []
    tool_call_id: str | None = None
    tool_name: str | None = None
    is_error: bool = False


class ModelSettings(BaseModel):
    """The seed's configuration fields that reach a provider's wire."""

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop_sequences: list[str] | None = None


class ModelRequest(BaseModel):
    """One request. `timeout_seconds` bounds the whole exchange.

    With `output_schema`, a JSON Schema of type object, the answer's text is JSON; whether it fits is for the
    caller to check.
    """

    provider: str
    model: str
    system: str = ""
    messages: list[Message]
    tools: list[ToolSpec] = []
    output_schema: dict[str, Any] | None = None
    settings: ModelSettings = ModelSettings()
    base_url: str | None = None
    timeout_seconds: float = 60


class ModelReply(BaseModel):
    """What came back. `cost_micros` is USD * 10^6, None when the model's price is not known."""

    text: str = ""
    tool_calls: list[ToolCall] = []
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_micros: int | None = None
    finish_reason: str = "stop"
    warnings: list[str] = []


def in_whole_characters(model: Data) -> Data:
    """The same, with `?` for each half of a surrogate pair: JSON can carry it, UTF-8 and our table cannot."""
    try:
        model.model_dump_json()
    except PydanticSerializationError:
        return type(model).model_validate(_whole(model.model_dump()))
    return model


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_whole(key): _whole(inner) for key, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value
