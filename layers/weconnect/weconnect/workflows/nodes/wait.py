"""wait: suspends a branch for a time, until a moment, or until its callback is completed."""

from datetime import UTC, datetime
from math import ceil
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from weconnect import clock
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import (
    FlowContext,
    ItemsByOutput,
    NodeError,
    NodeRun,
    NodeType,
    pass_through,
)

MAX_SECONDS = 30 * 86_400


class WaitParameters(Parameters):
    until: Literal["duration", "moment", "callback"] = "duration"
    """What to wait for."""
    seconds: int = Field(default=60, ge=1, le=MAX_SECONDS)
    """For `duration`: seconds to wait. For `callback`: maximum seconds to wait."""
    moment: AwareDatetime | None = None
    """For `moment`: date and time with a time zone (RFC 3339). A past moment does not wait."""


def execute(node_run: NodeRun, context: FlowContext) -> ItemsByOutput:
    """Pass the items on; after a callback, its value is the only item. `timeout` has the items if none came."""
    parameters = node_run.resolve_once(WaitParameters)
    if parameters.until == "callback":
        value = context.steps.callback("callback", context.announce_callback, parameters.seconds)
        return {"timeout": node_run.items} if value is None else {"main": [_convert_item(value)]}
    if parameters.until == "moment":
        if parameters.moment is None:
            raise NodeError("invalid_parameters", "/moment: is required to wait for a moment")
        moment = parameters.moment
        seconds = context.step("look", lambda: _count_seconds_until(moment))
    else:
        seconds = parameters.seconds
    if seconds > 0:
        context.steps.wait("wait", seconds)
    return pass_through(node_run)


def _count_seconds_until(moment: datetime) -> int:
    """Return the seconds until a moment, negative for a past one. Raises NodeError for one too far away."""
    seconds = ceil((moment - clock.now().astimezone(UTC)).total_seconds())
    if seconds > MAX_SECONDS:
        raise NodeError("invalid_parameters", f"/moment: is more than {MAX_SECONDS // 86_400} days away")
    return seconds


def _convert_item(value: Any) -> dict[str, Any]:
    """Return an object as it is, any other value as `{"value": …}`."""
    return value if isinstance(value, dict) else {"value": value}


NODE = NodeType(
    label="Wait",
    description="Suspends the branch for a time, until a moment, or until its callback is completed.",
    category="flow",
    kind="flow",
    operations=8,
    outputs=("main", "timeout"),
    may_suspend=True,
    express=False,
    parameters=WaitParameters,
    run=pass_through,
    execute=execute,
)
