"""Parts attached to n8n's nodes that call a model: the model itself, and the output parser."""

import json
from typing import Any

from weconnect import json_schema
from weconnect.errors import Invalid
from weconnect.workflows.importers.n8n.source_node import (
    NodeReader,
    NotConvertible,
    escape_braces,
    is_expression,
)

_PROVIDERS = {
    "lmChatOpenAi": ("openai", "gpt-4o-mini"),
    "lmChatAnthropic": ("anthropic", "claude-3-sonnet-20240229"),
    "lmChatGoogleGemini": ("google", "gemini-2.5-flash"),
    "lmChatOpenRouter": ("openrouter", "openai/gpt-4.1-mini"),
}
# Providers whose models have the same names at OpenRouter, after the provider's prefix.
_ROUTED = {"openai": "openai", "google": "google"}
# OpenAI-compatible providers with their own endpoint.
_WITH_ENDPOINT = {"lmChatOllama", "lmChatAzureOpenAi", "lmChatGroq", "lmChatDeepSeek", "lmChatMistralCloud"}
_OPTIONS = ("temperature", "maxTokens", "maxOutputTokens", "maxTokensToSample")
MAX_TEMPERATURE = 1


def has_own_endpoint(reader: NodeReader) -> bool:
    """Return whether the only model has its own endpoint, which an agent can set and a prompt node cannot."""
    models = reader.attached.get("ai_languageModel", [])
    return len(models) == 1 and models[0][1].type.rpartition(".")[2] in _WITH_ENDPOINT


def read_model(reader: NodeReader) -> tuple[int, dict[str, Any]]:
    """Return the index of the node's one model, and its settings in our terms; raise NotConvertible."""
    models = reader.attached.get("ai_languageModel", [])
    if len(models) != 1:
        raise NotConvertible(f"it has {len(models)} models")
    index, model = models[0]
    name = model.type.rpartition(".")[2]
    if name not in _PROVIDERS:
        raise NotConvertible(f"its model, {name}, has no provider here")
    provider, default = _PROVIDERS[name]
    chosen = model.parameters.get("model") or model.parameters.get("modelName")
    return index, read_settings(reader, model.name, provider, chosen or default, model.parameters)


def read_settings(
    reader: NodeReader, label: str, provider: str, chosen: Any, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Return provider, model and options; raise NotConvertible for a model that an expression computes."""
    if isinstance(chosen, dict):
        chosen = chosen.get("value")
    if not isinstance(chosen, str) or is_expression(chosen) or not 1 <= len(chosen) <= 100 or "{{" in chosen:
        raise NotConvertible("its model is missing or an expression")
    if provider == "openrouter":
        maker, _, chosen = chosen.partition("/")
        if maker not in _ROUTED or not chosen or ":" in chosen:
            raise NotConvertible(f"OpenRouter is not supported, and {maker!r} has other names for its models")
        provider = _ROUTED[maker]
        reader.report_left_out(f"{label}: OpenRouter", f"the same model is called at {provider} directly")
    settings: dict[str, Any] = {"provider": provider, "model": chosen.removeprefix("models/")}
    options = parameters.get("options")
    options = options if isinstance(options, dict) else {}
    temperature = options.get("temperature")
    if isinstance(temperature, int | float) and not isinstance(temperature, bool):
        settings["temperature"] = min(MAX_TEMPERATURE, max(0, temperature))
        if temperature > MAX_TEMPERATURE:
            reader.report_left_out(f"{label}: temperature", f"was limited to {MAX_TEMPERATURE}")
    most = options.get("maxTokens", options.get("maxOutputTokens", options.get("maxTokensToSample")))
    if isinstance(most, int) and not isinstance(most, bool) and 1 <= most <= 1_000_000:
        settings["maxTokens"] = most
    for key in options:
        if key not in _OPTIONS:
            reader.report_left_out(f"{label}: {key}", "has no equivalent in a prompt node")
    return settings


def read_answer_schema(reader: NodeReader) -> tuple[list[int], dict[str, Any]] | None:
    """Return the indexes of the output parsers and the schema of the answer; None without a parser.

    Raises NotConvertible for a parser without a JSON Schema.
    """
    parsers = reader.attached.get("ai_outputParser", [])
    if not parsers:
        if reader.read("hasOutputParser") is True:
            raise NotConvertible("its output parser is missing in the file")
        return None
    reader.read("hasOutputParser")
    if len(parsers) > 1:
        raise NotConvertible(f"it has {len(parsers)} output parsers")
    index, parser = parsers[0]
    if parser.type.rpartition(".")[2] != "outputParserStructured":
        raise NotConvertible(f"its output parser is {parser.type.rpartition('.')[2]}")
    version = (parser.model_extra or {}).get("typeVersion")
    version = version if isinstance(version, int | float) else 1
    if parser.parameters.get("autoFix"):
        reader.report_left_out(
            f"{parser.name}: autoFix",
            "an answer that violates the schema is requested again by the node's retry",
        )
    if version < 1.2:
        return [index], parse_schema(parser.parameters.get("jsonSchema"))
    return [index], read_described_schema(parser.parameters, every=version >= 1.3)


def read_described_schema(parameters: dict[str, Any], *, every: bool) -> dict[str, Any]:
    """Return a written schema, or one derived from an example, in which `every` field or none is required."""
    if parameters.get("schemaType", "fromJson") == "manual":
        return parse_schema(parameters.get("inputSchema"))
    schema = _parse_json(parameters.get("jsonSchemaExample"))
    return _check_schema(_derive_schema(schema, every=every))


def parse_schema(text: Any) -> dict[str, Any]:
    """Return the JSON Schema in a text; raise NotConvertible."""
    return _check_schema(_parse_json(text))


def _parse_json(text: Any) -> Any:
    """Return the value of constant JSON text; raise NotConvertible."""
    if not isinstance(text, str) or not text.strip():
        raise NotConvertible("its output parser has no schema")
    if is_expression(text):
        if "{{" in text:
            raise NotConvertible("the schema of its answer is an expression")
        text = text[1:]
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        raise NotConvertible("the schema of its answer is not JSON") from None


def _derive_schema(value: Any, *, every: bool) -> dict[str, Any]:
    """Return the JSON Schema of an example; with `every`, all of its fields are required."""
    match value:
        case bool():
            return {"type": "boolean"}
        case int() | float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array"} | ({"items": _derive_schema(value[0], every=every)} if value else {})
        case dict():
            fields = {key: _derive_schema(inner, every=every) for key, inner in value.items()}
            required: dict[str, Any] = {"required": list(fields)} if every and fields else {}
            return {"type": "object", "properties": fields} | required
    return {}


def _check_schema(schema: Any) -> dict[str, Any]:
    """Return a JSON Schema without expressions in its texts; raise NotConvertible unless it describes an object."""
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise NotConvertible("the schema of its answer does not describe an object")
    try:
        json_schema.require_valid_schema(schema, "/outputSchema")
    except Invalid as error:
        raise NotConvertible(f"the schema of its answer is not supported: {error.detail}") from None
    result: dict[str, Any] = {"type": "object"} | _escape_texts(schema)
    return result


def _escape_texts(value: Any) -> Any:
    """Return a schema in which no text is an expression."""
    if isinstance(value, dict):
        return {key: _escape_texts(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_escape_texts(inner) for inner in value]
    return escape_braces(value) if isinstance(value, str) else value
