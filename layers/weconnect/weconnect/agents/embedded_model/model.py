"""The model provider that is always there: rules, no model, no network, the same answer every time.

A request is split into its wishes; each wish becomes a step: a tool call, or a sentence. Because planning is
deterministic, the calls already made in a turn are the first ones of the plan and need not be remembered.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic.alias_generators import to_camel

from weconnect.agents.embedded_model import (
    answers as embedded_answers,
)
from weconnect.agents.embedded_model import (
    arguments as embedded_arguments,
)
from weconnect.agents.embedded_model import (
    arithmetic,
    dates,
    follow_up,
    http_requests,
    memory_requests,
    operations,
    tool_matching,
    tool_schemas,
)
from weconnect.agents.embedded_model import (
    sentences as embedded_text,
)
from weconnect.agents.models.messages import Message, ModelReply, ModelRequest, ToolCall, ToolSpec

BUILTIN = frozenset(
    {"calculator", "date_time", "http_request", "json_query", "memory_search", "memory_save", "text"}
)
RESULT = r"(?:the\s+|that\s+|this\s+)?(?:result|answer|outcome|total|it|that|this)"
SAVE_RESULT = re.compile(
    rf"^\W*(?:please\s+)?(?:remember|save|store|note|memori[sz]e|keep)\s+(?:down\s+)?{RESULT}\W*$", re.I
)


@dataclass(frozen=True)
class Step:
    """One wish: a call, a sentence of our own, or neither (nothing fits). `after_result` waits."""

    part: str
    tool: str | None = None
    arguments: dict[str, Any] | None = None
    say: str | None = None
    lacks: tuple[str, ...] = ()
    after_result: bool = False
    small_talk: bool = False

    @property
    def fits(self) -> bool:
        return self.tool is not None or self.say is not None


@dataclass(frozen=True)
class Context:
    tools: list[ToolSpec]
    facts: list[str]
    now: datetime
    last_number: str | None


def reply(request: ModelRequest, now: datetime | None = None) -> ModelReply:
    """Answer a request by rules; `now` is timezone-aware and defaults to the clock.

    A schema that these rules cannot fill is refused before any tool is called.
    """
    as_object = tool_schemas.answer_form(request.output_schema) if request.output_schema is not None else None
    question, before, turn = _turn(request.messages)
    context = Context(
        tools=request.tools,
        facts=memory_requests.known_facts(request.system),
        now=(now or datetime.now(UTC)).astimezone(UTC),
        last_number=follow_up.last_number(before),
    )
    steps = _plan(question, before, context)
    done = [call for message in turn for call in message.tool_calls]
    wave = _next_wave(steps, turn, len(done), context)
    if wave:
        return _reply(request, "", follow_up.numbered(wave, request.messages))
    text = _compose(steps, done, turn, context)
    return _reply(request, as_object(text) if as_object else text, [])


def _turn(messages: list[Message]) -> tuple[str, list[Message], list[Message]]:
    """Split into the last user message, what was before it and what came after."""
    last = max((index for index, message in enumerate(messages) if message.role == "user"), default=-1)
    text = messages[last].content[: embedded_text.MAX_TEXT] if last >= 0 else ""
    return text, messages[: max(last, 0)], messages[last + 1 :]


def _plan(question: str, before: list[Message], context: Context) -> list[Step]:
    gap = follow_up.filled_gap(question, before, context.tools)
    filled = _fill(gap.text, gap.tool, context) if gap else None
    if filled and filled.arguments is not None:
        return [filled]
    steps: list[Step] = []
    for part, joint in embedded_text.parts(question):
        step = _step(part, context, steps)
        before_it = steps[-1] if steps else None
        if before_it and not step.fits and not step.small_talk:
            # What means nothing alone may belong to the wish before it: "remember I like tea and send cards".
            together = f"{before_it.part} {'and ' if joint == 'joined' else ''}{part}"
            whole = _step(together, context, steps[:-1])
            if whole.tool and (whole.tool, whole.arguments) != (before_it.tool, before_it.arguments):
                steps[-1] = whole
                continue
        elif (
            before_it
            and before_it.lacks
            and (step.tool is None or step.tool == "memory_search" or step.lacks)
        ):
            whole = _step(f"{before_it.part} {part}", context, steps[:-1])
            if whole.arguments is not None:
                steps[-1] = whole
                continue
        elif before_it and before_it.lacks and step.arguments is not None:
            whole = _step(f"{before_it.part} {part}", context, steps[:-1])
            if whole.arguments is not None and whole.tool == before_it.lacks[0]:
                steps[-1] = whole
                continue
        if step.tool is None or (step.tool, step.arguments) not in [
            (made.tool, made.arguments) for made in steps
        ]:
            steps += [step, *_for_each(step)]
    return steps


def _for_each(step: Step) -> list[Step]:
    """Repeat a call for the other names of a list: "weather in Paris, Rome and New York" is three."""
    value = next(iter((step.arguments or {}).values()), None)
    if (
        step.tool in BUILTIN
        or len(step.arguments or {}) != 1
        or not isinstance(value, str)
        or not value[:1].isupper()
    ):
        return []
    name = r"[A-Z][\w'-]*(?:\s[A-Z][\w'-]*)*"
    listed = re.search(rf"\b{re.escape(value)}((?:,\s+{name})*,?\s+and\s+{name})", step.part)
    others = re.findall(name, listed[1]) if listed else []
    key = next(iter(step.arguments or {}), "")
    return [replace(step, arguments={key: other}) for other in others]


def _step(part: str, context: Context, earlier: list[Step]) -> Step:
    """Decide on one wish. The order of the rules is the order of how sure they are."""
    said = embedded_text.small_talk(part)
    if said:
        return Step(part, say=said, small_talk=True)
    if embedded_text.asks_about_us(part):
        return Step(part, say=_self_description(context.tools))
    available = {tool.name: tool for tool in context.tools}
    if SAVE_RESULT.match(part) and any(step.tool for step in earlier) and "memory_save" in available:
        return Step(part, "memory_save", {"content": ""}, after_result=True)
    part = follow_up.with_last_result(part, context.last_number)
    fact = memory_requests.fact_to_save(part)
    if fact:
        return _call(part, available.get("memory_save"), {"content": fact}) or Step(part)
    called = tool_matching.named(part, context.tools)
    if called:
        builtin = _builtin_arguments(called.name, part, context)
        return _call(part, called, builtin) or _fill(part, called, context) or Step(part)
    for name in ("json_query", "text"):
        # They name what is to be done and with what, so that little else can be meant.
        step = _call(part, available.get(name), _builtin_arguments(name, part, context))
        if step:
            return step
    if memory_requests.is_recall(part):
        return _recall(part, available, context) or Step(part)
    if embedded_text.is_statement(part):
        return Step(part)
    return _best(part, available, context)


def _best(part: str, available: dict[str, ToolSpec], context: Context) -> Step:
    own = tool_matching.rank(part, [tool for tool in context.tools if tool.name not in BUILTIN])
    filled = [(match, step) for match in own if (step := _fill(part, match.tool, context))]
    ready = next((step for match, step in filled if match.by_name and step.arguments is not None), None)
    if ready:
        return ready
    for name in ("http_request", "date_time", "calculator"):
        step = _call(part, available.get(name), _builtin_arguments(name, part, context))
        if step:
            return step
    if filled:
        # A tool asked for by name that lacks a value is not replaced by one that fits by chance.
        return next((step for m, step in filled if step.arguments is not None or m.by_name), filled[0][1])
    if embedded_text.is_question(part):
        return _recall(part, available, context) or Step(part)
    return Step(part)


def _builtin_arguments(name: str, part: str, context: Context) -> dict[str, Any] | None:
    if name == "calculator":
        expression = arithmetic.find(part)
        return {"expression": expression} if expression else None
    if name == "date_time":
        return dates.question(part, context.now)
    if name == "http_request":
        return http_requests.request(part)
    if name == "json_query":
        return operations.query(part)
    if name == "text":
        return operations.text(part)
    if name == "memory_search":
        return {"query": part}
    return {"content": part} if name == "memory_save" else None


def _recall(part: str, available: dict[str, ToolSpec], context: Context) -> Step | None:
    known = memory_requests.matching(part, context.facts)
    if known:
        return Step(part, say=memory_requests.spoken_back(known))
    return _call(part, available.get("memory_search"), {"query": part.strip(" ?!.")})


def _fill(part: str, tool: ToolSpec, context: Context) -> Step | None:
    arguments, missing = embedded_arguments.fill(tool, part, context.now)
    if missing:
        return Step(
            part, say=f"To use {tool.name} I need: {', '.join(missing)}.", lacks=(tool.name, *missing)
        )
    return _call(part, tool, arguments)


def _call(part: str, tool: ToolSpec | None, arguments: dict[str, Any] | None) -> Step | None:
    if tool is None or arguments is None:
        return None
    missing = set(tool_schemas.required_of(tool.input_schema)) - set(arguments)
    return (
        None
        if missing or not tool_schemas.accepts(tool.input_schema, arguments)
        else Step(part, tool.name, arguments)
    )


def _next_wave(steps: list[Step], turn: list[Message], done: int, context: Context) -> list[ToolCall]:
    """Take the planned calls that may run together: a search waits for a save, "save it" for the result."""
    planned = [step for step in steps if step.tool and step.arguments is not None]
    wave: list[ToolCall] = []
    for step in planned[done:]:
        waits = step.after_result or (
            step.tool == "memory_search" and any(c.name == "memory_save" for c in wave)
        )
        if waits and wave:
            break
        arguments = dict(step.arguments or {})
        if step.after_result:
            arguments["content"] = " ".join(_results(turn, context)) or step.part
        if step.tool:
            wave.append(ToolCall(id="", name=step.tool, arguments=arguments))
    return wave


def _results(turn: list[Message], context: Context) -> list[str]:
    calls = {call.id: call for message in turn for call in message.tool_calls}
    return [
        embedded_answers.sentence(
            calls.get(m.tool_call_id or "") or ToolCall(id="", name=m.tool_name or "tool"), m, ""
        )
        for m in turn
        if m.role == "tool"
    ]


def _compose(steps: list[Step], done: list[ToolCall], turn: list[Message], context: Context) -> str:
    answers = {message.tool_call_id: message for message in turn if message.role == "tool"}
    asked = [step.part for step in steps if step.tool and step.arguments is not None]
    sentences = []
    for index, call in enumerate(done):
        part = asked[index] if index < len(asked) else ""
        result = answers.get(call.id) or Message(role="tool", content="no result came back", is_error=True)
        sentences.append(embedded_answers.sentence(call, result, part))
    if not done:
        sentences += _results(turn, context)
    talk = [step.say for step in steps if step.say and step.small_talk]
    said = [step.say for step in steps if step.say and not step.small_talk]
    unfit = [step.part for step in steps if not step.fits]
    if unfit or not (sentences or said or talk):
        said.append(_nothing_fits(unfit if sentences or said else [], context.tools))
    return "\n".join([*sentences, *said] or talk)


def _nothing_fits(parts: list[str], tools: list[ToolSpec]) -> str:
    about = f"to “{parts[0][:80]}”" if parts else "to that"
    return f"I have no answer {about}: {_self_description(tools)}"


def _self_description(tools: list[ToolSpec]) -> str:
    names = ", ".join(tool.name for tool in tools)
    able = f"The tools I can use are: {names}." if names else "I have no tools to use."
    return f"I am the embedded rule-based provider, not a language model. {able}"


def _reply(request: ModelRequest, text: str, calls: list[ToolCall]) -> ModelReply:
    sent = len(request.system) + sum(
        len(m.content) + sum(len(str(c.arguments)) for c in m.tool_calls) for m in request.messages
    )
    sent += sum(
        len(tool.name) + len(tool.description) + len(str(tool.input_schema)) for tool in request.tools
    )
    made = len(text) + sum(len(call.name) + len(str(call.arguments)) for call in calls)
    return ModelReply(
        text=text,
        tool_calls=calls,
        input_tokens=-(-sent // 4),
        output_tokens=-(-made // 4),
        cost_micros=0,
        finish_reason="tool_calls" if calls else "stop",
        warnings=[
            f"{to_camel(name)} was not used: embedded is a set of rules."
            for name, value in request.settings.model_dump(exclude_none=True).items()
            if value != []
        ],
    )
