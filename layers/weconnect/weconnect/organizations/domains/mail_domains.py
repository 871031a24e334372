"""Mail domains of an organization: claimed, proved by a TXT record in DNS, and given up.

A proved domain leads its addresses to the organization's identity provider, lets accounts join by that provider, and
may be one of its `allowedDomains`. It has one owner. A proof stays until the organization gives the domain up or is
deleted, also when the record goes, unless another organization proves the domain meanwhile: whoever controls the DNS
now gets it. While the owner's record is there, nobody else can.
"""

import secrets
from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.identity import waiting
from weconnect.identity.verified_addresses import require_verified
from weconnect.organizations.domains import dns_lookup
from weconnect.organizations.domains.public_mail_domains import PUBLIC_MAIL_DOMAINS
from weconnect.organizations.entities import DomainStatus, MailDomain
from weconnect.organizations.errors import (
    DomainLimitReached,
    DomainNotFound,
    DomainRecordMismatch,
    DomainTaken,
    PublicMailDomain,
)
from weconnect.organizations.members import membership
from weconnect.organizations.rows import DomainOwnerRow, DomainRow, OrganizationRow
from weconnect.organizations.schemas import DomainList

MAX_DOMAINS = 20
RECORD_LABEL = "_weconnect"
VALUE_PREFIX = "weconnect-domain="


def find(caller: Caller, organization_id: UUID) -> DomainList:
    """Return the organization's domains, in the order of the alphabet."""
    membership.require_current_organization(caller, organization_id)
    return DomainList(items=load_all(organization_id))


def put(caller: Caller, organization_id: UUID, domain: str) -> MailDomain:
    """Claim a domain, and return it with the record to set. Idempotent: the record of a claim stays the same.

    Raises EmailNotVerified, PublicMailDomain or DomainLimitReached.
    """
    membership.require_current_organization(caller, organization_id)
    require_verified(caller.user_id, "claim a mail domain")
    if domain in PUBLIC_MAIL_DOMAINS:
        raise PublicMailDomain(
            f"Anybody can have an address in {domain}. Claim a domain of your own.", pointer="/path/domain"
        )
    pk, sk = DomainRow.at(organization_id, domain)
    existing = table.get(DomainRow, (pk, sk))
    if existing is not None:
        return existing.to_entity()
    if len(load_all(organization_id)) >= MAX_DOMAINS:
        raise DomainLimitReached(f"An organization has at most {MAX_DOMAINS} domains. Give one up first.")
    moment = clock.now()
    claim = MailDomain(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        user_id=caller.user_id,
        domain=domain,
        record_name=f"{RECORD_LABEL}.{domain}",
        record_value=f"{VALUE_PREFIX}{secrets.token_urlsafe(24)}",
    )
    return table.create(DomainRow.of(claim, pk=pk, sk=sk), caller.actor()).to_entity()


def verify(caller: Caller, organization_id: UUID, domain: str) -> MailDomain:
    """Look the record of a claimed domain up, and make the organization its owner.

    Raises DomainNotFound, TooManyWaiting, DomainRecordMissing, DomainRecordMismatch, DnsFailed, or DomainTaken while
    the record of another owner is there.
    """
    membership.require_current_organization(caller, organization_id)
    row = table.require(DomainRow, DomainRow.at(organization_id, domain), DomainNotFound)
    with waiting.require_lease(organization_id, dns_lookup.TOTAL_SECONDS):
        texts = dns_lookup.read_txt(row.record_name)
    if row.record_value not in texts:
        raise DomainRecordMismatch(
            f"The TXT record at {row.record_name} has another value. Set it to {row.record_value}."
        )
    with table.transaction(caller.actor()) as writes:
        _take(writes, organization_id, domain, texts)
        writes.change(row, {"status": DomainStatus.VERIFIED.value, "verified_at": clock.iso(clock.now())})
    return table.require(DomainRow, DomainRow.at(organization_id, domain), DomainNotFound).to_entity()


def delete(caller: Caller, organization_id: UUID, domain: str, if_match: int | None) -> None:
    """Give a domain up, proved or not. Raises DomainNotFound."""
    membership.require_current_organization(caller, organization_id)
    row = table.require(DomainRow, DomainRow.at(organization_id, domain), DomainNotFound)
    with table.transaction(caller.actor()) as writes:
        _release(writes, row, if_match)


def release_all(writes: Transaction, organization_id: UUID) -> None:
    """Give all domains of an organization up, at most 20, with two writes each."""
    for row in _load_rows(organization_id):
        _release(writes, row, None)


def load_all(organization_id: UUID) -> list[MailDomain]:
    """Return the domains of an organization, in the order of the alphabet."""
    return [row.to_entity() for row in _load_rows(organization_id)]


def find_owner(domain: str) -> UUID | None:
    """Return the organization that proved a domain (in IDNA); None for a domain that nobody did."""
    marker = table.get(DomainOwnerRow, DomainOwnerRow.at(domain))
    return UUID(marker.organization_id) if marker else None


def _take(writes: Transaction, organization_id: UUID, domain: str, texts: list[str]) -> None:
    """Make the organization the owner of a domain with these records; end the proof of an owner whose record went."""
    pk, sk = DomainOwnerRow.at(domain)
    marker = table.get(DomainOwnerRow, (pk, sk))
    if marker is None:
        writes.create(DomainOwnerRow(pk=pk, sk=sk, organization_id=str(organization_id)), DomainTaken())
    elif marker.organization_id != str(organization_id):
        theirs = table.get(DomainRow, DomainRow.at(marker.organization_id, domain))
        if theirs is not None and theirs.record_value in texts:
            raise DomainTaken()
        writes.change(marker, {"organization_id": str(organization_id)})
        if theirs is not None:
            writes.change(theirs, {"status": DomainStatus.PENDING.value, "verified_at": None})


def _release(writes: Transaction, row: DomainRow, if_match: int | None) -> None:
    """Delete a domain of an organization, and the marker of its owner if that is the organization."""
    writes.delete(row, if_match=if_match)
    marker = table.get(DomainOwnerRow, DomainOwnerRow.at(row.domain))
    if marker is not None and marker.organization_id == row.organization_id:
        writes.delete(marker)


def _load_rows(organization_id: UUID) -> list[DomainRow]:
    """Return the rows of an organization's domains."""
    pk, _ = OrganizationRow.at(organization_id)
    return list(DomainRow.query(pk, DomainRow.sk.startswith(DomainRow.PREFIX), consistent_read=True))
