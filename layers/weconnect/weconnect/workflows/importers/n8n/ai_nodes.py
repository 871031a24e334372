"""Conversion of n8n's nodes that call a model, with the parts attached to them."""

from typing import Any

from weconnect.workflows.importers.n8n import model_nodes
from weconnect.workflows.importers.n8n.conditions import wrap_condition
from weconnect.workflows.importers.n8n.jsonata_terms import constant
from weconnect.workflows.importers.n8n.source_node import (
    MappedNode,
    NodeReader,
    NotConvertible,
    escape_braces,
    is_expression,
)

_AGENTS = ("toolsAgent", "conversationalAgent", "openAiFunctionsAgent")
_TYPES = {"string": "string", "number": "number", "boolean": "boolean", "date": "string"}


def chain(reader: NodeReader) -> MappedNode:
    """Convert n8n's chainLlm node: one prompt, with the answer in the field that the node's version uses."""
    _refuse_parts(reader, "ai_memory", "ai_tool", "ai_document", "ai_retriever")
    system = ""
    for index, row in reader.read_rows("messages", "messageValues"):
        if str(row.get("type", "SystemMessagePromptTemplate")) != "SystemMessagePromptTemplate" or system:
            raise NotConvertible("it sends a conversation to the model")
        system = reader.convert(row.get("message", ""), (*index, "message"))
    parsed = model_nodes.read_answer_schema(reader)
    if parsed is None:
        answer = '{"text": text}' if reader.version >= 1.5 else '{"response": {"text": text}}'
    elif reader.version < 1.5:
        raise NotConvertible("this version returns the parsed answer in another form")
    elif reader.version < 1.6:
        answer = '{"text": $string({"output": structuredOutput})}'
    else:
        answer = '{"output": structuredOutput}'
    return _build_prompt(reader, system, answer, "prompt", parsed)


def agent(reader: NodeReader) -> MappedNode:
    """Convert n8n's agent node: to a prompt node, or to an agent node when it has tools, memory or its own endpoint."""
    kind = reader.read_constant(
        "agent", default="conversationalAgent" if reader.version < 1.6 else "toolsAgent"
    )
    if kind not in _AGENTS:
        raise NotConvertible(f"agents of the kind {kind!r} are not supported")
    if any(reader.attached.get(kind) for kind in ("ai_tool", "ai_memory")) or model_nodes.has_own_endpoint(
        reader
    ):
        return _convert_to_agent(reader)
    system = reader.read_template("options", "systemMessage", default="You are a helpful assistant")
    parsed = model_nodes.read_answer_schema(reader)
    answer = '{"output": text}' if parsed is None else '{"output": structuredOutput}'
    return _build_prompt(reader, system, answer, "text", parsed)


def _convert_to_agent(reader: NodeReader) -> MappedNode:
    """Convert to an agent node with the same input; the user must create the agent with its model, tools and memory."""
    if reader.attached.get("ai_outputParser"):
        raise NotConvertible("an agent with tools returns an object: create the agent and parse its output")
    kinds = ("ai_languageModel", "ai_tool", "ai_memory")
    names = [node.name[:40] for kind in kinds for _, node in reader.attached.get(kind, [])]
    why = f"create an agent with its system message and its parts ({', '.join(names)[:300]}) and set its id here"
    steps = [
        ("agent", {"input": _read_prompt_text(reader, "text")}),
        ("jsonata", {"expression": '{"output": output}'}),
    ]
    reader.read("hasOutputParser")
    return MappedNode(steps, missing={"agentId": why})


def _refuse_parts(reader: NodeReader, *kinds: str) -> None:
    """Raise NotConvertible when parts of these kinds, such as `ai_memory`, are attached to the node."""
    kinds_present = [kind.removeprefix("ai_") for kind in kinds if reader.attached.get(kind)]
    if kinds_present:
        text = "create an agent with them and use an agent node"
        raise NotConvertible(f"it has parts that are independent here ({', '.join(kinds_present)}): {text}")


def _read_prompt_text(reader: NodeReader, old_field: str) -> Any:
    """Return the template of the user's message: n8n's own text, or the chat message of the item."""
    defined = (
        reader.read_constant("promptType", default="auto" if reader.version >= 1.4 else "define") == "define"
    )
    text = reader.read_template("text" if reader.read("text") else old_field)
    return text if defined and text not in (None, "") else "{{ $json.chatInput }}"


def _build_prompt(
    reader: NodeReader,
    system: str,
    answer: str,
    old_field: str,
    parsed: tuple[list[int], dict[str, Any]] | None,
) -> MappedNode:
    """Return a prompt node and a jsonata node with the expression `answer`; `parsed` is of read_answer_schema."""
    index, settings = model_nodes.read_model(reader)
    parameters = (
        settings | {"prompt": _read_prompt_text(reader, old_field)} | ({"system": system} if system else {})
    )
    parsers, schema = parsed or ([], None)
    parameters |= {"outputSchema": schema} if schema else {}
    steps: list[tuple[str, dict[str, Any]]] = [("prompt", parameters), ("jsonata", {"expression": answer})]
    return MappedNode(steps, absorbed=[index, *parsers])


# Nodes with one task


def extractor(reader: NodeReader) -> MappedNode:
    """Convert n8n's informationExtractor node: described fields, an example, or a schema."""
    index, settings = model_nodes.read_model(reader)
    kind = reader.read_constant("schemaType", default="fromAttributes")
    if kind == "fromAttributes":
        schema = _read_attribute_schema(reader)
    else:
        for key in ("jsonSchemaExample", "inputSchema"):
            reader.read(key)
        schema = model_nodes.read_described_schema(reader.node.parameters, every=reader.version >= 1.2)
    text = reader.read_template("text", default="")
    if not text:
        raise NotConvertible("it has no text")
    parameters = settings | {"text": text, "outputSchema": schema, "as": "output"}
    if description := reader.read_template("options", "systemPromptTemplate", default=""):
        parameters["instructions"] = description
    steps = [("extract", parameters), ("jsonata", {"expression": '{"output": output}'})]
    return MappedNode(steps, absorbed=[index])


def _read_attribute_schema(reader: NodeReader) -> dict[str, Any]:
    """Return the JSON Schema of the described fields; raise NotConvertible without any, or for an expression."""
    fields: dict[str, Any] = {}
    required = []
    for _, row in reader.read_rows("attributes", "attributes"):
        name, kind, description = row.get("name"), row.get("type", "string"), row.get("description", "")
        if not isinstance(name, str) or not name or is_expression(name) or is_expression(description):
            raise NotConvertible("a field to extract is missing or an expression")
        fields[name] = {
            "type": _TYPES.get(str(kind), "string"),
            "description": escape_braces(str(description)),
        }
        fields[name] |= {"format": "date"} if kind == "date" else {}
        required += [name] if row.get("required") is True else []
    if not fields:
        raise NotConvertible("it names no fields")
    return {"type": "object", "properties": fields} | ({"required": required} if required else {})


def classifier(reader: NodeReader) -> MappedNode:
    """Convert n8n's textClassifier node, with an output for each category."""
    labels: dict[str, str] = {}
    for _, row in reader.read_rows("categories", "categories"):
        name, description = row.get("category"), row.get("description", "")
        if not isinstance(name, str) or not name.strip() or is_expression(name) or is_expression(description):
            raise NotConvertible("a category is missing or an expression")
        labels[name.strip()[:100]] = escape_braces(str(description))[:1_000]
    if reader.read_constant("options", "multiClass", default=False):
        raise NotConvertible("it may assign several categories to a text")
    if reader.read_constant("options", "fallback", default="discard") == "other":
        labels["Other"] = "Anything that does not match another category"
    else:
        reader.report_left_out(
            "options.fallback", "each text gets one of the categories; n8n drops texts that match none"
        )
    return _build_classification(reader, labels, "classifiedAs")


def sentiment(reader: NodeReader) -> MappedNode:
    """Convert n8n's sentimentAnalysis node, with an output for each sentiment."""
    messages = reader.read_constant("options", "categories", default="Positive, Neutral, Negative")
    labels = dict.fromkeys((name.strip() for name in str(messages).split(",") if name.strip()), "")
    if reader.read_constant("options", "includeDetailedResults", default=False):
        raise NotConvertible("it returns strength and confidence of the sentiment")
    return _build_classification(reader, labels, "sentimentAnalysis.category")


def _build_classification(reader: NodeReader, labels: dict[str, str], field: str) -> MappedNode:
    """Return a classify node that puts the label into `field`, and a switch node with an output for each label."""
    if not 2 <= len(labels) <= 20 or any("{{" in name for name in labels):
        raise NotConvertible(f"{len(labels)} categories are not supported (2 to 20)")
    index, settings = model_nodes.read_model(reader)
    text = reader.read_template("inputText", default="")
    if not text:
        raise NotConvertible("it has no text")
    for key in ("systemPromptTemplate", "enableAutoFixing"):
        if reader.read("options", key):
            reader.report_left_out(f"options.{key}", "the classify node has its own prompt")
    path = field.replace(".", "`.`")
    cases = [
        {"output": f"output{number}", "condition": wrap_condition(f"`{path}` = {constant(name).source}")}
        for number, name in enumerate(labels)
    ]
    reader.report_left_out(field, "each item also has its category in this field")
    steps = [
        ("classify", settings | {"text": text, "labels": labels, "as": field}),
        ("switch", {"cases": cases}),
    ]
    return MappedNode(steps, tuple(f"output{number}" for number in range(len(labels))), absorbed=[index])


def openai(reader: NodeReader) -> MappedNode:
    """Convert n8n's openAi node: one prompt to a model; its other operations raise NotConvertible."""
    resource, operation = (
        reader.read_constant("resource", default="text"),
        reader.read_constant("operation", default=""),
    )
    if resource != "text" or operation not in ("", "message", "response"):
        raise NotConvertible(
            f"{operation or 'this'} with {resource!r} has no equivalent: call OpenAI with an http_request node"
        )
    if reader.read("simplify", default=True) is not True:
        raise NotConvertible("it returns OpenAI's complete response")
    if reader.attached.get("ai_tool") or reader.read("builtInTools"):
        raise NotConvertible("it has tools: create an agent with them and use an agent node")
    new = reader.version >= 2
    messages: dict[str, Any] = {}
    for index, row in reader.read_rows("responses" if new else "messages", "values"):
        role = str(row.get("role", "user"))
        if role not in ("user", "system") or role in messages or row.get("type", "text") != "text":
            raise NotConvertible("it sends a conversation to the model")
        messages[role] = reader.convert(row.get("content", ""), (*index, "content"))
    if not messages.get("user"):
        raise NotConvertible("it has no user message")
    if reader.read("options", "textFormat"):
        raise NotConvertible("it requests a custom text format")
    options = reader.read("options", default={})
    for key in options if isinstance(options, dict) else ():
        reader.read("options", key)
    settings = model_nodes.read_settings(
        reader, "options", "openai", reader.read("modelId"), {"options": options}
    )
    parameters = settings | {"prompt": messages["user"]}
    parameters |= {"system": messages["system"]} if messages.get("system") else {}
    content = "text"
    if reader.read_constant("jsonOutput", default=False) is True:
        parameters["outputSchema"] = {"type": "object", "additionalProperties": True}
        content = "structuredOutput"
    part = f'{{"type": "output_text", "text": {content}}}'
    answer = (
        f'{{"output": [{{"type": "message", "role": "assistant", "content": [{part}]}}]}}'
        if new
        else f'{{"index": 0, "message": {{"role": "assistant", "content": {content}}}}}'
    )
    reader.report_left_out("the answer", "contains the text, but not n8n's metadata of the response")
    return MappedNode([("prompt", parameters), ("jsonata", {"expression": answer})])
