"""Who may do what, for every route of the route table: tenants, roles, API keys, replays and cursors.

Nothing here names a route. The expected outcome is a cell of `OUTCOMES`; what to ask comes from `matrix_factories`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra import routes
from tests.api.matrix_factories import ASKED, NOT_IDS, Side, Snapshot, World, build, contents, services
from tests.gateway import Answer, Client
from weconnect import ids
from weconnect.api.caller import OPERATOR
from weconnect.api.health import openapi
from weconnect.api.resolver import PROBLEM_JSON, Operation

OPERATIONS = {operation.function.__name__: operation for operation in routes.load().values()}
PRIVATE = {name: operation for name, operation in OPERATIONS.items() if not operation.public}
OPERATORS = {name for name, operation in PRIVATE.items() if operation.permission == OPERATOR} | {"put_plan"}
TENANTS = [name for name in PRIVATE if name not in OPERATORS]
PERMISSIONS = {PRIVATE[name].permission or "agents:read" for name in TENANTS}

# Each public route, by name: a new one has to be put here on purpose.
PUBLIC = {"get_health", "get_readiness", "get_openapi", "get_docs", "register", "login", "refresh_session"}
PUBLIC |= {"finish_sso", "start_sso", "verify_email"}
PUBLIC |= {"decline_invitation", "receive_stripe_event"}
PUBLIC |= {"complete_callback"}
PUBLIC |= {"get_shared_workflow"}
PUBLIC |= {"open_mcp_stream"}  # always 405
PUBLIC |= {"forgot_password", "resend_verification", "reset_password"}
# Routes that only a person may use, beside /v1/auth and /v1/api-keys.
FOR_PERSONS = {"switch_organization", "update_me", "delete_me", "export_me"}
FOR_PERSONS |= {"accept_invitation", "create_organization", "leave_organization"}
# Routes that only an owner may use, who is a person.
FOR_OWNERS = {"delete_organization", "export_organization", "transfer_ownership"}
# POSTs that change nothing.
READING_POSTS = {"search_agent_memories", "validate_workflow"}
# Routes whose permission is that of the thing they name: a member has it for what they made themselves.
NEEDED = {"get_job": "executions:update", "cancel_job": "executions:update"}
# Updates of many things, each of which may still be refused.
UPDATES_OF_MANY = {"bulk_executions"}

KINDS = (
    "read",
    "create",
    "update",
    "delete",
    "execute",
    "manage",
    "signed in",
    "person",
    "own",
    "operator",
    "owner",
    "billing",
)
OK, FORBIDDEN, UNSEEN = 200, 403, 404
OUTCOMES = {
    # role:              read, create, update, delete, execute, manage, signed in, person, own, operator, owner, billing
    "owner": (OK, OK, OK, OK, OK, OK, OK, OK, OK, FORBIDDEN, OK, OK),
    "admin": (OK, OK, OK, OK, OK, OK, OK, OK, UNSEEN, *[FORBIDDEN] * 3),
    "member": (OK, OK, FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, UNSEEN, *[FORBIDDEN] * 3),
    "viewer": (OK, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, OK, OK, UNSEEN, *[FORBIDDEN] * 3),
    "key with the scope": (OK, OK, OK, OK, OK, OK, OK, *[FORBIDDEN] * 4, OK),
    "key of another scope": (*[FORBIDDEN] * 6, OK, *[FORBIDDEN] * 5),
    "key without flags": (*[FORBIDDEN] * 6, OK, *[FORBIDDEN] * 5),
}


def kind_of(operation: Operation) -> str:
    """The column of `OUTCOMES`, by the permission and the path."""
    if operation.function.__name__ in OPERATORS:
        return "operator"
    if "{apiKeyId}" in operation.path or "{sessionId}" in operation.path:
        return "own"
    if operation.function.__name__ == "restore_organization":
        return "own"
    if operation.function.__name__ in FOR_OWNERS:
        return "owner"
    if operation.permission == "organization:billing":
        return "billing"
    for_person = operation.path.startswith(("/v1/auth/", "/v1/api-keys"))
    if for_person or operation.function.__name__ in FOR_PERSONS:
        return "person"
    if operation.function.__name__ in NEEDED:
        return "update"
    if operation.function.__name__ in UPDATES_OF_MANY:
        return "create"
    if operation.permission is None:
        return "signed in"
    resource, _, action = operation.permission.partition(":")
    return "manage" if resource == "organization" else action


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for all rows; `untouched` puts the table back after each."""
    with services() as starter:
        yield build(PERMISSIONS, starter)


@pytest.fixture(scope="module")
def snapshot(world: World) -> Snapshot:
    return Snapshot()


@pytest.fixture(autouse=True)
def untouched(request: pytest.FixtureRequest) -> Iterator[None]:
    """Begin each row in the same world."""
    if "world" in request.fixturenames:
        request.getfixturevalue("snapshot").restore()
    yield


def named(operation: Operation) -> list[str]:
    """The parameters of a path that name something of a tenant's."""
    parts = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    return [part for part in parts if part not in NOT_IDS]


def asked(name: str, client: Client, side: Side, **options: Any) -> Answer:
    answer = ASKED[name].send(client, OPERATIONS[name], side.ids, **options)
    if answer.status >= 400:
        assert answer.headers["Content-Type"] == PROBLEM_JSON, answer.text
        assert answer.json["status"] == answer.status and answer.json["code"] and answer.json["requestId"]
    return answer


def rows_of(side: Side) -> dict[str, Any]:
    """The side's rows, but for the stamps that using an API key leaves."""
    found = {at: item for at, item in contents().items() if any(key in at for key in side.partitions())}
    return {at: {name: item[name] for name in item if name != "lastUsedAt"} for at, item in found.items()}


def everything() -> dict[str, Any]:
    """All rows, but for the stamps that using an API key leaves."""
    stamps = ("lastUsedAt", "usageCount")
    return {
        at: {name: item[name] for name in item if not (at.startswith("APIKEY#") and name in stamps)}
        for at, item in contents().items()
    }


def told(answer: Answer) -> str:
    """The answer without what repeats the request."""
    return re.sub(r'"(instance|requestId)":"[^"]*"', "", answer.text)


def owned(world: World) -> set[str]:
    """Every id and address that stands in the owner's rows, and not in the stranger's too."""
    pattern = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[\w.]+@example\.com")
    return set(pattern.findall(str(rows_of(world.owner)))) - set(
        pattern.findall(str(rows_of(world.stranger)))
    )


def client_of(role: str, world: World, operation: Operation) -> Client:
    if role == "owner":
        return world.owner.client
    if role == "key with the scope":
        needed = NEEDED.get(operation.function.__name__, operation.permission or "")
        return world.keys.get(needed, world.keys["agents:read"])
    if role == "key of another scope":
        return next(key for word, key in world.keys.items() if word not in (operation.permission, "no flags"))
    return world.keys["no flags"] if role == "key without flags" else world.colleagues[role]


def test_every_route_is_in_the_matrix() -> None:
    assert sorted(OPERATIONS.keys() - ASKED.keys()) == [], "give these an entry in tests/matrix_factories.py"
    assert sorted(ASKED.keys() - OPERATIONS.keys()) == [], "these are no routes any more"
    assert {name for name, operation in OPERATIONS.items() if operation.public} == PUBLIC


@pytest.mark.parametrize("name", PRIVATE)
def test_a_permission_fits_its_method(name: str) -> None:
    operation = OPERATIONS[name]
    assert kind_of(operation) in KINDS
    reads = operation.method == "GET" or name in READING_POSTS
    if operation.permission and kind_of(operation) not in ("manage", "billing", "operator"):
        assert operation.permission.endswith(":read") == reads


@pytest.mark.parametrize("role", OUTCOMES)
@pytest.mark.parametrize("name", PRIVATE)
def test_role(world: World, name: str, role: str) -> None:
    operation = OPERATIONS[name]
    expected = OUTCOMES[role][KINDS.index(kind_of(operation))]
    before = everything()
    answer = asked(name, client_of(role, world, operation), world.owner)
    if expected == OK:
        assert 200 <= answer.status < 300, answer.text
        if operation.method == "GET" or name in READING_POSTS:
            assert everything() == before
        elif operation.method in ("PUT", "PATCH", "DELETE"):
            assert everything() != before, "the row proves nothing: its request changes nothing"
    else:
        assert answer.status == expected, answer.text
        assert everything() == before


@pytest.mark.parametrize("name", [name for name in PRIVATE if not PRIVATE[name].own])
def test_guest(world: World, name: str) -> None:
    """With him nothing is shared, but with the role that his membership has."""
    before = everything()
    answer = replace(ASKED[name], made=None).send(world.guest, OPERATIONS[name], world.owner.ids)
    if not OPERATIONS[name].shared:
        assert (answer.status, answer.json["code"]) == (FORBIDDEN, "guest")
    elif name in lists() and not named(OPERATIONS[name]):
        assert (answer.status, answer.json["items"]) == (OK, [])
    else:
        assert answer.status == UNSEEN, answer.text
    assert everything() == before


@pytest.mark.parametrize("name", PRIVATE)
def test_anonymous(world: World, name: str) -> None:
    before = everything()
    for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"X-API-Key": "wc_" + "a" * 43}):
        answer = asked(name, Client(headers=headers), world.owner)
        assert answer.status == 401, answer.text
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert everything() == before


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_routes_ask_for_no_caller(world: World, name: str) -> None:
    answer = asked(name, Client(), world.owner)
    assert answer.status != FORBIDDEN
    assert answer.status != 401 or answer.json["code"] != "unauthenticated"


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_operator(world: World, name: str) -> None:
    """Those who operate the deployment ask about the owner."""
    before = everything()
    there = {"X-Organization-Id": world.owner.ids["organizationId"]}
    answer = asked(name, world.operator, world.owner, headers=there)
    assert 200 <= answer.status < 300, answer.text
    assert (everything() != before) == (OPERATIONS[name].method != "GET")


@pytest.mark.parametrize("name", TENANTS)
def test_stranger(world: World, name: str) -> None:
    """The owner of another organization, who has the same things, asks with the first owner's ids."""
    operation = OPERATIONS[name]
    mine = asked(name, world.stranger.client, world.stranger)
    assert 200 <= mine.status < 300, mine.text
    before = rows_of(world.owner)
    answer = asked(name, world.stranger.client, world.owner)
    if named(operation):
        assert answer.status == UNSEEN, answer.text
        unknown = {
            key: value if key in NOT_IDS else str(ids.new_id()) for key, value in world.owner.ids.items()
        }
        nowhere = ASKED[name].send(world.stranger.client, operation, unknown)
        assert told(nowhere) == told(answer), "what is another's looks as if it were not there"
    leaked = {secret for secret in owned(world) if secret in told(answer)}
    assert not leaked
    assert rows_of(world.owner) == before


@pytest.mark.parametrize("name", [name for name in PRIVATE if PRIVATE[name].path.count("{") > 1])
def test_stranger_with_some_ids_of_his_own(world: World, name: str) -> None:
    """A thing of the owner's under the stranger's own parent, and the other way round."""
    operation = OPERATIONS[name]
    names = named(operation)
    before = rows_of(world.owner)
    for foreign in names if len(names) > 1 else []:
        taken = ASKED[name].ids.get(foreign, foreign)
        answer = ASKED[name].send(
            world.stranger.client, operation, world.stranger.ids | {taken: world.owner.ids[taken]}
        )
        assert answer.status == UNSEEN, (foreign, answer.text)
    assert rows_of(world.owner) == before


@pytest.mark.parametrize("name", TENANTS)
def test_the_organization_header_opens_nothing(world: World, name: str) -> None:
    other = {"X-Organization-Id": world.stranger.ids["organizationId"]}
    before = everything()
    for client in (world.owner.client, client_of("key with the scope", world, OPERATIONS[name])):
        for side in (world.owner, world.stranger):
            answer = asked(name, client, side, headers=other)
            assert (answer.status, answer.json["code"]) == (FORBIDDEN, "wrong_organization")
    assert everything() == before
    own = {"X-Organization-Id": world.owner.ids["organizationId"]}
    assert 200 <= asked(name, world.owner.client, world.owner, headers=own).status < 300


def lists() -> list[str]:
    """The operations that answer page after page."""
    found = [item for path in json.loads(openapi())["paths"].values() for item in path.values()]
    takes = [
        item for item in found if {"cursor", "limit"} <= {one["name"] for one in item.get("parameters", [])}
    ]
    return sorted({item["operationId"] for item in takes} - OPERATORS)


@pytest.mark.parametrize("name", lists())
def test_cursors_belong_to_one_list_of_one_tenant(world: World, name: str) -> None:
    operation, ask = OPERATIONS[name], ASKED[name]

    def page(client: Client, side: Side, query: str) -> Answer:
        return client.get(ask.path(operation, side.ids) + query)

    first = page(world.owner.client, world.owner, "?limit=1")
    cursor = first.json["nextCursor"]
    assert cursor and len(first.json["items"]) == 1, "the world has one of these only"
    second = page(world.owner.client, world.owner, f"?limit=1&cursor={cursor}")
    assert second.status == 200 and second.json["items"] and second.json["items"] != first.json["items"]
    stolen = page(world.stranger.client, world.stranger, f"?limit=1&cursor={cursor}")
    assert (stolen.status, stolen.json["code"]) == (400, "invalid_cursor")
    for other in lists():
        if other != name:
            elsewhere = world.owner.client.get(
                ASKED[other].path(OPERATIONS[other], world.owner.ids) + f"?cursor={cursor}"
            )
            assert (elsewhere.status, elsewhere.json["code"]) == (400, "invalid_cursor"), other


@pytest.mark.parametrize("name", [name for name in TENANTS if PRIVATE[name].method == "POST"])
def test_idempotency_keys_belong_to_one_caller(world: World, name: str) -> None:
    header = {"Idempotency-Key": "the same for all"}
    first = asked(name, world.owner.client, world.owner, headers=header)
    assert 200 <= first.status < 300, first.text
    again = asked(name, world.owner.client, world.owner, headers=header)
    if OPERATIONS[name].path.startswith("/v1/auth/"):
        assert "Idempotent-Replayed" not in again.headers
        return
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status, again.text) == (first.status, first.text)
    theirs = asked(name, world.stranger.client, world.stranger, headers=header)
    assert 200 <= theirs.status < 300, theirs.text
    assert "Idempotent-Replayed" not in theirs.headers
    assert not {secret for secret in owned(world) if secret in told(theirs)}
    foreign = asked(name, world.stranger.client, world.owner, headers={"Idempotency-Key": "another"})
    assert "Idempotent-Replayed" not in foreign.headers
    viewer = asked(name, world.colleagues["viewer"], world.owner, headers=header)
    assert "Idempotent-Replayed" not in viewer.headers
    if OPERATIONS[name].permission and name not in READING_POSTS:
        assert viewer.status == FORBIDDEN, "permission comes before the replay"
