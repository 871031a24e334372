"""The entities have every field of the data model that the project was given, and its methods."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.api.seed_fields import ADDED, EMPTY_BY_DEFAULT, MUST, SEED
from weconnect import clock
from weconnect.agents.entities import AIAgent, AIAgentExecution
from weconnect.agents.memory.entities import AIAgentMemory
from weconnect.agents.tools.entities import AIAgentTool
from weconnect.base_entity import BaseEntity
from weconnect.identity import passwords
from weconnect.identity.entities import ExecutionLimit, LimitType, StoredApiKey, StoredUser
from weconnect.organizations.entities import (
    PLANS,
    Organization,
    OrganizationMember,
    OrganizationPlan,
    PlanLimits,
)
from weconnect.organizations.member_permissions import MemberPermissions, WorkflowPermissions

ENTITIES: dict[str, type[BaseEntity]] = {
    "AIAgent": AIAgent,
    "AIAgentExecution": AIAgentExecution,
    "AIAgentTool": AIAgentTool,
    "AIAgentMemory": AIAgentMemory,
    "User": StoredUser,
    "ApiKey": StoredApiKey,
    "ExecutionLimit": ExecutionLimit,
    "Organization": Organization,
    "OrganizationMember": OrganizationMember,
}
NOW = clock.now()
BASE = {"id": uuid4(), "created_at": NOW, "updated_at": NOW}


def resolve_schema(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a property's schema without null and with its reference resolved."""
    for name in ("anyOf", "allOf"):
        if name in schema:
            schema = schema | next(item for item in schema[name] if item.get("type") != "null")
    if "$ref" in schema:
        schema = schema | definitions[schema["$ref"].rpartition("/")[2]]
    return schema


def check_fields(
    fields: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any], parent: str
) -> None:
    """Assert that a JSON schema has these fields with their types, defaults and lengths."""
    for name, seed in fields.items():
        path = f"{parent}.{name}"
        assert name in schema["properties"], path
        field = resolve_schema(schema["properties"][name], definitions)
        is_required = name in schema.get("required", [])
        if isinstance(seed, dict):
            assert not is_required, path
            if {name, path} & EMPTY_BY_DEFAULT:
                default = field["default"] or {}
                assert not [default[key] for key in seed if default.get(key) not in (None, [])], path
            else:
                assert field.get("default") is None, path
            check_fields(seed, field, definitions, path)
            continue
        kind, default, max_length = seed
        assert is_required == (default is MUST), path
        if default is not MUST:
            assert field.get("default") == default, path
        if isinstance(kind, tuple):
            assert tuple(field["enum"]) == kind, path
        else:
            assert kind in (field.get("format"), field.get("type")), path
        if max_length:
            assert field["maxLength"] == max_length, path


@pytest.mark.parametrize("name", SEED)
def test_an_entity_has_every_field_of_the_data_model_and_the_declared_additions(name: str) -> None:
    schema = ENTITIES[name].model_json_schema(by_alias=True, mode="validation")
    check_fields(SEED[name], schema, schema.get("$defs", {}), name)
    assert set(schema["properties"]) - set(SEED[name]) == ADDED[name]


def organization(**fields: Any) -> Organization:
    return Organization(**BASE, slug="a", name="A", **fields)


def member(**fields: Any) -> OrganizationMember:
    return OrganizationMember(**BASE, organization_id=uuid4(), user_id=uuid4(), **fields)


def test_a_user_validates_passwords_and_has_a_full_name() -> None:
    hashed = passwords.hash_password("Correct-Horse-7")
    user = StoredUser(**BASE, email="a@example.com", password=hashed, first_name="Ada", last_name="Lovelace")
    assert user.validate_password("Correct-Horse-7") and not user.validate_password("Correct-Horse-8")
    assert user.full_name == "Ada Lovelace" and hashed.startswith("$2b$04$")
    assert "password" not in user.public().to_json_dict() and hashed not in repr(user)
    assert not passwords.is_match("Correct-Horse-7", None)


def test_two_unicode_forms_of_one_password_are_the_same() -> None:
    assert passwords.is_match("Zoe\u0308-Zoe\u0308-Zoe\u0308", passwords.hash_password("Zoë-Zoë-Zoë"))


@pytest.mark.parametrize(("hours", "expired"), [(None, False), (1, False), (-1, True)])
def test_an_api_key_expires_at_its_expiry(hours: int | None, expired: bool) -> None:
    at = None if hours is None else clock.now() + timedelta(hours=hours)
    values = {
        "organization_id": uuid4(),
        "user_id": uuid4(),
        "name": "a",
        "key_hash": "h",
        "key_prefix": "wc_",
    }
    assert StoredApiKey(**BASE, **values, expires_at=at).is_expired is expired


@pytest.mark.parametrize(
    ("current", "is_exceeded", "remaining"), [(0, False, 3), (2, False, 1), (3, True, 0), (5, True, 0)]
)
def test_a_limit_knows_its_remaining_executions_and_whether_it_is_exceeded(
    current: int, is_exceeded: bool, remaining: int
) -> None:
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
    assert (limit.is_exceeded, limit.remaining_executions) == (is_exceeded, remaining)


def test_the_limits_of_a_plan_may_be_overridden() -> None:
    assert organization().get_plan_limits() == PLANS[OrganizationPlan.FREE]
    assert organization(plan="pro").get_plan_limits().max_executions_per_month == 10_000
    own = PlanLimits(**dict.fromkeys(PlanLimits.model_fields, 7))
    assert organization(plan_limits=own).get_plan_limits() is own


def test_an_organization_checks_the_limits_of_its_plan() -> None:
    free = organization()
    assert free.is_within_limit("max_agents", 4) and not free.is_within_limit("max_agents", 5)
    assert organization(plan="enterprise").is_within_limit("max_agents", 10**9)
    assert free.is_within_limit("unheard_of", 10**9)
    assert free.can_add_member(2) and not free.can_add_member(3)
    assert free.can_create_workflow(4) and not free.can_create_workflow(5)


@pytest.mark.parametrize(("days", "expired"), [(None, False), (1, False), (-1, True)])
def test_a_trial_expires_at_its_end(days: int | None, expired: bool) -> None:
    ends = None if days is None else clock.now() + timedelta(days=days)
    assert organization(trial_ends_at=ends).is_trial_expired is expired


def test_a_member_is_pending_until_they_join() -> None:
    assert not member().is_pending
    assert member(invited_at=NOW).is_pending
    assert not member(invited_at=NOW, joined_at=NOW).is_pending


def test_a_member_has_the_permissions_of_role_and_overrides_while_active() -> None:
    plain = member(joined_at=NOW)
    assert plain.has_permission("workflows", "create") and not plain.has_permission("workflows", "delete")
    own = MemberPermissions(workflows=WorkflowPermissions(create=False, delete=True))
    changed = member(joined_at=NOW, permissions=own)
    assert not changed.has_permission("workflows", "create") and changed.has_permission("workflows", "delete")
    assert member(role="owner", permissions=own).has_permission("workflows", "create")
    assert not member(role="owner", is_active=False).has_permission("workflows", "create")
    assert not member(role="owner", invited_at=NOW).has_permission("workflows", "create")
