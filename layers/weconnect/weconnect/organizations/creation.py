"""Creation of organizations: the organization, its slug's marker, its owner and its count of members."""

import re
import secrets
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from weconnect import clock, ids
from weconnect.db.table import Transaction
from weconnect.identity.rows import UserRow
from weconnect.organizations import ownership, slugs
from weconnect.organizations.entities import (
    Organization,
    OrganizationMember,
    OrganizationPlan,
    OrganizationRole,
)
from weconnect.organizations.rows import MemberCountRow, MemberRow, OrganizationRow
from weconnect.settings import settings


@dataclass(frozen=True)
class OrganizationDraft:
    """An organization and its first owner, before they are stored."""

    organization: Organization
    member: OrganizationMember

    def add_to(
        self,
        writes: Transaction,
        limit: int,
        *,
        more_owned: Iterable[str] = (),
    ) -> None:
        """Add the rows to a transaction, which counts the organization for its owner, who may own `limit` (-1: any).

        `more_owned`: the IDs of others of which the transaction makes the user an owner. It raises SlugTaken when
        another organization has the slug, and OrganizationLimitReached.
        """
        organization, member = self.organization, self.member
        pk, sk = OrganizationRow.at(organization.id)
        writes.create(
            OrganizationRow.of(
                organization,
                pk=pk,
                sk=sk,
                gsi2pk=OrganizationRow.by_plan(organization.plan),
                gsi2sk=OrganizationRow.by_plan_order(organization.is_active, organization.id),
            )
        )
        slugs.reserve(writes, organization.slug, organization.id)
        member_pk, member_sk = MemberRow.at(organization.id, member.user_id)
        writes.create(
            MemberRow.of(
                member,
                pk=member_pk,
                sk=member_sk,
                gsi1pk=MemberRow.of_user(member.user_id),
                gsi1sk=MemberRow.of_user_order(organization.id),
            )
        )
        count_pk, count_sk = MemberCountRow.at(organization.id)
        writes.increment(MemberCountRow(pk=count_pk, sk=count_sk), "total", 1)
        ownership.add(writes, member.user_id, {str(organization.id), *more_owned}, limit)

    def add_as_refuge(self, writes: Transaction) -> dict[str, str]:
        """Add the rows without any limit, for a user who has no other way in.

        Return the attributes of the user that make it the current organization.
        """
        self.add_to(writes, -1)
        current = str(self.organization.id)
        return {"current_organization_id": current, "gsi1pk": UserRow.by_current_organization(current)}


def draft_organization(
    user_id: UUID, name: str, *, organization_id: UUID | None = None, slug: str | None = None, **more: Any
) -> OrganizationDraft:
    """Return a new organization on the deployment's default plan, owned by `user_id`. Nothing is stored yet."""
    moment = clock.now()
    organization = Organization(
        id=organization_id or ids.new_id(),
        created_at=moment,
        updated_at=moment,
        slug=slug or _derive_slug(name),
        name=name,
        plan=OrganizationPlan(settings.default_plan),
        **more,
    )
    member = OrganizationMember(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        organization_id=organization.id,
        user_id=user_id,
        role=OrganizationRole.OWNER,
        joined_at=moment,
    )
    return OrganizationDraft(organization, member)


def draft_personal_organization(user: UserRow) -> OrganizationDraft:
    """Return a new personal organization of a user. Nothing is stored yet."""
    return draft_organization(UUID(user.id), f"{user.first_name}'s organization")


def _derive_slug(name: str) -> str:
    """Return the name in the letters of a slug, with eight random hex digits that make it unique."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")[:80].strip("-")
    return "-".join(part for part in (words, secrets.token_hex(4)) if part)
