"""wait: holds a branch for a time, until a moment, or until somebody completes its callback."""

from datetime import UTC, datetime
from math import ceil
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from weconnect import clock
from weconnect.workflows.node_sdk.node_type import (
    Call,
    Carrier,
    NodeError,
    NodeType,
    Outputs,
    Parameters,
    passed,
)

MAX_SECONDS = 30 * 86_400


class WaitParameters(Parameters):
    until: Literal["duration", "moment", "callback"] = "duration"
    """What ends the waiting."""
    seconds: int = Field(default=60, ge=1, le=MAX_SECONDS)
    """For `duration` how long; for `callback` how long at the most."""
    moment: AwareDatetime | None = None
    """For `moment`: RFC 3339 with a time zone; one that has passed does not wait."""


def carry(call: Call, carrier: Carrier) -> Outputs:
    """Passes its items on; a callback's value is one item instead, on `timeout` when nobody called."""
    parameters = call.once(WaitParameters)
    if parameters.until == "callback":
        value = carrier.steps.callback("callback", carrier.announce_callback, parameters.seconds)
        return {"timeout": call.items} if value is None else {"main": [_item(value)]}
    if parameters.until == "moment":
        if parameters.moment is None:
            raise NodeError("invalid_parameters", "/moment: needed to wait for a moment")
        moment = parameters.moment
        seconds = carrier.step("look", lambda: _seconds_until(moment))
    else:
        seconds = parameters.seconds
    if seconds > 0:
        carrier.steps.wait("wait", seconds)
    return passed(call)


def _seconds_until(moment: datetime) -> int:
    seconds = ceil((moment - clock.now().astimezone(UTC)).total_seconds())
    if seconds > MAX_SECONDS:
        raise NodeError("invalid_parameters", f"/moment: more than {MAX_SECONDS // 86_400} days away")
    return seconds


def _item(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"value": value}


NODE = NodeType(
    label="Wait",
    description="Holds a branch for a time, until a moment, or until somebody completes its callback.",
    category="flow",
    kind="flow",
    operations=8,
    outputs=("main", "timeout"),
    may_suspend=True,
    express=False,
    parameters=WaitParameters,
    run=passed,
    carry=carry,
)
