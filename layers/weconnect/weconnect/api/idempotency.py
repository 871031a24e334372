"""`Idempotency-Key`: the same request twice has one effect, and gets the same response for 24 hours.

Ours and not Powertools', because an execution's id must come from the key: a retry after a crash takes over the first
attempt's lease, keeps its time, and so derives the id of the execution that the first attempt may have stored already.
"""

import contextlib
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypedDict
from uuid import UUID

from pynamodb.attributes import Attribute
from pynamodb.exceptions import DeleteError, PutError, UpdateError

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.api.errors import IdempotencyInFlight, IdempotencyKeyReused, InvalidIdempotencyKey
from weconnect.api.operation import Operation
from weconnect.api.responses import GatewayResponse
from weconnect.db import payloads
from weconnect.db.payloads import StoredText
from weconnect.db.table import Row, get, key, stored
from weconnect.security import encryption

LEASE_SECONDS = 60
KEEP_SECONDS = 24 * 3_600
RETENTION_DAYS = 7
MAX_KEY_LENGTH = 255

_next_id: ContextVar[Callable[[], UUID]] = ContextVar("next id", default=ids.new_id)


class StoredResponse(TypedDict):
    """A response kept for replays; the body of one that shows a secret is encrypted."""

    status: int
    headers: dict[str, str]
    secret: bool
    body: StoredText


class IdempotencyRow(Row, discriminator="IDEMPOTENCY"):
    """The first request with a key: in flight until `lease_until` (seconds since 1970), done once it has an answer.

    `first_seen` is in milliseconds since 1970.
    """

    body_hash: Attribute[str] = stored()
    first_seen: Attribute[int] = stored()
    lease_until: Attribute[float] = stored()
    answer: Attribute[StoredResponse | None] = stored()

    @staticmethod
    def at(digest: str) -> tuple[str, str]:
        """Return the key of the row; `digest` is the SHA-256 of the request's scope."""
        return key("IDEM", digest), "IDEM"


def replay_safe_id() -> UUID:
    """Return a new UUIDv7; a repeated request with the same Idempotency-Key gets the same ids in the same order."""
    return _next_id.get()()


def execute_once(
    event: dict[str, Any], caller: Caller, operation: Operation, work: Callable[[], GatewayResponse]
) -> GatewayResponse:
    """Return the response of `work`, called once per organization, caller, method, path and Idempotency-Key.

    For an operation that returns a secret, such as tokens, it is called once per session instead of per user.
    A repeated request gets the stored response. Only a successful one is stored; after any other, the next request with
    the key calls `work` again. Raises InvalidIdempotencyKey, IdempotencyKeyReused (another body) and
    IdempotencyInFlight.
    """
    text = event["headers"]["idempotency-key"]
    if not 1 <= len(text) <= MAX_KEY_LENGTH or not text.isprintable():
        raise InvalidIdempotencyKey("Invalid Idempotency-Key. Send 1 to 255 printable characters.")
    # A session of single sign-on must not replay the response of a session with the account's own password, nor any
    # session the tokens or secrets that another one was given.
    principal = f"{caller.api_key_id or caller.user_id}{' sso' if caller.is_sso else ''}"
    session_id = caller.session_id if operation.returns_secret else None
    scope = json.dumps(
        [str(caller.organization_id), principal, operation.method, event["rawPath"], text, session_id]
    )
    digest = hashlib.sha256(scope.encode())
    # Keyed by the Idempotency-Key, which is stored nowhere, because a body may have a password that can be guessed.
    body_hash = hmac.digest(text.encode(), (event.get("body") or "").encode(), "sha256").hex()
    row = _begin(digest.hexdigest(), body_hash)
    if row.answer:
        return _replay(caller, row.pk, row.answer)
    token = _next_id.set(_create_id_sequence(row.first_seen, digest.digest()))
    try:
        response = work()
    except BaseException:
        _release(row)
        raise
    finally:
        _next_id.reset(token)
    if 200 <= response["statusCode"] < 300:
        row.update(
            [IdempotencyRow.answer.set(_store(caller, operation, row.pk, response))],
            condition=IdempotencyRow.lease_until == row.lease_until,
        )
    else:
        _release(row)
    return response


def _create_id_sequence(milliseconds: int, digest: bytes) -> Callable[[], UUID]:
    """Return a function that returns the ids of what one request creates: the same sequence at each attempt."""
    numbers = itertools.count()

    def derive_next_id() -> UUID:
        """Return the next id; the first comes from `digest`, each other from `digest` and its number."""
        number = next(numbers)
        own = hashlib.sha256(digest + number.to_bytes(4)).digest() if number else digest
        return ids.derived_id(milliseconds, own)

    return derive_next_id


def _release(row: IdempotencyRow) -> None:
    """Delete the row, so that the next request with the key is executed, unless another one took over its lease."""
    with contextlib.suppress(DeleteError):
        row.delete(condition=IdempotencyRow.lease_until == row.lease_until)


def _begin(digest: str, body_hash: str) -> IdempotencyRow:
    """Return the row of a key: new, with its expired lease taken over, or with a stored response.

    Raises IdempotencyKeyReused and IdempotencyInFlight.
    """
    moment = clock.now().timestamp()
    pk, sk = IdempotencyRow.at(digest)
    fresh = IdempotencyRow(
        pk=pk,
        sk=sk,
        body_hash=body_hash,
        first_seen=int(moment * 1000),
        lease_until=moment + LEASE_SECONDS,
        ttl=int(moment) + KEEP_SECONDS,
    )
    try:
        fresh.save(condition=Row.pk.does_not_exist() | (Row.ttl <= int(moment)))
        return fresh
    except PutError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
    row = get(IdempotencyRow, (pk, sk))
    if row is None:
        return _begin(digest, body_hash)
    if row.body_hash != body_hash:
        raise IdempotencyKeyReused("This Idempotency-Key was used with another body. Send a new key.")
    if row.answer:
        return row
    if row.lease_until > moment:
        raise IdempotencyInFlight(
            "The first request with this Idempotency-Key is still in flight. Repeat it later."
        )
    try:
        row.update(
            [IdempotencyRow.lease_until.set(moment + LEASE_SECONDS)],
            condition=IdempotencyRow.lease_until == row.lease_until,
        )
    except UpdateError as error:
        raise IdempotencyInFlight(
            "Another request took over this Idempotency-Key. Repeat it later."
        ) from error
    return row


def _store(caller: Caller, operation: Operation, pk: str, response: GatewayResponse) -> StoredResponse:
    """Return a response as its row holds it: a secret body encrypted, a long one in the payload store."""
    body = response.get("body") or ""
    if operation.returns_secret:
        body = encryption.encrypt(caller.organization_id, kind="IDEM", id=pk, field="answer", text=body)
    return {
        "status": response["statusCode"],
        "headers": response.get("headers", {}),
        "secret": operation.returns_secret,
        "body": payloads.store(caller.organization_id, f"idempotency/{pk}", body, RETENTION_DAYS),
    }


def _replay(caller: Caller, pk: str, response: StoredResponse) -> GatewayResponse:
    """Return a stored response with its body loaded, marked by the header `Idempotent-Replayed: true`."""
    body = payloads.load(caller.organization_id, response["body"])
    if response["secret"]:
        body = encryption.decrypt(caller.organization_id, kind="IDEM", id=pk, field="answer", sealed=body)
    return {
        "statusCode": response["status"],
        "headers": {**response["headers"], "Idempotent-Replayed": "true"},
        "body": body,
        "isBase64Encoded": False,
        "cookies": [],
    }
