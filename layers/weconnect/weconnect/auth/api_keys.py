"""API keys: made, listed, revoked. How one is checked stands in `authorizer`."""

import hashlib
import secrets
from uuid import UUID

from weconnect import clock, ids, table
from weconnect.auth.entities import ApiKey, CreatedApiKey, NewApiKey, PublicApiKey
from weconnect.auth.rows import ApiKeyRow
from weconnect.caller import Caller
from weconnect.errors import Invalid, NotFound
from weconnect.pages import Page, query_page

PREFIX_LENGTH = 8


def create(caller: Caller, new: NewApiKey) -> CreatedApiKey:
    """Make a key for the caller in this organization. Its text is in this answer and nowhere else."""
    moment = clock.now()
    if new.expires_at and new.expires_at <= moment:
        detail = "must lie in the future"
        raise Invalid("Not valid: /expiresAt", errors=[{"pointer": "/expiresAt", "detail": detail}])
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
    row = table.create(_row(api_key), caller.actor())
    public = row.to_entity().public()
    return CreatedApiKey(**{name: getattr(public, name) for name in PublicApiKey.model_fields}, key=text)


def find(
    caller: Caller, user_id: UUID | None, *, is_active: bool | None, limit: int, cursor: str | None
) -> Page[PublicApiKey]:
    """Keys of the caller, or of another member for holders of organization:manage; newest first."""
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


def revoke(caller: Caller, api_key_id: UUID, user_id: UUID | None, if_match: int | None) -> None:
    """End a key at once: its row moves to the trash, where no request finds it, and expires there."""
    row = _need(caller, api_key_id, user_id)
    with table.transaction(caller.actor()) as writes:
        table.trash(writes, row, ApiKeyRow.trashed_at(caller.organization_id, api_key_id), if_match=if_match)


def _need(caller: Caller, api_key_id: UUID, user_id: UUID | None) -> ApiKeyRow:
    """The key among its user's; the index tells the hash, the table tells the rest."""
    pk = ApiKeyRow.of_user(caller.organization_id, _owner(caller, user_id))
    found = next(iter(ApiKeyRow.gsi1.query(pk, ApiKeyRow.gsi1sk == str(api_key_id))), None)
    row = table.get(ApiKeyRow, (found.pk, found.sk)) if found else None
    if row is None:
        raise NotFound("No such API key", code="api_key_not_found")
    return row


def _owner(caller: Caller, user_id: UUID | None) -> UUID:
    if user_id is None or user_id == caller.user_id:
        return caller.user_id
    caller.require("organization:manage")
    return user_id


def _row(api_key: ApiKey) -> ApiKeyRow:
    pk, sk = ApiKeyRow.at(api_key.key_hash)
    expires = clock.iso(api_key.expires_at) if api_key.expires_at else None
    return ApiKeyRow.of(
        api_key,
        pk=pk,
        sk=sk,
        gsi1pk=ApiKeyRow.of_user(api_key.organization_id, api_key.user_id),
        gsi1sk=str(api_key.id),
        gsi2pk=ApiKeyRow.by_expiry(api_key.organization_id),
        gsi2sk=ApiKeyRow.by_expiry_order(expires, api_key.id),
        expires_at=expires,
        ttl=int(api_key.expires_at.timestamp()) if api_key.expires_at else None,
    )
