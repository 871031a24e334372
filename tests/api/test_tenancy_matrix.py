"""The access of every caller to every route: tenants, roles, API keys, replays and cursors.

No test names a route. The expected outcome is a cell of `OUTCOMES`; the request comes from the module's matrix.py.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra import routes
from tests.api.matrices import MATRICES, NAMES, REQUESTS
from tests.api.matrix_world import build_world, mocked_services
from tests.api.module_matrix import KINDS, Side, World
from tests.gateway import ApiResponse, Client
from tests.moto_table import TableSnapshot, table_items
from weconnect import ids
from weconnect.api.caller import OPERATOR
from weconnect.api.health import openapi_document
from weconnect.api.operation import Operation
from weconnect.api.problems import PROBLEM_JSON
from weconnect.organizations.rows import MemberRow

OPERATIONS = {operation.function.__name__: operation for operation in routes.load_operations().values()}
PUBLIC = {name for name, request in REQUESTS.items() if request.is_public}
PRIVATE = {name: operation for name, operation in OPERATIONS.items() if not operation.public}
OPERATORS = {name for name, operation in PRIVATE.items() if operation.permission == OPERATOR}
OPERATORS |= {name for name, request in REQUESTS.items() if request.kind == "operator"}
TENANTS = [name for name in PRIVATE if name not in OPERATORS]
PERMISSIONS = {PRIVATE[name].permission or "agents:read" for name in TENANTS}

OK, FORBIDDEN, NOT_FOUND = 200, 403, 404
OUTCOMES = {
    # read, create, update, delete, execute, manage, signed in, person, own, operator, owner, billing, admin
    "owner": (OK, OK, OK, OK, OK, OK, OK, OK, OK, FORBIDDEN, OK, OK, OK),
    "admin": (OK, OK, OK, OK, OK, OK, OK, OK, NOT_FOUND, *[FORBIDDEN] * 3, OK),
    "member": (OK, OK, FORBIDDEN, FORBIDDEN, OK, FORBIDDEN, OK, OK, NOT_FOUND, *[FORBIDDEN] * 4),
    "viewer": (
        OK,
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        FORBIDDEN,
        OK,
        OK,
        NOT_FOUND,
        *[FORBIDDEN] * 4,
    ),
    "key with the scope": (OK, OK, OK, OK, OK, OK, OK, *[FORBIDDEN] * 4, OK, FORBIDDEN),
    "key of another scope": (*[FORBIDDEN] * 6, OK, *[FORBIDDEN] * 6),
    "key without flags": (*[FORBIDDEN] * 6, OK, *[FORBIDDEN] * 6),
}


def kind_of(operation: Operation) -> str:
    """Return the operation's column of `OUTCOMES`: the one that its module declares, else that of its permission."""
    if declared := REQUESTS[operation.function.__name__].kind:
        return declared
    if operation.permission == OPERATOR:
        return "operator"
    if operation.permission == "organization:billing":
        return "billing"
    if operation.permission is None:
        return "signed in"
    resource, _, action = operation.permission.partition(":")
    return "manage" if resource == "organization" else action


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Build one world for all tests; `untouched` restores the table before each."""
    with mocked_services() as starter:
        yield build_world(PERMISSIONS, starter)


@pytest.fixture(scope="module")
def snapshot(world: World) -> TableSnapshot:
    return TableSnapshot()


@pytest.fixture(autouse=True)
def untouched(request: pytest.FixtureRequest) -> Iterator[None]:
    """Restore the world before each test."""
    if "world" in request.fixturenames:
        request.getfixturevalue("snapshot").restore()
    yield


def tenant_parameters(operation: Operation) -> list[str]:
    """Return the path parameters that name an entity of a tenant."""
    parts = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    return [part for part in parts if part not in NAMES]


def send(name: str, client: Client, side: Side, **options: Any) -> ApiResponse:
    """Send an operation's request; a refusal must be a complete problem."""
    response = REQUESTS[name].send(client, OPERATIONS[name], side.ids, **options)
    if response.status >= 400:
        assert response.headers["Content-Type"] == PROBLEM_JSON, response.text
        problem = response.json
        assert problem["status"] == response.status and problem["code"] and problem["requestId"]
    return response


def rows_of(side: Side) -> dict[str, Any]:
    """Return the side's rows by key, without the stamps that the use of an API key leaves."""
    rows = {
        key: item for key, item in table_items().items() if any(part in key for part in side.partition_ids())
    }
    return {key: {name: row[name] for name in row if name != "lastUsedAt"} for key, row in rows.items()}


def all_rows() -> dict[str, Any]:
    """Return all rows by key, without the stamps that the use of an API key leaves."""
    stamps = ("lastUsedAt", "usageCount")
    return {
        key: {name: item[name] for name in item if not (key.startswith("APIKEY#") and name in stamps)}
        for key, item in table_items().items()
    }


def comparable_text(response: ApiResponse) -> str:
    """Return the body without the values that repeat the request."""
    return re.sub(r'"(instance|requestId)":"[^"]*"', "", response.text)


def find_owned_values(world: World) -> set[str]:
    """Return every id and address in the owner's rows that is not in the stranger's too."""
    pattern = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[\w.]+@example\.com")
    return set(pattern.findall(str(rows_of(world.owner)))) - set(
        pattern.findall(str(rows_of(world.stranger)))
    )


def client_of(role: str, world: World, operation: Operation) -> Client:
    if role == "owner":
        return world.owner.client
    if role == "key with the scope":
        permission = REQUESTS[operation.function.__name__].permission or operation.permission or ""
        return world.keys.get(permission, world.keys["agents:read"])
    if role == "key of another scope":
        others = (operation.permission, "no flags")
        return next(key for permission, key in world.keys.items() if permission not in others)
    return world.keys["no flags"] if role == "key without flags" else world.colleagues[role]


def test_every_route_is_in_the_matrix() -> None:
    routes_by_module: dict[str, set[str]] = {module: set() for module in MATRICES}
    for name, operation in OPERATIONS.items():
        routes_by_module.setdefault(operation.function.__module__.partition(".")[0], set()).add(name)
    for module, names in routes_by_module.items():
        path = f"tests/{module}/matrix.py"
        assert module in MATRICES, f"{path} is missing; it has a request for each of {sorted(names)}"
        requests = MATRICES[module].requests.keys()
        assert sorted(names - requests) == [], f"these routes of functions/{module} have no request in {path}"
        assert sorted(requests - names) == [], f"{path} has requests for routes that functions/{module} lacks"
    public = {name for name, operation in OPERATIONS.items() if operation.public}
    assert public == PUBLIC, "a public route says `is_public=True` in its module's matrix.py too, on purpose"


@pytest.mark.parametrize("name", PRIVATE)
def test_a_permission_to_read_belongs_to_a_reading_method(name: str) -> None:
    operation = OPERATIONS[name]
    assert kind_of(operation) in KINDS
    if operation.permission and kind_of(operation) not in ("manage", "billing", "operator"):
        assert operation.permission.endswith(":read") != operation.writes


@pytest.mark.parametrize("role", OUTCOMES)
@pytest.mark.parametrize("name", PRIVATE)
def test_each_role_gets_its_outcome(world: World, name: str, role: str) -> None:
    operation = OPERATIONS[name]
    expected = OUTCOMES[role][KINDS.index(kind_of(operation))]
    before = all_rows()
    response = send(name, client_of(role, world, operation), world.owner)
    if expected == OK:
        assert 200 <= response.status < 300, response.text
        if not operation.writes:
            assert all_rows() == before
        elif operation.method in ("PUT", "PATCH", "DELETE"):
            assert all_rows() != before, "the test proves nothing, because its request changes nothing"
    else:
        assert response.status == expected, response.text
        assert all_rows() == before


@pytest.mark.parametrize("name", [name for name in PRIVATE if not PRIVATE[name].self_service])
def test_a_guest_reaches_nothing_that_is_not_shared(world: World, name: str) -> None:
    """Nothing is shared with the guest, only with the role of their membership."""
    before = all_rows()
    response = replace(REQUESTS[name], prepare=None).send(world.guest, OPERATIONS[name], world.owner.ids)
    if not OPERATIONS[name].accepts_share:
        assert (response.status, response.json["code"]) == (FORBIDDEN, "guest")
    elif name in list_operations() and not tenant_parameters(OPERATIONS[name]):
        assert (response.status, response.json["items"]) == (OK, [])
    else:
        assert response.status == NOT_FOUND, response.text
    assert all_rows() == before


def remove_admin(world: World) -> Client:
    """Remove the admin from the owner's organization, and return their client."""
    client = world.colleagues["admin"]
    user_id = client.get("/v1/users/me").json["id"]
    organization_id = world.owner.ids["organizationId"]
    MemberRow(*MemberRow.at(organization_id, user_id)).delete()
    return client


@pytest.mark.parametrize("name", [name for name in TENANTS if PRIVATE[name].method != "GET"])
def test_a_removed_member_writes_nothing_with_their_token(world: World, name: str) -> None:
    operation = OPERATIONS[name]
    former = remove_admin(world)
    before = rows_of(world.owner)
    request = replace(REQUESTS[name], prepare=None)
    response = request.send(former, operation, world.owner.ids)
    if not (operation.self_service or operation.beyond_organization):
        assert (response.status, response.json["code"]) == (FORBIDDEN, "not_a_member")
    assert rows_of(world.owner) == before


@pytest.mark.parametrize("name", PRIVATE)
def test_an_anonymous_caller_is_refused(world: World, name: str) -> None:
    before = all_rows()
    for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"X-API-Key": "wc_" + "a" * 43}):
        response = send(name, Client(headers=headers), world.owner)
        assert response.status == 401, response.text
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert all_rows() == before


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_routes_require_no_caller(world: World, name: str) -> None:
    response = send(name, Client(), world.owner)
    assert response.status != FORBIDDEN
    assert response.status != 401 or response.json["code"] != "unauthenticated"


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_an_operator_may_use_the_routes_of_operators(world: World, name: str) -> None:
    before = all_rows()
    headers = {"X-Organization-Id": world.owner.ids["organizationId"]}
    response = send(name, world.operator, world.owner, headers=headers)
    assert 200 <= response.status < 300, response.text
    assert (all_rows() != before) == (OPERATIONS[name].method != "GET")


@pytest.mark.parametrize("name", TENANTS)
def test_a_stranger_with_the_owners_ids_sees_and_changes_nothing(world: World, name: str) -> None:
    """The stranger is the owner of another organization with the same entities."""
    operation = OPERATIONS[name]
    snapshot = TableSnapshot()
    own = send(name, world.stranger.client, world.stranger)
    assert 200 <= own.status < 300, own.text
    snapshot.restore()  # it may have ended the stranger's session or organization
    before = rows_of(world.owner)
    response = send(name, world.stranger.client, world.owner)
    if tenant_parameters(operation):
        assert response.status == NOT_FOUND, response.text
        unknown = {
            key: value if key in NAMES else str(ids.new_id()) for key, value in world.owner.ids.items()
        }
        missing = REQUESTS[name].send(world.stranger.client, operation, unknown)
        assert comparable_text(missing) == comparable_text(response), (
            "an entity of another tenant looks like a missing one"
        )
    leaked = {secret for secret in find_owned_values(world) if secret in comparable_text(response)}
    assert not leaked
    assert rows_of(world.owner) == before


@pytest.mark.parametrize("name", [name for name in PRIVATE if PRIVATE[name].path.count("{") > 1])
def test_a_stranger_who_mixes_ids_of_both_sides_is_refused(world: World, name: str) -> None:
    """Such as an entity of the owner below a parent of the stranger, and the other way round."""
    operation = OPERATIONS[name]
    names = tenant_parameters(operation)
    before = rows_of(world.owner)
    for foreign in names if len(names) > 1 else []:
        id_name = REQUESTS[name].ids.get(foreign, foreign)
        response = REQUESTS[name].send(
            world.stranger.client, operation, world.stranger.ids | {id_name: world.owner.ids[id_name]}
        )
        assert response.status == NOT_FOUND, (foreign, response.text)
    assert rows_of(world.owner) == before


@pytest.mark.parametrize("name", TENANTS)
def test_the_organization_header_opens_no_other_organization(world: World, name: str) -> None:
    other = {"X-Organization-Id": world.stranger.ids["organizationId"]}
    before = all_rows()
    for client in (world.owner.client, client_of("key with the scope", world, OPERATIONS[name])):
        for side in (world.owner, world.stranger):
            response = send(name, client, side, headers=other)
            assert (response.status, response.json["code"]) == (FORBIDDEN, "wrong_organization")
    assert all_rows() == before
    own = {"X-Organization-Id": world.owner.ids["organizationId"]}
    assert 200 <= send(name, world.owner.client, world.owner, headers=own).status < 300


def list_operations() -> list[str]:
    """Return the names of the operations that return pages."""
    entries = [entry for path in json.loads(openapi_document())["paths"].values() for entry in path.values()]
    pages = [
        entry["operationId"]
        for entry in entries
        if {"cursor", "limit"} <= {parameter["name"] for parameter in entry.get("parameters", [])}
    ]
    return sorted(set(pages) - OPERATORS)


@pytest.mark.parametrize("name", list_operations())
def test_cursors_belong_to_one_list_of_one_tenant(world: World, name: str) -> None:
    operation, request = OPERATIONS[name], REQUESTS[name]

    def page(client: Client, side: Side, query: str) -> ApiResponse:
        return client.get(request.path(operation, side.ids) + query)

    first = page(world.owner.client, world.owner, "?limit=1")
    cursor = first.json["nextCursor"]
    assert cursor and len(first.json["items"]) == 1, "the world has only one of these"
    second = page(world.owner.client, world.owner, f"?limit=1&cursor={cursor}")
    assert second.status == 200 and second.json["items"] and second.json["items"] != first.json["items"]
    stolen = page(world.stranger.client, world.stranger, f"?limit=1&cursor={cursor}")
    assert (stolen.status, stolen.json["code"]) == (400, "invalid_cursor")
    for other in list_operations():
        if other != name:
            elsewhere = world.owner.client.get(
                REQUESTS[other].path(OPERATIONS[other], world.owner.ids) + f"?cursor={cursor}"
            )
            assert (elsewhere.status, elsewhere.json["code"]) == (400, "invalid_cursor"), other


@pytest.mark.parametrize("name", [name for name in TENANTS if PRIVATE[name].method == "POST"])
def test_idempotency_keys_belong_to_one_caller(world: World, name: str) -> None:
    header = {"Idempotency-Key": "the same for all"}
    first = send(name, world.owner.client, world.owner, headers=header)
    assert 200 <= first.status < 300, first.text
    repeated = send(name, world.owner.client, world.owner, headers=header)
    if repeated.status == 401:
        assert name in ("leave_organization", "logout"), "it has ended the caller's session"
        return
    if not OPERATIONS[name].replays:
        assert "Idempotent-Replayed" not in repeated.headers
        return
    assert repeated.headers["Idempotent-Replayed"] == "true"
    assert (repeated.status, repeated.text) == (first.status, first.text)
    theirs = send(name, world.stranger.client, world.stranger, headers=header)
    if name == "verify_domain":
        assert theirs.json["code"] == "domain_taken", "both sides use the same names"
    else:
        assert 200 <= theirs.status < 300, theirs.text
    assert "Idempotent-Replayed" not in theirs.headers
    assert not {secret for secret in find_owned_values(world) if secret in comparable_text(theirs)}
    foreign = send(name, world.stranger.client, world.owner, headers={"Idempotency-Key": "another"})
    assert "Idempotent-Replayed" not in foreign.headers
    viewer = send(name, world.colleagues["viewer"], world.owner, headers=header)
    assert "Idempotent-Replayed" not in viewer.headers
    if OPERATIONS[name].permission and OPERATIONS[name].writes:
        assert viewer.status == FORBIDDEN, "the permission is checked before the replay"
