"""What a node type is: a parameter model, one function and what the engine and a person need to know of it.

Items flow: each output of a node is a list of JSON objects, and a connection takes the items of an output to an input
of another node. A function gets the items of its inputs and answers the items of its outputs.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, ClassVar, Literal, Protocol, TypeVar
from uuid import UUID

from pydantic import ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from weconnect.base_entity import Wire
from weconnect.durable import Steps
from weconnect.expressions import rendering
from weconnect.expressions.rendering import Context, ExpressionError, Found
from weconnect.workflows.entities import Node
from weconnect.workflows.node_sdk.secret_values import Sealed, Secrets

Item = dict[str, Any]
Items = list[Item]
Outputs = dict[str, Items]
"""Items by the name of the output; an output that is missing has none."""

RESPONSE = "$response"
STOP = "$stop"
LOG = "$log"
"""Outputs that no connection takes: the answer to who started the run, its end, and lines `{"level", "message"}`."""

MAX_EFFECTS = 100

_NAMED = r"\${}\s*\.\s*(?:`([^`]+)`|\"([^\"]+)\"|([A-Za-z_]\w*))"
_ONE_VARIABLE = re.compile(r"\{\{\s*" + _NAMED.format("vars") + r"\s*\}\}")


class NodeError(Exception):
    """A node could not do what it was asked. `retryable`: the same may succeed later. `log`: as of the output."""

    def __init__(self, code: str, message: str, *, retryable: bool = False, log: Items | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.log = log or []


class Parameters(Wire):
    """A node's parameters; texts may be expressions, which are resolved before the model is validated."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    VERBATIM: ClassVar[frozenset[str]] = frozenset()
    """Parameters that are taken as they stand: braces in them are no expressions."""
    LITERAL: ClassVar[frozenset[str]] = frozenset()
    """Those in which no expression may stand."""
    SECRET: ClassVar[frozenset[str]] = frozenset()
    """Those that are one secret variable and nothing else: `{{ $vars.name }}`."""


P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True)
class Scope:
    """What expressions see beside the item: the run, its input, and what the nodes before have answered by name."""

    execution: Mapping[str, Any]
    trigger: Any
    nodes: Mapping[str, Outputs]
    moment: datetime
    variables: Mapping[str, Any] = field(default_factory=dict)
    sealed: Mapping[str, Sealed] = field(default_factory=dict)

    def bindings(self, sources: list[str], opened: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The variables that these expressions may use; of the nodes, only those that they name. `opened`: secrets.

        Raises NodeError for `$vars` that there are not, or that are secrets and have not been opened.
        """
        found: dict[str, Any] = {"execution": dict(self.execution), "trigger": self.trigger}
        if any("$nodes" in source for source in sources):
            names = referenced(sources)
            found["nodes"] = {
                name: shown(outputs) for name, outputs in self.nodes.items() if names is None or name in names
            }
        if any("$vars" in source for source in sources):
            found["vars"] = dict(self.variables) | dict(opened or {})
            for name in sorted((referenced(sources, "vars") or set()) - found["vars"].keys()):
                if name in self.sealed:
                    raise NodeError(
                        "secret_not_allowed", f"The secret variable {name!r} may not be used here"
                    )
                raise NodeError("unknown_variable", f"There is no variable {name!r}")
        return found


@dataclass(frozen=True)
class Call:
    """One run of a node. `key` is the same for the same effect, however often its step is tried."""

    node: Node
    inputs: Mapping[str, Items]
    scope: Scope
    organization_id: UUID = field(default=UUID(int=0))
    user_id: UUID = field(default=UUID(int=0))
    run_id: UUID = field(default=UUID(int=0))
    run_key: tuple[str, str] | None = None
    retention_days: int = 7
    depth: int = 0
    key: str = ""
    timeout_seconds: float = 60
    secrets: Secrets | None = None
    """What opens secrets, within an attempt of an effect."""

    @property
    def items(self) -> Items:
        """The items of all inputs, in the order of the inputs."""
        return [item for items in self.inputs.values() for item in items]

    def once(self, model: type[P]) -> P:
        """The parameters, their expressions resolved over the first item; raises NodeError."""
        return self._resolved(model, self.items[:1] or [{}])[0]

    def each(self, model: type[P]) -> list[tuple[P, Item]]:
        """The parameters for every item, with the item; raises NodeError."""
        items = self.items
        return list(zip(self._resolved(model, items), items, strict=True))

    def effects(self, model: type[P]) -> list[tuple[P, Item, str]]:
        """The same with the key of each effect; raises NodeError for more items than one step may have."""
        if len(self.items) > MAX_EFFECTS:
            text = (
                f"{len(self.items)} items at once, and at most {MAX_EFFECTS} may have an effect: use a loop"
            )
            raise NodeError("too_many_items", text)
        found = self.each(model)
        return [(parameters, item, f"{self.key}:{index}") for index, (parameters, item) in enumerate(found)]

    def _resolved(self, model: type[P], items: Items) -> list[P]:
        verbatim, value = parted(model, self.node.parameters)
        self._refuse_misplaced(model)
        try:
            found = rendering.find(value)
            sources = [each.source for each in found]
            places = self._secret_places(found)
            opened = self.secrets.open({*chain(*places.values())}) if self.secrets else {}
            shared = self.scope.bindings(sources, opened) | {"input": self.items}
            contexts = [Context(item, {"index": index}) for index, item in enumerate(items)]
            resolved = rendering.resolve(value, contexts, shared, self.scope.moment)
        except ExpressionError as error:
            raise NodeError("expression_failed", f"{error.pointer}: {error}") from error
        if not sources:
            return [validated(model, verbatim | value)] * len(items)
        for pointer in places:
            assert self.secrets
            self.secrets.cover_derived([at(each, pointer) for each in resolved], at(value, pointer))
        return [validated(model, verbatim | each) for each in resolved]

    def _refuse_misplaced(self, model: type[Parameters]) -> None:
        value = self.node.parameters
        for pointer, code, message in misplaced(model, value):
            raise NodeError(code, f"{pointer}: {message}")
        for name in _given(model.SECRET, value):
            for variable in (referenced([value[name] or ""], "vars") or set()) & self.scope.variables.keys():
                raise NodeError("secret_required", f"/{name}: the variable {variable!r} is no secret")

    def _secret_places(self, found: list[Found]) -> dict[str, set[str]]:
        """The pointers of the parameters that name secrets, with the names; raises NodeError for other places."""
        places: dict[str, set[str]] = {}
        unnamed = None
        for each in found:
            names = referenced([each.source], "vars")
            unnamed = each.pointer if names is None else unnamed
            for name in sorted((names or set()) & self.scope.sealed.keys()):
                if self.secrets is None or each.pointer.split("/")[1] not in self.secrets.places:
                    places_of = sorted(self.secrets.places) if self.secrets else []
                    allowed = (
                        f"in {', '.join(places_of)} alone" if places_of else "in no parameter of this node"
                    )
                    text = f"{each.pointer}: the secret variable {name!r} may stand {allowed}"
                    raise NodeError("secret_not_allowed", text)
                places.setdefault(each.pointer, set()).add(name)
        if places and unnamed is not None:
            text = f"{unnamed}: beside a secret, variables are used by their names: $vars.name"
            raise NodeError("secret_not_allowed", text)
        return places


@dataclass(frozen=True)
class Question:
    """What people are asked: a message, values that they may change, and who of them may answer, by id or by role."""

    message: str
    values: Item
    users: list[UUID]
    roles: list[str]
    expires_in_seconds: int


class Carrier(Protocol):
    """What a `flow` node takes its steps through. Names are unique within the node's run."""

    @property
    def steps(self) -> Steps: ...

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """A step like those of effects: nothing is done once the run is to stop. Raises NodeError as `work` does."""

    def announce_callback(self, callback_id: str) -> None:
        """Let whoever holds the run's callback token complete the callback; for use within a step."""

    def ask(self, question: "Question") -> None:
        """Ask people whether the run may go on; for use within a step."""

    def announce_question(self, callback_id: str) -> None:
        """Let whoever decides wake the run; for use within a step."""

    def decision(self) -> dict[str, Any]:
        """`{"status", "arguments", "note", "decidedBy", "approvalId"}` of the question; for use within a step."""

    def store_child(self, workflow_id: UUID, items: Items) -> str:
        """Store a run of another workflow and answer its id; for use within a step. Raises NodeError."""

    def announce_child(self, execution_id: str, callback_id: str) -> None:
        """Start that run, whose end completes the callback; for use within a step."""

    def child_result(self) -> dict[str, Any]:
        """`{"executionId", "status", "output", "error"}` of that run as it is now; for use within a step."""


@dataclass(frozen=True)
class NodeType:
    """A type of node, declared as `NODE` in `nodes/<type>.py`.

    `kind`: a `trigger` begins a run; a `pure` node only computes and is computed again on replay; an `effect` is one
    step for each attempt; a `flow` node takes steps of its own through a `Carrier`; a `loop` is the engine's.
    `express`: a run with it may be carried out while its caller waits.
    """

    label: str
    description: str
    category: Literal["trigger", "flow", "data", "http", "mail", "aws", "database", "ai", "code"]
    parameters: type[Parameters]
    run: Callable[[Call], Outputs]
    """What it does; of a `flow` node `carry` does that, and this only says what passes it when it is disabled."""
    kind: Literal["trigger", "pure", "effect", "flow", "loop"] = "pure"
    carry: "Callable[[Call, Carrier], Outputs] | None" = None
    inputs: tuple[str, ...] | None = ("main",)
    """None: any names, as `merge` has."""
    outputs: tuple[str, ...] = ("main",)
    outputs_of: Callable[[dict[str, Any]], list[str]] | None = None
    """Outputs that depend on the parameters, as they are given, beside `outputs`."""
    may_suspend: bool = False
    operations: int = 1
    """How many operations of the platform an attempt takes at most, more or less: loops plan with it."""
    express: bool = True
    testable: bool = False
    """Whether one that is not express may be tried by itself all the same."""
    unavailable: Callable[[], str] = lambda: ""
    """Why this deployment cannot run it, where that is so."""
    secrets: frozenset[str] = frozenset()
    """Of an `effect`: its parameters that secret variables may stand in."""
    waits_for: Callable[[dict[str, Any]], Literal["all", "some"]] = lambda parameters: "some"
    """Whether the node is skipped unless all of its inputs have items."""

    def output_names(self, parameters: dict[str, Any]) -> list[str]:
        """The outputs of a node with these parameters, as they are given."""
        more = self.outputs_of(parameters) if self.outputs_of else []
        return list(dict.fromkeys([*self.outputs, *more]))


def parted(model: type[Parameters], value: Item) -> tuple[Item, Item]:
    """The parameters that are taken as they stand, and those that may hold expressions."""
    verbatim = {name: inner for name, inner in value.items() if name in model.VERBATIM}
    return verbatim, {name: inner for name, inner in value.items() if name not in verbatim}


def misplaced(model: type[Parameters], value: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Parameters as they are given that hold what their model keeps out of them: pointer, code and message."""
    for name in _given(model.LITERAL, value):
        if "{{" in str(value[name]):
            yield f"/{name}", "expression_not_allowed", "no expression may stand here"
    for name in _given(model.SECRET, value):
        text = value[name]
        if text is not None and not (isinstance(text, str) and _ONE_VARIABLE.fullmatch(text)):
            yield f"/{name}", "secret_required", "it is a secret variable and nothing else: {{ $vars.name }}"


def _given(names: frozenset[str], value: Mapping[str, Any]) -> list[str]:
    """Those of the names that are given, as they are given: in camelCase, or as in Python."""
    return [name for known in sorted(names) for name in {known, to_camel(known)} if name in value]


def validated(model: type[P], value: Any) -> P:
    """The parameters that a JSON value stands for; raises NodeError with the first place that is wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        said = first["msg"].removeprefix("Value error, ")
        if first["input"] is None and first["type"] != "missing":
            said += ", and it is null: what its expression names may be missing"
        raise NodeError("invalid_parameters", f"{pointer_of(first['loc'])}: {said}") from error


def pointer_of(place: tuple[int | str, ...]) -> str:
    """The JSON pointer of a pydantic error's place."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in place)


def at(value: Any, pointer: str) -> Any:
    """What stands at a JSON pointer that leads somewhere."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


def referenced(sources: list[str], of: Literal["nodes", "vars"] = "nodes") -> set[str] | None:
    """The names of the nodes (or variables) that expressions name; None when one may reach any."""
    names: set[str] = set()
    for source in sources:
        found = re.findall(_NAMED.format(of), source)
        if len(found) != source.count(f"${of}"):
            return None
        names |= {name for groups in found for name in groups if name}
    return names


def texts(value: Any) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def shown(outputs: Outputs) -> dict[str, Any]:
    """What expressions see of a node: `output`, its first item, and all its `items`, those of `main` first."""
    items = outputs.get("main") or next((items for items in outputs.values() if items), [])
    return {"output": items[0] if items else None, "items": items, "outputs": outputs}


def passed(call: Call) -> Outputs:
    """The items as they came: what a trigger or a disabled node does."""
    return {"main": call.items}
