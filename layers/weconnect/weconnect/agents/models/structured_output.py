"""Structured answers: an answer's JSON Schema on its way to a provider, and the JSON text on its way back.

The provider's native form is taken where the model has one and the schema survives it; else the answer is the
arguments of one more tool, which the model must call when it is done. Either way `ModelReply.text` is JSON text.
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

from weconnect.agents.models.errors import ProviderError
from weconnect.agents.models.message_mapping import parameters
from weconnect.agents.models.messages import ModelRequest

ANSWER_TOOL = "final_answer"
SAYS_NOTHING = frozenset({"$schema", "$id", "$comment", "title", "examples"})  # of the value, that is
Schema = dict[str, Any]


def answer_tool(request: ModelRequest) -> str:
    """The name of the tool that takes the answer: one that the agent has not."""
    name = ANSWER_TOOL
    while any(tool.name == name for tool in request.tools):
        name += "_"
    return name


def with_schema(model: Model[Any], settings: ModelSettings, request: ModelRequest) -> ModelRequestParameters:
    """The tools, and the answer's schema in the best form that the model takes."""
    plain = parameters(request.tools)
    schema = request.output_schema
    if schema is None:
        return plain
    if schema.get("type") != "object":
        raise ProviderError("invalid_request", "The outputSchema must have the type object at its root.")
    native = replace(plain, output_mode="native", output_object=OutputObjectDefinition(json_schema=schema))
    if _takes(model, settings, native, request):
        return native
    tool = ToolDefinition(
        name=answer_tool(request),
        description="Give the final answer. Call it alone, when nothing else is left to do.",
        parameters_json_schema=schema,
        strict=False,
        kind="output",
    )
    return replace(plain, output_mode="tool", output_tools=[tool], allow_text_output=False)


def _takes(
    model: Model[Any], settings: ModelSettings, native: ModelRequestParameters, request: ModelRequest
) -> bool:
    """Whether the native form exists for this request and leaves open objects open."""
    combines = model.profile.get("google_supports_tool_combination", False)
    if request.provider == "google" and request.tools and not combines:
        return False
    if request.provider == "openai_compatible" and request.tools and not is_azure(request):
        # Groq refuses the pair; an Ollama then never calls a tool, because its grammar allows the answer alone.
        return False
    try:
        _, prepared = model.prepare_request(settings, native)
    except (UserError, ModelRequestRejectedError):
        return False
    sent = prepared.output_object.json_schema if prepared.output_object else {}
    return not any(
        pointer.endswith("/additionalProperties") and now is False and was not in (None, False)
        for pointer, was, now in _differences(request.output_schema or {}, sent)
    )


def is_azure(request: ModelRequest) -> bool:
    """Whether a compatible address is Azure's, which serves OpenAI's own models."""
    return (urlsplit(request.base_url or "").hostname or "").endswith(".azure.com")


def changes(request: ModelRequest, body: dict[str, Any]) -> list[str]:
    """A warning that names what of the schema did not go out as asked for, read from the request that went out."""
    if request.output_schema is None:
        return []
    sent = _sent(request, body)
    if sent is None:
        return [f"outputSchema was not sent: {request.provider} does not take it for {request.model}."]
    found = [
        f"{pointer} was {'dropped' if now is None else 'added' if was is None else 'changed'}"
        for pointer, was, now in _differences(request.output_schema, sent)
    ]
    return [f"outputSchema was sent otherwise than written: {'; '.join(found[:10])}."] if found else []


def _sent(request: ModelRequest, body: dict[str, Any]) -> Schema | None:
    """The answer's schema in a request's body, wherever the provider keeps it."""
    found: Any = (
        _at(body, "response_format", "json_schema", "schema")
        or _at(body, "output_config", "format", "schema")
        or _at(body, "generationConfig", "responseJsonSchema")
        or _at(body, "outputConfig", "textFormat", "structure", "jsonSchema", "schema")
    )
    if isinstance(found, str):
        found = json.loads(found)
    name = answer_tool(request)
    for tool in [*body.get("tools", []), *(_at(body, "toolConfig", "tools") or [])]:
        for form in (tool, tool.get("function"), tool.get("toolSpec"), *tool.get("functionDeclarations", [])):
            if form and form.get("name") == name:
                found = (
                    form.get("parameters")
                    or form.get("input_schema")
                    or form.get("parameters_json_schema")
                    or form.get("parametersJsonSchema")
                    or form["inputSchema"]["json"]
                )
    return found if isinstance(found, dict) else None


def _at(value: Any, *path: str) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _differences(was: Any, now: Any, pointer: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two schemas differ: JSON pointer, value before, value after; None stands for absent.

    What means the same is no difference: one allowed value as `const` or `enum`, no `properties` or none in it, and
    a description to which a library added what it dropped.
    """
    if isinstance(was, dict) and isinstance(now, dict):
        names = pointer.endswith(("/properties", "/$defs"))
        if not names and now.get("enum") == [was.get("const")]:
            was = {key: value for key, value in was.items() if key != "const"} | {"enum": now["enum"]}
        for key in [*was, *(key for key in now if key not in was)]:
            if not names and (
                key in SAYS_NOTHING
                or (key == "properties" and not was.get(key) and not now.get(key))
                or (key == "description" and str(was.get(key, "")) in str(now.get(key)))
            ):
                continue
            step = key.replace("~", "~0").replace("/", "~1")
            yield from _differences(was.get(key), now.get(key), f"{pointer}/{step}")
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, pair in enumerate(zip(was, now, strict=True)):
            yield from _differences(*pair, f"{pointer}/{index}")
    elif was != now:
        yield pointer, was, now


def split_answer(request: ModelRequest, answer: ModelResponse) -> tuple[ModelResponse, str | None, list[str]]:
    """The response without calls of the answer's tool, the JSON text that such a call brought, and warnings.

    An answer beside calls of other tools was given before their results were seen: it is left out.
    """
    if request.output_schema is None:
        return answer, None, []
    name = answer_tool(request)
    given = [part for part in answer.parts if isinstance(part, ToolCallPart) and part.tool_name == name]
    if not given:
        return answer, None, []
    rest = replace(answer, parts=[part for part in answer.parts if part not in given])
    if any(isinstance(part, ToolCallPart) for part in rest.parts):
        return rest, None, ["The model answered before its tools did; that answer was left out."]
    arguments = given[0].args
    # Text is what the model wrote, whole or cut: who checks the answer against the schema says so.
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    return rest, text, []
