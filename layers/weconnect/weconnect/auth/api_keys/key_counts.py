"""The number of API keys that a member may have in an organization, by its plan.

A row names them. A key is added by the transaction that creates it; revoking and expiry remove its own row alone, so
keys that are gone are looked for when the row is full.
"""

from uuid import UUID

from weconnect.auth.errors import ApiKeyLimitReached
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.identity.rows import ApiKeyRow, MemberApiKeysRow
from weconnect.organizations.errors import OrganizationNotFound
from weconnect.organizations.rows import OrganizationRow

KEYS_PER_READ = 100


def prepare(organization_id: UUID, user_id: UUID, *, spare: int = 1) -> int:
    """Return how many keys the member may have (-1: any number), after removing lost ones from the row if it is full.

    `spare` multiplies what the plan allows, for keys that will replace others.
    """
    organization = table.require(OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound)
    limit = organization.to_entity().get_plan_limits().max_api_keys
    limit = limit * spare if limit > 0 else limit
    row = table.get(MemberApiKeysRow, MemberApiKeysRow.at(organization_id, user_id))
    hashes = (row.key_hashes or set()) if row else set()
    lost = hashes - _find_existing(sorted(hashes)) if 0 <= limit <= len(hashes) else set()
    if row is not None and lost:
        row.update(actions=[MemberApiKeysRow.key_hashes.delete(lost)])
    return limit


def add(writes: Transaction, row: ApiKeyRow, limit: int) -> None:
    """Count a new key; the transaction raises ApiKeyLimitReached when the member has `limit` keys (-1: any number)."""
    pk, sk = MemberApiKeysRow.at(row.organization_id, row.user_id)
    exceeded = ApiKeyLimitReached(f"A member may have {limit} API keys on this plan. Revoke one first.")
    counted = MemberApiKeysRow(pk=pk, sk=sk)
    writes.add_to_set(counted, "key_hashes", {_read_hash(row.pk)}, limit=limit, if_refused=exceeded)


def _find_existing(hashes: list[str]) -> set[str]:
    """Return the hashes of the keys that were neither revoked nor have expired."""
    existing: set[str] = set()
    for start in range(0, len(hashes), KEYS_PER_READ):
        keys = [ApiKeyRow.at(text) for text in hashes[start : start + KEYS_PER_READ]]
        existing |= {_read_hash(pk) for pk, _ in table.get_many(keys)}
    return existing


def _read_hash(pk: str) -> str:
    """Return the hash in the partition key of an API key."""
    return pk.partition("#")[2]
