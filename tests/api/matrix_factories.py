"""The world of the tenancy matrix, and what to ask of each route in it.

A new route needs one entry in `ASKED`; what its path names comes from `Side.ids` by the parameter's name.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from uuid import UUID

import pyotp
import pytest
from moto import mock_aws

from infra import cloudformation
from tests import conftest
from tests.agents.runs import Starter
from tests.auth import mailbox
from tests.factories import PASSWORD, Registered, bearer, become, registered
from tests.gateway import Client
from weconnect import aws as weconnect_aws
from weconnect import clock, durable, ids
from weconnect.api.resolver import Operation
from weconnect.auth.rows import UserRow
from weconnect.auth.sso import oidc
from weconnect.db import table
from weconnect.db.table import create
from weconnect.executions import files
from weconnect.executions.rows import ExecutionRow
from weconnect.organizations.billing import billing
from weconnect.organizations.entities import OrganizationMember
from weconnect.organizations.rows import MemberRow
from weconnect.security import encryption, signing
from weconnect.settings import settings
from weconnect.workflows.entities import Node
from weconnect.workflows.node_sdk.node_type import Call, Scope

ISSUER = "https://idp.example.com"
ENDPOINTS = oidc.Endpoints(f"{ISSUER}/authorize", f"{ISSUER}/token", f"{ISSUER}/keys", False, False)
ALL_FLAGS = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}


@dataclass(frozen=True)
class Asked:
    """One request: its body, its query, and path parameters that are not the side's thing of the same name.

    `made` prepares the caller, when the route takes something that comes from another one, and answers the body.
    """

    body: Any = None
    query: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)
    made: Callable[[Client], Any] | None = None

    def path(self, operation: Operation, ids: Mapping[str, str]) -> str:
        """The route's path with a side's ids."""
        names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
        return operation.path.format(**{name: ids[self.ids.get(name, name)] for name in names}) + self.query

    def send(self, client: Client, operation: Operation, ids: Mapping[str, str], **options: Any) -> Any:
        """Ask it as `client`, with a side's ids."""
        asking = Client(client.headers | options.get("headers", {}), client.ip)
        body = self.made(asking) if self.made else self.body
        return client.call(operation.method, self.path(operation, ids), body, **options)


def _confirming(client: Client) -> dict[str, str]:
    """The first code of a second factor that the caller enrolls."""
    secret = client.post("/v1/auth/mfa/enroll").json.get("secret", pyotp.random_base32())
    return {"code": pyotp.TOTP(secret).at(clock.now())}


def _disabling(client: Client) -> dict[str, str]:
    """Password and recovery code of a second factor that the caller turns on."""
    enrolled = client.post("/v1/auth/mfa/enroll").json
    code = pyotp.TOTP(enrolled.get("secret", pyotp.random_base32())).at(clock.now())
    client.post("/v1/auth/mfa/confirm", {"code": code})
    return {"password": PASSWORD, "code": enrolled.get("recoveryCodes", ["none at all"])[0]}


def _leaving(client: Client) -> None:
    """Make all colleagues owners, wherever the caller is one."""
    for organization in client.get("/v1/organizations").json.get("items", []):
        path = f"/v1/organizations/{organization['id']}"
        switched = client.post(f"{path}/switch")
        if organization["role"] == "owner" and switched.status == 200:
            there = bearer(switched.json)
            for member in there.get(f"{path}/members").json["items"]:
                there.patch(f"{path}/members/{member['userId']}", {"role": "owner"})


INVITED: dict[str, str] = {}
"""The token of an invitation that waits for each person, by their id."""


def _invited(client: Client) -> dict[str, str]:
    """The token that was mailed to the caller."""
    return {"token": INVITED.get(client.get("/v1/users/me").json.get("id", ""), "none")}


def _heir(client: Client) -> dict[str, str]:
    """Another member of the caller's organization."""
    me = client.get("/v1/users/me").json
    found = client.get(f"/v1/organizations/{me.get('currentOrganizationId')}/members").json.get("items", [])
    others = sorted(member["userId"] for member in found if member["userId"] != me["id"])
    return {"userId": others[0] if others else str(ids.new_id())}


# Parts of a path that are no ids: every tenant has the same.
NOT_IDS = {"limitType", "version", "type", "nodeId", "nodeExecutionId", "token"}
TRIGGER = {"id": "start", "name": "Start", "type": "manual"}

ASKED: dict[str, Asked] = {
    "accept_invitation": Asked({"token": "none"}, made=_invited),
    "change_password": Asked({"currentPassword": PASSWORD, "newPassword": "Another-Horse-8-Battery"}),
    "confirm_mfa": Asked({"code": "123456"}, made=_confirming),
    "delete_me": Asked(made=_leaving),
    "delete_session": Asked(),
    "disable_mfa": Asked({"password": PASSWORD, "code": "123456"}, made=_disabling),
    "enroll_mfa": Asked(),
    "export_me": Asked(),
    "forgot_password": Asked({"email": "nobody@example.com"}),
    "get_user": Asked(),
    "list_sessions": Asked(),
    "list_users": Asked(),
    "resend_verification": Asked({"email": "nobody@example.com"}),
    "reset_password": Asked({"token": "not a token", "password": PASSWORD}),
    "update_me": Asked({"firstName": "Changed"}),
    "update_user": Asked({"isActive": True}),
    "call_mcp": Asked({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
    "cancel_agent_execution": Asked(ids={"executionId": "pendingExecutionId"}),
    "create_agent": Asked({"name": "A new agent"}),
    "create_agent_memory": Asked({"content": "The sky is blue", "key": "sky", "sessionId": "session-1"}),
    "create_agent_tool": Asked({"toolName": "http_request"}),
    "create_invitation": Asked({"email": "invited@example.com", "role": "viewer"}),
    "create_organization": Asked({"name": "Another"}),
    "create_role": Asked({"name": "A new role", "permissions": ["agents:read"]}),
    "create_api_key": Asked({"name": "new", "scopes": ["agents:read"]}),
    "decide_approval": Asked({"decision": "approve", "note": "go ahead"}),
    "delete_agent": Asked(),
    "delete_agent_memory": Asked(),
    "delete_agent_tool": Asked(),
    "delete_api_key": Asked(),
    "delete_execution_limit": Asked(),
    "delete_identity_provider": Asked(),
    "delete_organization": Asked(),
    "delete_role": Asked(),
    "export_organization": Asked(),
    "duplicate_agent": Asked(),
    "erase_agent_session": Asked(query="?sessionId=session-1"),
    "get_agent": Asked(),
    "get_agent_execution": Asked(),
    "get_agent_memory": Asked(),
    "get_agent_stats": Asked(),
    "get_agent_tool": Asked(),
    "get_agent_version": Asked(),
    "get_api_key": Asked(),
    "get_approval": Asked(),
    "get_identity_provider": Asked(),
    "get_me": Asked(),
    "get_member": Asked(),
    "get_organization": Asked(),
    "get_role": Asked(),
    "get_usage": Asked(),
    "leave_organization": Asked(),
    "list_agent_executions": Asked(),
    "list_agent_memories": Asked(),
    "list_agent_sessions": Asked(),
    "list_agent_tools": Asked(),
    "list_agent_versions": Asked(),
    "list_agents": Asked(),
    "list_api_keys": Asked(),
    "list_approvals": Asked(),
    "list_execution_limits": Asked(),
    "list_invitations": Asked(),
    "list_members": Asked(),
    "list_model_providers": Asked(),
    "list_organizations": Asked(),
    "list_roles": Asked(),
    "open_billing_portal": Asked(),
    "open_mcp_stream": Asked(),
    "put_plan": Asked({"plan": "free"}),
    "remove_member": Asked(ids={"userId": "otherUserId"}),
    "resend_invitation": Asked(),
    "restore_organization": Asked(ids={"organizationId": "trashedOrganizationId"}),
    "revoke_invitation": Asked(),
    "start_checkout": Asked({"plan": "pro"}),
    "transfer_ownership": Asked({"userId": str(UUID(int=1))}, made=_heir),
    "update_member": Asked({"role": "member"}, ids={"userId": "otherUserId"}),
    "update_organization": Asked({"name": "Changed"}),
    "update_role": Asked({"description": "changed"}),
    "logout": Asked(),
    "put_execution_limit": Asked({"maxExecutions": 7}),
    "put_identity_provider": Asked(
        {"issuer": ISSUER, "clientId": "another", "clientSecret": "another secret"}
    ),
    "publish_agent_version": Asked(),
    "restore_agent": Asked(ids={"agentId": "trashedAgentId"}),
    "rotate_api_key": Asked({"overlapSeconds": 60}),
    "search_agent_memories": Asked({"query": "colour"}),
    "start_agent_execution": Asked({"input": "hello", "sessionId": "session-1"}),
    "switch_organization": Asked(),
    "test_agent_tool": Asked({"arguments": {"expression": "1 + 1"}}),
    "update_agent": Asked({"description": "changed", "configuration": {"temperature": 0.5}}),
    "update_agent_memory": Asked({"content": "My favourite colour is red"}),
    "update_agent_tool": Asked({"description": "changed"}),
    "update_api_key": Asked({"name": "changed"}),
    "activate_workflow": Asked({}),
    "archive_workflow": Asked(),
    "create_workflow": Asked({"name": "A new workflow", "nodes": [TRIGGER]}),
    "deactivate_workflow": Asked(),
    "delete_workflow": Asked(),
    "diff_workflow_versions": Asked(query="?to=1"),
    "duplicate_workflow": Asked(),
    "export_workflow": Asked(),
    "get_node_type": Asked(),
    "get_workflow": Asked(),
    "get_workflow_version": Asked(),
    "import_workflow": Asked({"name": "Imported", "definition": {"nodes": [TRIGGER]}}),
    "list_node_types": Asked(),
    "list_workflow_versions": Asked(),
    "list_workflows": Asked(),
    "restore_workflow": Asked(ids={"workflowId": "trashedWorkflowId"}),
    "restore_workflow_version": Asked(),
    "update_workflow": Asked({"description": "changed", "nodes": [TRIGGER]}),
    "create_variable": Asked({"name": "brand_new", "value": "x"}),
    "delete_variable": Asked(),
    "get_variable": Asked(),
    "list_variables": Asked(),
    "update_variable": Asked({"value": "another secret"}),
    "validate_workflow": Asked({"nodes": [TRIGGER]}),
    "bulk_executions": Asked({"action": "cancel", "filter": {"status": "pending"}}),
    "create_workflow_share": Asked({"sharedWithRole": "member", "level": "execute"}),
    "list_workflow_shares": Asked(),
    "revoke_workflow_share": Asked(),
    "update_workflow_share": Asked({"level": "edit"}),
    "cancel_execution": Asked(ids={"executionId": "pendingFlowRunId"}),
    "delete_execution": Asked(ids={"executionId": "flowRunId"}),
    "get_execution": Asked(ids={"executionId": "flowRunId"}),
    "get_execution_file": Asked(ids={"executionId": "flowRunId"}),
    "get_execution_timeline": Asked(ids={"executionId": "flowRunId"}),
    "get_node_execution": Asked(ids={"executionId": "flowRunId"}),
    "get_workflow_diagram": Asked(),
    "list_execution_logs": Asked(ids={"executionId": "flowRunId"}),
    "wait_for_execution_events": Asked(ids={"executionId": "flowRunId"}),
    "list_executions": Asked(),
    "list_node_executions": Asked(ids={"executionId": "flowRunId"}),
    "pause_execution": Asked(ids={"executionId": "pendingFlowRunId"}),
    "resume_execution": Asked(ids={"executionId": "pausingFlowRunId"}),
    "retry_execution": Asked({"from": "start"}, ids={"executionId": "flowRunId"}),
    "start_execution": Asked({"input": {"n": 1}}),
    "test_node": Asked({"input": {"main": [{"n": 1}]}}),
    "cancel_job": Asked(),
    "get_job": Asked(),
    "list_jobs": Asked(),
    # Public ones: the matrix only looks that they ask for no caller.
    "complete_callback": Asked({"value": 1}),
    "get_shared_workflow": Asked(),
    "decline_invitation": Asked({"token": "not a token"}),
    "receive_stripe_event": Asked({}),
    "finish_sso": Asked(query="?state=unknown&code=x"),
    "get_docs": Asked(),
    "get_health": Asked(),
    "get_openapi": Asked(),
    "get_readiness": Asked(),
    "login": Asked({"email": "nobody@example.com", "password": "wrong"}),
    "refresh_session": Asked({"refreshToken": "not a token"}),
    "register": Asked(
        {"email": "new@example.com", "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace"}
    ),
    "start_sso": Asked({"organization": "nobody"}),
    "verify_email": Asked({"token": "not a token"}),
}


@dataclass
class Side:
    """An organization's owner with one or two of everything; both sides have the same names and keys."""

    person: Registered
    ids: dict[str, str]

    @property
    def client(self) -> Client:
        return self.person.client

    def partitions(self) -> set[str]:
        """What the partition keys of this side's rows contain."""
        return {self.person.user["id"], self.person.organization["id"]}


@dataclass
class World:
    """The owner, his colleagues by role, a guest among them, API keys by what they may, and the stranger."""

    owner: Side
    stranger: Side
    operator: Client
    colleagues: dict[str, Client]
    guest: Client
    keys: dict[str, Client]


@contextmanager
def services() -> Iterator[Starter]:
    """moto with our table, for a whole module; without the table's stream, which moto copies with each transaction."""
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        starter, key = Starter(), signing.SigningKey(id="test-version", secret=b"s" * 64)
        definition = cloudformation.table_definition("weconnect")
        conftest.client("dynamodb").create_table(
            **definition | {"StreamSpecification": {"StreamEnabled": False}}
        )
        conftest.client("s3").create_bucket(Bucket="weconnect")
        conftest.client("sesv2").create_email_identity(EmailIdentity=settings.mail_from)
        object.__setattr__(settings, "key_arn", conftest.client("kms").create_key()["KeyMetadata"]["Arn"])
        patch.setattr(weconnect_aws, "call", conftest._call_through_boto3)
        patch.setattr(encryption, "_cache", {})
        patch.setattr(signing, "_current", key)
        patch.setattr(signing, "_known", {key.id: key})
        patch.setattr(durable, "lambda_client", lambda: starter)
        patch.setattr(oidc, "discover", lambda issuer: ENDPOINTS)
        patch.setattr(
            billing,
            "keys",
            lambda: {"secretKey": "sk", "prices": {"starter": "s", "pro": "p", "enterprise": "e"}},
        )
        patch.setattr(billing, "_make_client", lambda *_: MagicMock())
        patch.setattr(billing, "_ask", _stripe)
        patch.setattr(billing, "_back", lambda: "https://app.example.com")
        yield starter


def _stripe(_: Any, asked: dict[str, Any], options: Any = None) -> Any:
    """What Stripe answers: a customer, or a link."""
    return SimpleNamespace(
        id=f"cus_{asked.get('metadata', {}).get('organizationId')}", url="https://stripe.example"
    )


def build(permissions: set[str], starter: Starter) -> World:
    """Make the world through the routes; `permissions` are those that an API key is wanted for."""
    owner, stranger = make_side("owner@example.com", starter), make_side("stranger@example.com", starter)
    colleagues = {role: _colleague(owner, role) for role in ("admin", "member", "viewer")}
    keys = {word: _api_key(owner, [word], ALL_FLAGS) for word in sorted(permissions)}
    keys["no flags"] = _api_key(owner, ["*"], dict.fromkeys(ALL_FLAGS, False))
    _invite(owner.client, stranger.client, *colleagues.values())
    operator = become(registered("operator@example.com"), "admin").client
    return World(owner, stranger, operator, colleagues, _guest(owner), keys)


def make_side(email: str, starter: Starter) -> Side:
    """Register an owner and give his organization one or two of everything."""
    person = registered(email, organizationName="Engines")
    ask = person.client
    agent = _made(ask.post("/v1/agents", {"name": "Helper", "description": "Answers"}))
    trashed = _made(ask.post("/v1/agents", {"name": "Trashed"}))
    assert ask.delete(f"/v1/agents/{trashed['id']}").status == 204
    _made(ask.post("/v1/agents", {"name": "Second"}))
    path = f"/v1/agents/{agent['id']}"
    tool = _made(ask.post(f"{path}/tools", {"toolName": "calculator"}))
    _made(ask.post(f"{path}/tools", {"toolName": "date_time"}))
    fact = {"content": "My favourite colour is teal", "key": "colour", "sessionId": "session-1"}
    memory = _made(ask.post(f"{path}/memories", fact))["memory"]
    for session in ("session-1", "session-2"):
        execution = _made(ask.post(f"{path}/executions", {"input": "What is 2 + 2?", "sessionId": session}))
        starter.run_pending()
    approval = _waiting(ask, starter)
    pending = _made(ask.post(f"{path}/executions", {"input": "wait"}))
    starter.asked.clear()
    workflow, trashed_workflow = make_workflows(ask)
    secret = {"name": "token", "type": "secret", "value": "a secret value"}
    variable = _made(ask.post("/v1/variables", secret))
    _made(ask.post("/v1/variables", {"name": "second", "value": "x"}))
    shares = f"/v1/workflows/{workflow['id']}/shares"
    _made(ask.post(shares, {"link": True}))
    share = _made(ask.post(shares, {"sharedWithRole": "admin"}))
    runs = [
        _made(ask.post(f"/v1/workflows/{workflow['id']}/executions", {"input": {"n": 1}})) for _ in range(3)
    ]
    starter.asked, rest = starter.asked[:1], starter.asked[1:]
    starter.run_pending()
    assert rest and ask.post(f"/v1/executions/{runs[2]['id']}/pause").status == 200
    many = {"action": "retry", "filter": {"workflowId": workflow["id"]}}
    job, _ = (_made(ask.post("/v1/executions/bulk", many)) for _ in range(2))
    api_key = _made(ask.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}))
    _made(ask.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}))
    limit = ask.put(f"/v1/execution-limits/{person.user['id']}/hourly", {"maxExecutions": 1_000})
    assert limit.status == 200, limit.text
    provider = {"issuer": ISSUER, "clientId": "weconnect", "clientSecret": "a secret"}
    path = f"/v1/organizations/{person.organization['id']}/identity-provider"
    assert ask.put(path, provider).status == 200
    credentials = {"email": email, "password": PASSWORD}
    assert Client().post("/v1/auth/login", credentials).status == 200
    (ended,) = [item for item in ask.get("/v1/auth/sessions").json["items"] if not item["current"]]
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
            "flowRunId": runs[0]["id"],
            "pendingFlowRunId": runs[1]["id"],
            "pausingFlowRunId": runs[2]["id"],
            "jobId": job["id"],
            "fileId": _file(person, runs[0]["id"]),
            "nodeId": "set",
            "nodeExecutionId": "000001-000",
            "token": "not-a-token",
            "type": "set",
            "apiKeyId": api_key["id"],
            **_more(person),
            "organizationId": person.organization["id"],
            "userId": person.user["id"],
            "limitType": "hourly",
            "sessionId": ended["id"],
        },
    )


def _waiting(ask: Client, starter: Starter) -> str:
    """Two questions of an agent whose calculator asks first; answers the id of the newer one."""
    path = f"/v1/agents/{_made(ask.post('/v1/agents', {'name': 'Careful'}))['id']}"
    _made(ask.post(f"{path}/tools", {"toolName": "calculator", "requiresApproval": True}))
    for _ in range(2):
        run = _made(ask.post(f"{path}/executions", {"input": "What is 2 + 2?"}))
        starter.run_pending()
    (approval,) = ask.get(f"{path}/executions/{run['id']}").json["waitingFor"]
    return str(approval)


def _file(person: Registered, execution_id: str) -> str:
    """A file of a run, as a node of it keeps one; its id."""
    organization_id, run_id = UUID(person.organization["id"]), UUID(execution_id)
    call = Call(
        node=Node(id="set", name="Set", type="set"),
        inputs={},
        scope=Scope({}, None, {}, clock.now()),
        organization_id=organization_id,
        run_id=run_id,
        run_key=ExecutionRow.at(organization_id, run_id),
    )
    return str(files.keep(call, "key", "a.bin", "", b"\0")["fileId"])


def make_workflows(ask: Client) -> tuple[Any, Any]:
    """An active workflow with two versions, one in the trash, and another one."""
    step = {"id": "set", "name": "Set", "type": "set", "parameters": {"values": {"a": 1}}}
    connection = {"sourceNodeId": "start", "targetNodeId": "set"}
    new = {"name": "Greeter", "nodes": [TRIGGER, step], "connections": [connection]}
    workflow = _made(ask.post("/v1/workflows", new))
    path = f"/v1/workflows/{workflow['id']}"
    assert ask.patch(path, {"settings": {"timeoutSeconds": 60}}).status == 200
    assert ask.post(f"{path}/activate", {}).status == 200
    trashed = _made(ask.post("/v1/workflows", {"name": "Trashed"}))
    assert ask.delete(f"/v1/workflows/{trashed['id']}").status == 204
    _made(ask.post("/v1/workflows", {"name": "Second"}))
    return workflow, trashed


def _more(person: Registered) -> dict[str, str]:
    """Another member, two roles, two invitations, a customer of Stripe's, an organization in the trash."""
    ask, path = person.client, f"/v1/organizations/{person.organization['id']}"
    _confirm(person)
    other = registered(f"other-{person.user['email']}")
    _join(person.organization["id"], other.user["id"], "viewer")
    _join(person.organization["id"], registered(f"co-{person.user['email']}").user["id"], "owner")
    role, _ = (
        _made(ask.post(f"{path}/roles", {"name": name, "permissions": ["agents:read"]})) for name in "ab"
    )
    found = [_made(ask.post(f"{path}/invitations", {"email": f"{name}@example.com"})) for name in "ab"]
    assert ask.post(f"{path}/billing/checkout", {"plan": "pro"}).status == 200
    trashed = _made(ask.post("/v1/organizations", {"name": "Trashed"}))["id"]
    there = bearer(ask.post(f"/v1/organizations/{trashed}/switch").json)
    assert there.delete(f"/v1/organizations/{trashed}").status == 204
    assert ask.post(f"{path}/switch").status == 200
    return {
        "otherUserId": other.user["id"],
        "roleId": role["id"],
        "invitationId": found[0]["id"],
        "trashedOrganizationId": trashed,
    }


def _confirm(person: Registered) -> None:
    table.touch(UserRow(*UserRow.at(person.user["id"])), put={"email_verified": True})


def _invite(*clients: Client) -> None:
    """Invite everybody to the organization of somebody else."""
    host = registered("host@example.com")
    _confirm(host)
    for client in clients:
        me = client.get("/v1/users/me").json
        path = f"/v1/organizations/{host.organization['id']}/invitations"
        _made(host.client.post(path, {"email": me["email"], "role": "viewer"}))
        INVITED[me["id"]] = mailbox.last_token()


def _made(answer: Any) -> Any:
    assert answer.status in (201, 202), answer.text
    return answer.json


def _colleague(side: Side, role: str) -> Client:
    """A new user with `role` in the side's organization, whose owner joins theirs: both lists have two."""
    person = registered(f"{role}@example.com")
    _confirm(person)
    _join(side.person.organization["id"], person.user["id"], role)
    _join(person.organization["id"], side.person.user["id"], "viewer")
    tokens = person.client.post(f"/v1/organizations/{side.person.organization['id']}/switch")
    assert tokens.status == 200, tokens.text
    return bearer(tokens.json)


def _guest(side: Side) -> Client:
    """A guest who is an admin by his membership, which must not count."""
    person = registered("guest@example.com")
    _join(side.person.organization["id"], person.user["id"], "admin")
    assert person.client.post(f"/v1/organizations/{side.person.organization['id']}/switch").status == 200
    return become(person, "guest").client


def _join(organization_id: str, user_id: str, role: str) -> None:
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


def _api_key(side: Side, scopes: list[str], flags: dict[str, bool]) -> Client:
    made = _made(side.client.post("/v1/api-keys", {"name": "k", "scopes": scopes, "permissions": flags}))
    return Client(headers={"X-API-Key": made["key"]})


# Looking at the table, and putting it back as it was


class Snapshot:
    """moto's table as it was at a moment; `restore` puts back what has changed since."""

    def __init__(self) -> None:
        self._items = copy.deepcopy(contents())

    def restore(self) -> None:
        from moto.dynamodb.models.dynamo_type import DynamoType, Item

        # moto replaces the table by a copy when a transaction fails, so it is looked up each time.
        before, now, items = copy.deepcopy(self._items), contents(), moto_table().items
        for at in before.keys() | now.keys():
            if before.get(at) != now.get(at):
                item = before.get(at) or now[at]
                pk, sk = DynamoType(item["pk"]), DynamoType(item["sk"])
                items[pk].pop(sk, None)
                if at in before:
                    items[pk][sk] = Item(pk, sk, item)


def moto_table(name: str = "weconnect") -> Any:
    """moto's own table."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.dynamodb.models import dynamodb_backends

    return dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].tables[name]


def contents() -> dict[str, Any]:
    """Every item by its key, in DynamoDB's JSON."""
    return {
        f"{item.hash_key.value} {item.range_key.value}": item.to_json()["Attributes"]
        for items in moto_table().items.values()
        for item in items.values()
    }
