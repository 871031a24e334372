"""n8n's nodes that ask a model, with the models that hang on them."""

from typing import Any

from weconnect.workflows.n8n.file import N8nNode
from weconnect.workflows.n8n.reading import Made, Reading, Refused, is_expression

_PROVIDERS = {
    "lmChatOpenAi": ("openai", "gpt-4o-mini"),
    "lmChatAnthropic": ("anthropic", "claude-3-sonnet-20240229"),
    "lmChatGoogleGemini": ("google", "gemini-2.5-flash"),
}
MAX_TEMPERATURE = 1


def chain(reading: Reading) -> Made:
    """chainLlm: one question; its answer is in `text`, as here."""
    _without(reading, "ai_outputParser", "ai_memory", "ai_tool", "ai_document", "ai_retriever")
    if reading.raw("hasOutputParser"):
        raise Refused("its answer is read by an output parser")
    system = ""
    for place, row in reading.rows("messages", "messageValues"):
        if str(row.get("type", "SystemMessagePromptTemplate")) != "SystemMessagePromptTemplate" or system:
            raise Refused("it gives the model a conversation")
        system = reading.value(row.get("message", ""), (*place, "message"))
    return _prompt(
        reading, system, None if reading.version >= 1.5 else '{"response": {"text": text}}', "prompt"
    )


def agent(reading: Reading) -> Made:
    """An agent without tools and memory asks once; any other needs an agent of the organization."""
    _without(reading, "ai_tool", "ai_memory", "ai_outputParser")
    kind = reading.fixed("agent", default="conversationalAgent" if reading.version < 1.6 else "toolsAgent")
    if kind not in ("toolsAgent", "conversationalAgent", "openAiFunctionsAgent") or reading.raw(
        "hasOutputParser"
    ):
        raise Refused(f"an agent of the kind {kind!r} with what it needs")
    system = reading.template("options", "systemMessage", default="You are a helpful assistant")
    return _prompt(reading, system, '{"output": text}', "text")


def _without(reading: Reading, *kinds: str) -> None:
    found = [name for kind in kinds for name in [kind.removeprefix("ai_")] if reading.helpers.get(kind)]
    if found:
        text = "make an agent with them, and use a node of the type agent"
        raise Refused(f"it has a part that stands by itself here ({', '.join(found)}): {text}")


def _prompt(reading: Reading, system: str, answer: str | None, old_field: str) -> Made:
    models = reading.helpers.get("ai_languageModel", [])
    if len(models) != 1:
        raise Refused(f"it has {len(models)} models")
    place, model = models[0]
    settings = _model(reading, model)
    defined = reading.fixed("promptType", default="auto" if reading.version >= 1.4 else "define") == "define"
    text = reading.template("text" if reading.raw("text") else old_field)
    if not defined or text in (None, ""):
        text = "{{ $json.chatInput }}"
    parameters = settings | {"prompt": text} | ({"system": system} if system else {})
    chain: list[tuple[str, dict[str, Any]]] = [("prompt", parameters)]
    if answer is None:
        answer = '{"text": text}'
    return Made([*chain, ("jsonata", {"expression": answer})], folded=[place])


def _model(reading: Reading, model: N8nNode) -> dict[str, Any]:
    name = model.type.rpartition(".")[2]
    if name not in _PROVIDERS:
        raise Refused(f"its model, a {name}, has no provider here")
    provider, default = _PROVIDERS[name]
    chosen = model.parameters.get("model") or model.parameters.get("modelName") or default
    if isinstance(chosen, dict):
        chosen = chosen.get("value")
    if not isinstance(chosen, str) or is_expression(chosen) or not 1 <= len(chosen) <= 100:
        raise Refused("its model is named by an expression")
    options = model.parameters.get("options")
    options = options if isinstance(options, dict) else {}
    found: dict[str, Any] = {"provider": provider, "model": chosen.removeprefix("models/")}
    temperature = options.get("temperature")
    if isinstance(temperature, int | float) and not isinstance(temperature, bool):
        found["temperature"] = min(MAX_TEMPERATURE, max(0, temperature))
    most = options.get("maxTokens", options.get("maxOutputTokens", options.get("maxTokensToSample")))
    if isinstance(most, int) and not isinstance(most, bool) and most >= 1:
        found["maxTokens"] = most
    for key in options:
        if key not in ("temperature", "maxTokens", "maxOutputTokens", "maxTokensToSample"):
            reading.leave(f"{model.name}: {key}", "has no counterpart in a prompt")
    return found
