"""n8n's nodes that begin a run."""

import re
from typing import Any

from weconnect.workflows.importers.n8n.source_node import Made, Reading, Refused

_UNITS = {"minutes": "minute", "hours": "hour", "days": "day"}
_MODES = {"onReceived": "immediately", "lastNode": "last_node", "responseNode": "respond"}


def manual(reading: Reading) -> Made:
    return Made([("manual", {})])


def called(reading: Reading) -> Made:
    """executeWorkflowTrigger: the items are the run's input, as a sub-workflow's run gets them."""
    reading.raw("inputSource"), reading.raw("workflowInputs"), reading.raw("jsonExample")
    return Made([("manual", {})])


def error(reading: Reading) -> Made:
    return Made([("error", {})])


def webhook(reading: Reading) -> Made:
    methods = reading.fixed("httpMethod", default="GET")
    methods = methods if isinstance(methods, list) else [methods]
    if not set(methods) <= {"GET", "POST", "PUT", "PATCH", "DELETE"}:
        raise Refused(f"the methods {methods} are not taken")
    if reading.fixed("multipleMethods", default=False) and len(methods) > 1:
        raise Refused("each method has an output of its own")
    mode = reading.fixed("responseMode", default="onReceived")
    if mode not in _MODES:
        raise Refused(f"the response mode {mode!r} has no counterpart")
    if reading.raw("path"):
        reading.leave("path", "a workflow's webhook has an address of its own here; call that one instead")
    if reading.raw("authentication", default="none") != "none":
        reading.leave("authentication", "the address is a secret by itself, or takes signed calls")
    return Made([("webhook", {"methods": methods, "responseMode": _MODES[mode]})])


def chat(reading: Reading) -> Made:
    """chatTrigger: a message is what is posted, as n8n's own chat window posts it."""
    mode = reading.fixed("options", "responseMode", default="lastNode")
    modes = {"lastNode": "last_node", "streaming": "last_node", "responseNode": "respond"}
    if mode not in modes:
        raise Refused(f"the response mode {mode!r} has no counterpart")
    text = "there is no chat window here: post {chatInput, sessionId} as JSON to the webhook's address"
    reading.leave("chat", text)
    if mode == "streaming":
        reading.leave("options.responseMode", "the answer is given whole")
    return _posted(reading, modes[mode], '{"action": "sendMessage"}')


def form(reading: Reading) -> Made:
    """formTrigger: what people wrote is what is posted, by the names of the fields."""
    mode = reading.fixed("responseMode", default="onReceived")
    if mode not in _MODES:
        raise Refused(f"the response mode {mode!r} has no counterpart")
    names = []
    for _, row in reading.rows("formFields", "values"):
        if row.get("fieldType") == "file":
            raise Refused("its form takes files, which are no part of items here")
        names.append(str(row.get("fieldName") or row.get("fieldLabel") or "")[:60])
    text = f"there are no forms here: post its fields as JSON to the webhook's address ({', '.join(names)})"
    reading.leave("form", text)
    for key in ("formTitle", "formDescription", "path"):
        reading.raw(key)
    return _posted(reading, _MODES[mode], '{"submittedAt": $now(), "formMode": "production"}')


def _posted(reading: Reading, mode: str, added: str) -> Made:
    if reading.raw("authentication", default="none") != "none":
        reading.leave("authentication", "the address is a secret by itself, or takes signed calls")
    # A run that is started by hand has the fields themselves as its input, and no call around them.
    item = f"$merge([$exists(body) ? body : $, {added}])"
    return Made([("webhook", {"methods": ["POST"], "responseMode": mode}), ("jsonata", {"expression": item})])


def schedule(reading: Reading) -> Made:
    rules = [row for _, row in reading.rows("rule", "interval")]
    return _schedule(reading, [_rule(rule) for rule in rules or [{}]])


def cron(reading: Reading) -> Made:
    """The older node, with its times of day."""
    rules = [row for _, row in reading.rows("triggerTimes", "item")]
    return _schedule(reading, [_time(rule) for rule in rules or [{}]])


def interval(reading: Reading) -> Made:
    unit, amount = reading.fixed("unit", default="seconds"), reading.fixed("interval", default=1)
    return _schedule(reading, [_rate(amount, str(unit))])


def _schedule(reading: Reading, found: list[str]) -> Made:
    if len(set(found)) > 1:
        raise Refused(f"it has {len(found)} times, and a schedule here has one; make a node for each")
    zone = getattr(reading.where, "timezone", None)
    if zone is None:
        reading.leave("timezone", "the file names none, so the times are meant in UTC")
    return Made([("schedule", {"expression": found[0], "timezone": zone or "UTC"})])


def _rate(amount: Any, unit: str) -> str:
    if unit == "seconds" and isinstance(amount, int) and amount and amount % 60 == 0:
        amount, unit = amount // 60, "minutes"
    if unit not in _UNITS or not isinstance(amount, int) or amount < 1:
        raise Refused(f"every {amount} {unit} is no schedule here; the shortest is a minute")
    return f"rate({amount} {_UNITS[unit]}{'s' if amount > 1 else ''})"


def _rule(rule: dict[str, Any]) -> str:
    field = rule.get("field", "days")
    minute, hour = rule.get("triggerAtMinute", 0), rule.get("triggerAtHour", 0)
    if field == "cronExpression":
        return _fields(rule.get("expression"))
    amount = rule.get(f"{field}Interval", {"minutes": 5, "seconds": 30}.get(str(field), 1))
    if not all(isinstance(value, int) for value in (minute, hour, amount)):
        raise Refused("a time of the schedule is an expression")
    if field in ("seconds", "minutes"):
        return _rate(amount, str(field))
    if field == "hours":
        return f"{minute} * * * *" if amount == 1 else _stepped(amount, 24, f"{minute} */{{}} * * *")
    if field == "days" and amount == 1:
        return f"{minute} {hour} * * *"
    days = rule.get("triggerAtDay", [0] if field == "weeks" else 1)
    if (
        field == "weeks"
        and amount == 1
        and isinstance(days, list)
        and all(isinstance(day, int) for day in days)
    ):
        return f"{minute} {hour} * * {','.join(str(day) for day in days) or '0'}"
    if field == "months" and amount == 1:
        return f"{minute} {hour} {rule.get('triggerAtDayOfMonth', 1)} * *"
    raise Refused(f"every {amount} {field} is no schedule of five fields")


def _stepped(amount: int, whole: int, shape: str) -> str:
    if amount < 1 or whole % amount:
        raise Refused(f"every {amount} hours is no schedule of five fields")
    return shape.format(amount)


def _time(rule: dict[str, Any]) -> str:
    mode = rule.get("mode", "everyDay")
    minute, hour = rule.get("minute", 0), rule.get("hour", 14)
    if mode == "everyMinute":
        return "rate(1 minute)"
    if mode == "everyX":
        return _rate(rule.get("value", 2), str(rule.get("unit", "hours")))
    if mode == "custom":
        return _fields(rule.get("cronExpression"))
    shapes = {
        "everyHour": f"{minute} * * * *",
        "everyDay": f"{minute} {hour} * * *",
        "everyWeek": f"{minute} {hour} * * {rule.get('weekday', '1')}",
        "everyMonth": f"{minute} {hour} {rule.get('dayOfMonth', 1)} * *",
    }
    if mode not in shapes or not re.fullmatch(r"[\d* ]+", shapes[mode]):
        raise Refused("a time of the schedule has no counterpart")
    return shapes[mode]


def _fields(text: Any) -> str:
    """Five fields of a cron expression that may have seconds before them."""
    found = text.removeprefix("=").split() if isinstance(text, str) else []
    if len(found) == 6 and found[0] == "0":
        found = found[1:]
    if len(found) != 5 or not all(re.fullmatch(r"[\dA-Za-z*/,-]+", part) for part in found):
        raise Refused(f"{str(text)[:100]!r} is no cron expression of five fields")
    if found[2] != "*" and found[4] != "*":
        raise Refused("a schedule that names both days of the month and days of the week is refused here")
    return " ".join(found)
