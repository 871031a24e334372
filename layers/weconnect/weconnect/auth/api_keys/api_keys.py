"""API keys: made, listed, changed, rotated, revoked. How one is checked stands in `authorizer`."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import EVERYTHING, Caller
from weconnect.api.pagination import Page, query_page
from weconnect.auth.entities import (
    ApiKey,
    ApiKeyChanges,
    ApiKeyRotation,
    CreatedApiKey,
    NewApiKey,
    PublicApiKey,
)
from weconnect.auth.rows import ApiKeyRow
from weconnect.auth.sessions import sessions
from weconnect.db import table
from weconnect.errors import Conflict, Forbidden, Invalid, NotFound
from weconnect.identity import permissions

PREFIX_LENGTH = 8
BY_PROVIDER, BY_PASSWORD = "sso", "password"


def create(caller: Caller, new: NewApiKey) -> CreatedApiKey:
    """Make a key for the caller in this organization. Its text is in this answer and nowhere else."""
    sessions.require_open(caller)  # a key would outlive the access token of a session that was ended
    _refuse_scopes_not_held(caller, new.scopes)
    text, row = _new(caller, new)
    return _shown(table.create(row, caller.actor()), text)


def find(
    caller: Caller,
    user_id: UUID | None,
    *,
    is_active: bool | None,
    expiring_before: datetime | None,
    limit: int,
    cursor: str | None,
) -> Page[PublicApiKey]:
    """Keys of the caller, or of another member for holders of organization:manage; newest first.

    With `expiring_before` all members' keys that still work and will end before it, the next one first.
    """
    if expiring_before:
        return _find_expiring(caller, user_id, is_active, expiring_before, limit, cursor)
    rows, next_cursor = query_page(
        ApiKeyRow,
        ApiKeyRow.of_user(caller.organization_id, _owner(caller, user_id)),
        index="gsi1",
        limit=limit,
        cursor=cursor,
        keep=None if is_active is None else lambda row: row.is_active == is_active,
        filters=[is_active],
    )
    return Page(items=[row.to_entity().public() for row in rows], next_cursor=next_cursor)


def get(caller: Caller, api_key_id: UUID, user_id: UUID | None) -> PublicApiKey:
    """One key, without its text."""
    return _need(caller, api_key_id, user_id).to_entity().public()  # type: ignore[no-any-return]


def update(
    caller: Caller, api_key_id: UUID, user_id: UUID | None, changes: ApiKeyChanges, if_match: int | None
) -> PublicApiKey:
    """Change a key; what is given replaces what was there, and `expires_at: null` lifts the expiry."""
    row = _need(caller, api_key_id, user_id)
    given = {name: getattr(changes, name) for name in changes.model_fields_set}
    dumped = changes.model_dump(mode="json")
    values = {name: dumped[name] for name in given if given[name] is not None}
    if given.get("scopes"):
        _refuse_scopes_not_held(caller, given["scopes"])
        values["scopes"] = list(dict.fromkeys(given["scopes"]))
    if "expires_at" in given:
        _refuse_past(given["expires_at"])
        values |= _ends(caller, api_key_id, given["expires_at"])
    table.change(row, values, caller.actor(), if_match=if_match)
    return row.to_entity().public()  # type: ignore[no-any-return]


def rotate(
    caller: Caller, api_key_id: UUID, rotation: ApiKeyRotation | None, if_match: int | None
) -> CreatedApiKey:
    """Make a key's successor with its settings; the old one works for `overlap_seconds` more.

    Only its own user may: the answer has a text that acts as them. A key that had an end gets a successor that lives
    as long, counted from now.
    """
    sessions.require_open(caller)
    rotation = rotation or ApiKeyRotation()
    row = _need(caller, api_key_id, None)
    if row.successor_id:
        raise Conflict("This key was rotated already; rotate its successor", code="api_key_rotated")
    old: ApiKey = row.to_entity()
    _refuse_scopes_not_held(caller, old.scopes)
    moment = clock.now()
    try:
        expires = rotation.expires_at or (old.expires_at and moment + (old.expires_at - old.created_at))
    except OverflowError:
        expires = old.expires_at
    settings = {name: getattr(old, name) for name in ("name", "scopes", "permissions", "rate_limits")}
    text, successor = _new(caller, NewApiKey(**settings, expires_at=expires))
    ends = moment + timedelta(seconds=rotation.overlap_seconds)
    values: dict[str, Any] = {"successor_id": successor.id}
    if old.expires_at is None or ends < old.expires_at:
        values |= _ends(caller, api_key_id, ends)
    with table.transaction(caller.actor()) as writes:
        writes.create(successor)
        writes.change(row, values, if_match=if_match)
    return _shown(successor, text)


def revoke(caller: Caller, api_key_id: UUID, user_id: UUID | None, if_match: int | None) -> None:
    """End a key at once: its row moves to the trash, where no request finds it, and expires there."""
    row = _need(caller, api_key_id, user_id)
    with table.transaction(caller.actor()) as writes:
        table.trash(writes, row, ApiKeyRow.trashed_at(caller.organization_id, api_key_id), if_match=if_match)


def still_grants(
    organization_id: UUID, user_id: UUID, api_key_id: UUID, held: frozenset[str]
) -> frozenset[str]:
    """What a key leaves of what its user holds; raises NotFound once it was revoked or has expired."""
    row = _of_user(organization_id, user_id, api_key_id)
    if not row.is_active:
        raise _no_key()
    return permissions.of_api_key(held, row.scopes, row.permissions)


def _find_expiring(
    caller: Caller,
    user_id: UUID | None,
    is_active: bool | None,
    before: datetime,
    limit: int,
    cursor: str | None,
) -> Page[PublicApiKey]:
    caller.require("organization:manage")

    def keep(row: ApiKeyRow) -> bool:
        return is_active in (None, row.is_active) and (user_id is None or row.user_id == str(user_id))

    rows, next_cursor = query_page(
        ApiKeyRow,
        ApiKeyRow.by_expiry(caller.organization_id),
        index="gsi2",
        between=("0", clock.iso(before)),
        newest_first=False,
        limit=limit,
        cursor=cursor,
        keep=keep,
        filters=[is_active, user_id],
    )
    return Page(items=[row.to_entity().public() for row in rows], next_cursor=next_cursor)


def _need(caller: Caller, api_key_id: UUID, user_id: UUID | None) -> ApiKeyRow:
    """The key among its user's; the index tells the hash, the table tells the rest."""
    return _of_user(caller.organization_id, _owner(caller, user_id), api_key_id)


def _of_user(organization_id: UUID, user_id: UUID, api_key_id: UUID) -> ApiKeyRow:
    pk = ApiKeyRow.of_user(organization_id, user_id)
    found = next(iter(ApiKeyRow.gsi1.query(pk, ApiKeyRow.gsi1sk == str(api_key_id))), None)
    row = table.get(ApiKeyRow, (found.pk, found.sk)) if found else None
    if row is None:
        raise _no_key()
    return row


def _no_key() -> NotFound:
    return NotFound("No such API key", code="api_key_not_found")


def _owner(caller: Caller, user_id: UUID | None) -> UUID:
    if user_id is None or user_id == caller.user_id:
        return caller.user_id
    caller.require("organization:manage")
    return user_id


def _refuse_scopes_not_held(caller: Caller, scopes: list[str]) -> None:
    """A key has no scope that its maker lacks, so that it does not grow with a later promotion; `*` takes all."""
    held = caller.permissions
    errors = [
        {"pointer": f"/scopes/{number}", "detail": f"you do not hold {scope}"}
        for number, scope in enumerate(scopes)
        if EVERYTHING not in held and scope not in held
    ]
    if errors:
        raise Forbidden(
            "A key takes only scopes that you hold yourself", code="scope_not_held", errors=errors[:50]
        )


def _refuse_past(expires_at: datetime | None) -> None:
    if expires_at and expires_at <= clock.now():
        detail = "must lie in the future"
        raise Invalid("Not valid: /expiresAt", errors=[{"pointer": "/expiresAt", "detail": detail}])


def _new(caller: Caller, new: NewApiKey) -> tuple[str, ApiKeyRow]:
    """A key's text and its row, to be stored by the caller."""
    _refuse_past(new.expires_at)
    moment = clock.now()
    text = f"wc_{secrets.token_urlsafe(32)}"
    api_key = ApiKey(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        name=new.name,
        key_hash=hashlib.sha256(text.encode()).hexdigest(),
        key_prefix=text[:PREFIX_LENGTH],
        scopes=list(dict.fromkeys(new.scopes)),
        permissions=new.permissions,
        expires_at=new.expires_at,
        rate_limits=new.rate_limits,
    )
    pk, sk = ApiKeyRow.at(api_key.key_hash)
    row = ApiKeyRow.of(
        api_key,
        pk=pk,
        sk=sk,
        gsi1pk=ApiKeyRow.of_user(api_key.organization_id, api_key.user_id),
        gsi1sk=str(api_key.id),
        gsi2pk=ApiKeyRow.by_expiry(api_key.organization_id),
        made_by=BY_PROVIDER if caller.sso else BY_PASSWORD,
        **_ends(caller, api_key.id, api_key.expires_at),
    )
    return text, row


def _ends(caller: Caller, api_key_id: UUID, expires_at: datetime | None) -> dict[str, Any]:
    """What an expiry is in the row: the text, its place in the index, and the time to live."""
    expires = clock.iso(expires_at) if expires_at else None
    return {
        "expires_at": expires,
        "gsi2sk": ApiKeyRow.by_expiry_order(expires, api_key_id),
        "ttl": int(expires_at.timestamp()) if expires_at else None,
    }


def _shown(row: ApiKeyRow, text: str) -> CreatedApiKey:
    public = row.to_entity().public()
    return CreatedApiKey(**{name: getattr(public, name) for name in PublicApiKey.model_fields}, key=text)
