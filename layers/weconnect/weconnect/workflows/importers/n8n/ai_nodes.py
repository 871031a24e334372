"""n8n's nodes that ask a model, with the parts that hang on them."""

from typing import Any

from weconnect.workflows.importers.n8n import model_nodes
from weconnect.workflows.importers.n8n.conditions import condition
from weconnect.workflows.importers.n8n.jsonata_terms import constant
from weconnect.workflows.importers.n8n.source_node import Made, Reading, Refused, is_expression, literal

_AGENTS = ("toolsAgent", "conversationalAgent", "openAiFunctionsAgent")
_TYPES = {"string": "string", "number": "number", "boolean": "boolean", "date": "string"}


def chain(reading: Reading) -> Made:
    """chainLlm: one question; its answer is in `text`, as here."""
    _without(reading, "ai_memory", "ai_tool", "ai_document", "ai_retriever")
    system = ""
    for place, row in reading.rows("messages", "messageValues"):
        if str(row.get("type", "SystemMessagePromptTemplate")) != "SystemMessagePromptTemplate" or system:
            raise Refused("it gives the model a conversation")
        system = reading.value(row.get("message", ""), (*place, "message"))
    found = model_nodes.answer_schema(reading)
    if found is None:
        answer = '{"text": text}' if reading.version >= 1.5 else '{"response": {"text": text}}'
    elif reading.version < 1.5:
        raise Refused("its version gives the answer that its output parser reads in another form")
    elif reading.version < 1.6:
        answer = '{"text": $string({"output": structuredOutput})}'
    else:
        answer = '{"output": structuredOutput}'
    return _prompt(reading, system, answer, "prompt", found)


def agent(reading: Reading) -> Made:
    """An agent without tools and memory asks once; any other needs an agent of the organization."""
    kind = reading.fixed("agent", default="conversationalAgent" if reading.version < 1.6 else "toolsAgent")
    if kind not in _AGENTS:
        raise Refused(f"an agent of the kind {kind!r}")
    if any(reading.helpers.get(kind) for kind in ("ai_tool", "ai_memory")) or model_nodes.is_elsewhere(
        reading
    ):
        return _of_the_organization(reading)
    system = reading.template("options", "systemMessage", default="You are a helpful assistant")
    found = model_nodes.answer_schema(reading)
    answer = '{"output": text}' if found is None else '{"output": structuredOutput}'
    return _prompt(reading, system, answer, "text", found)


def _of_the_organization(reading: Reading) -> Made:
    """What it is told is here; its model, tools, memory and system message are an agent's own."""
    if reading.helpers.get("ai_outputParser"):
        raise Refused("an agent with tools whose answer is an object: make it, and read what it says")
    kinds = ("ai_languageModel", "ai_tool", "ai_memory")
    names = [node.name[:40] for kind in kinds for _, node in reading.helpers.get(kind, [])]
    why = (
        f"make an agent with its system message and its parts ({', '.join(names)[:300]}) and set its id here"
    )
    steps = [("agent", {"input": _asked(reading, "text")}), ("jsonata", {"expression": '{"output": output}'})]
    reading.raw("hasOutputParser")
    return Made(steps, missing={"agentId": why})


def _without(reading: Reading, *kinds: str) -> None:
    found = [kind.removeprefix("ai_") for kind in kinds if reading.helpers.get(kind)]
    if found:
        text = "make an agent with them, and use a node of the type agent"
        raise Refused(f"it has a part that stands by itself here ({', '.join(found)}): {text}")


def _asked(reading: Reading, old_field: str) -> Any:
    defined = reading.fixed("promptType", default="auto" if reading.version >= 1.4 else "define") == "define"
    text = reading.template("text" if reading.raw("text") else old_field)
    return text if defined and text not in (None, "") else "{{ $json.chatInput }}"


def _prompt(
    reading: Reading,
    system: str,
    answer: str,
    old_field: str,
    found: tuple[list[int], dict[str, Any]] | None,
) -> Made:
    place, settings = model_nodes.model_of(reading)
    parameters = settings | {"prompt": _asked(reading, old_field)} | ({"system": system} if system else {})
    parsers, schema = found or ([], None)
    parameters |= {"outputSchema": schema} if schema else {}
    steps: list[tuple[str, dict[str, Any]]] = [("prompt", parameters), ("jsonata", {"expression": answer})]
    return Made(steps, folded=[place, *parsers])


# Nodes with one task


def extractor(reading: Reading) -> Made:
    """informationExtractor: fields that are described, or an example, or a schema."""
    place, settings = model_nodes.model_of(reading)
    kind = reading.fixed("schemaType", default="fromAttributes")
    if kind == "fromAttributes":
        schema = _of_attributes(reading)
    else:
        for key in ("jsonSchemaExample", "inputSchema"):
            reading.raw(key)
        schema = model_nodes.described(reading.node.parameters, every=reading.version >= 1.2)
    text = reading.template("text", default="")
    if not text:
        raise Refused("it has no text")
    parameters = settings | {"text": text, "outputSchema": schema, "as": "output"}
    if told := reading.template("options", "systemPromptTemplate", default=""):
        parameters["instructions"] = told
    steps = [("extract", parameters), ("jsonata", {"expression": '{"output": output}'})]
    return Made(steps, folded=[place])


def _of_attributes(reading: Reading) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    needed = []
    for _, row in reading.rows("attributes", "attributes"):
        name, kind, told = row.get("name"), row.get("type", "string"), row.get("description", "")
        if not isinstance(name, str) or not name or is_expression(name) or is_expression(told):
            raise Refused("a field to extract is missing or an expression")
        fields[name] = {"type": _TYPES.get(str(kind), "string"), "description": literal(str(told))}
        fields[name] |= {"format": "date"} if kind == "date" else {}
        needed += [name] if row.get("required") is True else []
    if not fields:
        raise Refused("it names no fields")
    return {"type": "object", "properties": fields} | ({"required": needed} if needed else {})


def classifier(reading: Reading) -> Made:
    """textClassifier: an output for each category."""
    labels: dict[str, str] = {}
    for _, row in reading.rows("categories", "categories"):
        name, told = row.get("category"), row.get("description", "")
        if not isinstance(name, str) or not name.strip() or is_expression(name) or is_expression(told):
            raise Refused("a category is missing or an expression")
        labels[name.strip()[:100]] = literal(str(told))[:1_000]
    if reading.fixed("options", "multiClass", default=False):
        raise Refused("a text may have several categories")
    if reading.fixed("options", "fallback", default="discard") == "other":
        labels["Other"] = "Anything that none of the others fits"
    else:
        reading.leave("options.fallback", "each text has one of the categories; n8n drops what fits none")
    return _classified(reading, labels, "classifiedAs")


def sentiment(reading: Reading) -> Made:
    """sentimentAnalysis: an output for each sentiment."""
    said = reading.fixed("options", "categories", default="Positive, Neutral, Negative")
    labels = dict.fromkeys((name.strip() for name in str(said).split(",") if name.strip()), "")
    if reading.fixed("options", "includeDetailedResults", default=False):
        raise Refused("it tells how strong and how certain a sentiment is")
    return _classified(reading, labels, "sentimentAnalysis.category")


def _classified(reading: Reading, labels: dict[str, str], field: str) -> Made:
    if not 2 <= len(labels) <= 20 or any("{{" in name for name in labels):
        raise Refused(f"{len(labels)} categories")
    place, settings = model_nodes.model_of(reading)
    asked = reading.template("inputText", default="")
    if not asked:
        raise Refused("it has no text")
    for key in ("systemPromptTemplate", "enableAutoFixing"):
        if reading.raw("options", key):
            reading.leave(f"options.{key}", "the classify node asks in its own words")
    path = field.replace(".", "`.`")
    cases = [
        {"output": f"output{number}", "condition": condition(f"`{path}` = {constant(name).source}")}
        for number, name in enumerate(labels)
    ]
    reading.leave(field, "each item has its category in this field too, beside the output that it leaves by")
    steps = [
        ("classify", settings | {"text": asked, "labels": labels, "as": field}),
        ("switch", {"cases": cases}),
    ]
    return Made(steps, tuple(f"output{number}" for number in range(len(labels))), folded=[place])


def openai(reading: Reading) -> Made:
    """n8n's node of OpenAI's own: one question to a model; its other operations have no counterpart."""
    resource, operation = reading.fixed("resource", default="text"), reading.fixed("operation", default="")
    if resource != "text" or operation not in ("", "message", "response"):
        raise Refused(
            f"no node does {operation or 'this'} with {resource!r}: call OpenAI with an http_request node"
        )
    if reading.raw("simplify", default=True) is not True:
        raise Refused("it gives OpenAI's whole answer")
    if reading.helpers.get("ai_tool") or reading.raw("builtInTools"):
        raise Refused("it has tools: make an agent with them, and use a node of the type agent")
    new = reading.version >= 2
    said: dict[str, Any] = {}
    for place, row in reading.rows("responses" if new else "messages", "values"):
        role = str(row.get("role", "user"))
        if role not in ("user", "system") or role in said or row.get("type", "text") != "text":
            raise Refused("it gives the model a conversation")
        said[role] = reading.value(row.get("content", ""), (*place, "content"))
    if not said.get("user"):
        raise Refused("it asks nothing")
    if reading.raw("options", "textFormat"):
        raise Refused("it asks for an answer of a form of its own")
    options = reading.raw("options", default={})
    for key in options if isinstance(options, dict) else ():
        reading.raw("options", key)
    settings = model_nodes.settings_of(
        reading, "options", "openai", reading.raw("modelId"), {"options": options}
    )
    parameters = settings | {"prompt": said["user"]}
    parameters |= {"system": said["system"]} if said.get("system") else {}
    content = "text"
    if reading.fixed("jsonOutput", default=False) is True:
        parameters["outputSchema"] = {"type": "object", "additionalProperties": True}
        content = "structuredOutput"
    part = f'{{"type": "output_text", "text": {content}}}'
    answer = (
        f'{{"output": [{{"type": "message", "role": "assistant", "content": [{part}]}}]}}'
        if new
        else f'{{"index": 0, "message": {{"role": "assistant", "content": {content}}}}}'
    )
    reading.leave("the answer", "has the text in its place, and not what n8n tells of how it came to be")
    return Made([("prompt", parameters), ("jsonata", {"expression": answer})])
