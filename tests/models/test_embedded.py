"""The embedded model with requests as people phrase them: its tool calls and its answers."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.models.embedded_requests import (
    ALL_TOOLS,
    ARITHMETIC,
    CALCULATOR,
    CUSTOM_TOOLS,
    DATES,
    HELD_OUT,
    HELD_OUT_TOOLS,
    NOW,
    QUERIES,
    RECALL,
    REMEMBER,
    SMALL_TALK,
    STRING,
    TEXTS,
    UNANSWERABLE,
    WEB,
    WITHOUT_MEMORY,
    calls_in,
    reply_to,
    tool_spec,
)
from weconnect.agents.tools import json_query
from weconnect.agents.tools import text as text_tool
from weconnect.calculations import calculator, date_time
from weconnect.models.embedded import model
from weconnect.models.messages import Message, ModelRequest, ToolCall, ToolSpec


@pytest.mark.parametrize(("text", "expected"), ARITHMETIC)
def test_arithmetic_is_read_as_an_expression(text: str, expected: float) -> None:
    [(name, arguments)] = calls_in(reply_to(text))
    assert name == "calculator"
    assert calculator.run(arguments)["result"] == pytest.approx(expected)


@pytest.mark.parametrize(("text", "expected"), DATES)
def test_questions_about_dates_are_read(text: str, expected: dict[str, Any]) -> None:
    assert calls_in(reply_to(text)) == [("date_time", expected)]


@pytest.mark.parametrize(("text", "expected"), WEB)
def test_http_requests_are_read(text: str, expected: dict[str, Any]) -> None:
    assert calls_in(reply_to(text)) == [("http_request", expected)]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_text_operations_are_read(text: str, expected: Any) -> None:
    [(name, arguments)] = calls_in(reply_to(text))
    assert name == "text"
    assert text_tool.run(arguments) == {"result": expected}


@pytest.mark.parametrize(("text", "expected"), QUERIES)
def test_json_queries_are_read(text: str, expected: Any) -> None:
    [(name, arguments)] = calls_in(reply_to(text))
    assert name == "json_query"
    assert json_query.run(arguments) == {"result": expected}


@pytest.mark.parametrize(("text", "tool", "arguments"), CUSTOM_TOOLS)
def test_custom_tools_are_called(text: str, tool: str, arguments: dict[str, Any]) -> None:
    assert calls_in(reply_to(text)) == [(tool, arguments)]


@pytest.mark.parametrize(("text", "fact"), REMEMBER)
def test_facts_to_remember_are_saved(text: str, fact: str) -> None:
    assert calls_in(reply_to(text)) == [("memory_save", {"content": fact})]


@pytest.mark.parametrize("text", RECALL)
def test_questions_about_the_user_search_the_memory(text: str) -> None:
    [(name, arguments)] = calls_in(reply_to(text))
    assert name == "memory_search"
    assert arguments["query"]


@pytest.mark.parametrize("text", UNANSWERABLE)
def test_the_reply_says_that_no_rule_applies(text: str) -> None:
    reply = reply_to(text, WITHOUT_MEMORY)
    assert reply.tool_calls == []
    assert "rule-based" in reply.text and "not a language model" in reply.text
    assert "get_weather" in reply.text and "calculator" in reply.text
    assert reply.finish_reason == "stop"


@pytest.mark.parametrize(("text", "expected"), HELD_OUT)
def test_held_out_requests_call_the_right_tools(
    text: str, expected: list[tuple[str, dict[str, Any] | None]]
) -> None:
    actual = calls_in(reply_to(text, [*ALL_TOOLS, *HELD_OUT_TOOLS]))
    assert [name for name, _ in actual] == [name for name, _ in expected]
    for (name, arguments), (_, expected_arguments) in zip(actual, expected, strict=True):
        if expected_arguments is None:
            continue
        if name == "calculator":
            assert calculator.run(arguments) == pytest.approx(expected_arguments)
        else:
            assert arguments == expected_arguments


DANGEROUS = [
    tool_spec("approve_invoice", "Approves an invoice", {"invoiceId": STRING}),
    tool_spec("restart_server", "Restarts a server", {"server": STRING}),
    tool_spec("refund_order", "Refunds an order", {"orderId": STRING}),
    tool_spec("wipe_disk", "Wipes a disk", {"diskId": STRING}),
    tool_spec("customer_email", "Sends an e-mail to a customer", {"customer": STRING}),
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
def test_a_tool_that_changes_something_is_not_called_for_another_action(text: str) -> None:
    assert calls_in(reply_to(text, DANGEROUS)) == []


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("approve invoice 12", "approve_invoice"),
        ("please restart server alpha", "restart_server"),
        ("I want you to refund order 12", "refund_order"),
        ("wipe disk 3", "wipe_disk"),
    ],
)
def test_a_tool_that_changes_something_is_called_for_its_own_action(text: str, tool: str) -> None:
    assert [name for name, _ in calls_in(reply_to(text, DANGEROUS))] == [tool]


@pytest.mark.parametrize("text", ["who are you?", "What can you do?", "help"])
def test_the_model_describes_itself(text: str) -> None:
    reply = reply_to(text)
    assert not reply.tool_calls and "not a language model" in reply.text and "calculator" in reply.text


def test_half_a_computation_is_not_calculated() -> None:
    assert calls_in(reply_to("multiply the width by 3 + 4", [CALCULATOR])) == []


def test_a_list_of_names_becomes_one_call_each() -> None:
    calls = calls_in(reply_to("What's the weather in Paris, New York and Rome?"))
    assert calls == [("get_weather", {"city": city}) for city in ("Paris", "New York", "Rome")]


@pytest.mark.parametrize("text", SMALL_TALK)
def test_small_talk_needs_no_tool(text: str) -> None:
    reply = reply_to(text)
    assert reply.tool_calls == [] and reply.text and "rule-based" not in reply.text


def converse(text: str, results: dict[str, Any], tools: list[ToolSpec] = ALL_TOOLS, system: str = "") -> str:
    """Play the agent loop with prepared results until the model answers; an Exception is a failed tool."""
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
    raise AssertionError("the model never answered")


MONTH = date_time.run({"operation": "difference", "other": "2026-12-25"}, NOW)
TOKYO = date_time.run({"operation": "now", "timezone": "Asia/Tokyo"}, NOW)
MEMORIES = {
    "memories": [
        {"id": "1", "content": "my favourite colour is teal", "memoryType": "semantic", "score": 0.9}
    ]
}


@pytest.mark.parametrize(
    ("text", "results", "phrases"),
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
def test_answers_are_composed_from_results(text: str, results: dict[str, Any], phrases: list[str]) -> None:
    answer = converse(text, results)
    for expected in phrases:
        assert re.search(expected, answer) or expected in answer, answer


def test_a_save_comes_before_a_search() -> None:
    first = reply_to("Remember that my cat is called Tom. What is my cat called?")
    assert [call.name for call in first.tool_calls] == ["memory_save"]


def test_facts_in_the_prompt_need_no_call() -> None:
    system = "You are kind.\n\nKnown facts:\n- my favourite colour is teal\n- [semantic] my dog is Rex\n"
    reply = reply_to("what is my favourite colour?", system=system)
    assert (reply.tool_calls, reply.text) == ([], "Your favourite colour is teal.")
    assert reply_to("what is my dog called?", system=system).tool_calls
    assert reply_to("What is my dog?", tools=[], system=system).text == "Your dog is Rex."


def test_a_follow_up_uses_the_last_result() -> None:
    before = [Message(role="user", content="17 * 23"), Message(role="assistant", content="17 * 23 = 391")]
    assert calls_in(reply_to("and times 2?", before=before)) == [("calculator", {"expression": "391 * 2"})]
    assert calls_in(reply_to("divide that by 17", before=before)) == [
        ("calculator", {"expression": "391 / 17"})
    ]


def test_a_missing_value_is_taken_from_the_next_message() -> None:
    before = [Message(role="user", content="what's the weather?")]
    before.append(Message(role="assistant", content=reply_to("what's the weather?").text))
    assert calls_in(reply_to("Paris", before=before)) == [("get_weather", {"city": "Paris"})]


def test_call_ids_are_unique_in_the_conversation() -> None:
    old = Message(role="assistant", tool_calls=[ToolCall(id="call_2", name="calculator")])
    reply = reply_to("2 + 2 and what's the weather in Rome", before=[Message(role="user", content="x"), old])
    assert [call.id for call in reply.tool_calls] == ["call_3", "call_4"]


def test_a_reply_has_tokens_cost_and_finish_reason() -> None:
    reply = reply_to("17 * 23")
    assert (reply.finish_reason, reply.cost_micros) == ("tool_calls", 0)
    assert reply.input_tokens > 0 and reply.output_tokens > 0
    assert reply_to("17 * 23", tools=[]).finish_reason == "stop"


def test_the_same_question_has_the_same_answer() -> None:
    assert reply_to("weather in Paris and add 3 and 4") == reply_to("weather in Paris and add 3 and 4")


SCRAPS = st.sampled_from(
    [text for row in (ARITHMETIC, DATES, WEB, CUSTOM_TOOLS, REMEMBER) for text, *_ in row]
    + RECALL
    + UNANSWERABLE
    + SMALL_TALK
)
ANY_TEXTS = st.text(max_size=300) | st.lists(SCRAPS | st.text(max_size=20), max_size=5).map(" and ".join)
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
NAMES = st.sampled_from([tool.name for tool in ALL_TOOLS]) | st.text(max_size=8)
TOOLS = st.lists(
    st.sampled_from(ALL_TOOLS)
    | st.builds(ToolSpec, name=NAMES, description=st.text(max_size=30), input_schema=SCHEMAS),
    max_size=6,
    unique_by=lambda tool: tool.name,
)
TURNS = st.lists(
    st.builds(
        Message,
        role=st.sampled_from(["user", "assistant", "tool"]),
        content=ANY_TEXTS
        | st.sampled_from(['{"memories": 3}', '{"result": null}', "[1, [2]]", '{"status": 200}', "= 5"]),
        tool_calls=st.lists(st.builds(ToolCall, id=st.sampled_from(["call_1", "x"]), name=NAMES), max_size=2),
        tool_call_id=st.sampled_from([None, "call_1", "x"]),
        is_error=st.booleans(),
    ),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(ANY_TEXTS, TOOLS, TURNS, st.text(max_size=60))
def test_any_request_gets_a_reply_with_valid_calls(
    text: str, tools: list[ToolSpec], turns: list[Message], system: str
) -> None:
    tools_by_name = {tool.name: tool for tool in tools}
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
            Draft202012Validator(tools_by_name[call.name].input_schema).validate(call.arguments)


@pytest.mark.parametrize(
    "text", ["(" * 5000, "9" * 20_000, "a=" * 3000, "in " * 3000, "1 and " * 2000, '"' * 4001, "{" * 4000]
)
def test_long_repetitions_are_handled_quickly(text: str) -> None:
    assert reply_to(text).finish_reason in ("stop", "tool_calls")
