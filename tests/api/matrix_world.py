"""The world of the tenancy matrix: two organizations with the same entities, their members and API keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import pytest
from moto import mock_aws

from infra import cloudformation
from tests import conftest
from tests.agents.execution_helpers import Starter
from tests.api.matrix_requests import INVITATION_TOKENS, ISSUER, TRIGGER
from tests.auth import sent_mails
from tests.factories import PASSWORD, RegisteredUser, client_with_tokens, register, set_user_role
from tests.gateway import ApiResponse, Client
from weconnect import aws as weconnect_aws
from weconnect import clock
from weconnect.auth.sso import oidc
from weconnect.db import table
from weconnect.db.table import create
from weconnect.durable import client as durable_client
from weconnect.executions.rows import ExecutionRow
from weconnect.identity.rows import UserRow
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_type import ExpressionScope, NodeRun
from weconnect.organizations.billing import billing
from weconnect.organizations.entities import OrganizationMember
from weconnect.organizations.rows import MemberRow
from weconnect.security import encryption, signing
from weconnect.settings import settings
from weconnect.workflows.executions import files

ENDPOINTS = oidc.Endpoints(f"{ISSUER}/authorize", f"{ISSUER}/token", f"{ISSUER}/keys", False, False)
ALL_FLAGS = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}


@dataclass
class Side:
    """An organization and its owner, with one or two entities of each kind; both sides use the same names.

    `ids` are by the names of path parameters, and by names that `ExampleRequest.ids` refers to.
    """

    person: RegisteredUser
    ids: dict[str, str]

    @property
    def client(self) -> Client:
        """Return the owner's client."""
        return self.person.client

    def partition_ids(self) -> set[str]:
        """Return the ids that the partition keys of this side's rows contain."""
        return {self.person.user["id"], self.person.organization["id"]}


@dataclass
class World:
    """Two sides, and the owner's colleagues by role, a guest among them, and API keys by permission."""

    owner: Side
    stranger: Side
    operator: Client
    colleagues: dict[str, Client]
    guest: Client
    keys: dict[str, Client]


@contextmanager
def mocked_services() -> Iterator[Starter]:
    """Mock AWS, the identity provider and Stripe for a whole module; yield the client that starts executions.

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
        patch.setattr(oidc, "discover", lambda issuer: ENDPOINTS)
        prices = {"starter": "s", "pro": "p", "enterprise": "e"}
        patch.setattr(billing, "load_stripe_keys", lambda: {"secretKey": "sk", "prices": prices})
        patch.setattr(billing, "_create_client", lambda *_: MagicMock())
        patch.setattr(billing, "_call", _fake_stripe)
        patch.setattr(billing, "_require_return_url", lambda: "https://app.example.com")
        yield starter


def _fake_stripe(_: Any, params: dict[str, Any], options: Any = None) -> Any:
    """Return an object that serves as a customer and as a link."""
    return SimpleNamespace(
        id=f"cus_{params.get('metadata', {}).get('organizationId')}", url="https://stripe.example"
    )


def build_world(permissions: set[str], starter: Starter) -> World:
    """Create the world through the routes, with an API key for each of `permissions` and one without flags."""
    owner, stranger = create_side("owner@example.com", starter), create_side("stranger@example.com", starter)
    colleagues = {role: _create_colleague(owner, role) for role in ("admin", "member", "viewer")}
    keys = {permission: _create_api_key(owner, [permission], ALL_FLAGS) for permission in sorted(permissions)}
    keys["no flags"] = _create_api_key(owner, ["*"], dict.fromkeys(ALL_FLAGS, False))
    _invite_all(owner.client, stranger.client, *colleagues.values())
    operator = set_user_role(register("operator@example.com"), "admin").client
    return World(owner, stranger, operator, colleagues, _create_guest(owner), keys)


def create_side(email: str, starter: Starter) -> Side:
    """Register an owner and create one or two entities of each kind in their organization."""
    person = register(email, organizationName="Engines")
    client = person.client
    agent = created(client.post("/v1/agents", {"name": "Helper", "description": "Answers"}))
    trashed = created(client.post("/v1/agents", {"name": "Trashed"}))
    assert client.delete(f"/v1/agents/{trashed['id']}").status == 204
    created(client.post("/v1/agents", {"name": "Second"}))
    path = f"/v1/agents/{agent['id']}"
    tool = created(client.post(f"{path}/tools", {"toolName": "calculator"}))
    created(client.post(f"{path}/tools", {"toolName": "date_time"}))
    fact = {"content": "My favourite colour is teal", "key": "colour", "sessionId": "session-1"}
    memory = created(client.post(f"{path}/memories", fact))["memory"]
    for session in ("session-1", "session-2"):
        execution = created(
            client.post(f"{path}/executions", {"input": "What is 2 + 2?", "sessionId": session})
        )
        starter.run_pending()
    approval = _create_approval_requests(client, starter)
    pending = created(client.post(f"{path}/executions", {"input": "wait"}))
    starter.invocations.clear()
    workflow, trashed_workflow = create_workflows(client)
    secret = {"name": "token", "type": "secret", "value": "a secret value"}
    variable = created(client.post("/v1/variables", secret))
    created(client.post("/v1/variables", {"name": "second", "value": "x"}))
    shares = f"/v1/workflows/{workflow['id']}/shares"
    created(client.post(shares, {"link": True}))
    share = created(client.post(shares, {"sharedWithRole": "admin"}))
    executions = [
        created(client.post(f"/v1/workflows/{workflow['id']}/executions", {"input": {"n": 1}}))
        for _ in range(3)
    ]
    starter.invocations, rest = starter.invocations[:1], starter.invocations[1:]
    starter.run_pending()
    assert rest and client.post(f"/v1/executions/{executions[2]['id']}/pause").status == 200
    many = {"action": "retry", "filter": {"workflowId": workflow["id"]}}
    job, _ = (created(client.post("/v1/executions/bulk", many)) for _ in range(2))
    api_key = created(client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}))
    created(client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}))
    limit = client.put(f"/v1/execution-limits/{person.user['id']}/hourly", {"maxExecutions": 1_000})
    assert limit.status == 200, limit.text
    provider = {"issuer": ISSUER, "clientId": "weconnect", "clientSecret": "a secret"}
    path = f"/v1/organizations/{person.organization['id']}/identity-provider"
    assert client.put(path, provider).status == 200
    credentials = {"email": email, "password": PASSWORD}
    assert Client().post("/v1/auth/login", credentials).status == 200
    (ended,) = [item for item in client.get("/v1/auth/sessions").json["items"] if not item["current"]]
    return Side(
        person,
        {
            "agentId": agent["id"],
            "trashedAgentId": trashed["id"],
            "toolId": tool["id"],
            "version": "1",
            "memoryId": memory["id"],
            "executionId": execution["id"],
            "pendingExecutionId": pending["id"],
            "approvalId": approval,
            "workflowId": workflow["id"],
            "variableId": variable["id"],
            "shareId": share["id"],
            "trashedWorkflowId": trashed_workflow["id"],
            "workflowExecutionId": executions[0]["id"],
            "pendingWorkflowExecutionId": executions[1]["id"],
            "pausingWorkflowExecutionId": executions[2]["id"],
            "jobId": job["id"],
            "fileId": _store_file(person, executions[0]["id"]),
            "nodeId": "set",
            "nodeExecutionId": "000001-000",
            "token": "not-a-token",
            "type": "set",
            "apiKeyId": api_key["id"],
            **_complete_organization(person),
            "organizationId": person.organization["id"],
            "userId": person.user["id"],
            "limitType": "hourly",
            "sessionId": ended["id"],
        },
    )


def _create_approval_requests(client: Client, starter: Starter) -> str:
    """Create two approval requests of an agent's calculator; return the id of the newer one."""
    path = f"/v1/agents/{created(client.post('/v1/agents', {'name': 'Careful'}))['id']}"
    created(client.post(f"{path}/tools", {"toolName": "calculator", "requiresApproval": True}))
    for _ in range(2):
        execution = created(client.post(f"{path}/executions", {"input": "What is 2 + 2?"}))
        starter.run_pending()
    (approval,) = client.get(f"{path}/executions/{execution['id']}").json["waitingFor"]
    return str(approval)


def _store_file(person: RegisteredUser, execution_id: str) -> str:
    """Store a file of an execution, as a node does; return its id."""
    organization_id, execution_uuid = UUID(person.organization["id"]), UUID(execution_id)
    call = NodeRun(
        node=Node(id="set", name="Set", type="set"),
        inputs={},
        scope=ExpressionScope({}, None, {}, clock.now()),
        organization_id=organization_id,
        execution_id=execution_uuid,
        execution_key=ExecutionRow.at(organization_id, execution_uuid),
    )
    return str(files.store(call, "key", "a.bin", "", b"\0")["fileId"])


def create_workflows(client: Client) -> tuple[Any, Any]:
    """Create an active workflow with two versions, one in the trash, and another; return the first two."""
    step = {"id": "set", "name": "Set", "type": "set", "parameters": {"values": {"a": 1}}}
    connection = {"sourceNodeId": "start", "targetNodeId": "set"}
    new = {"name": "Greeter", "nodes": [TRIGGER, step], "connections": [connection]}
    workflow = created(client.post("/v1/workflows", new))
    path = f"/v1/workflows/{workflow['id']}"
    assert client.patch(path, {"settings": {"timeoutSeconds": 60}}).status == 200
    assert client.post(f"{path}/activate", {}).status == 200
    trashed = created(client.post("/v1/workflows", {"name": "Trashed"}))
    assert client.delete(f"/v1/workflows/{trashed['id']}").status == 204
    created(client.post("/v1/workflows", {"name": "Second"}))
    return workflow, trashed


def _complete_organization(person: RegisteredUser) -> dict[str, str]:
    """Create a member, two roles, two invitations, a Stripe customer and a deleted organization; return their ids."""
    client, path = person.client, f"/v1/organizations/{person.organization['id']}"
    verify_email(person)
    other = register(f"other-{person.user['email']}")
    _create_membership(person.organization["id"], other.user["id"], "viewer")
    _create_membership(person.organization["id"], register(f"co-{person.user['email']}").user["id"], "owner")
    role, _ = (
        created(client.post(f"{path}/roles", {"name": name, "permissions": ["agents:read"]})) for name in "ab"
    )
    invitations = [
        created(client.post(f"{path}/invitations", {"email": f"{name}@example.com"})) for name in "ab"
    ]
    assert client.post(f"{path}/billing/checkout", {"plan": "pro"}).status == 200
    trashed = created(client.post("/v1/organizations", {"name": "Trashed"}))["id"]
    there = client_with_tokens(client.post(f"/v1/organizations/{trashed}/switch").json)
    assert there.delete(f"/v1/organizations/{trashed}").status == 204
    assert client.post(f"{path}/switch").status == 200
    return {
        "otherUserId": other.user["id"],
        "roleId": role["id"],
        "invitationId": invitations[0]["id"],
        "trashedOrganizationId": trashed,
    }


def verify_email(person: RegisteredUser) -> None:
    table.touch(UserRow(*UserRow.at(person.user["id"])), put={"email_verified": True})


def _invite_all(*clients: Client) -> None:
    """Invite all these users to a third organization, and remember their tokens."""
    host = register("host@example.com")
    verify_email(host)
    for client in clients:
        me = client.get("/v1/users/me").json
        path = f"/v1/organizations/{host.organization['id']}/invitations"
        created(host.client.post(path, {"email": me["email"], "role": "viewer"}))
        INVITATION_TOKENS[me["id"]] = sent_mails.last_token()


def created(response: ApiResponse) -> Any:
    """Return the body of a response that must be 201 or 202."""
    assert response.status in (201, 202), response.text
    return response.json


def _create_colleague(side: Side, role: str) -> Client:
    """Create a user with a role in the side's organization, whose owner joins theirs: each list has two items."""
    person = register(f"{role}@example.com")
    verify_email(person)
    _create_membership(side.person.organization["id"], person.user["id"], role)
    _create_membership(person.organization["id"], side.person.user["id"], "viewer")
    response = person.client.post(f"/v1/organizations/{side.person.organization['id']}/switch")
    assert response.status == 200, response.text
    return client_with_tokens(response.json)


def _create_guest(side: Side) -> Client:
    """Create a guest whose membership has the role admin, which must not count."""
    person = register("guest@example.com")
    _create_membership(side.person.organization["id"], person.user["id"], "admin")
    assert person.client.post(f"/v1/organizations/{side.person.organization['id']}/switch").status == 200
    return set_user_role(person, "guest").client


def _create_membership(organization_id: str, user_id: str, role: str) -> None:
    moment = clock.now()
    member = OrganizationMember(
        id=user_id,
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        user_id=user_id,
        role=role,
        joined_at=moment,
    )
    pk, sk = MemberRow.at(organization_id, user_id)
    index = {"gsi1pk": MemberRow.of_user(user_id), "gsi1sk": MemberRow.of_user_order(organization_id)}
    create(MemberRow.of(member, pk=pk, sk=sk, **index), {})


def _create_api_key(side: Side, scopes: list[str], flags: dict[str, bool]) -> Client:
    api_key = created(side.client.post("/v1/api-keys", {"name": "k", "scopes": scopes, "permissions": flags}))
    return Client(headers={"X-API-Key": api_key["key"]})
