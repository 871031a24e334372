"""A name and a place of the plan: what a thing that an organization has a limited number of takes and gives back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.db.table import Row
from weconnect.errors import LimitReached, NotFound, name_taken
from weconnect.organizations.entities import Organization
from weconnect.organizations.rows import CountRow, NameRow, OrganizationRow


@dataclass(frozen=True)
class Kind:
    """What is named and counted: its word in keys, its resource in usage, and the plan's limit of it."""

    word: str
    resource: str
    limit: str

    @property
    def singular(self) -> str:
        return self.resource.removesuffix("s")

    @property
    def one(self) -> str:
        """One of them, in words."""
        return f"{'an' if self.singular[0] in 'aeiou' else 'a'} {self.singular}"


AGENTS = Kind("AGENT", "agents", "max_agents")
WORKFLOWS = Kind("WORKFLOW", "workflows", "max_workflows")


@contextmanager
def taken(caller: Caller, kind: Kind, name: str) -> Iterator[table.Transaction]:
    """A transaction that takes the name and a place of the plan as well; it tells when few places are left.

    Raises Conflict `name_taken` and LimitReached at the plan's number.
    """
    at, count = OrganizationRow.at(caller.organization_id), _count(caller.organization_id, kind)
    found = table.get_many([at, (count.pk, count.sk)])
    if at not in found:
        raise NotFound("No such organization", code="organization_not_found")
    organization: Organization = found[at].to_entity()
    limit = getattr(organization.get_plan_limits(), kind.limit)
    counted = found.get((count.pk, count.sk))
    used = int(counted.count) if isinstance(counted, CountRow) else 0
    refused = LimitReached(f"The plan takes {limit} {kind.resource}", code=f"{kind.singular}_limit_reached")
    try:
        with table.transaction(caller.actor()) as writes:
            yield writes
            writes.create(_name(caller.organization_id, kind, name), name_taken(kind.one, name))
            writes.count(count, "count", 1, limit=limit, refused=refused)
    except LimitReached:
        _note(organization, kind, limit, limit)
        raise
    _note(organization, kind, used + 1, limit)


def give_back(writes: table.Transaction, organization_id: UUID, kind: Kind, name: str) -> None:
    """Free the name and the place of what goes to the trash."""
    writes.discard(_name(organization_id, kind, name))
    writes.count(_count(organization_id, kind), "count", -1)


def rename(writes: table.Transaction, organization_id: UUID, kind: Kind, before: str, after: str) -> None:
    """Take a new name and free the old one, unless only its letters' case changes; Conflict `name_taken`."""
    if after.casefold() != before.casefold():
        writes.discard(_name(organization_id, kind, before))
        writes.create(_name(organization_id, kind, after), name_taken(kind.one, after))


def _note(organization: Organization, kind: Kind, used: int, limit: int) -> None:
    """Raise what reaching a threshold raises. Imported late: most organizations are far from one."""
    if limit > 0 and used * 100 >= limit * 80:
        from weconnect.organizations.plans import usage

        usage.note(organization, kind.resource, used)


def named(kind: type[Row], place: tuple[str, str], name: str) -> UUID | None:
    """Which of the rows at a place (pk, and what sk begins with) has this name, in whatever case."""
    pk, prefix = place
    rows: Any = kind.query(pk, kind.sk.startswith(prefix), consistent_read=True)
    return next((UUID(row.id) for row in rows if row.name.casefold() == name.casefold()), None)


def _name(organization_id: UUID, kind: Kind, name: str) -> NameRow:
    pk, sk = NameRow.at(organization_id, kind.word, name)
    return NameRow(pk=pk, sk=sk)


def _count(organization_id: UUID, kind: Kind) -> CountRow:
    pk, sk = CountRow.at(organization_id, kind.word)
    return CountRow(pk=pk, sk=sk)
