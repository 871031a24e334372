"""Export of an organization: everything that it can take along, in one document without secrets."""

from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from weconnect import clock, registry, registry_index
from weconnect.api.caller import Caller
from weconnect.db import payloads
from weconnect.db.table import EntityRow
from weconnect.organizations import service
from weconnect.organizations.domains import mail_domains
from weconnect.organizations.members import members, membership, roles
from weconnect.organizations.rows import InvitationRow, MemberRow, OrganizationRow
from weconnect.organizations.schemas import ExportResult, OrganizationExport

INLINE_BYTES = 4_000_000
URL_SECONDS = 600
RETENTION_DAYS = 7

R = TypeVar("R", bound=EntityRow)  # type: ignore[type-arg]


def create_export(caller: Caller, organization_id: UUID) -> ExportResult:
    """Return the organization with its members, roles, invitations, agents and workflows; over 4 MB, a URL of it.

    Executions are not part of it, nor is the trash. Raises OwnerOnly.
    """
    membership.require_current_organization(caller, organization_id)
    membership.require_owner(caller)
    moment = clock.now()
    document = OrganizationExport(
        exported_at=moment,
        organization=service.get(caller, organization_id),
        members=members.to_members(organization_id, _load_rows(MemberRow, MemberRow.PREFIX, organization_id)),
        roles=roles.list_custom_roles(organization_id),
        invitations=[
            row.to_entity() for row in _load_rows(InvitationRow, InvitationRow.PREFIX, organization_id)
        ],
        domains=mail_domains.load_all(organization_id),
        **{field: registry.resolve(export)(caller) for field, export in registry_index.EXPORT_PARTS.items()},
    )
    text = document.model_dump_json(by_alias=True, exclude_none=True)
    size = len(text.encode())
    if size <= INLINE_BYTES:
        return ExportResult(bytes=size, data=document)
    name = f"exports/{moment:%Y%m%dT%H%M%S}.json"
    pointer = payloads.store(organization_id, name, text, RETENTION_DAYS, inline_bytes=0)
    assert isinstance(pointer, dict)
    url = payloads.presigned_url(organization_id, pointer, URL_SECONDS)
    return ExportResult(bytes=size, url=url, expires_at=moment + timedelta(seconds=URL_SECONDS))


def _load_rows(kind: type[R], prefix: str, organization_id: UUID) -> list[R]:
    """Return an organization's rows of a kind, those whose sort key begins with `prefix`."""
    pk, _ = OrganizationRow.at(organization_id)
    return list(kind.query(pk, kind.sk.startswith(prefix), consistent_read=True))
