"""The rule-based provider, asked as people ask: which tools it calls, with what, and what it says then."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.agents.embedded_requests import (
    ALL,
    ARITHMETIC,
    CALCULATOR,
    DATES,
    LATER,
    MORE,
    NOTHING,
    NOW,
    OWN_TOOLS,
    QUERIES,
    RECALL,
    REMEMBER,
    SMALL_TALK,
    STRING,
    TEXTS,
    WEB,
    WITHOUT_MEMORY,
    ask,
    calls,
    spec,
)
from weconnect.agents.embedded_model import model
from weconnect.agents.models.messages import Message, ModelRequest, ToolCall, ToolSpec
from weconnect.agents.tools import calculator, date_time, json_query
from weconnect.agents.tools import text as texts


@pytest.mark.parametrize(("text", "expected"), ARITHMETIC)
def test_arithmetic(text: str, expected: float) -> None:
    [(name, arguments)] = calls(ask(text))
    assert name == "calculator"
    assert calculator.run(arguments)["result"] == pytest.approx(expected)


@pytest.mark.parametrize(("text", "expected"), DATES)
def test_dates(text: str, expected: dict[str, Any]) -> None:
    assert calls(ask(text)) == [("date_time", expected)]


@pytest.mark.parametrize(("text", "expected"), WEB)
def test_web(text: str, expected: dict[str, Any]) -> None:
    assert calls(ask(text)) == [("http_request", expected)]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_texts(text: str, expected: Any) -> None:
    [(name, arguments)] = calls(ask(text))
    assert name == "text"
    assert texts.run(arguments) == {"result": expected}


@pytest.mark.parametrize(("text", "expected"), QUERIES)
def test_queries(text: str, expected: Any) -> None:
    [(name, arguments)] = calls(ask(text))
    assert name == "json_query"
    assert json_query.run(arguments) == {"result": expected}


@pytest.mark.parametrize(("text", "tool", "arguments"), OWN_TOOLS)
def test_tools_of_the_user(text: str, tool: str, arguments: dict[str, Any]) -> None:
    assert calls(ask(text)) == [(tool, arguments)]


@pytest.mark.parametrize(("text", "fact"), REMEMBER)
def test_remembers(text: str, fact: str) -> None:
    assert calls(ask(text)) == [("memory_save", {"content": fact})]


@pytest.mark.parametrize("text", RECALL)
def test_recalls(text: str) -> None:
    [(name, arguments)] = calls(ask(text))
    assert name == "memory_search"
    assert arguments["query"]


@pytest.mark.parametrize("text", NOTHING)
def test_says_plainly_that_nothing_fits(text: str) -> None:
    reply = ask(text, WITHOUT_MEMORY)
    assert reply.tool_calls == []
    assert "rule-based" in reply.text and "not a language model" in reply.text
    assert "get_weather" in reply.text and "calculator" in reply.text
    assert reply.finish_reason == "stop"


@pytest.mark.parametrize(("text", "expected"), LATER)
def test_phrasings_of_later(text: str, expected: list[tuple[str, dict[str, Any] | None]]) -> None:
    made = calls(ask(text, [*ALL, *MORE]))
    assert [name for name, _ in made] == [name for name, _ in expected]
    for (name, arguments), (_, wanted) in zip(made, expected, strict=True):
        if wanted is not None:
            got = calculator.run(arguments) if name == "calculator" else arguments
            assert got == pytest.approx(wanted) if name == "calculator" else got == wanted


DANGEROUS = [
    spec("approve_invoice", "Approves an invoice", {"invoiceId": STRING}),
    spec("restart_server", "Restarts a server", {"server": STRING}),
    spec("refund_order", "Refunds an order", {"orderId": STRING}),
    spec("wipe_disk", "Wipes a disk", {"diskId": STRING}),
    spec("customer_email", "Sends an e-mail to a customer", {"customer": STRING}),
]


@pytest.mark.parametrize(
    "text",
    [
        "show me invoice 12",
        "how is server alpha?",
        "charge order 12",
        "where is order 12",
        "what is on disk 3",
        "who is customer 7",
        "reject invoice 12",
    ],
)
def test_a_tool_that_changes_things_is_called_only_when_asked_to(text: str) -> None:
    assert calls(ask(text, DANGEROUS)) == []


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("approve invoice 12", "approve_invoice"),
        ("please restart server alpha", "restart_server"),
        ("I want you to refund order 12", "refund_order"),
        ("wipe disk 3", "wipe_disk"),
    ],
)
def test_and_is_called_when_asked_to(text: str, tool: str) -> None:
    assert [name for name, _ in calls(ask(text, DANGEROUS))] == [tool]


@pytest.mark.parametrize("text", ["who are you?", "What can you do?", "help"])
def test_says_what_it_is(text: str) -> None:
    reply = ask(text)
    assert not reply.tool_calls and "not a language model" in reply.text and "calculator" in reply.text


def test_half_a_computation_is_not_passed_for_the_whole() -> None:
    assert calls(ask("multiply the width by 3 + 4", [CALCULATOR])) == []


def test_a_list_of_names_is_a_call_each() -> None:
    made = calls(ask("What's the weather in Paris, New York and Rome?"))
    assert made == [("get_weather", {"city": city}) for city in ("Paris", "New York", "Rome")]


@pytest.mark.parametrize("text", SMALL_TALK)
def test_small_talk_needs_no_tool(text: str) -> None:
    reply = ask(text)
    assert reply.tool_calls == [] and reply.text and "rule-based" not in reply.text


def converse(text: str, results: dict[str, Any], tools: list[ToolSpec] = ALL, system: str = "") -> str:
    """Play the agent loop with canned results until the provider answers; an Exception is a failed tool."""
    messages = [Message(role="user", content=text)]
    for _ in range(6):
        request = ModelRequest(
            provider="embedded", model="embedded", system=system, messages=messages, tools=tools
        )
        reply = model.reply(request, NOW)
        if not reply.tool_calls:
            return reply.text
        messages.append(Message(role="assistant", content=reply.text, tool_calls=reply.tool_calls))
        for call in reply.tool_calls:
            result = results[call.name]
            failed = isinstance(result, Exception)
            content = json.dumps({"error": str(result)}) if failed else json.dumps(result)
            messages.append(
                Message(
                    role="tool", content=content, tool_call_id=call.id, tool_name=call.name, is_error=failed
                )
            )
    raise AssertionError("the provider never answered")


MONTH = date_time.run({"operation": "difference", "other": "2026-12-25"}, NOW)
TOKYO = date_time.run({"operation": "now", "timezone": "Asia/Tokyo"}, NOW)
MEMORIES = {
    "memories": [
        {"id": "1", "content": "my favourite colour is teal", "memoryType": "semantic", "score": 0.9}
    ]
}


@pytest.mark.parametrize(
    ("text", "results", "says"),
    [
        ("what's 17 times 23", {"calculator": {"result": 391}}, ["17 * 23 = 391"]),
        ("0.1 + 0.2", {"calculator": {"result": 0.1 + 0.2}}, ["0.1 + 0.2 = 0.3"]),
        ("what is 5 / 0?", {"calculator": Exception("Division by zero")}, ["failed: Division by zero"]),
        ("what is my favourite colour?", {"memory_search": MEMORIES}, ["Your favourite colour is teal."]),
        ("what is my favourite colour?", {"memory_search": {"memories": []}}, ["I do not know"]),
        ("where do I live?", {"memory_search": MEMORIES}, ["I do not know"]),
        ("what do you know about me?", {"memory_search": MEMORIES}, ["teal"]),
        ("weather in Paris", {"get_weather": {"degrees": 21, "sky": "clear"}}, ["degrees 21, sky clear"]),
        ("weather in Paris", {"get_weather": Exception("timed out")}, ["get_weather failed", "timed out"]),
        (
            "fetch https://example.com/a",
            {"http_request": {"status": 200, "body": '{"ok": true, "n": 3}'}},
            ["GET https://example.com/a answered 200", "ok true", "n 3"],
        ),
        (
            "fetch https://example.com/a",
            {"http_request": {"status": 404, "body": "<h1>Not found</h1>"}},
            ["answered 404: Not found"],
        ),
        ("how many days until 2026-12-25", {"date_time": MONTH}, ["32 days"]),
        ("what time is it in Tokyo?", {"date_time": TOKYO}, ["19:30", "Asia/Tokyo"]),
        ("remember that I like tea", {"memory_save": {"decision": "added"}}, ["remember: I like tea."]),
        ("remember that I like tea", {"memory_save": {"decision": "duplicate_of 7"}}, ["already knew"]),
        (
            "what is 2 + 2 and tell me a joke",
            {"calculator": {"result": 4}},
            ["2 \\+ 2 = 4", "not a language model"],
        ),
        (
            "remember that my rent is 900 and compute 900 * 12",
            {"memory_save": {"decision": "added"}, "calculator": {"result": 10800}},
            ["my rent is 900\\.", "900 \\* 12 = 10800"],
        ),
        (
            "compute 6 * 7 and remember the result",
            {"calculator": {"result": 42}, "memory_save": {"decision": "added"}},
            ["6 \\* 7 = 42", "I will remember: 6 \\* 7 = 42"],
        ),
        (
            "What's the weather in Rome? Also where is order 12?",
            {"get_weather": {"temperature": 9}, "lookup_order": {"state": "shipped"}},
            ["temperature 9", "state shipped"],
        ),
        ("what's the weather?", {}, ["To use get_weather I need: city"]),
    ],
)  # fmt: skip
def test_answers_out_of_results(text: str, results: dict[str, Any], says: list[str]) -> None:
    answer = converse(text, results)
    for expected in says:
        assert re.search(expected, answer) or expected in answer, answer


def test_a_save_comes_before_a_search() -> None:
    first = ask("Remember that my cat is called Tom. What is my cat called?")
    assert [call.name for call in first.tool_calls] == ["memory_save"]


def test_known_facts_need_no_call() -> None:
    system = "You are kind.\n\nKnown facts:\n- my favourite colour is teal\n- [semantic] my dog is Rex\n"
    reply = ask("what is my favourite colour?", system=system)
    assert (reply.tool_calls, reply.text) == ([], "Your favourite colour is teal.")
    assert ask("what is my dog called?", system=system).tool_calls
    assert ask("What is my dog?", tools=[], system=system).text == "Your dog is Rex."


def test_a_follow_up_takes_the_last_result() -> None:
    before = [Message(role="user", content="17 * 23"), Message(role="assistant", content="17 * 23 = 391")]
    assert calls(ask("and times 2?", before=before)) == [("calculator", {"expression": "391 * 2"})]
    assert calls(ask("divide that by 17", before=before)) == [("calculator", {"expression": "391 / 17"})]


def test_the_answer_to_its_own_question_fills_the_gap() -> None:
    before = [Message(role="user", content="what's the weather?")]
    before.append(Message(role="assistant", content=ask("what's the weather?").text))
    assert calls(ask("Paris", before=before)) == [("get_weather", {"city": "Paris"})]


def test_call_ids_do_not_come_twice() -> None:
    old = Message(role="assistant", tool_calls=[ToolCall(id="call_2", name="calculator")])
    reply = ask("2 + 2 and what's the weather in Rome", before=[Message(role="user", content="x"), old])
    assert [call.id for call in reply.tool_calls] == ["call_3", "call_4"]


def test_counts_and_reasons() -> None:
    reply = ask("17 * 23")
    assert (reply.finish_reason, reply.cost_micros) == ("tool_calls", 0)
    assert reply.input_tokens > 0 and reply.output_tokens > 0
    assert ask("17 * 23", tools=[]).finish_reason == "stop"


def test_the_same_question_has_the_same_answer() -> None:
    assert ask("weather in Paris and add 3 and 4") == ask("weather in Paris and add 3 and 4")


SCRAPS = st.sampled_from(
    [text for row in (ARITHMETIC, DATES, WEB, OWN_TOOLS, REMEMBER) for text, *_ in row]
    + RECALL
    + NOTHING
    + SMALL_TALK
)
TEXTS = st.text(max_size=300) | st.lists(SCRAPS | st.text(max_size=20), max_size=5).map(" and ".join)
TYPES = ["string", "integer", "number", "boolean", "array", "object", "null", ["string", "null"]]
SHAPES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(TYPES),
        "enum": st.lists(st.text(max_size=4) | st.integers(), min_size=1, max_size=3),
        "format": st.sampled_from(["email", "uri", "date", "date-time"]),
        "minLength": st.integers(0, 5),
        "maximum": st.integers(0, 50),
        "items": st.sampled_from([{"type": "string"}, {"type": "integer"}]),
        "description": st.text(max_size=10),
        "$ref": st.sampled_from(["#/nowhere", "http://127.0.0.1:9/x"]),
    },
)
KEYS = st.sampled_from(["city", "id", "url", "date", "expression", "from", "to", "items", "query"]) | st.text(
    max_size=5
)
SCHEMAS = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(KEYS, SHAPES, max_size=4)},
    optional={"required": st.lists(KEYS, max_size=2, unique=True), "additionalProperties": st.booleans()},
) | st.sampled_from(
    [{}, {"type": "strange"}, {"properties": []}, {"required": 5}, {"$ref": "http://127.0.0.1:9/x"}]
)
NAMES = st.sampled_from([tool.name for tool in ALL]) | st.text(max_size=8)
TOOLS = st.lists(
    st.sampled_from(ALL)
    | st.builds(ToolSpec, name=NAMES, description=st.text(max_size=30), input_schema=SCHEMAS),
    max_size=6,
    unique_by=lambda tool: tool.name,
)
TURNS = st.lists(
    st.builds(
        Message,
        role=st.sampled_from(["user", "assistant", "tool"]),
        content=TEXTS
        | st.sampled_from(['{"memories": 3}', '{"result": null}', "[1, [2]]", '{"status": 200}', "= 5"]),
        tool_calls=st.lists(st.builds(ToolCall, id=st.sampled_from(["call_1", "x"]), name=NAMES), max_size=2),
        tool_call_id=st.sampled_from([None, "call_1", "x"]),
        is_error=st.booleans(),
    ),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(TEXTS, TOOLS, TURNS, st.text(max_size=60))
def test_no_text_breaks_it_and_every_call_is_valid(
    text: str, tools: list[ToolSpec], turns: list[Message], system: str
) -> None:
    given_tools = {tool.name: tool for tool in tools}
    for messages in (
        [*turns, Message(role="user", content=text)],
        [Message(role="user", content=text), *turns],
    ):
        request = ModelRequest(
            provider="embedded", model="embedded", system=system, messages=messages, tools=tools
        )
        reply = model.reply(request, NOW)
        assert reply.text or reply.tool_calls
        for call in reply.tool_calls:
            Draft202012Validator(given_tools[call.name].input_schema).validate(call.arguments)


@pytest.mark.parametrize(
    "text", ["(" * 5000, "9" * 20_000, "a=" * 3000, "in " * 3000, "1 and " * 2000, '"' * 4001, "{" * 4000]
)
def test_long_repetitions_end_soon(text: str) -> None:
    assert ask(text).finish_reason in ("stop", "tool_calls")
