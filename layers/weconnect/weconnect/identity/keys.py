"""The keys of the rows that the authorizer reads without PynamoDB; the row classes use them too."""

from weconnect.db.keys import key


def user(user_id: object) -> tuple[str, str]:
    """Return the key of a user."""
    return key("USER", user_id), "USER"


def api_key(key_hash: str) -> tuple[str, str]:
    """Return the key of an API key by the SHA-256 of its text in hex."""
    return key("APIKEY", key_hash), "APIKEY"


def api_key_rate(key_hash: str, period: str) -> tuple[str, str]:
    """Return the key of an API key's requests in an hour (`2026-11-22T13`) or a day (`2026-11-22`)."""
    return key("APIKEY", key_hash), key("RATE", period)


def request_counts(organization_id: object, minute: int) -> tuple[str, str]:
    """Return the key of an organization's requests in a minute since the epoch."""
    return key("ORG", organization_id, "REQUESTS"), key("MINUTE", minute)


def organization(organization_id: object) -> tuple[str, str]:
    """Return the key of an organization."""
    return key("ORG", organization_id), "ORG"


def role(organization_id: object, role_id: object) -> tuple[str, str]:
    """Return the key of a custom role."""
    return key("ORG", organization_id), key("ROLE", role_id)


def member(organization_id: object, user_id: object) -> tuple[str, str]:
    """Return the key of a user's membership in an organization."""
    return key("ORG", organization_id), key("MEMBER", user_id)


def session(user_id: object, session_id: object) -> tuple[str, str]:
    """Return the key of a session."""
    return key("USER", user_id), key("SESSION", session_id)


def identity_provider(organization_id: object) -> tuple[str, str]:
    """Return the key of an organization's identity provider."""
    return key("ORG", organization_id), "IDENTITYPROVIDER"


def provider_trust(issuer: str, client_id: str) -> str:
    """Return what sessions of a provider depend on: another issuer or client is another provider."""
    return key(issuer, client_id)
