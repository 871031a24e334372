"""The entities have every field of the seed, and the seed's methods do what they say."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.api.seed_fields import ADDED, EMPTY_BY_DEFAULT, MUST, SEED
from weconnect import clock
from weconnect.agents.entities import AIAgent, AIAgentExecution
from weconnect.agents.memory.entities import AIAgentMemory
from weconnect.agents.tools.entities import AIAgentTool
from weconnect.auth.entities import ApiKey, ExecutionLimit, LimitType, User
from weconnect.auth.login import passwords
from weconnect.organizations.entities import (
    PLANS,
    MemberPermissions,
    Organization,
    OrganizationMember,
    OrganizationPlan,
    PlanLimits,
    WorkflowPermissions,
)

ENTITIES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(AIAgent, AIAgentExecution, AIAgentTool, AIAgentMemory),
        *(User, ApiKey, ExecutionLimit, Organization, OrganizationMember),
    )
}
NOW = clock.now()
BASE = {"id": uuid4(), "created_at": NOW, "updated_at": NOW}


def resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A property's schema without its null and its reference."""
    for name in ("anyOf", "allOf"):
        if name in schema:
            schema = schema | next(item for item in schema[name] if item.get("type") != "null")
    if "$ref" in schema:
        schema = schema | definitions[schema["$ref"].rpartition("/")[2]]
    return schema


def check(fields: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any], where: str) -> None:
    for name, seed in fields.items():
        place = f"{where}.{name}"
        assert name in schema["properties"], place
        found = resolved(schema["properties"][name], definitions)
        required = name in schema.get("required", [])
        if isinstance(seed, dict):
            assert not required, place
            if {name, place} & EMPTY_BY_DEFAULT:
                given = found["default"] or {}
                assert not [given[name] for name in seed if given.get(name) not in (None, [])], place
            else:
                assert found.get("default") is None, place
            check(seed, found, definitions, place)
            continue
        kind, default, longest = seed
        assert required == (default is MUST), place
        if default is not MUST:
            assert found.get("default") == default, place
        if isinstance(kind, tuple):
            assert tuple(found["enum"]) == kind, place
        else:
            assert kind in (found.get("format"), found.get("type")), place
        if longest:
            assert found["maxLength"] == longest, place


@pytest.mark.parametrize("name", SEED)
def test_every_field_of_the_seed_is_there(name: str) -> None:
    schema = ENTITIES[name].model_json_schema(by_alias=True, mode="validation")
    check(SEED[name], schema, schema.get("$defs", {}), name)
    assert set(schema["properties"]) - set(SEED[name]) == ADDED[name]


def organization(**more: Any) -> Organization:
    return Organization(**BASE, slug="a", name="A", **more)


def member(**more: Any) -> OrganizationMember:
    return OrganizationMember(**BASE, organization_id=uuid4(), user_id=uuid4(), **more)


def test_validate_password_and_full_name() -> None:
    hashed = passwords.hashed("Correct-Horse-7")
    user = User(**BASE, email="a@example.com", password=hashed, first_name="Ada", last_name="Lovelace")
    assert user.validate_password("Correct-Horse-7") and not user.validate_password("Correct-Horse-8")
    assert user.full_name == "Ada Lovelace" and hashed.startswith("$2b$04$")
    assert "password" not in user.public().wire() and hashed not in repr(user)
    assert not passwords.matches("Correct-Horse-7", None)


def test_two_spellings_of_one_password_are_one() -> None:
    assert passwords.matches("Zoe\u0308-Zoe\u0308-Zoe\u0308", passwords.hashed("Zoë-Zoë-Zoë"))


@pytest.mark.parametrize(("hours", "expired"), [(None, False), (1, False), (-1, True)])
def test_is_expired(hours: int | None, expired: bool) -> None:
    at = None if hours is None else clock.now() + timedelta(hours=hours)
    values = {
        "organization_id": uuid4(),
        "user_id": uuid4(),
        "name": "a",
        "key_hash": "h",
        "key_prefix": "wc_",
    }
    assert ApiKey(**BASE, **values, expires_at=at).is_expired is expired


@pytest.mark.parametrize(
    ("current", "exceeded", "left"), [(0, False, 3), (2, False, 1), (3, True, 0), (5, True, 0)]
)
def test_is_exceeded_and_remaining_executions(current: int, exceeded: bool, left: int) -> None:
    limit = ExecutionLimit(
        **BASE,
        organization_id=uuid4(),
        user_id=uuid4(),
        limit_type=LimitType.DAILY,
        max_executions=3,
        current_executions=current,
        period_start=NOW,
        period_end=NOW,
    )
    assert (limit.is_exceeded, limit.remaining_executions) == (exceeded, left)


def test_get_plan_limits() -> None:
    assert organization().get_plan_limits() == PLANS[OrganizationPlan.FREE]
    assert organization(plan="pro").get_plan_limits().max_executions_per_month == 10_000
    own = PlanLimits(**dict.fromkeys(PlanLimits.model_fields, 7))
    assert organization(plan_limits=own).get_plan_limits() is own


def test_is_within_limit() -> None:
    free = organization()
    assert free.is_within_limit("max_agents", 4) and not free.is_within_limit("max_agents", 5)
    assert organization(plan="enterprise").is_within_limit("max_agents", 10**9)
    assert free.is_within_limit("unheard_of", 10**9)
    assert free.can_add_member(2) and not free.can_add_member(3)
    assert free.can_create_workflow(4) and not free.can_create_workflow(5)


@pytest.mark.parametrize(("days", "expired"), [(None, False), (1, False), (-1, True)])
def test_is_trial_expired(days: int | None, expired: bool) -> None:
    ends = None if days is None else clock.now() + timedelta(days=days)
    assert organization(trial_ends_at=ends).is_trial_expired is expired


def test_is_pending() -> None:
    assert not member().is_pending
    assert member(invited_at=NOW).is_pending
    assert not member(invited_at=NOW, joined_at=NOW).is_pending


def test_has_permission() -> None:
    plain = member(joined_at=NOW)
    assert plain.has_permission("workflows", "create") and not plain.has_permission("workflows", "delete")
    own = MemberPermissions(workflows=WorkflowPermissions(create=False, delete=True))
    changed = member(joined_at=NOW, permissions=own)
    assert not changed.has_permission("workflows", "create") and changed.has_permission("workflows", "delete")
    assert member(role="owner", permissions=own).has_permission("workflows", "create")
    assert not member(role="owner", is_active=False).has_permission("workflows", "create")
    assert not member(role="owner", invited_at=NOW).has_permission("workflows", "create")
