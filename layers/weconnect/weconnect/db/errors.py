"""Errors of stored data."""

from weconnect.errors import Gone


class PayloadExpired(Gone):
    """The content was deleted because its retention period is over."""

    code, title = "payload_expired", "Content expired"
