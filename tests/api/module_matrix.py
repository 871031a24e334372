"""The declarations of a module for the tests that call every route: `MATRIX` in its tests/<module>/matrix.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pytest

from tests.agents.execution_helpers import Starter
from tests.factories import RegisteredUser
from tests.gateway import ApiResponse, Client
from weconnect.api.operation import Operation

Kind = Literal[
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
    "admin",
]
"""A column of `OUTCOMES` in test_tenancy_matrix.py: the callers that a route is for."""
KINDS: tuple[str, ...] = get_args(Kind)


def created(response: ApiResponse) -> Any:
    """Return the body of a response that must be 201 or 202."""
    assert response.status in (201, 202), response.text
    return response.json


@dataclass(frozen=True)
class ExampleRequest:
    """A valid request of a route, and what its tests must know that its `Operation` does not say.

    - `ids`: the ids to use for path parameters instead of those of the same name.
    - `prepare` replaces `body` where the body depends on the caller: it prepares the caller and returns the body.
    - `is_public`: no caller is needed. The route says so too; it is repeated here, so that nothing becomes public by
      accident.
    - `kind`: the callers that the route is for, where that does not follow from its permission.
    - `permission`: what a caller needs for an entity that others created, where the service checks that by itself.
    - `takes_no_input`: it has no body and no parameter that the OpenAPI document knows, so no bad one is sent.
    """

    body: Any = None
    query: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Client], Any] | None = None
    is_public: bool = False
    kind: Kind | None = None
    permission: str | None = None
    takes_no_input: bool = False

    def path(self, operation: Operation, ids: Mapping[str, str]) -> str:
        """Return the path and query of the request, with a side's ids."""
        names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
        return operation.path.format(**{name: ids[self.ids.get(name, name)] for name in names}) + self.query

    def send(
        self, client: Client, operation: Operation, ids: Mapping[str, str], **options: Any
    ) -> ApiResponse:
        """Send the request as `client`, with a side's ids."""
        sender = Client(client.headers | options.get("headers", {}), client.ip)
        body = self.prepare(sender) if self.prepare else self.body
        return client.call(operation.method, self.path(operation, ids), body, **options)


@dataclass
class Side:
    """An organization and its owner, with one or two entities of each kind; both sides use the same names.

    `ids` are by the names of path parameters, and by names that `ExampleRequest.ids` refers to. `starter` executes what
    the owner starts; what it has not executed when a module has added its entities remains pending.
    """

    person: RegisteredUser
    starter: Starter
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


@dataclass(frozen=True)
class ModuleMatrix:
    """A module's part of the tests that call every route.

    - `requests`: one for each route of functions/<module>, by the operation's name.
    - `names`: values of the path parameters that name no entity of a tenant, such as a version's number.
    - `after`: the modules whose entities `add_entities` uses.
    - `add_entities`: create entities of the module for one side, two where a route lists them, and put into `Side.ids`
      what its requests need.
    - `complete_world`: add what needs several callers; it runs once, after everything else.
    - `mock_services`: replace services outside of AWS for the whole test module.
    - `attempt_counters`: how the partition keys of rows begin that count attempts, which a refusal may write.
    """

    requests: Mapping[str, ExampleRequest] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    add_entities: Callable[[Side], None] | None = None
    complete_world: Callable[[World], None] | None = None
    mock_services: Callable[[pytest.MonkeyPatch], None] | None = None
    attempt_counters: tuple[str, ...] = ()
