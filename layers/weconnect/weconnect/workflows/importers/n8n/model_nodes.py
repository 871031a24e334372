"""The parts that hang on n8n's nodes which ask a model: the model itself, and what reads its answer."""

import json
from typing import Any

from weconnect import json_schema
from weconnect.errors import Invalid
from weconnect.workflows.importers.n8n.source_node import Reading, Refused, is_expression, literal

_PROVIDERS = {
    "lmChatOpenAi": ("openai", "gpt-4o-mini"),
    "lmChatAnthropic": ("anthropic", "claude-3-sonnet-20240229"),
    "lmChatGoogleGemini": ("google", "gemini-2.5-flash"),
    "lmChatOpenRouter": ("openrouter", "openai/gpt-4.1-mini"),
}
_ROUTED = {"openai": "openai", "google": "google"}
"""Whose models have the same names at OpenRouter, behind the provider's."""
_ELSEWHERE = {"lmChatOllama", "lmChatAzureOpenAi", "lmChatGroq", "lmChatDeepSeek", "lmChatMistralCloud"}
"""Those that speak as OpenAI does, at an address of their own."""
_OPTIONS = ("temperature", "maxTokens", "maxOutputTokens", "maxTokensToSample")
MAX_TEMPERATURE = 1


def is_elsewhere(reading: Reading) -> bool:
    """Whether its only model is at an address that an agent can name, and a prompt cannot."""
    found = reading.helpers.get("ai_languageModel", [])
    return len(found) == 1 and found[0][1].type.rpartition(".")[2] in _ELSEWHERE


def model_of(reading: Reading) -> tuple[int, dict[str, Any]]:
    """The place of the one model that a node has, and its settings in our terms; raises Refused."""
    found = reading.helpers.get("ai_languageModel", [])
    if len(found) != 1:
        raise Refused(f"it has {len(found)} models")
    place, model = found[0]
    name = model.type.rpartition(".")[2]
    if name not in _PROVIDERS:
        raise Refused(f"its model, a {name}, has no provider here")
    provider, default = _PROVIDERS[name]
    chosen = model.parameters.get("model") or model.parameters.get("modelName")
    return place, settings_of(reading, model.name, provider, chosen or default, model.parameters)


def settings_of(
    reading: Reading, told: str, provider: str, chosen: Any, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Provider, model and options; raises Refused for a model that is known only when it runs."""
    if isinstance(chosen, dict):
        chosen = chosen.get("value")
    if not isinstance(chosen, str) or is_expression(chosen) or not 1 <= len(chosen) <= 100 or "{{" in chosen:
        raise Refused("its model is named by an expression, or not at all")
    if provider == "openrouter":
        maker, _, chosen = chosen.partition("/")
        if maker not in _ROUTED or not chosen or ":" in chosen:
            raise Refused(f"OpenRouter is no provider here, and {maker!r} names its models otherwise itself")
        provider = _ROUTED[maker]
        reading.leave(f"{told}: OpenRouter", f"the same model is asked of {provider} itself")
    found: dict[str, Any] = {"provider": provider, "model": chosen.removeprefix("models/")}
    options = parameters.get("options")
    options = options if isinstance(options, dict) else {}
    temperature = options.get("temperature")
    if isinstance(temperature, int | float) and not isinstance(temperature, bool):
        found["temperature"] = min(MAX_TEMPERATURE, max(0, temperature))
        if temperature > MAX_TEMPERATURE:
            reading.leave(f"{told}: temperature", f"is at most {MAX_TEMPERATURE}")
    most = options.get("maxTokens", options.get("maxOutputTokens", options.get("maxTokensToSample")))
    if isinstance(most, int) and not isinstance(most, bool) and 1 <= most <= 1_000_000:
        found["maxTokens"] = most
    for key in options:
        if key not in _OPTIONS:
            reading.leave(f"{told}: {key}", "has no counterpart in a prompt")
    return found


def answer_schema(reading: Reading) -> tuple[list[int], dict[str, Any]] | None:
    """The places of what reads the answer, and the schema that it has to fit; None where nothing does.

    Raises Refused for a parser that is no JSON Schema.
    """
    found = reading.helpers.get("ai_outputParser", [])
    if not found:
        if reading.raw("hasOutputParser") is True:
            raise Refused("its answer is read by an output parser, which the file has not")
        return None
    reading.raw("hasOutputParser")
    if len(found) > 1:
        raise Refused(f"its answer is read by {len(found)} output parsers")
    place, parser = found[0]
    if parser.type.rpartition(".")[2] != "outputParserStructured":
        raise Refused(f"its answer is read by a {parser.type.rpartition('.')[2]}")
    version = (parser.model_extra or {}).get("typeVersion")
    version = version if isinstance(version, int | float) else 1
    if parser.parameters.get("autoFix"):
        reading.leave(
            f"{parser.name}: autoFix", "an answer that does not fit is asked for again by the node's retry"
        )
    if version < 1.2:
        return [place], schema_of(parser.parameters.get("jsonSchema"))
    return [place], described(parser.parameters, every=version >= 1.3)


def described(parameters: dict[str, Any], *, every: bool) -> dict[str, Any]:
    """A schema that is written out, or made of an example whose fields are needed, `every` one or none."""
    if parameters.get("schemaType", "fromJson") == "manual":
        return schema_of(parameters.get("inputSchema"))
    found = _read(parameters.get("jsonSchemaExample"))
    return _checked(_of_example(found, every=every))


def schema_of(text: Any) -> dict[str, Any]:
    """A JSON Schema that is written as text."""
    return _checked(_read(text))


def _read(text: Any) -> Any:
    if not isinstance(text, str) or not text.strip():
        raise Refused("what reads its answer does not say which form it has")
    if is_expression(text):
        if "{{" in text:
            raise Refused("the form of its answer is an expression")
        text = text[1:]
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        raise Refused("the form of its answer is no JSON") from None


def _of_example(value: Any, *, every: bool) -> dict[str, Any]:
    match value:
        case bool():
            return {"type": "boolean"}
        case int() | float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array"} | ({"items": _of_example(value[0], every=every)} if value else {})
        case dict():
            fields = {key: _of_example(inner, every=every) for key, inner in value.items()}
            needed: dict[str, Any] = {"required": list(fields)} if every and fields else {}
            return {"type": "object", "properties": fields} | needed
    return {}


def _checked(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise Refused("the form of its answer is no schema of an object")
    try:
        json_schema.check(schema, "/outputSchema")
    except Invalid as error:
        raise Refused(f"the form of its answer cannot be checked here: {error.detail}") from None
    found: dict[str, Any] = {"type": "object"} | _plain(schema)
    return found


def _plain(value: Any) -> Any:
    """A schema in which no text is an expression."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return literal(value) if isinstance(value, str) else value
