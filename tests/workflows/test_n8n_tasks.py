"""n8n's nodes that do one task, ask models, begin with forms and chats, or run other workflows."""

from typing import Any

import pytest

from tests.workflows.n8n_files import LANGCHAIN, converted, made, n8n, only, why
from weconnect import clock
from weconnect.expressions.rendering import EvaluationContext, render
from weconnect.workflows.importers.n8n.draft import Draft

START = n8n("Start", "manualTrigger")
MODEL = n8n("Model", f"{LANGCHAIN}lmChatOpenAi", 1.2, model={"value": "gpt-4o"})
GPT = {"provider": "openai", "model": "gpt-4o"}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (
            n8n("H", "html", 1.2, html="<b>{{ $json.n }}</b>"),
            [("set", {"values": {"html": "<b>{{ $json.n }}</b>"}, "keepInput": False})],
        ),
        (
            n8n(
                "H",
                "html",
                1.2,
                operation="extractHtmlContent",
                extractionValues={
                    "values": [
                        {"key": "t", "cssSelector": "h1", "returnArray": True},
                        {"key": "a", "cssSelector": "a", "returnValue": "attribute", "attribute": "href"},
                    ]
                },
            ),
            [
                (
                    "html",
                    {
                        "text": "{{ $json.data }}",
                        "extract": {
                            "t": {"selector": "h1", "all": True},
                            "a": {"selector": "a", "all": False, "attribute": "href"},
                        },
                        "keepInput": False,
                    },
                )
            ],
        ),
        (
            n8n("C", "crypto", 1, type="SHA256", value="={{ $json.s }}", dataPropertyName="h.x"),
            [
                (
                    "crypto",
                    {
                        "operation": "hash",
                        "text": "{{ $json.s }}",
                        "algorithm": "sha256",
                        "format": "hex",
                        "as": "h.x",
                    },
                )
            ],
        ),
        (n8n("C", "crypto", 1, action="generate"), [("crypto", {"operation": "id", "as": "data"})]),
        (
            n8n("D", "dateTime", 2),
            [("set", {"values": {"currentDate": "{{ $now() }}"}, "keepInput": False})],
        ),
        (
            n8n("M", "emailSend", 2, subject="Hi", text="=x {{ $json.t }}", toEmail="A <a@b.cd>, e@f.gh"),
            [("email_send", {"to": ["a@b.cd", "e@f.gh"], "subject": "Hi", "text": "x {{ $json.t }}"})],
        ),
        (
            n8n(
                "S",
                "summarize",
                1.1,
                fieldsToSplitBy="k",
                fieldsToSummarize={"values": [{"field": "a b", "aggregation": "sum"}, {"field": "c"}]},
            ),
            [
                (
                    "aggregate",
                    {
                        "operations": [
                            {"function": "sum", "field": "a b", "as": "sum_a_b"},
                            {"function": "count", "field": "c", "as": "count_c"},
                        ],
                        "groupBy": ["k"],
                    },
                )
            ],
        ),
    ],
)
def test_tasks(node: dict[str, Any], expected: list[tuple[str, dict[str, Any]]]) -> None:
    assert made(node) == expected


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (n8n("H", "html", 1.2), "no HTML"),
        (n8n("H", "html", 1.2, operation="extractHtmlContent"), "no values to extract"),
        (n8n("C", "crypto", 1, action="sign", value="x"), "'sign'"),
        (n8n("C", "crypto", 1, value="x", dataPropertyName="={{ $json.k }}"), "expression"),
        (n8n("C", "crypto", 1, value="x", dataPropertyName="a`b"), None),
        (n8n("D", "dateTime", 1), "version 1"),
        (n8n("D", "dateTime", 2, operation="addToDate", magnitude="x", duration=1e308), "calculates with"),
        (n8n("W", "wait", 1.1, amount=1e308, unit="days"), "longer than 30 days"),
        (n8n("D", "dateTime", 2, options={"timezone": "Asia/Tokyo"}), "another time zone"),
        (
            n8n("D", "dateTime", 2, operation="formatDate", date="x", format="custom", customFormat="W"),
            "W in",
        ),
        (n8n("M", "emailSend", 2.1, subject="x", toEmail="a@b.cd"), "HTML"),
        (n8n("M", "emailSend", 2, subject="x", text="y", toEmail="a@b.cd", ccEmail="c@d.ef"), "ccEmail"),
        (n8n("X", "xml", mode="jsonToxml"), "writes XML"),
        (n8n("G", "graphql", 1, endpoint="https://x", query="{a}"), "in the URL"),
        (
            n8n(
                "S", "summarize", fieldsToSummarize={"values": [{"field": "a", "aggregation": "concatenate"}]}
            ),
            "con",
        ),
        (n8n("E", "executeWorkflow", 1.2, mode="each"), "each item"),
        (n8n("F", "formTrigger", 2.2, formFields={"values": [{"fieldType": "file"}]}), "files"),
        (n8n("O", f"{LANGCHAIN}openAi", 1.8), "no user message"),
        (n8n("O", f"{LANGCHAIN}openAi", 1.8, resource="image"), "'image'"),
        (n8n("K", "markdown"), "Markdown"),
        (n8n("T", "slack"), "http_request"),
    ],
)
def test_a_node_without_an_equivalent_has_a_reason(node: dict[str, Any], says: str | None) -> None:
    if says is None:
        assert made(node)[0][1]["as"] == "a`b"
    else:
        assert says in why(node)


def answers(node: dict[str, Any], item: Any) -> Any:
    """Return the value of the last node's expression for an item."""
    kind, parameters = made(node)[-1]
    source = parameters["expression"] if kind == "jsonata" else next(iter(parameters["values"].values()))
    template = "{{" + source + "}}" if kind == "jsonata" else source
    return render(template, [EvaluationContext(item)], {}, clock.now())[0]


def test_moments() -> None:
    date = "2026-01-02T03:04:05.000Z"
    shaped = n8n("D", "dateTime", 2, operation="formatDate", date="={{ $json.d }}", format="yyyy-MM-dd")
    assert answers(shaped, {"d": date}) == answers(shaped, {"d": 1_767_323_045_000}) == "2026-01-02"
    later = n8n(
        "D", "dateTime", 2, operation="addToDate", magnitude="={{ $json.d }}", duration=2, timeUnit="weeks"
    )
    assert answers(later, {"d": date}) == "2026-01-16T03:04:05.000Z"


def test_xml_has_the_names_that_n8n_gives() -> None:
    read = {"xml": {"a": {"@id": "1", "b": ["x", {"@n": "2", "#text": "y"}]}}}
    assert answers(n8n("X", "xml"), read) == {"a": {"id": "1", "b": ["x", {"n": "2", "_": "y"}]}}


def test_forms_and_chats_begin_with_what_is_posted() -> None:
    chat = n8n("C", f"{LANGCHAIN}chatTrigger", 1.1)
    assert made(chat)[0] == ("webhook", {"methods": ["POST"], "responseMode": "last_node"})
    message = {"chatInput": "hi", "sessionId": "s"}
    assert answers(chat, {"body": message}) == answers(chat, message) == {"action": "sendMessage", **message}
    form = n8n("F", "formTrigger", 2.2, formFields={"values": [{"fieldLabel": "Your name"}]})
    draft = converted([form, n8n("N", "noOp")], "F > N")
    assert draft.validation.valid and "Your name" in draft.nodes[0].left_out[0].why
    assert answers(form, {"body": {"Your name": "Ann"}})["Your name"] == "Ann"


def test_another_workflow_is_left_to_be_named() -> None:
    inputs = {"value": {"a": "={{ $json.x }}"}}
    chosen = {"value": "abc", "cachedResultName": "Other"}
    node = n8n("Run", "executeWorkflow", 1.2, workflowId=chosen, workflowInputs=inputs)
    draft = converted([START, node], "Start > Run")
    imported = draft.nodes[1]
    assert (
        imported.status == "incomplete"
        and imported.missing == ["workflowId"]
        and "Other" in (imported.reason or "")
    )
    by_type = {each.type: each for each in draft.definition.nodes}
    assert by_type["set"].parameters == {"values": {"a": "{{ $json.x }}"}, "keepInput": False}
    assert by_type["subworkflow"].is_enabled and not by_type["placeholder"].is_enabled
    assert '"abc"' in by_type["placeholder"].parameters["original"]
    errors = [each for each in draft.validation.findings if each.severity == "error"]
    assert [(each.code, each.node_id) for each in errors] == [
        ("missing_parameter", by_type["subworkflow"].id)
    ]
    counts = draft.build_report([]).counts
    assert (counts.mapped, counts.incomplete, counts.placeholders) == (1, 1, 0) and counts.nodes.taken == 1
    itself = n8n("Run", "executeWorkflow", 1.2, workflowId={"value": "={{ $workflow.id }}"})
    assert only(itself) == {"workflowId": "{{ $execution.workflowId }}"}


# Models


def asking(node: dict[str, Any], *parts: str, more: tuple[dict[str, Any], ...] = ()) -> Draft:
    links = [f"{part} > {node['name']}" for part in ("Start", "Model:ai_languageModel", *parts)]
    return converted([START, MODEL, node, *more], *links)


def steps(draft: Draft) -> list[tuple[str, dict[str, Any]]]:
    assert draft.validation.valid, draft.validation.findings
    return [(node.type, node.parameters) for node in draft.definition.nodes[1:]]


def parser(version: float, **parameters: Any) -> dict[str, Any]:
    return n8n("Parser", f"{LANGCHAIN}outputParserStructured", version, **parameters)


@pytest.mark.parametrize(
    ("version", "parameters", "schema"),
    [
        (
            1.2,
            {"jsonSchemaExample": '{"a": "x", "b": [{"c": 1}], "d": null}'},
            {
                "type": "object",
                "properties": {
                    "a": {"type": "string"},
                    "b": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"c": {"type": "number"}}},
                    },
                    "d": {},
                },
            },
        ),
        (
            1.3,
            {"jsonSchemaExample": '{"a": true}'},
            {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]},
        ),
        (
            1.2,
            {"schemaType": "manual", "inputSchema": '{"properties": {"a": {"description": "{{x}}"}}}'},
            {"type": "object", "properties": {"a": {"description": '{{ "{{" }}x}}'}}},
        ),
        (1.1, {"jsonSchema": '{"type": "object"}'}, {"type": "object"}),
    ],
)
def test_an_output_parser_is_the_schema_of_a_prompt(
    version: float, parameters: dict[str, Any], schema: dict[str, Any]
) -> None:
    node = n8n(
        "Ask", f"{LANGCHAIN}agent", 1.9, promptType="define", text="=Go {{ $json.x }}", hasOutputParser=True
    )
    draft = asking(node, "Parser:ai_outputParser", more=(parser(version, **parameters),))
    prompt, reader = steps(draft)
    assert prompt[1]["outputSchema"] == schema and prompt[1]["prompt"] == "Go {{ $json.x }}"
    assert reader == ("jsonata", {"expression": '{"output": structuredOutput}'})
    assert {node.status for node in draft.nodes} == {"mapped", "translated"}


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({}, "has no schema"),
        ({"jsonSchemaExample": "[1]"}, "does not describe an object"),
        ({"jsonSchemaExample": "{"}, "not JSON"),
        ({"schemaType": "manual", "inputSchema": "={{ $json.s }}"}, "expression"),
        ({"schemaType": "manual", "inputSchema": '{"properties": 5}'}, "not supported"),
    ],
)
def test_an_output_parser_without_a_valid_schema_is_a_placeholder(
    parameters: dict[str, Any], says: str
) -> None:
    node = n8n("Ask", f"{LANGCHAIN}chainLlm", 1.6)
    draft = asking(node, "Parser:ai_outputParser", more=(parser(1.2, **parameters),))
    assert [imported.status for imported in draft.nodes][1:] == ["placeholder"] * 3
    assert says in (draft.nodes[2].reason or "")


def test_an_agent_with_tools_is_left_to_be_made() -> None:
    node = n8n("Ask", f"{LANGCHAIN}agent", 1.9, options={"systemMessage": "=You {{ $json.y }}"})
    tool = n8n("Search", f"{LANGCHAIN}toolHttpRequest", 1.1, url="https://example.com")
    draft = asking(node, "Search:ai_tool", more=(tool,))
    imported = {each.name: each for each in draft.nodes}
    assert imported["Ask"].status == "incomplete" and imported["Ask"].missing == ["agentId"]
    assert (
        "Search" in (imported["Ask"].reason or "")
        and imported["Model"].status == imported["Search"].status == "placeholder"
    )
    kinds = {each.id: each for each in draft.definition.nodes}
    assert kinds["node-2-1"].parameters == {"input": "{{ $json.chatInput }}"}
    assert '"systemMessage":"=You {\\u007b $json.y }}"' in kinds["node-2-original"].parameters["original"]
    assert [(each.expression, each.status) for each in draft.expressions] == [("$json.y", "left")]


def test_openai_and_its_answers() -> None:
    message = {"values": [{"role": "system", "content": "Be brief"}, {"content": "=Hi {{ $json.n }}"}]}
    old = n8n(
        "O",
        f"{LANGCHAIN}openAi",
        1.8,
        modelId={"value": "gpt-4o"},
        messages=message,
        options={"temperature": 0},
    )
    [(kind, parameters), (_, reader)] = made(old)
    assert kind == "prompt"
    assert parameters == GPT | {"temperature": 0, "prompt": "Hi {{ $json.n }}", "system": "Be brief"}
    assert reader == {"expression": '{"index": 0, "message": {"role": "assistant", "content": text}}'}
    [(_, prompt), (_, reader)] = made(
        n8n("O", f"{LANGCHAIN}openAi", 1.8, **old["parameters"], jsonOutput=True)
    )
    assert prompt["outputSchema"] == {"type": "object", "additionalProperties": True}
    assert "structuredOutput" in reader["expression"]
    new = n8n("O", f"{LANGCHAIN}openAi", 2.1, modelId={"value": "gpt-4o"}, responses=message)
    assert render(
        "{{" + made(new)[1][1]["expression"] + "}}", [EvaluationContext({"text": "x"})], {}, clock.now()
    ) == [
        {
            "output": [
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}
            ]
        }
    ]


def test_nodes_that_extract_and_classify() -> None:
    attributes = {"attributes": [{"name": "age", "type": "number", "required": True, "description": "Years"}]}
    node = n8n("E", f"{LANGCHAIN}informationExtractor", 1, text="={{ $json.t }}", attributes=attributes)
    extract, reader = steps(asking(node))
    assert extract == (
        "extract",
        GPT
        | {
            "text": "{{ $json.t }}",
            "outputSchema": {
                "type": "object",
                "properties": {"age": {"type": "number", "description": "Years"}},
                "required": ["age"],
            },
            "as": "output",
        },
    )
    assert reader[1] == {"expression": '{"output": output}'}
    rows = {"categories": [{"category": "Bill", "description": "asks for money"}, {"category": "Else"}]}
    node = n8n("C", f"{LANGCHAIN}textClassifier", 1, inputText="={{ $json.t }}", categories=rows)
    draft = converted(
        [START, MODEL, node, n8n("N", "noOp")], "Start > C", "Model:ai_languageModel > C", "C/1 > N"
    )
    classify, switch, _ = steps(draft)
    assert classify[1]["labels"] == {"Bill": "asks for money", "Else": ""}
    assert [case["condition"] for case in switch[1]["cases"]] == [
        '{{ `classifiedAs` = "Bill" }}',
        '{{ `classifiedAs` = "Else" }}',
    ]
    assert draft.definition.connections[-1].source_output == "output1"


def test_a_model_by_way_of_openrouter() -> None:
    router = n8n("Model", f"{LANGCHAIN}lmChatOpenRouter", 1, model="openai/gpt-4o")
    ask = n8n("Ask", f"{LANGCHAIN}chainLlm", 1.6, promptType="define", text="Hi")
    draft = converted([START, router, ask], "Start > Ask", "Model:ai_languageModel > Ask")
    assert steps(draft)[0][1] == GPT | {"prompt": "Hi"}
    assert "called at openai directly" in draft.nodes[2].left_out[0].why
    router["parameters"]["model"] = "anthropic/claude-3.5-sonnet"
    draft = converted([START, router, ask], "Start > Ask", "Model:ai_languageModel > Ask")
    assert draft.nodes[2].status == "placeholder" and "OpenRouter" in (draft.nodes[2].reason or "")


# Merging


@pytest.mark.parametrize(
    ("version", "parameters", "expected", "inputs"),
    [
        (
            3,
            {"mode": "combine", "combineBy": "combineByPosition"},
            {"mode": "by_position", "keep": "matched"},
            "01",
        ),
        (
            3,
            {
                "mode": "combine",
                "combineBy": "combineByPosition",
                "options": {
                    "includeUnpaired": True,
                    "clashHandling": {"values": {"resolveClash": "preferInput1"}},
                },
            },
            {"mode": "by_position", "keep": "all"},
            "10",
        ),
        (3, {"mode": "chooseBranch", "useDataOfInput": "2"}, {"mode": "one", "input": "input1"}, "01"),
        (2, {"mode": "chooseBranch", "output": "input2"}, {"mode": "one", "input": "input1"}, "01"),
        (1, {"mode": "passThrough"}, {"mode": "one", "input": "input0"}, "01"),
        (1, {"mode": "mergeByIndex", "join": "outer"}, {"mode": "by_position", "keep": "all"}, "01"),
    ],
)
def test_merging(version: float, parameters: dict[str, Any], expected: dict[str, Any], inputs: str) -> None:
    nodes = [START, n8n("M", "merge", version, **parameters)]
    draft = converted(nodes, "Start > M", "Start > M/1")
    assert draft.definition.nodes[1].parameters == expected
    assert [each.target_input for each in draft.definition.connections] == [
        f"input{number}" for number in inputs
    ]
    assert draft.validation.valid


@pytest.mark.parametrize(
    "parameters",
    [
        {"mode": "combine", "combineBy": "combineAll"},
        {"mode": "chooseBranch", "output": "empty"},
        {"mode": "chooseBranch", "useDataOfInput": 3},
        {
            "mode": "combine",
            "combineBy": "combineByPosition",
            "options": {"clashHandling": {"values": {"resolveClash": "addSuffix"}}},
        },
    ],
)
def test_merging_that_has_no_counterpart(parameters: dict[str, Any]) -> None:
    assert why(n8n("M", "merge", 3, **parameters))
