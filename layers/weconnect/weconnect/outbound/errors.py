"""Errors of outbound requests."""

from weconnect.errors import Invalid, UpstreamFailed


class OutboundRefused(Invalid):
    """The address may not be called, or the request is malformed. Only public http and https addresses are allowed."""

    code, title = "outbound_refused", "Outbound request refused"


class HostRefused(OutboundRefused):
    """The name has no address on the public internet now. It may have one later, so the request may be retried.

    A name that does not resolve and an internal one are refused alike, so that neither can be told from the other.
    """


class UpstreamTimeout(UpstreamFailed):
    """The called service did not respond in time."""

    code, title = "upstream_timeout", "Upstream service timed out"


class UpstreamTooLarge(UpstreamFailed):
    """The response of the called service exceeds the size limit."""

    code, title = "upstream_too_large", "Upstream response too large"


class UpstreamNotJson(UpstreamFailed):
    """The response of the called service is not JSON."""

    code, title = "upstream_not_json", "Upstream response is not JSON"


class TooManyRedirects(UpstreamFailed):
    """The called service redirected too often."""

    code, title = "too_many_redirects", "Too many redirects"
