"""The keys of the rows that the authorizer reads itself, without PynamoDB; the row classes use them too."""

from weconnect.keys import key


def user(user_id: object) -> tuple[str, str]:
    """A user."""
    return key("USER", user_id), "USER"


def api_key(key_hash: str) -> tuple[str, str]:
    """An API key by the SHA-256 of its text."""
    return key("APIKEY", key_hash), "APIKEY"


def organization(organization_id: object) -> tuple[str, str]:
    """An organization."""
    return key("ORG", organization_id), "ORG"


def member(organization_id: object, user_id: object) -> tuple[str, str]:
    """A user's membership of an organization."""
    return key("ORG", organization_id), key("MEMBER", user_id)
