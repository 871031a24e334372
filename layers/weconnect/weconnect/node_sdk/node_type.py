"""The contract of node types: a parameter model, a function, and metadata for the engine and for people.

Items flow: each output of a node is a list of JSON objects, and a connection passes the items of an output to an input
of another node. A node's function receives the items of its inputs and returns the items of its outputs.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypedDict, TypeVar
from uuid import UUID

from pydantic import ValidationError

from weconnect.durable.steps import Steps
from weconnect.executions.results import ExecutionResult
from weconnect.expressions import rendering
from weconnect.expressions.rendering import EvaluationContext, Expression, ExpressionError
from weconnect.expressions.variables import find_members
from weconnect.hiding import MAX_DERIVED_CHARACTERS
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_parameters import (
    ExpressionRule,
    Parameters,
    find_misplaced,
    names_with_rule,
    parameters_with_rule,
    pointer_of,
    single_variable,
    split_verbatim,
    value_at,
)
from weconnect.node_sdk.secret_values import SealedSecret, Secrets

_DERIVED = ""
"""Where the results of the expressions that use secrets are, beside the parameters; none has this name."""

Item = dict[str, Any]
Items = list[Item]
ItemsByOutput = dict[str, Items]
"""Items by the name of their output; a missing output has none."""

RESPONSE = "$response"
"""Pseudo output with the response to the caller of the execution: `{"body", "status", "headers"}`."""
STOP = "$stop"
"""Pseudo output with the output of an execution that the node ends."""
LOG = "$log"
"""Pseudo output with lines for the log of the node run: `{"level", "message"}`."""

MAX_EFFECTS = 100


class NodeError(Exception):
    """The failure of a node run. `retryable`: another attempt may succeed. `log`: lines as of the output LOG."""

    def __init__(self, code: str, message: str, *, retryable: bool = False, log: Items | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.log = log or []


P = TypeVar("P", bound=Parameters)
T = TypeVar("T")


@dataclass(frozen=True)
class ExpressionScope:
    """The data that expressions see beside the item: execution, its input, variables, and earlier nodes by name.

    `moment` is the result of `$now()`; `sealed` are the secret variables, encrypted.
    """

    execution: Mapping[str, Any]
    trigger: Any
    nodes: Mapping[str, ItemsByOutput]
    moment: datetime
    variables: Mapping[str, Any] = field(default_factory=dict)
    sealed: Mapping[str, SealedSecret] = field(default_factory=dict)

    def bindings(self, sources: list[str], opened: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the values of `$execution`, `$trigger`, `$nodes` and `$vars` for these expressions.

        Of the nodes, only those that the expressions name. `opened` are the decrypted secrets that they may use. Raises
        NodeError for a variable that does not exist, or is a secret that was not opened.
        """
        bindings: dict[str, Any] = {"execution": dict(self.execution), "trigger": self.trigger}
        node_names = find_members(sources, "nodes")
        if node_names is None or node_names:
            bindings["nodes"] = {
                name: build_visible_outputs(outputs)
                for name, outputs in self.nodes.items()
                if node_names is None or name in node_names
            }
        variable_names = find_members(sources, "vars")
        if variable_names is None or variable_names:
            bindings["vars"] = dict(self.variables) | dict(opened or {})
            for name in sorted((variable_names or set()) - bindings["vars"].keys()):
                if name in self.sealed:
                    text = f"The secret variable {name!r} may not be used here."
                    raise NodeError("secret_not_allowed", text)
                raise NodeError("unknown_variable", f"The variable {name!r} does not exist. Create it first.")
        return bindings


class Effect(NamedTuple, Generic[P]):
    """The work of an effect node on one item; `key` is the same whenever its step is repeated."""

    parameters: P
    item: Item
    key: str


@dataclass(frozen=True)
class NodeRun:
    """One attempt of a node within an execution. `key` is the same whenever the attempt's step is repeated.

    `execution_id` and `execution_key` are those of the execution; a test of a single node has no key.
    """

    node: Node
    inputs: Mapping[str, Items]
    scope: ExpressionScope
    organization_id: UUID = field(default=UUID(int=0))
    user_id: UUID = field(default=UUID(int=0))
    execution_id: UUID = field(default=UUID(int=0))
    execution_key: tuple[str, str] | None = None
    retention_days: int | None = None
    """The days for which its files are kept; None: until they are deleted with the execution."""
    key: str = ""
    timeout_seconds: float = 60
    secrets: Secrets | None = None
    """Decrypts secret variables, within an attempt of an effect only."""

    @property
    def run_key(self) -> str:
        """Return the key of the node run, which is the same in all its attempts."""
        return self.key.rpartition(":")[0]

    @property
    def items(self) -> Items:
        """Return the items of all inputs, in the order of the inputs."""
        return [item for items in self.inputs.values() for item in items]

    def resolve_once(self, model: type[P]) -> P:
        """Return the parameters with their expressions evaluated over the first item. Raises NodeError."""
        return next(self._resolve(model, self.items[:1] or [{}]))

    def resolve_each(self, model: type[P]) -> Iterator[tuple[P, Item]]:
        """Yield, for each item, the parameters with their expressions evaluated over it, and it. Raises NodeError.

        They are made one by one, because those of many items may be longer than what the node outputs.
        """
        items = self.items
        return zip(self._resolve(model, items), items, strict=True)

    def resolve_effects(self, model: type[P]) -> list[Effect[P]]:
        """Return, for each item, its parameters and its idempotency key. Raises NodeError for more than 100 items."""
        if len(self.items) > MAX_EFFECTS:
            text = f"The node got {len(self.items)} items; at most {MAX_EFFECTS} are allowed. Put a loop around it."
            raise NodeError("too_many_items", text)
        return [
            Effect(parameters, item, f"{self.key}:{index}")
            for index, (parameters, item) in enumerate(self.resolve_each(model))
        ]

    def _resolve(self, model: type[P], items: Items) -> Iterator[P]:
        """Yield the parameters for each item, with expressions evaluated and secrets decrypted. Raises NodeError."""
        verbatim, value = split_verbatim(model, self.node.parameters)
        self._require_well_placed(model)
        secrets_by_pointer: dict[str, set[str]] = {}
        try:
            expressions = rendering.find_expressions(value)
            sources = [each.source for each in expressions]
            secrets_by_pointer = self._find_secrets(expressions)
            opened = (
                self.secrets.open({*itertools.chain(*secrets_by_pointer.values())}) if self.secrets else {}
            )
            shared = self.scope.bindings(sources, opened) | {"input": self.items}
            contexts = [EvaluationContext(item, {"index": index}) for index, item in enumerate(items)]
            derived = [f"{{{{{each.source}}}}}" for each in expressions if self._uses_secret(each)]
            extended = value | {_DERIVED: derived} if derived else value
            resolved = rendering.render_each(extended, contexts, shared, self.scope.moment)
        except ExpressionError as error:
            if error.pointer in secrets_by_pointer:  # its message may contain what it computed from a secret
                text = "the expression uses a secret, so its error is not shown. Test it with a plain value."
                raise NodeError("expression_failed", f"{error.pointer}: {text}") from None
            raise NodeError("expression_failed", f"{error.pointer}: {error}") from error
        if not sources:
            parameters = validate_parameters(model, verbatim | value)
            yield from itertools.repeat(parameters, len(items))
            return
        public = [shared | {"vars": self.scope.variables}, value]
        for each in resolved:
            if secrets_by_pointer:
                assert self.secrets
                texts = [value_at(each, pointer) for pointer in secrets_by_pointer]
                short = [
                    text for text in texts if isinstance(text, str) and len(text) <= MAX_DERIVED_CHARACTERS
                ]
                self.secrets.add_derived([*each.pop(_DERIVED), *short], public)
            yield validate_parameters(model, verbatim | each)

    def _require_well_placed(self, model: type[Parameters]) -> None:
        """Raise NodeError for a parameter that breaks its ExpressionRule."""
        value = self.node.parameters
        for pointer, code, message in find_misplaced(model, value):
            raise NodeError(code, f"{pointer}: {message}")
        for name in parameters_with_rule(model, ExpressionRule.SECRET_VARIABLE, value):
            if (variable := single_variable(value[name])) in self.scope.variables:
                text = f"/{name}: the variable {variable!r} is not a secret. Store the value as a secret variable."
                raise NodeError("secret_required", text)

    def _find_secrets(self, expressions: list[Expression]) -> dict[str, set[str]]:
        """Return the names of the secrets that expressions use, by pointer. Raises NodeError for other parameters.

        Once a secret is used, an expression that could reach any variable is refused as well.
        """
        names_by_pointer: dict[str, set[str]] = {}
        unnamed = None
        for each in expressions:
            names = find_members([each.source], "vars")
            unnamed = each.pointer if names is None else unnamed
            for name in sorted((names or set()) & self.scope.sealed.keys()):
                if self.secrets is None or each.path[0] not in self.secrets.allowed_parameters:
                    raise NodeError("secret_not_allowed", self._describe_refused_secret(each.pointer, name))
                names_by_pointer.setdefault(each.pointer, set()).add(name)
        if names_by_pointer and unnamed is not None:
            text = f"{unnamed}: an expression beside a secret must name its variables: $vars.name"
            raise NodeError("secret_not_allowed", text)
        return names_by_pointer

    def _uses_secret(self, expression: Expression) -> bool:
        """Return whether an expression names a secret variable."""
        return bool((find_members([expression.source], "vars") or set()) & self.scope.sealed.keys())

    def _describe_refused_secret(self, pointer: str, name: str) -> str:
        """Return the message about a secret that an expression may not use at its pointer."""
        allowed = sorted(self.secrets.allowed_parameters) if self.secrets else []
        rule = f"only in {', '.join(allowed)}" if allowed else "in no parameter of this node"
        return f"{pointer}: the secret variable {name!r} may be used {rule}"


@dataclass(frozen=True)
class ApprovalRequest:
    """A request to approve: a message, values that the approver may change, and who may decide, by ID or role."""

    message: str
    values: Item
    users: list[UUID]
    roles: list[str]
    expires_in_seconds: int


class ApprovalResult(TypedDict):
    """The decision about an approval request, as JSON. `status` is `approved`, `denied`, `expired` or `cancelled`."""

    approvalId: str
    status: str
    arguments: Item
    note: str | None
    decidedBy: str | None


class FlowContext(Protocol):
    """The steps of a `flow` node. Their names are unique within the node run."""

    @property
    def steps(self) -> Steps:
        """Return the node run's own durable steps."""

    def step(self, name: str, work: Callable[[], T]) -> T:
        """Execute `work` as a step, unless the execution is to stop; return its result. Raises NodeError as it does."""

    def announce_callback(self, callback_id: str) -> None:
        """Let the holder of the execution's callback token complete the callback; within a step."""

    def request_approval(self, request: ApprovalRequest) -> None:
        """Create an approval request; within a step. Idempotent."""

    def announce_approval(self, callback_id: str) -> None:
        """Let the decision complete the callback; within a step."""

    def load_decision(self) -> ApprovalResult:
        """Return the decision about the request, or that it has expired; within a step."""

    def store_child(self, workflow_id: UUID, items: Items) -> str:
        """Store an execution of another workflow and return its ID; within a step. Raises NodeError. Idempotent."""

    def start_child(self, execution_id: str, callback_id: str) -> None:
        """Start a stored child, whose completion completes the callback; within a step."""

    def load_child_result(self) -> ExecutionResult:
        """Return the current result of the stored child; within a step."""


@dataclass(frozen=True)
class NodeType:
    """A type of node, declared as `NODE` in `nodes/<type>.py`.

    `kind`: a `trigger` starts executions; a `pure` node only computes, and is computed again on replay; an `effect` is
    one step per attempt; a `flow` node takes steps of its own through a `FlowContext`; a `loop` is executed by the
    engine. `express`: an execution with it may complete while its caller waits.
    """

    label: str
    description: str
    category: Literal["trigger", "flow", "data", "http", "mail", "aws", "database", "ai", "code"]
    parameters: type[Parameters]
    run: Callable[[NodeRun], ItemsByOutput]
    """The work of the node. For a `flow` node, the items that it passes on when it is disabled.

    Where its items can outgrow those that it gets, they are made one by one for `output_budget.collect`.
    """
    kind: Literal["trigger", "pure", "effect", "flow", "loop"] = "pure"
    execute: Callable[[NodeRun, FlowContext], ItemsByOutput] | None = None
    """The work of a `flow` node."""
    inputs: tuple[str, ...] | None = ("main",)
    """None: inputs of any names, as `merge` has."""
    outputs: tuple[str, ...] = ("main",)
    outputs_of: Callable[[dict[str, Any]], list[str]] | None = None
    """The outputs beside `outputs` that depend on the parameters as they are written."""
    may_suspend: bool = False
    starts_executions: bool = False
    """Whether it starts executions: below the requested execution, one such node at a time is executed."""
    operations: int = 1
    """The approximate maximum of platform operations of an attempt, with which loops plan."""
    express: bool = True
    testable: bool = False
    """Whether a node that is not express can be tested by itself nevertheless."""
    unavailable: Callable[[], str] = lambda: ""
    """Returns the reason why this deployment cannot execute the node, or an empty text."""
    waits_for: Callable[[dict[str, Any]], Literal["all", "some"]] = lambda parameters: "some"
    """Returns "all" for a node that is skipped unless each of its inputs has items."""

    @property
    def secret_parameters(self) -> frozenset[str]:
        """Return the names (in JSON) of the parameters that may contain secret variables."""
        return names_with_rule(self.parameters, ExpressionRule.SECRET_VARIABLE) | names_with_rule(
            self.parameters, ExpressionRule.MAY_USE_SECRETS
        )

    def output_names(self, parameters: dict[str, Any]) -> list[str]:
        """Return the outputs of a node with these parameters, as they are written."""
        more = self.outputs_of(parameters) if self.outputs_of else []
        return list(dict.fromkeys([*self.outputs, *more]))


def validate_parameters(model: type[P], value: Any) -> P:
    """Return the parameters of a JSON value. Raises NodeError with the pointer of the first invalid one."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        if first["input"] is None and first["type"] != "missing":
            message += ". The value is null: its expression may name something that does not exist"
        raise NodeError("invalid_parameters", f"{pointer_of(first['loc'])}: {message}") from error


def build_visible_outputs(outputs: ItemsByOutput) -> dict[str, Any]:
    """Return a node's result as expressions see it: `{"output": first item, "items": […], "outputs": {…}}`.

    `items` are those of `main`, else of the first output that has some.
    """
    items = outputs.get("main") or next((items for items in outputs.values() if items), [])
    return {"output": items[0] if items else None, "items": items, "outputs": outputs}


def pass_through(node_run: NodeRun) -> ItemsByOutput:
    """Return the items of all inputs as the output `main`, as triggers and disabled nodes do."""
    return {"main": node_run.items}
