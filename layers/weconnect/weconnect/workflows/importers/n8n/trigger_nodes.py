"""Conversion of n8n's triggers."""

import re
from typing import Any

from weconnect.workflows.importers.n8n.source_node import MappedNode, NodeReader, NotConvertible

_UNITS = {"minutes": "minute", "hours": "hour", "days": "day"}
_MODES = {"onReceived": "immediately", "lastNode": "last_node", "responseNode": "respond"}


def manual(reader: NodeReader) -> MappedNode:
    """Convert n8n's manualTrigger node."""
    return MappedNode([("manual", {})])


def convert_execute_workflow_trigger(reader: NodeReader) -> MappedNode:
    """Convert n8n's executeWorkflowTrigger node: the items are the input of the sub-workflow's execution."""
    reader.read("inputSource"), reader.read("workflowInputs"), reader.read("jsonExample")
    return MappedNode([("manual", {})])


def error(reader: NodeReader) -> MappedNode:
    """Convert n8n's errorTrigger node."""
    return MappedNode([("error", {})])


def webhook(reader: NodeReader) -> MappedNode:
    """Convert n8n's webhook node; its address changes."""
    methods = reader.read_constant("httpMethod", default="GET")
    methods = methods if isinstance(methods, list) else [methods]
    if not set(methods) <= {"GET", "POST", "PUT", "PATCH", "DELETE"}:
        raise NotConvertible(f"the methods {methods} are not supported")
    if reader.read_constant("multipleMethods", default=False) and len(methods) > 1:
        raise NotConvertible("each method has its own output")
    mode = reader.read_constant("responseMode", default="onReceived")
    if mode not in _MODES:
        raise NotConvertible(f"the response mode {mode!r} has no equivalent")
    if reader.read("path"):
        reader.report_left_out("path", "the workflow's webhook has another address here; call that one")
    if reader.read("authentication", default="none") != "none":
        reader.report_left_out("authentication", "the address is secret, or requires signed calls")
    return MappedNode([("webhook", {"methods": methods, "responseMode": _MODES[mode]})])


def chat(reader: NodeReader) -> MappedNode:
    """Convert n8n's chatTrigger node to a webhook that receives messages as n8n's chat window posts them."""
    mode = reader.read_constant("options", "responseMode", default="lastNode")
    modes = {"lastNode": "last_node", "streaming": "last_node", "responseNode": "respond"}
    if mode not in modes:
        raise NotConvertible(f"the response mode {mode!r} has no equivalent")
    text = "a chat window is not provided: post {chatInput, sessionId} as JSON to the webhook's address"
    reader.report_left_out("chat", text)
    if mode == "streaming":
        reader.report_left_out("options.responseMode", "the response is not streamed")
    return _build_post_webhook(reader, modes[mode], '{"action": "sendMessage"}')


def form(reader: NodeReader) -> MappedNode:
    """Convert n8n's formTrigger node to a webhook that receives the fields by name."""
    mode = reader.read_constant("responseMode", default="onReceived")
    if mode not in _MODES:
        raise NotConvertible(f"the response mode {mode!r} has no equivalent")
    names = []
    for _, row in reader.read_rows("formFields", "values"):
        if row.get("fieldType") == "file":
            raise NotConvertible("its form accepts files, which items do not contain here")
        names.append(str(row.get("fieldName") or row.get("fieldLabel") or "")[:60])
    text = f"forms are not supported: post its fields as JSON to the webhook's address ({', '.join(names)})"
    reader.report_left_out("form", text)
    for key in ("formTitle", "formDescription", "path"):
        reader.read(key)
    return _build_post_webhook(reader, _MODES[mode], '{"submittedAt": $now(), "formMode": "production"}')


def _build_post_webhook(reader: NodeReader, mode: str, added: str) -> MappedNode:
    """Return a webhook for POST, and a jsonata node that merges the object `added` (JSONata) into the posted one."""
    if reader.read("authentication", default="none") != "none":
        reader.report_left_out("authentication", "the address is secret, or requires signed calls")
    # The input of a manual execution is the fields themselves, not an HTTP request.
    item = f"$merge([$exists(body) ? body : $, {added}])"
    return MappedNode(
        [("webhook", {"methods": ["POST"], "responseMode": mode}), ("jsonata", {"expression": item})]
    )


def schedule(reader: NodeReader) -> MappedNode:
    """Convert n8n's scheduleTrigger node."""
    rules = [row for _, row in reader.read_rows("rule", "interval")]
    return _build_schedule(reader, [_convert_rule(rule) for rule in rules or [{}]])


def cron(reader: NodeReader) -> MappedNode:
    """Convert n8n's cron node, the predecessor of scheduleTrigger, with its times of day."""
    rules = [row for _, row in reader.read_rows("triggerTimes", "item")]
    return _build_schedule(reader, [_convert_time(rule) for rule in rules or [{}]])


def interval(reader: NodeReader) -> MappedNode:
    """Convert n8n's interval node."""
    unit, amount = (
        reader.read_constant("unit", default="seconds"),
        reader.read_constant("interval", default=1),
    )
    return _build_schedule(reader, [_build_rate(amount, str(unit))])


def _build_schedule(reader: NodeReader, expressions: list[str]) -> MappedNode:
    """Return a schedule node for the only one of the expressions; raise NotConvertible for different ones."""
    if len(set(expressions)) > 1:
        raise NotConvertible(
            f"it has {len(expressions)} times; a schedule here has one, so create a node for each"
        )
    zone = getattr(reader.scope, "timezone", None)
    if zone is None:
        reader.report_left_out("timezone", "the file has none, so the times are in UTC")
    return MappedNode([("schedule", {"expression": expressions[0], "timezone": zone or "UTC"})])


def _build_rate(amount: Any, unit: str) -> str:
    """Return an expression such as `rate(5 minutes)`; raise NotConvertible for less than a minute."""
    if unit == "seconds" and isinstance(amount, int) and amount and amount % 60 == 0:
        amount, unit = amount // 60, "minutes"
    if unit not in _UNITS or not isinstance(amount, int) or amount < 1:
        raise NotConvertible(f"every {amount} {unit} is not supported; the shortest interval is a minute")
    return f"rate({amount} {_UNITS[unit]}{'s' if amount > 1 else ''})"


def _convert_rule(rule: dict[str, Any]) -> str:
    """Return the schedule expression of one of scheduleTrigger's rules; raise NotConvertible."""
    field = rule.get("field", "days")
    minute, hour = rule.get("triggerAtMinute", 0), rule.get("triggerAtHour", 0)
    if field == "cronExpression":
        return _read_cron_fields(rule.get("expression"))
    amount = rule.get(f"{field}Interval", {"minutes": 5, "seconds": 30}.get(str(field), 1))
    if not all(isinstance(value, int) for value in (minute, hour, amount)):
        raise NotConvertible("a time of the schedule is an expression")
    if field in ("seconds", "minutes"):
        return _build_rate(amount, str(field))
    if field == "hours":
        return f"{minute} * * * *" if amount == 1 else _fill_step(amount, 24, f"{minute} */{{}} * * *")
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
    raise NotConvertible(f"every {amount} {field} cannot be written in five cron fields")


def _fill_step(amount: int, whole: int, shape: str) -> str:
    """Return a cron expression with `amount` in its `{}`; raise NotConvertible unless that divides `whole`."""
    if amount < 1 or whole % amount:
        raise NotConvertible(f"every {amount} hours cannot be written in five cron fields")
    return shape.format(amount)


def _convert_time(rule: dict[str, Any]) -> str:
    """Return the schedule expression of one of the cron node's times; raise NotConvertible."""
    mode = rule.get("mode", "everyDay")
    minute, hour = rule.get("minute", 0), rule.get("hour", 14)
    if mode == "everyMinute":
        return "rate(1 minute)"
    if mode == "everyX":
        return _build_rate(rule.get("value", 2), str(rule.get("unit", "hours")))
    if mode == "custom":
        return _read_cron_fields(rule.get("cronExpression"))
    shapes = {
        "everyHour": f"{minute} * * * *",
        "everyDay": f"{minute} {hour} * * *",
        "everyWeek": f"{minute} {hour} * * {rule.get('weekday', '1')}",
        "everyMonth": f"{minute} {hour} {rule.get('dayOfMonth', 1)} * *",
    }
    if mode not in shapes or not re.fullmatch(r"[\d* ]+", shapes[mode]):
        raise NotConvertible("a time of the schedule has no equivalent")
    return shapes[mode]


def _read_cron_fields(text: Any) -> str:
    """Return the five fields of a cron expression that may begin with seconds; raise NotConvertible."""
    fields = text.removeprefix("=").split() if isinstance(text, str) else []
    if len(fields) == 6 and fields[0] == "0":
        fields = fields[1:]
    if len(fields) != 5 or not all(re.fullmatch(r"[\dA-Za-z*/,-]+", part) for part in fields):
        raise NotConvertible(f"{str(text)[:100]!r} is not a cron expression with five fields")
    if fields[2] != "*" and fields[4] != "*":
        raise NotConvertible("a schedule with both days of the month and days of the week is not supported")
    return " ".join(fields)
