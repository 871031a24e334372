"""Requests to models and their replies, in one form for all providers.

All of it goes through durable checkpoints, so all of it is plain JSON data.
"""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field
from pydantic_core import PydanticSerializationError

AnyModel = TypeVar("AnyModel", bound=BaseModel)


class ToolSpec(BaseModel):
    """A tool as the model sees it; `input_schema` is a JSON Schema object."""

    name: str
    description: str = ""
    input_schema: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})


class ToolCall(BaseModel):
    """A call that the model asks for; `id` is unique in the conversation."""

    id: str
    name: str
    arguments: dict[str, Any] = {}


class Message(BaseModel):
    """One message of a conversation. A `tool` message has the result of the assistant's call `tool_call_id`."""

    role: Literal["user", "assistant", "tool"]
    content: str = ""
    tool_calls: list[ToolCall] = []
    tool_call_id: str | None = None
    tool_name: str | None = None
    is_error: bool = False


class ModelSettings(BaseModel):
    """The fields of an agent's configuration that are sent to the provider."""

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop_sequences: list[str] | None = None


class ModelRequest(BaseModel):
    """One request to a model. `timeout_seconds` bounds the whole exchange.

    With `output_schema`, a JSON Schema of type object, the reply's text is JSON; the caller checks it against the
    schema.
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
    """The reply of a model. `cost_micros` is USD * 10^6, None when the model's price is unknown."""

    text: str = ""
    tool_calls: list[ToolCall] = []
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_micros: int | None = None
    finish_reason: str = "stop"
    warnings: list[str] = []


def replace_lone_surrogates(model: AnyModel) -> AnyModel:
    """Return the model with `?` for each lone surrogate: JSON can contain one, UTF-8 and DynamoDB cannot."""
    try:
        model.model_dump_json()
    except PydanticSerializationError:
        return type(model).model_validate(_replace_in(model.model_dump()))
    return model


def _replace_in(value: Any) -> Any:
    """Return a JSON value with `?` for each lone surrogate, in keys too."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_replace_in(key): _replace_in(inner) for key, inner in value.items()}
    return [_replace_in(inner) for inner in value] if isinstance(value, list) else value
