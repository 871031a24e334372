"""Problems of the request itself: its body, its Idempotency-Key, its cursor, and what its caller may do."""

from weconnect.errors import BadRequest, Conflict, Forbidden, Invalid, Unavailable


class MalformedJson(BadRequest):
    """The body is not JSON that every parser reads alike (RFC 7493)."""

    code, title = "malformed_json", "Malformed JSON"


class InvalidCursor(BadRequest):
    """The cursor belongs to another list or to other filters. Start again without it."""

    code, title = "invalid_cursor", "Invalid cursor"


class InvalidIdempotencyKey(BadRequest):
    """`Idempotency-Key` must have 1 to 255 printable characters."""

    code, title = "invalid_idempotency_key", "Invalid Idempotency-Key"


class IdempotencyKeyReused(Invalid):
    """The `Idempotency-Key` was used with another body. Use a new key for each request."""

    code, title = "idempotency_key_reused", "Idempotency-Key reused"


class IdempotencyInFlight(Conflict):
    """The first request with this `Idempotency-Key` has not finished. Repeat the request later."""

    code, title = "idempotency_in_flight", "Request in flight"


class PermissionMissing(Forbidden):
    """The caller lacks the permission that the operation requires."""

    code, title = "permission_missing", "Permission missing"


class MfaRequiredByOrganization(Forbidden):
    """The organization requires multi-factor authentication, and this session was opened without it."""

    code, title = "mfa_required_by_organization", "Multi-factor authentication required"


class GuestNotAllowed(Forbidden):
    """Guests reach only what is shared with them."""

    code, title = "guest", "Not open to guests"


class ReadOnlyUser(Forbidden):
    """The user's role is `readonly`: they change nothing."""

    code, title = "read_only", "Read-only account"


class NotReady(Unavailable):
    """A dependency of the service does not respond. `errors` names each."""

    code, title = "not_ready", "Not ready"
