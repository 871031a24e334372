"""The world of the tenancy matrix, and what to ask of each route in it.

A new route needs one entry in `ASKED`; what its path names comes from `Side.ids` by the parameter's name.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto import mock_aws

from infra import cloudformation
from tests import conftest
from tests.agents.runs import Starter
from tests.factories import PASSWORD, Registered, bearer, registered
from tests.gateway import Client
from weconnect import aws as weconnect_aws
from weconnect import clock, signing
from weconnect.agents import executions
from weconnect.http import Operation
from weconnect.organizations.entities import OrganizationMember
from weconnect.organizations.rows import MemberRow
from weconnect.settings import settings
from weconnect.table import create

ALL_FLAGS = {"canRead": True, "canWrite": True, "canDelete": True, "canExecute": True}


@dataclass(frozen=True)
class Asked:
    """One request: its body, its query, and path parameters that are not the side's thing of the same name."""

    body: Any = None
    query: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)

    def path(self, operation: Operation, ids: Mapping[str, str]) -> str:
        """The route's path with a side's ids."""
        names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
        return operation.path.format(**{name: ids[self.ids.get(name, name)] for name in names}) + self.query

    def send(self, client: Client, operation: Operation, ids: Mapping[str, str], **options: Any) -> Any:
        """Ask it as `client`, with a side's ids."""
        return client.call(operation.method, self.path(operation, ids), self.body, **options)


ASKED: dict[str, Asked] = {
    "cancel_agent_execution": Asked(ids={"executionId": "pendingExecutionId"}),
    "create_agent": Asked({"name": "A new agent"}),
    "create_agent_memory": Asked({"content": "The sky is blue", "key": "sky", "sessionId": "session-1"}),
    "create_agent_tool": Asked({"toolName": "http_request"}),
    "create_api_key": Asked({"name": "new", "scopes": ["agents:read"]}),
    "delete_agent": Asked(),
    "delete_agent_memory": Asked(),
    "delete_agent_tool": Asked(),
    "delete_api_key": Asked(),
    "duplicate_agent": Asked(),
    "erase_agent_session": Asked(query="?sessionId=session-1"),
    "get_agent": Asked(),
    "get_agent_execution": Asked(),
    "get_agent_memory": Asked(),
    "get_agent_stats": Asked(),
    "get_agent_tool": Asked(),
    "get_api_key": Asked(),
    "get_me": Asked(),
    "get_member": Asked(),
    "get_organization": Asked(),
    "list_agent_executions": Asked(),
    "list_agent_memories": Asked(),
    "list_agent_sessions": Asked(),
    "list_agent_tools": Asked(),
    "list_agents": Asked(),
    "list_api_keys": Asked(),
    "list_execution_limits": Asked(),
    "list_members": Asked(),
    "list_model_providers": Asked(),
    "list_organizations": Asked(),
    "logout": Asked(),
    "put_execution_limit": Asked({"maxExecutions": 7}),
    "restore_agent": Asked(ids={"agentId": "trashedAgentId"}),
    "search_agent_memories": Asked({"query": "colour"}),
    "start_agent_execution": Asked({"input": "hello", "sessionId": "session-1"}),
    "switch_organization": Asked(),
    "test_agent_tool": Asked({"arguments": {"expression": "1 + 1"}}),
    "update_agent": Asked({"description": "changed", "configuration": {"temperature": 0.5}}),
    "update_agent_memory": Asked({"content": "My favourite colour is red"}),
    "update_agent_tool": Asked({"description": "changed"}),
    # Public ones: the matrix only looks that they ask for no caller.
    "get_docs": Asked(),
    "get_health": Asked(),
    "get_openapi": Asked(),
    "get_readiness": Asked(),
    "login": Asked({"email": "nobody@example.com", "password": "wrong"}),
    "refresh_session": Asked({"refreshToken": "not a token"}),
    "register": Asked(
        {"email": "new@example.com", "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace"}
    ),
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
    """The owner, his colleagues by role, API keys by what they may, and the stranger."""

    owner: Side
    stranger: Side
    colleagues: dict[str, Client]
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
        patch.setattr(signing, "_current", key)
        patch.setattr(signing, "_known", {key.id: key})
        patch.setattr(executions, "lambda_client", lambda: starter)
        yield starter


def build(permissions: set[str], starter: Starter) -> World:
    """Make the world through the routes; `permissions` are those that an API key is wanted for."""
    owner, stranger = make_side("owner@example.com", starter), make_side("stranger@example.com", starter)
    colleagues = {role: _colleague(owner, role) for role in ("admin", "member", "viewer")}
    keys = {word: _api_key(owner, [word], ALL_FLAGS) for word in sorted(permissions)}
    keys["no flags"] = _api_key(owner, ["*"], dict.fromkeys(ALL_FLAGS, False))
    return World(owner, stranger, colleagues, keys)


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
    pending = _made(ask.post(f"{path}/executions", {"input": "wait"}))
    starter.asked.clear()
    api_key = _made(ask.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}))
    _made(ask.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}))
    limit = ask.put(f"/v1/execution-limits/{person.user['id']}/yearly", {"maxExecutions": 1_000})
    assert limit.status == 200, limit.text
    return Side(
        person,
        {
            "agentId": agent["id"],
            "trashedAgentId": trashed["id"],
            "toolId": tool["id"],
            "memoryId": memory["id"],
            "executionId": execution["id"],
            "pendingExecutionId": pending["id"],
            "apiKeyId": api_key["id"],
            "organizationId": person.organization["id"],
            "userId": person.user["id"],
            "limitType": "hourly",
        },
    )


def _made(answer: Any) -> Any:
    assert answer.status in (201, 202), answer.text
    return answer.json


def _colleague(side: Side, role: str) -> Client:
    """A new user with `role` in the side's organization, whose owner joins theirs: both lists have two."""
    person = registered(f"{role}@example.com")
    _join(side.person.organization["id"], person.user["id"], role)
    _join(person.organization["id"], side.person.user["id"], "viewer")
    tokens = person.client.post(f"/v1/organizations/{side.person.organization['id']}/switch")
    assert tokens.status == 200, tokens.text
    return bearer(tokens.json)


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
        self._items = json.dumps(contents())

    def restore(self) -> None:
        from moto.dynamodb.models.dynamo_type import DynamoType, Item

        # moto replaces the table by a copy when a transaction fails, so it is looked up each time.
        before, now, items = json.loads(self._items), contents(), moto_table().items
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
