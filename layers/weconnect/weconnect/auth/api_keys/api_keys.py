"""API keys: created, listed, changed, rotated and revoked. The authorizer verifies them."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.auth.api_keys import key_counts
from weconnect.auth.api_keys.narrowing import is_narrower
from weconnect.auth.errors import ApiKeyNotFound, ApiKeyRotated, ScopeNotHeld
from weconnect.auth.schemas import ApiKeyChanges, ApiKeyRotation, CreatedApiKey, NewApiKey
from weconnect.db import table
from weconnect.errors import FieldError, Invalid
from weconnect.identity.entities import ApiKey, StoredApiKey
from weconnect.identity.permissions import EVERYTHING, limit_to_api_key
from weconnect.identity.rows import ApiKeyRow
from weconnect.organizations.errors import MemberNotFound
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow

PREFIX_LENGTH = 8
MAX_ERRORS = 50
MADE_BY_SSO, MADE_BY_PASSWORD = "sso", "password"


def create(caller: Caller, new: NewApiKey) -> CreatedApiKey:
    """Create a key for the caller in this organization. Only this response has the text of the key.

    Raises ScopeNotHeld, ApiKeyLimitReached, or Invalid for an expiry in the past.
    """
    _refuse_scopes_not_held(caller, new.scopes)
    limit = key_counts.prepare(caller.organization_id, caller.user_id)
    text, row = _build_row(caller, new)
    with table.transaction(caller.actor()) as writes:
        writes.create(row)
        key_counts.add(writes, row, limit)
    return _to_created(row, text)


def find(
    caller: Caller,
    user_id: UUID | None,
    *,
    is_active: bool | None,
    expiring_before: datetime | None,
    limit: int,
    cursor: str | None,
) -> Page[ApiKey]:
    """Return a page of the caller's keys, newest first, or another member's for callers with organization:manage.

    With `expiring_before`: the keys of all members that still work and expire before then, the earliest expiry first.
    """
    if expiring_before:
        return _find_expiring(caller, user_id, is_active, expiring_before, limit, cursor)
    rows, next_cursor = query_page(
        ApiKeyRow,
        ApiKeyRow.of_user(caller.organization_id, _authorize_owner(caller, user_id)),
        index="gsi1",
        limit=limit,
        cursor=cursor,
        keep=None if is_active is None else lambda row: row.is_active == is_active,
        filters=[is_active],
    )
    return Page(items=[row.to_entity().public() for row in rows], next_cursor=next_cursor)


def get(caller: Caller, api_key_id: UUID, user_id: UUID | None) -> ApiKey:
    """Return a key without its text. Raises ApiKeyNotFound."""
    return _require_visible(caller, api_key_id, user_id).to_entity().public()


def update(
    caller: Caller, api_key_id: UUID, user_id: UUID | None, changes: ApiKeyChanges, if_match: int | None
) -> ApiKey:
    """Change the fields of a key that were sent; null as `expires_at` removes the expiry.

    A key of another user becomes only narrower, unless the caller may change that member. Raises ApiKeyNotFound,
    ScopeNotHeld, OwnerOnly, Outranked, or Invalid for an expiry in the past.
    """
    row = _require_visible(caller, api_key_id, user_id)
    sent = {name: getattr(changes, name) for name in changes.model_fields_set}
    if row.user_id != str(caller.user_id):
        _require_may_change(caller, row, sent)
    dumped = changes.model_dump(mode="json")
    values = {name: dumped[name] for name in sent if sent[name] is not None}
    if sent.get("scopes"):
        _refuse_scopes_not_held(caller, sent["scopes"])
        values["scopes"] = list(dict.fromkeys(sent["scopes"]))
    if "expires_at" in sent:
        _refuse_past(sent["expires_at"])
        values |= _expiry_values(api_key_id, sent["expires_at"])
    table.change(row, values, caller.actor(), if_match=if_match)
    return row.to_entity().public()


def rotate(
    caller: Caller, api_key_id: UUID, rotation: ApiKeyRotation | None, if_match: int | None
) -> CreatedApiKey:
    """Create the successor of a key with the same settings; the old key works for `overlap_seconds` more.

    Only the key's own user may do this, because the response has a text that acts as them. The successor of a key with
    an expiry lives as long as that key did, counted from now. Raises ApiKeyNotFound, ApiKeyRotated or ScopeNotHeld.
    """
    rotation = rotation or ApiKeyRotation()
    row = _require_visible(caller, api_key_id, None)
    if row.successor_id:
        raise ApiKeyRotated("This key was rotated already. Rotate its successor.")
    old = row.to_entity()
    _refuse_scopes_not_held(caller, old.scopes)
    moment = clock.now()
    try:
        expires_at = rotation.expires_at or (old.expires_at and moment + (old.expires_at - old.created_at))
    except OverflowError:
        expires_at = old.expires_at
    settings = {name: getattr(old, name) for name in ("name", "scopes", "permissions", "rate_limits")}
    text, successor = _build_row(caller, NewApiKey(**settings, expires_at=expires_at))
    overlap_ends = moment + timedelta(seconds=rotation.overlap_seconds)
    values: dict[str, Any] = {"successor_id": successor.id}
    if old.expires_at is None or overlap_ends < old.expires_at:
        values |= _expiry_values(api_key_id, overlap_ends)
    limit = key_counts.prepare(caller.organization_id, caller.user_id, spare=2)
    with table.transaction(caller.actor()) as writes:
        writes.create(successor)
        key_counts.add(writes, successor, limit)
        writes.change(row, values, if_match=if_match)
    return _to_created(successor, text)


def revoke(caller: Caller, api_key_id: UUID, user_id: UUID | None, if_match: int | None) -> None:
    """Revoke a key at once: its row moves to the trash, where no request finds it. Raises ApiKeyNotFound."""
    row = _require_visible(caller, api_key_id, user_id)
    trash_key = ApiKeyRow.in_trash(caller.organization_id, api_key_id)
    with table.transaction(caller.actor()) as writes:
        table.move_to_trash(writes, row, trash_key, if_match=if_match)


def restrict_to_api_key(
    organization_id: UUID, user_id: UUID, api_key_id: UUID, granted: frozenset[str]
) -> frozenset[str]:
    """Return those of the user's permissions that a key passes on; raise ApiKeyNotFound once it stopped working."""
    row = _require_of_user(organization_id, user_id, api_key_id)
    if not row.is_active:
        raise ApiKeyNotFound()
    return limit_to_api_key(granted, row.scopes, row.permissions)


def _find_expiring(
    caller: Caller,
    user_id: UUID | None,
    is_active: bool | None,
    before: datetime,
    limit: int,
    cursor: str | None,
) -> Page[ApiKey]:
    """Return a page of all members' keys that expire before a moment, the earliest expiry first."""
    caller.require_permission("organization:manage")

    def matches(row: ApiKeyRow) -> bool:
        """Return whether a key passes the filters `is_active` and `user_id`."""
        return is_active in (None, row.is_active) and (user_id is None or row.user_id == str(user_id))

    rows, next_cursor = query_page(
        ApiKeyRow,
        ApiKeyRow.by_expiry(caller.organization_id),
        index="gsi2",
        between=("0", clock.iso(before)),
        newest_first=False,
        limit=limit,
        cursor=cursor,
        keep=matches,
        filters=[is_active, user_id],
    )
    return Page(items=[row.to_entity().public() for row in rows], next_cursor=next_cursor)


def _require_visible(caller: Caller, api_key_id: UUID, user_id: UUID | None) -> ApiKeyRow:
    """Return a key of the caller, or of `user_id` if the caller may manage it; raise ApiKeyNotFound."""
    return _require_of_user(caller.organization_id, _authorize_owner(caller, user_id), api_key_id)


def _require_of_user(organization_id: UUID, user_id: UUID, api_key_id: UUID) -> ApiKeyRow:
    """Return a user's key, read from the table because the index lags behind; raise ApiKeyNotFound."""
    pk = ApiKeyRow.of_user(organization_id, user_id)
    index_row = next(iter(ApiKeyRow.gsi1.query(pk, ApiKeyRow.gsi1sk == str(api_key_id))), None)
    row = table.get(ApiKeyRow, (index_row.pk, index_row.sk)) if index_row else None
    if row is None:
        raise ApiKeyNotFound()
    return row


def _authorize_owner(caller: Caller, user_id: UUID | None) -> UUID:
    """Return the user whose keys are meant: the caller, or another member for callers with organization:manage."""
    if user_id is None or user_id == caller.user_id:
        return caller.user_id
    caller.require_permission("organization:manage")
    return user_id


def _require_may_change(caller: Caller, row: ApiKeyRow, sent: Mapping[str, Any]) -> None:
    """Raise OwnerOnly, Outranked or MemberNotFound unless the caller may change another user's key in this way."""
    before = row.to_entity()
    values = {name: value for name, value in sent.items() if value is not None or name == "expires_at"}
    if is_narrower(before, before.model_copy(update=values)):
        return
    at = MemberRow.at(row.organization_id, row.user_id)
    membership.require_may_change(caller, table.require(MemberRow, at, MemberNotFound).to_entity())


def _refuse_scopes_not_held(caller: Caller, scopes: list[str]) -> None:
    """Raise ScopeNotHeld when the caller lacks a scope, so that a key does not grow with a later promotion."""
    if EVERYTHING in caller.permissions:
        return
    errors: list[FieldError] = [
        {"pointer": f"/scopes/{number}", "detail": f"you do not have {scope}"}
        for number, scope in enumerate(scopes)
        if scope not in caller.permissions
    ]
    if errors:
        raise ScopeNotHeld(errors=errors[:MAX_ERRORS])


def _refuse_past(expires_at: datetime | None) -> None:
    """Raise Invalid for an expiry that is not in the future; None passes."""
    if expires_at and expires_at <= clock.now():
        raise Invalid(
            "/expiresAt is in the past. Choose a time in the future.",
            errors=[{"pointer": "/expiresAt", "detail": "must be in the future"}],
        )


def _build_row(caller: Caller, new: NewApiKey) -> tuple[str, ApiKeyRow]:
    """Return the text of a new key, and its row for the caller to store."""
    _refuse_past(new.expires_at)
    moment = clock.now()
    text = f"wc_{secrets.token_urlsafe(32)}"
    api_key = StoredApiKey(
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
        made_by=MADE_BY_SSO if caller.is_sso else MADE_BY_PASSWORD,
        **_expiry_values(api_key.id, api_key.expires_at),
    )
    return text, row


def _expiry_values(api_key_id: UUID, expires_at: datetime | None) -> dict[str, Any]:
    """Return the attributes that an expiry sets: the expiry itself, the sort key of the index, the time to live."""
    expires = clock.iso(expires_at) if expires_at else None
    return {
        "expires_at": expires,
        "gsi2sk": ApiKeyRow.by_expiry_order(expires, api_key_id),
        "ttl": int(expires_at.timestamp()) if expires_at else None,
    }


def _to_created(row: ApiKeyRow, text: str) -> CreatedApiKey:
    """Return a new key with its text, for the only response that shows it."""
    api_key = row.to_entity()
    return CreatedApiKey(**{name: getattr(api_key, name) for name in ApiKey.model_fields}, key=text)
