"""The world of the tests that call every route: organizations with the same entities, their members and API keys."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from moto import mock_aws

from infra import cloudformation
from tests import conftest
from tests.agents.execution_helpers import Starter
from tests.api.matrices import MATRICES, NAMES
from tests.api.module_matrix import Side, World, created
from tests.factories import client_with_tokens, register, set_user_role
from tests.gateway import Client
from tests.organizations.organization_helpers import create_membership, verify_email
from weconnect import aws as weconnect_aws
from weconnect.durable import client as durable_client
from weconnect.identity.permissions import PERMISSIONS_BY_ROLE
from weconnect.security import encryption, signing
from weconnect.settings import settings

ALL_FLAGS = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}


@contextmanager
def mocked_services() -> Iterator[Starter]:
    """Mock AWS and the services of each module for a whole test module; yield the client that starts executions.

    The table has no stream, because moto copies it with each transaction.
    """
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        starter, key = Starter(), signing.SigningKey(id="test-version", secret=b"s" * 64)
        definition = cloudformation.read_table_definition("weconnect")
        conftest.client("dynamodb").create_table(
            **definition | {"StreamSpecification": {"StreamEnabled": False}}
        )
        conftest.client("s3").create_bucket(Bucket="weconnect")
        conftest.client("sesv2").create_email_identity(EmailIdentity=settings.mail_from)
        object.__setattr__(settings, "key_arn", conftest.client("kms").create_key()["KeyMetadata"]["Arn"])
        patch.setattr(weconnect_aws, "call", conftest._call_through_boto3)
        patch.setattr(encryption, "_cache", {})
        patch.setattr(signing, "_current", key)
        patch.setattr(signing, "_keys_by_id", {key.id: key})
        patch.setattr(durable_client, "lambda_client", lambda: starter)
        for matrix in MATRICES.values():
            if matrix.mock_services:
                matrix.mock_services(patch)
        yield starter


def create_side(email: str, starter: Starter) -> Side:
    """Register an owner; each module then adds its entities to their organization."""
    person = register(email, organizationName="Engines", verified=True)
    own_ids = {"organizationId": person.organization["id"], "userId": person.user["id"]}
    side = Side(person, starter, {**NAMES, **own_ids})
    for matrix in MATRICES.values():
        if matrix.add_entities:
            matrix.add_entities(side)
            starter.invocations.clear()
    return side


def build_world(permissions: set[str], starter: Starter) -> World:
    """Create the world through the routes, with an API key for each of `permissions` and one without flags."""
    owner, stranger = create_side("owner@example.com", starter), create_side("stranger@example.com", starter)
    colleagues = {role: _create_colleague(owner, role) for role in ("admin", "member", "viewer")}
    keys = {
        permission: _create_api_key(owner, _choose_scopes(permission), ALL_FLAGS)
        for permission in sorted(permissions)
    }
    keys["no flags"] = _create_api_key(owner, ["*"], dict.fromkeys(ALL_FLAGS, False))
    operator = set_user_role(register("operator@example.com"), "admin").client
    world = World(owner, stranger, operator, colleagues, _create_guest(owner), keys)
    for matrix in MATRICES.values():
        if matrix.complete_world:
            matrix.complete_world(world)
    return world


def _choose_scopes(permission: str) -> list[str]:
    """Return the scopes of the key for a permission: one for members or shares also has what it gives to others."""
    grants = permission in ("organization:invite", "organization:manage", "workflows:update")
    return sorted({permission} | (PERMISSIONS_BY_ROLE["member"] if grants else set()))


def _create_colleague(side: Side, role: str) -> Client:
    """Create a user with a role in the side's organization, whose owner joins theirs: each list has two items."""
    person = register(f"{role}@example.com", verified=True)
    verify_email(person)
    create_membership(side.person.organization["id"], person.user["id"], role)
    create_membership(person.organization["id"], side.person.user["id"], "viewer")
    response = person.client.post(f"/v1/organizations/{side.person.organization['id']}/switch")
    assert response.status == 200, response.text
    return client_with_tokens(response.json)


def _create_guest(side: Side) -> Client:
    """Create a guest whose membership has the role admin, which must not count."""
    person = register("guest@example.com", verified=True)
    create_membership(side.person.organization["id"], person.user["id"], "admin")
    assert person.client.post(f"/v1/organizations/{side.person.organization['id']}/switch").status == 200
    return set_user_role(person, "guest").client


def _create_api_key(side: Side, scopes: list[str], flags: dict[str, bool]) -> Client:
    api_key = created(side.client.post("/v1/api-keys", {"name": "k", "scopes": scopes, "permissions": flags}))
    return Client(headers={"X-API-Key": api_key["key"]})
