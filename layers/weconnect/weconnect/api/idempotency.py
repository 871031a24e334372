"""`Idempotency-Key`: the same request twice has one effect, and the same answer for 24 hours.

Ours and not Powertools', because a run's id must come from the key: a retry after a crash takes the first try's
lease over, keeps its time, and so derives the id of the very run that the first try may have stored already.
"""

import contextlib
import hashlib
import itertools
import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DeleteError, PutError, UpdateError

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.api.resolver import Operation
from weconnect.db import payloads
from weconnect.db.table import Row, get, key
from weconnect.errors import BadRequest, Conflict, Invalid
from weconnect.security import encryption

LEASE_SECONDS = 60
KEEP_SECONDS = 24 * 3_600
RETENTION_DAYS = 7

_next_id: ContextVar[Callable[[], UUID]] = ContextVar("next id", default=ids.new_id)


class IdempotencyRow(Row, discriminator="IDEMPOTENCY"):
    """One key's first request: in flight until `lease_until`, answered when `answer` is there."""

    body_hash = UnicodeAttribute(attr_name="bodyHash")
    first_seen = NumberAttribute(attr_name="firstSeen")
    lease_until = NumberAttribute(attr_name="leaseUntil")
    answer = JSONAttribute(null=True)

    @staticmethod
    def at(digest: str) -> tuple[str, str]:
        return key("IDEM", digest), "IDEM"


def new_id() -> UUID:
    """An id for a thing that a request makes: derived from its Idempotency-Key when it has one."""
    return _next_id.get()()


def replayed(
    event: dict[str, Any], caller: Caller, operation: Operation, work: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Do `work` once per organization, caller, method, path and key; else answer what was answered then.

    Raises Invalid (another body), Conflict (in flight), BadRequest (key not 1 to 255 printable characters).
    """
    text = event["headers"]["idempotency-key"]
    if not 1 <= len(text) <= 255 or not text.isprintable():
        raise BadRequest(
            "Idempotency-Key takes 1 to 255 printable characters", code="invalid_idempotency_key"
        )
    who = f"{caller.api_key_id or caller.user_id}{' sso' if caller.sso else ''}"  # reads no answer of the account's own
    scope = json.dumps([str(caller.organization_id), who, operation.method, event["rawPath"], text])
    digest = hashlib.sha256(scope.encode())
    row = _begin(digest.hexdigest(), hashlib.sha256((event.get("body") or "").encode()).hexdigest())
    if row.answer:
        return _open(caller, operation, row)
    token = _next_id.set(_ids_of(int(row.first_seen), digest.digest()))
    try:
        answer = work()
    except BaseException:
        _release(row)
        raise
    finally:
        _next_id.reset(token)
    if 200 <= int(answer["statusCode"]) < 300:
        sealed = _seal(caller, operation, row, answer)
        row.update(
            [IdempotencyRow.answer.set(sealed)], condition=IdempotencyRow.lease_until == row.lease_until
        )
    else:
        _release(row)
    return answer


def _ids_of(milliseconds: int, digest: bytes) -> Callable[[], UUID]:
    """The ids of the things that one request makes: a row of them, the same at each try."""
    numbers = itertools.count()

    def next_id() -> UUID:
        number = next(numbers)
        own = hashlib.sha256(digest + number.to_bytes(4)).digest() if number else digest
        return ids.derived_id(milliseconds, own)

    return next_id


def _release(row: IdempotencyRow) -> None:
    """Let the next request with this key try again, unless another took the lease over already."""
    with contextlib.suppress(DeleteError):
        row.delete(condition=IdempotencyRow.lease_until == row.lease_until)


def _begin(digest: str, body_hash: str) -> IdempotencyRow:
    """Take the key, or its lease when that ran out; or return the row that has an answer."""
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
        raise Invalid("This Idempotency-Key was used with another body", code="idempotency_key_reused")
    if row.answer:
        return row
    if row.lease_until > moment:
        raise Conflict("The first request with this key is still in flight", code="idempotency_in_flight")
    try:
        row.update(
            [IdempotencyRow.lease_until.set(moment + LEASE_SECONDS)],
            condition=IdempotencyRow.lease_until == row.lease_until,
        )
    except UpdateError as error:
        raise Conflict("Another request with this key took over", code="idempotency_in_flight") from error
    return row


def _seal(
    caller: Caller, operation: Operation, row: IdempotencyRow, answer: dict[str, Any]
) -> dict[str, Any]:
    kept = {
        "status": int(answer["statusCode"]),
        "headers": answer.get("headers", {}),
        "secret": operation.secret,
    }
    body = answer.get("body") or ""
    if operation.secret:
        body = encryption.encrypt(caller.organization_id, kind="IDEM", id=row.pk, field="answer", text=body)
    return kept | {
        "body": payloads.store(caller.organization_id, f"idempotency/{row.pk}", body, RETENTION_DAYS)
    }


def _open(caller: Caller, operation: Operation, row: IdempotencyRow) -> dict[str, Any]:
    body = payloads.load(caller.organization_id, row.answer["body"])
    if row.answer["secret"]:
        body = encryption.decrypt(caller.organization_id, kind="IDEM", id=row.pk, field="answer", sealed=body)
    return {
        "statusCode": row.answer["status"],
        "headers": {**row.answer["headers"], "Idempotent-Replayed": "true"},
        "body": body,
        "isBase64Encoded": False,
        "cookies": [],
    }
