"""The form of a response: the gateway's payload 2.0, compact JSON, and the headers that each response carries."""

from typing import TypedDict

from aws_lambda_powertools.event_handler import Response

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Frame-Options": "DENY",
}
CONTENT_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of a response that does not set its own: nothing in it loads or executes anything."""


class GatewayResponse(TypedDict):
    """A response as API Gateway's payload format 2.0 takes it from a function."""

    statusCode: int
    headers: dict[str, str]
    body: str | None
    isBase64Encoded: bool
    cookies: list[str]


def no_content() -> Response[None]:
    """Return a 204 response."""
    return Response(status_code=204, body=None)
