"""The embedded model's reply: plan the tasks of a request, call their tools, compose the answer.

A request is split into tasks; each becomes a tool call or a sentence. Planning is deterministic, so the calls already
made in a turn are the first ones of the plan, and nothing has to be remembered between requests.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic.alias_generators import to_camel

from weconnect.models.embedded import (
    answers,
    arguments,
    arithmetic,
    dates,
    follow_up,
    http_requests,
    memory_requests,
    operations,
    sentences,
    tool_matching,
    tool_schemas,
)
from weconnect.models.messages import Message, ModelReply, ModelRequest, ToolCall, ToolSpec

BUILTIN_TOOLS = frozenset(
    {"calculator", "date_time", "http_request", "json_query", "memory_search", "memory_save", "text"}
)
RESULT = r"(?:the\s+|that\s+|this\s+)?(?:result|answer|outcome|total|it|that|this)"
SAVE_RESULT = re.compile(
    rf"^\W*(?:please\s+)?(?:remember|save|store|note|memori[sz]e|keep)\s+(?:down\s+)?{RESULT}\W*$", re.I
)


@dataclass(frozen=True)
class PlannedTask:
    """One task of a request: a tool call, an answer without a call, or neither (no rule applies).

    `missing` has the tool's name and the parameters without a value. An `after_result` task waits for earlier calls.
    """

    text: str
    tool: str | None = None
    arguments: dict[str, Any] | None = None
    answer: str | None = None
    missing: tuple[str, ...] = ()
    after_result: bool = False
    is_small_talk: bool = False

    @property
    def is_understood(self) -> bool:
        """Return whether a rule has decided on a tool or an answer."""
        return self.tool is not None or self.answer is not None


@dataclass(frozen=True)
class PlanningContext:
    """The tools, the facts in the system prompt, the time (UTC) and the last computed number."""

    tools: list[ToolSpec]
    facts: list[str]
    now: datetime
    last_number: str | None


def reply(request: ModelRequest, now: datetime | None = None) -> ModelReply:
    """Return the reply of the rules; `now` is timezone-aware and defaults to the clock.

    Raises ProviderError for an output schema that these rules cannot fill, before any tool is called.
    """
    format_answer = (
        tool_schemas.build_answer_formatter(request.output_schema)
        if request.output_schema is not None
        else None
    )
    question, earlier, turn = _split_messages(request.messages)
    context = PlanningContext(
        tools=request.tools,
        facts=memory_requests.read_facts(request.system),
        now=(now or datetime.now(UTC)).astimezone(UTC),
        last_number=follow_up.find_last_number(earlier),
    )
    tasks = _plan(question, earlier, context)
    calls_made = [call for message in turn for call in message.tool_calls]
    calls = _next_calls(tasks, turn, len(calls_made))
    if calls:
        return _to_reply(request, "", follow_up.number_calls(calls, request.messages))
    text = _compose_answer(tasks, calls_made, turn, context)
    return _to_reply(request, format_answer(text) if format_answer else text, [])


def _split_messages(messages: list[Message]) -> tuple[str, list[Message], list[Message]]:
    """Return the text of the last user message, the messages before it and those after it.

    Only the beginning is read of long texts; the messages after it are results of tools, of which `answers` does so.
    """
    last = max((index for index, message in enumerate(messages) if message.role == "user"), default=-1)
    before = [
        message.model_copy(update={"content": message.content[: sentences.MAX_REQUEST_CHARACTERS]})
        for message in messages[: last + 1]
    ]
    return before[-1].content if before else "", before[:-1], messages[last + 1 :]


def _plan(question: str, earlier: list[Message], context: PlanningContext) -> list[PlannedTask]:
    """Return the tasks in a question, or the task of an earlier request whose missing value it supplies."""
    gap = follow_up.fill_gap(question, earlier, context.tools)
    filled = _fill(gap.text, gap.tool, context) if gap else None
    if filled and filled.arguments is not None:
        return [filled]
    tasks: list[PlannedTask] = []
    for text, joint in sentences.split_request(question):
        task = _plan_task(text, context, tasks)
        merged = _merge_with_previous(task, joint, tasks, context)
        if merged:
            tasks[-1] = merged
        elif task.tool is None or (task.tool, task.arguments) not in [
            (other.tool, other.arguments) for other in tasks
        ]:
            tasks += [task, *_repeat_for_list(task)]
    return tasks


def _merge_with_previous(
    task: PlannedTask, joint: str, tasks: list[PlannedTask], context: PlanningContext
) -> PlannedTask | None:
    """Return the previous task with this one's text, if only both together make sense."""
    previous = tasks[-1] if tasks else None
    if previous is None:
        return None
    if not task.is_understood and not task.is_small_talk:
        # A text that no rule understands may belong to the one before it: "remember I like tea and send cards".
        together = f"{previous.text} {'and ' if joint == 'joined' else ''}{task.text}"
        merged = _plan_task(together, context, tasks[:-1])
        is_other = (merged.tool, merged.arguments) != (previous.tool, previous.arguments)
        return merged if merged.tool and is_other else None
    if not previous.missing:
        return None
    is_incomplete = task.tool is None or task.tool == "memory_search" or bool(task.missing)
    if not is_incomplete and task.arguments is None:
        return None
    merged = _plan_task(f"{previous.text} {task.text}", context, tasks[:-1])
    if merged.arguments is None or (not is_incomplete and merged.tool != previous.missing[0]):
        return None
    return merged


def _repeat_for_list(task: PlannedTask) -> list[PlannedTask]:
    """Return the task for the other names of a list: "weather in Paris, Rome and New York" is three calls."""
    value = next(iter((task.arguments or {}).values()), None)
    if (
        task.tool in BUILTIN_TOOLS
        or len(task.arguments or {}) != 1
        or not isinstance(value, str)
        or not value[:1].isupper()
    ):
        return []
    name = r"[A-Z][\w'-]*(?:\s[A-Z][\w'-]*)*"
    listed = re.search(rf"\b{re.escape(value)}((?:,\s+{name})*,?\s+and\s+{name})", task.text)
    others = re.findall(name, listed[1]) if listed else []
    key = next(iter(task.arguments or {}), "")
    return [replace(task, arguments={key: other}) for other in others]


def _plan_task(text: str, context: PlanningContext, earlier: list[PlannedTask]) -> PlannedTask:
    """Decide on one task. The rules are ordered by their certainty."""
    small_talk = sentences.reply_to_small_talk(text)
    if small_talk:
        return PlannedTask(text, answer=small_talk, is_small_talk=True)
    if sentences.asks_about_the_model(text):
        return PlannedTask(text, answer=_describe_itself(context.tools))
    available = {tool.name: tool for tool in context.tools}
    if SAVE_RESULT.match(text) and any(task.tool for task in earlier) and "memory_save" in available:
        return PlannedTask(text, "memory_save", {"content": ""}, after_result=True)
    text = follow_up.insert_last_result(text, context.last_number)
    fact = memory_requests.extract_fact(text)
    if fact:
        return _plan_call(text, available.get("memory_save"), {"content": fact}) or PlannedTask(text)
    named = tool_matching.find_named_tool(text, context.tools)
    if named:
        builtin = _read_builtin_arguments(named.name, text, context)
        return _plan_call(text, named, builtin) or _fill(text, named, context) or PlannedTask(text)
    for name in ("json_query", "text"):
        # Their phrases name an operation and its input, so a match is rarely a coincidence.
        task = _plan_call(text, available.get(name), _read_builtin_arguments(name, text, context))
        if task:
            return task
    if memory_requests.is_recall_request(text):
        return _recall(text, available, context) or PlannedTask(text)
    if sentences.is_statement(text):
        return PlannedTask(text)
    return _choose_tool(text, available, context)


def _choose_tool(text: str, available: dict[str, ToolSpec], context: PlanningContext) -> PlannedTask:
    """Return the task with the best tool: a complete declared one, a builtin, another match, memory; or none."""
    matches = tool_matching.rank_tools(
        text, [tool for tool in context.tools if tool.name not in BUILTIN_TOOLS]
    )
    filled = [(match, task) for match in matches if (task := _fill(text, match.tool, context))]
    complete = next((task for match, task in filled if match.by_name and task.arguments is not None), None)
    if complete:
        return complete
    for name in ("http_request", "date_time", "calculator"):
        builtin_task = _plan_call(text, available.get(name), _read_builtin_arguments(name, text, context))
        if builtin_task:
            return builtin_task
    if filled:
        # A tool that was requested by name and lacks a value is not replaced by a coincidental match.
        return next(
            (task for match, task in filled if task.arguments is not None or match.by_name), filled[0][1]
        )
    if sentences.is_question(text):
        return _recall(text, available, context) or PlannedTask(text)
    return PlannedTask(text)


def _read_builtin_arguments(name: str, text: str, context: PlanningContext) -> dict[str, Any] | None:
    """Return a built-in tool's arguments as the text contains them; None when the text is not for that tool."""
    if name == "calculator":
        expression = arithmetic.find_expression(text)
        return {"expression": expression} if expression else None
    if name == "date_time":
        return dates.read_date_question(text, context.now)
    if name == "http_request":
        return http_requests.read_http_request(text)
    if name == "json_query":
        return operations.read_json_query(text)
    if name == "text":
        return operations.read_text_operation(text)
    if name == "memory_search":
        return {"query": text}
    return {"content": text} if name == "memory_save" else None


def _recall(text: str, available: dict[str, ToolSpec], context: PlanningContext) -> PlannedTask | None:
    """Return the task to answer from a fact in the prompt, or else to search memory; None without that tool."""
    fact = memory_requests.find_matching_fact(text, context.facts)
    if fact:
        return PlannedTask(text, answer=memory_requests.rephrase_for_user(fact))
    return _plan_call(text, available.get("memory_search"), {"query": text.strip(" ?!.")})


def _fill(text: str, tool: ToolSpec, context: PlanningContext) -> PlannedTask | None:
    """Return the call of a tool, or the task to ask for missing arguments; None when its schema rejects them."""
    filled = arguments.fill_arguments(tool, text, context.now)
    if filled.missing:
        answer = f"To use {tool.name} I need: {', '.join(filled.missing)}."
        return PlannedTask(text, answer=answer, missing=(tool.name, *filled.missing))
    return _plan_call(text, tool, filled.arguments)


def _plan_call(text: str, tool: ToolSpec | None, arguments: dict[str, Any] | None) -> PlannedTask | None:
    """Return the task to call a tool; None without the tool or arguments, or when its schema rejects them."""
    if tool is None or arguments is None:
        return None
    if set(tool_schemas.read_required(tool.input_schema)) - set(arguments):
        return None
    if not tool_schemas.accepts_arguments(tool.input_schema, arguments):
        return None
    return PlannedTask(text, tool.name, arguments)


def _next_calls(tasks: list[PlannedTask], turn: list[Message], calls_made: int) -> list[ToolCall]:
    """Return the planned calls that may run in parallel: a search waits for a save, "save it" for the result."""
    planned = [task for task in tasks if task.tool and task.arguments is not None]
    calls: list[ToolCall] = []
    for task in planned[calls_made:]:
        has_to_wait = task.after_result or (
            task.tool == "memory_search" and any(call.name == "memory_save" for call in calls)
        )
        if has_to_wait and calls:
            break
        call_arguments = dict(task.arguments or {})
        if task.after_result:
            call_arguments["content"] = " ".join(_describe_results(turn)) or task.text
        if task.tool:
            calls.append(ToolCall(id="", name=task.tool, arguments=call_arguments))
    return calls


def _describe_results(turn: list[Message]) -> list[str]:
    """Return a sentence about each tool result in the messages, also for calls that were not planned."""
    calls = {call.id: call for message in turn for call in message.tool_calls}
    return [
        answers.describe_result(
            calls.get(message.tool_call_id or "") or ToolCall(id="", name=message.tool_name or "tool"),
            message,
            "",
        )
        for message in turn
        if message.role == "tool"
    ]


def _compose_answer(
    tasks: list[PlannedTask], calls_made: list[ToolCall], turn: list[Message], context: PlanningContext
) -> str:
    """Return the answer: results, other answers, and what was not understood; small talk only without these."""
    results = {message.tool_call_id: message for message in turn if message.role == "tool"}
    texts = [task.text for task in tasks if task.tool and task.arguments is not None]
    lines = []
    for index, call in enumerate(calls_made):
        text = texts[index] if index < len(texts) else ""
        result = results.get(call.id) or Message(role="tool", content="no result came back", is_error=True)
        lines.append(answers.describe_result(call, result, text))
    if not calls_made:
        lines += _describe_results(turn)
    small_talk = [task.answer for task in tasks if task.answer and task.is_small_talk]
    lines += [task.answer for task in tasks if task.answer and not task.is_small_talk]
    unknown = [task.text for task in tasks if not task.is_understood]
    if unknown or not (lines or small_talk):
        lines.append(_admit_ignorance(unknown if lines else [], context.tools))
    return "\n".join(lines or small_talk)


def _admit_ignorance(texts: list[str], tools: list[ToolSpec]) -> str:
    """Return the sentence that the model cannot answer the first of the texts, and its tools."""
    request = f"to “{texts[0][:80]}”" if texts else "to that"
    return f"I have no answer {request}: {_describe_itself(tools)}"


def _describe_itself(tools: list[ToolSpec]) -> str:
    """Return the sentences about the model's nature and its tools."""
    names = ", ".join(tool.name for tool in tools)
    abilities = f"The tools I can use are: {names}." if names else "I have no tools to use."
    return f"I am the embedded rule-based provider, not a language model. {abilities}"


def _to_reply(request: ModelRequest, text: str, calls: list[ToolCall]) -> ModelReply:
    """Return the reply with an estimate of its tokens: one for four characters."""
    characters_in = len(request.system) + sum(
        len(message.content) + sum(len(str(call.arguments)) for call in message.tool_calls)
        for message in request.messages
    )
    characters_in += sum(
        len(tool.name) + len(tool.description) + len(str(tool.input_schema)) for tool in request.tools
    )
    characters_out = len(text) + sum(len(call.name) + len(str(call.arguments)) for call in calls)
    return ModelReply(
        text=text,
        tool_calls=calls,
        input_tokens=-(-characters_in // 4),
        output_tokens=-(-characters_out // 4),
        cost_micros=0,
        finish_reason="tool_calls" if calls else "stop",
        warnings=[
            f"{to_camel(name)} was not used: embedded is a set of rules."
            for name, value in request.settings.model_dump(exclude_none=True).items()
            if value != []
        ],
    )
