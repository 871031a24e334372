"""Erasure of an organization that left the trash for good: every row and every payload of the tenant.

Rows are deleted by their keys alone, children before their parents. Deleted rows are not read again, so that an
interrupted purge continues where it stopped; one message does a bounded part and asks for the next.

Some data remains: users, who belong to themselves; idempotent responses, for a day at most (their texts are deleted
with the payloads); the platform's own checkpoints of executions until their retention ends; and the month's logs of
mails and sign-ins.
"""

from uuid import UUID

from weconnect import registry, registry_index
from weconnect.db import payloads, table
from weconnect.db.erasure import Eraser, QuotaSpent, list_keys
from weconnect.identity import keys
from weconnect.identity.rows import ApiKeyRow
from weconnect.log import logger
from weconnect.organizations.rows import OrganizationRow

ROWS_PER_MESSAGE = 20_000


def purge(trash: tuple[str, str]) -> bool:
    """Delete a bounded part of an organization's data; return True when nothing is left.

    `trash` is the key that the organization had in the trash. One that was restored keeps everything.
    """
    organization_id = UUID(trash[0].split("#")[1])
    if table.get_many([OrganizationRow.at(organization_id), OrganizationRow.in_trash(organization_id)]):
        return True
    eraser = Eraser(ROWS_PER_MESSAGE)
    try:
        _erase(organization_id, eraser)
    except QuotaSpent:
        logger.info("organization partly purged", organization_id=str(organization_id), rows=eraser.deleted)
        return False
    payloads.discard_all(organization_id)
    logger.info("organization purged", organization_id=str(organization_id), rows=eraser.deleted)
    return True


def _erase(organization_id: UUID, eraser: Eraser) -> None:
    """Delete the organization's API keys, what other modules hold, then its own partitions. Raises QuotaSpent."""
    for pk, _ in list_keys(ApiKeyRow.by_expiry(organization_id), index="gsi2"):
        eraser.erase(list_keys(pk))  # the key, and the windows of its limits
    for erase in registry_index.ORGANIZATION_PURGES:
        registry.resolve(erase)(organization_id, eraser)
    for pk, _ in (keys.request_counts(organization_id, 0), OrganizationRow.at(organization_id)):
        eraser.erase(list_keys(pk))
