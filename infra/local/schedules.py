"""Schedules of the template, and the event that reports the end of a durable execution."""

import asyncio
import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from infra.local.event_patterns import matches_pattern
from infra.local.gateway import report_failure
from infra.local.sam_template import Function
from infra.local.settings import ACCOUNT, REGION
from infra.local.worker_pool import Pool

UNIT_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")


def parse_rate(expression: str) -> int | None:
    """Return the seconds of an expression such as `rate(5 minutes)`, or None for any other expression."""
    match = RATE.fullmatch(expression.strip())
    return int(match[1]) * UNIT_SECONDS[match[2]] if match else None


async def run_schedule(pool: Pool, function: Function, name: str, properties: dict[str, Any]) -> None:
    """Call a function at once, then at the rate of a schedule such as `rate(1 minute)`, until cancelled.

    With any other expression, such as a cron expression, the function is called once.
    """
    expression = properties.get("Schedule") or properties.get("ScheduleExpression", "")
    seconds = parse_rate(expression)
    if seconds is None:
        print(
            f"{function.id}: the local host does not support {expression}, so it calls the function once",
            flush=True,
        )
    while True:
        event = (
            json.loads(properties["Input"])
            if "Input" in properties
            else _build_scheduled_event(function, name)
        )
        result = await pool.call(
            function.id, json.dumps(event).encode(), lane="background", tenant=function.id
        )
        if result.failed:
            report_failure(function.id, result, pool)
        if seconds is None:
            return
        await asyncio.sleep(seconds)


def _build_scheduled_event(function: Function, name: str) -> dict[str, Any]:
    """Return EventBridge's event of a schedule without an input of its own."""
    rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{function.name}-{name}"
    return _build_event("aws.events", "Scheduled Event", [rule], {})


def build_status_event(function: Function, execution: Any) -> dict[str, Any]:
    """Return EventBridge's "Durable Execution Status Change" for an execution that has ended."""
    operation = execution.get_operation_execution_started()
    detail = {
        "durableExecutionArn": execution.durable_execution_arn,
        "durableExecutionName": execution.start_input.execution_name,
        "functionArn": f"{function.arn}:{execution.start_input.function_qualifier}",
        "status": execution.current_status().value,
        "startTimestamp": _format_time(operation.start_timestamp),
        "endTimestamp": _format_time(operation.end_timestamp),
    }
    kind = "Durable Execution Status Change"
    return _build_event("aws.lambda", kind, [execution.durable_execution_arn], detail)


def find_rule_targets(functions: Mapping[str, Function], event: dict[str, Any]) -> list[Function]:
    """Return the functions whose EventBridge rules match an event."""
    return [
        function
        for function in functions.values()
        if any(
            source["Type"] in ("EventBridgeRule", "CloudWatchEvent")
            and matches_pattern(source["Properties"].get("Pattern", {}), event)
            for source in function.events.values()
        )
    ]


def _build_event(source: str, kind: str, resources: list[str], detail: dict[str, Any]) -> dict[str, Any]:
    """Return an EventBridge event with a new ID, at the present time."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": _format_time(datetime.now(UTC)),
        "region": REGION,
        "resources": resources,
        "detail": detail,
    }


def _format_time(moment: datetime | None) -> str | None:
    """Return a moment as EventBridge writes it, in UTC and whole seconds; None stays None."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
