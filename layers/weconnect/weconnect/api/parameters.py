"""Parameter types that the routes of several modules share."""

from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Header, Path
from pydantic import BeforeValidator, WithJsonSchema

MAX_WAIT_SECONDS = 25


def path_id(name: str) -> Any:
    """Return the type of a UUID in the path, such as `AgentId = path_id("agentId")`."""
    return Annotated[UUID, Path(alias=name)]


def _parse_if_match(value: str | None) -> int | None:
    """Return the version in an ETag such as `"3"` or `W/"3"`; None for a missing one and `*`. Raises ValueError."""
    if value is None or value == "*":
        return None
    try:
        return int(value.removeprefix("W/").strip('"'))
    except ValueError:
        raise ValueError('must be the ETag of a response, such as "3"') from None


def _parse_prefer_wait(value: str | None) -> int:
    """Return the seconds of `wait=10` in a Prefer header (RFC 7240), capped; 0 without it. Raises ValueError."""
    for preference in (value or "").split(","):
        name, _, number = preference.strip().partition("=")
        if name.lower() == "wait":
            if not number.strip('" ').isdigit():
                raise ValueError("wait takes a number of seconds, such as wait=10")
            return min(MAX_WAIT_SECONDS, int(number.strip('" ')))
    return 0


IfMatch = Annotated[
    int | None,
    BeforeValidator(_parse_if_match),
    WithJsonSchema({"type": "string", "examples": ['"3"']}),
    Header(alias="If-Match", description="Change only this version: the `ETag` of an earlier response"),
]
PreferWait = Annotated[
    int,
    BeforeValidator(_parse_prefer_wait),
    # An integer too, because the default is 0.
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}], "examples": ["wait=20"]}),
    Header(alias="Prefer", description="RFC 7240 `wait=N`: wait up to N (at most 25) seconds for the result"),
]
Accept = Annotated[
    str, Header(alias="Accept", max_length=1_000, description="`image/svg+xml` for an SVG image")
]
