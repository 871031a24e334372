"""Callback tokens in what the API shows: `<organization><execution><secret>`, of which only the hash is stored."""

from uuid import UUID

from weconnect.hiding import Hiding


def hide_tokens(organization_id: UUID) -> Hiding:
    """Return what hides an organization's callback tokens, and the beginnings of those that something has cut."""
    hiding = Hiding()
    hiding.add_prefix(organization_id.hex, r"[0-9a-f]{32}[A-Za-z0-9_-]{1,43}")
    return hiding
