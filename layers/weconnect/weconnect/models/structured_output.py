"""Structured output: the answer's JSON Schema in a request to a provider, and the JSON text in its reply.

The provider's native form is used where the model has one and the schema survives it. Otherwise the answer is the
arguments of an additional tool, which the model must call when it is done. Either way `ModelReply.text` is JSON text.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pydantic_ai.exceptions import ModelRequestRejectedError, UserError
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from weconnect.models.errors import ProviderError
from weconnect.models.message_mapping import to_request_parameters
from weconnect.models.messages import ModelRequest

ANSWER_TOOL_NAME = "final_answer"
ANNOTATIONS = frozenset(
    {"$schema", "$id", "$comment", "title", "examples"}
)  # they do not constrain the value
Schema = dict[str, Any]


def choose_answer_tool_name(request: ModelRequest) -> str:
    """Return a name for the tool that receives the answer, different from those of the agent's tools."""
    name = ANSWER_TOOL_NAME
    while any(tool.name == name for tool in request.tools):
        name += "_"
    return name


def build_request_parameters(
    model: Model[Any], settings: ModelSettings, request: ModelRequest
) -> ModelRequestParameters:
    """Return the tools, and the answer's schema in the best form that the model accepts.

    Raises ProviderError `invalid_request` for a schema that does not describe an object.
    """
    plain = to_request_parameters(request.tools)
    schema = request.output_schema
    if schema is None:
        return plain
    if schema.get("type") != "object":
        raise ProviderError("invalid_request", "The root of the outputSchema must have the type object.")
    native = replace(plain, output_mode="native", output_object=OutputObjectDefinition(json_schema=schema))
    if _supports_native(model, settings, native, request):
        return native
    tool = ToolDefinition(
        name=choose_answer_tool_name(request),
        description="Give the final answer. Call it alone, when nothing else is left to do.",
        parameters_json_schema=schema,
        strict=False,
        kind="output",
    )
    return replace(plain, output_mode="tool", output_tools=[tool], allow_text_output=False)


def _supports_native(
    model: Model[Any], settings: ModelSettings, native: ModelRequestParameters, request: ModelRequest
) -> bool:
    """Return whether the model accepts the native form here, and objects stay open to additional properties."""
    allows_both = model.profile.get("google_supports_tool_combination", False)
    if request.provider == "google" and request.tools and not allows_both:
        return False
    if request.provider == "openai_compatible" and request.tools and not is_azure(request):
        # Groq rejects the pair; an Ollama then never calls a tool, because its grammar permits only the answer.
        return False
    try:
        _, prepared = model.prepare_request(settings, native)
    except (UserError, ModelRequestRejectedError):
        return False
    sent = prepared.output_object.json_schema if prepared.output_object else {}
    return not any(
        pointer.endswith("/additionalProperties") and after is False and before not in (None, False)
        for pointer, before, after in _differences(request.output_schema or {}, sent)
    )


def is_azure(request: ModelRequest) -> bool:
    """Return whether an OpenAI-compatible address belongs to Azure, which serves OpenAI's own models."""
    return (urlsplit(request.base_url or "").hostname or "").endswith(".azure.com")


def describe_schema_changes(request: ModelRequest, body: dict[str, Any]) -> list[str]:
    """Return a warning that names the parts of the schema that were not sent as written, judged by the body sent."""
    if request.output_schema is None:
        return []
    sent = _find_sent_schema(request, body)
    if sent is None:
        return [f"outputSchema was not sent: {request.provider} does not accept it for {request.model}."]
    changes = [
        f"{pointer} was {'dropped' if after is None else 'added' if before is None else 'changed'}"
        for pointer, before, after in _differences(request.output_schema, sent)
    ]
    return [f"outputSchema was modified before it was sent: {'; '.join(changes[:10])}."] if changes else []


def _find_sent_schema(request: ModelRequest, body: dict[str, Any]) -> Schema | None:
    """Return the answer's schema in a request's body, wherever the provider expects it."""
    schema: Any = (
        _get_path(body, "response_format", "json_schema", "schema")
        or _get_path(body, "output_config", "format", "schema")
        or _get_path(body, "generationConfig", "responseJsonSchema")
        or _get_path(body, "outputConfig", "textFormat", "structure", "jsonSchema", "schema")
    )
    if isinstance(schema, str):
        schema = json.loads(schema)
    name = choose_answer_tool_name(request)
    for tool in [*body.get("tools", []), *(_get_path(body, "toolConfig", "tools") or [])]:
        for form in (tool, tool.get("function"), tool.get("toolSpec"), *tool.get("functionDeclarations", [])):
            if form and form.get("name") == name:
                schema = (
                    form.get("parameters")
                    or form.get("input_schema")
                    or form.get("parameters_json_schema")
                    or form.get("parametersJsonSchema")
                    or form["inputSchema"]["json"]
                )
    return schema if isinstance(schema, dict) else None


def _get_path(value: Any, *path: str) -> Any:
    """Return the value at a path of keys; None where one is missing."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _differences(before: Any, after: Any, pointer: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the differences of two schemas: JSON pointer, value before, value after; None means absent.

    Equivalent forms are not reported: one allowed value as `const` or `enum`, missing or empty `properties`, and a
    description to which a library appended the keywords that it dropped.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        has_names_as_keys = pointer.endswith(("/properties", "/$defs"))
        if not has_names_as_keys and after.get("enum") == [before.get("const")]:
            before = {key: value for key, value in before.items() if key != "const"} | {"enum": after["enum"]}
        for key in [*before, *(key for key in after if key not in before)]:
            if not has_names_as_keys and (
                key in ANNOTATIONS
                or (key == "properties" and not before.get(key) and not after.get(key))
                or (key == "description" and str(before.get(key, "")) in str(after.get(key)))
            ):
                continue
            escaped = key.replace("~", "~0").replace("/", "~1")
            yield from _differences(before.get(key), after.get(key), f"{pointer}/{escaped}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from _differences(*pair, f"{pointer}/{index}")
    elif before != after:
        yield pointer, before, after


def extract_answer(
    request: ModelRequest, response: ModelResponse
) -> tuple[ModelResponse, str | None, list[str]]:
    """Return the response without calls of the answer tool, the JSON text of such a call, and warnings.

    An answer next to calls of other tools was written before their results were known: it is discarded.
    """
    if request.output_schema is None:
        return response, None, []
    name = choose_answer_tool_name(request)
    answers = [part for part in response.parts if isinstance(part, ToolCallPart) and part.tool_name == name]
    if not answers:
        return response, None, []
    rest = replace(response, parts=[part for part in response.parts if part not in answers])
    if any(isinstance(part, ToolCallPart) for part in rest.parts):
        return (
            rest,
            None,
            ["The model answered before it had the results of its tools. That answer was discarded."],
        )
    arguments = answers[0].args
    # Text is what the model wrote, complete or cut off: the caller's check against the schema reports that.
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    return rest, text, []
