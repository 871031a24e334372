"""Static validation of a definition: finds what would make its executions fail."""

import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from weconnect.api.caller import Caller
from weconnect.errors import FieldError
from weconnect.expressions import rendering
from weconnect.expressions.rendering import Expression, ExpressionError
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_expressions import find_node_expressions
from weconnect.node_sdk.node_parameters import (
    ExpressionRule,
    find_misplaced,
    names_with_rule,
    pointer_of,
    split_verbatim,
)
from weconnect.node_sdk.node_type import NodeType
from weconnect.workflows import node_catalogue, service
from weconnect.workflows.definition import expression_checks, hints, tool_offers
from weconnect.workflows.definition import trigger_index as triggers
from weconnect.workflows.definition.graph import Graph, build_graph
from weconnect.workflows.entities import Finding, Validation, WorkflowDefinition
from weconnect.workflows.errors import WorkflowInvalid
from weconnect.workflows.node_catalogue import find_node_type
from weconnect.workflows.sharing import access

MAX_DEPTH = 4
MAX_SHOWN = 20  # outputs in a message


def validate(caller: Caller, workflow_id: UUID, draft: WorkflowDefinition | None) -> Validation:
    """Validate a workflow's newest definition, or a draft of another one for it."""
    _, _, saved = service.load_for(caller, workflow_id, access.VIEW)
    return check(saved if draft is None else draft)


def require_valid(definition: WorkflowDefinition) -> Validation:
    """Return the result of `check`. Raises WorkflowInvalid with all findings that are errors."""
    validation = check(definition)
    if not validation.valid:
        errors: list[FieldError] = [
            {
                "pointer": finding.pointer,
                "detail": finding.message,
                "code": finding.code,
                "nodeId": finding.node_id,
            }
            for finding in validation.findings
            if finding.severity == "error"
        ]
        raise WorkflowInvalid(
            f"The workflow cannot be executed as it is: {len(errors)} errors. Correct each at its pointer.",
            errors=errors,
        )
    return validation


def check(definition: WorkflowDefinition) -> Validation:
    """Return all findings about a definition, in its order."""
    graph = build_graph(definition)
    findings = [
        *_check_nodes(definition),
        *_check_connections(definition, graph),
        *_check_graph(definition, graph),
        *_check_expressions(definition, graph),
    ]
    valid = all(finding.severity == "warning" for finding in findings)
    if valid and definition.settings.execution == "express" and not is_express(definition):
        text = "A node of the workflow may take long or wait. Set execution to auto or durable."
        findings.append(Finding(code="not_express", message=text, pointer="/settings/execution"))
        valid = False
    return Validation(valid=valid, express=valid and is_express(definition), findings=findings)


def is_express(definition: WorkflowDefinition) -> bool:
    """Return whether no node can wait or take long, so that an execution can complete while its caller waits."""
    kinds = _list_enabled_kinds(definition)
    return definition.settings.execution != "durable" and all(kind and kind.express for kind in kinds)


# Nodes


def _check_nodes(definition: WorkflowDefinition) -> Iterator[Finding]:
    """Yield findings about nodes: IDs, names, types, parameters and triggers."""
    ids = Counter(node.id for node in definition.nodes)
    names = Counter(node.name.casefold() for node in definition.nodes)
    suggestions = hints.Suggestions()
    for index, node in enumerate(definition.nodes):
        at = f"/nodes/{index}"
        if ids[node.id] > 1:
            yield _make_finding(
                "duplicate_node_id",
                f"The ID {node.id!r} is used by several nodes. Give each node its own.",
                node,
                f"{at}/id",
            )
        if names[node.name.casefold()] > 1:
            yield _make_finding(
                "duplicate_node_name",
                f"The name {node.name!r} is used by several nodes. Give each node its own.",
                node,
                f"{at}/name",
            )
        kind = find_node_type(node.type)
        if kind is None:
            like = (
                suggestions.suggest(node.type, node_catalogue.list_node_type_names())
                or " GET /v1/node-types lists them."
            )
            text = f"Unknown node type {node.type!r}.{like}"
            yield _make_finding("unknown_node_type", text, node, f"{at}/type")
            continue
        if node.is_enabled:
            yield from _check_parameters(node, kind, at)
            if reason := kind.unavailable():
                yield _make_finding(f"{node.type}_not_available", reason, node, f"{at}/type")
        if node.on_error == "error_output" and kind.kind == "trigger":
            yield _make_finding(
                "no_error_output",
                "A trigger cannot fail, so it has no error output. Choose another onError.",
                node,
                f"{at}/onError",
            )
    yield from _check_triggers(definition)
    if definition.settings.offer_as_tool and tool_offers.find_declared_input_schema(definition) is None:
        text = "A workflow that is offered as a tool needs a manual or webhook trigger with an inputSchema."
        yield Finding(code="no_input_schema", message=text, pointer="/settings/offerAsTool")
    if not any(kind and kind.kind == "trigger" for kind in _list_enabled_kinds(definition)):
        text = "The workflow has no trigger. Add one, such as a node of the type manual."
        yield Finding(code="no_trigger", message=text, pointer="/nodes")


def _check_triggers(definition: WorkflowDefinition) -> Iterator[Finding]:
    """Yield a finding for a kind of triggers with too many keys, or else for too many of all kinds together."""
    keys_by_kind = triggers.list_keys(definition)
    excess = [name for name, keys in keys_by_kind.items() if len(keys) > triggers.MAX_KEYS]
    for name in excess:
        kind = triggers.get_kind(name)
        text = f"The {name} nodes list more than {triggers.MAX_KEYS} {kind.noun}. Remove some."
        yield Finding(code=kind.too_many, message=text, pointer="/nodes")
    if not excess and sum(map(len, keys_by_kind.values())) > triggers.MAX_KEYS:
        text = f"The trigger nodes need more than {triggers.MAX_KEYS} triggers together. Remove some."
        yield Finding(code="too_many_triggers", message=text, pointer="/nodes")


def _list_enabled_kinds(definition: WorkflowDefinition) -> list[NodeType | None]:
    """Return the types of the enabled nodes; None for an unknown one."""
    return [find_node_type(node.type) for node in definition.nodes if node.is_enabled]


def _check_parameters(node: Node, kind: NodeType, at: str) -> Iterator[Finding]:
    """Yield findings about the parameters of a node; expressions are validated elsewhere."""
    for pointer, code, text in find_misplaced(kind.parameters, node.parameters):
        yield _make_finding(code, text, node, f"{at}/parameters{pointer}")
    try:
        kind.parameters.model_validate(node.parameters)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            if (
                isinstance(details["input"], str)
                and "{{" in details["input"]
                and details["loc"][0] not in names_with_rule(kind.parameters, ExpressionRule.VERBATIM)
            ):
                continue  # the value of an expression is known only during an execution
            pointer = f"{at}/parameters{pointer_of(details['loc'])}"
            code = "missing_parameter" if details["type"] == "missing" else "invalid_parameter"
            yield _make_finding(code, hints.describe_parameter_error(kind, details), node, pointer)


# Connections


def _check_connections(definition: WorkflowDefinition, graph: Graph) -> Iterator[Finding]:
    """Yield findings about connections: duplicates, missing nodes, unknown outputs and inputs."""
    seen: set[tuple[str, ...]] = set()
    list_outputs = functools.cache(lambda node_id: _list_outputs(graph.nodes[node_id]))
    for index, connection in enumerate(definition.connections):
        at = f"/connections/{index}"
        ends = (
            connection.source_node_id,
            connection.source_output,
            connection.target_node_id,
            connection.target_input,
        )
        if ends in seen:
            yield Finding(
                code="duplicate_connection",
                message="An earlier connection has the same ends. Remove one.",
                pointer=at,
            )
        seen.add(ends)
        source, target = (graph.nodes.get(node_id) for node_id in (ends[0], ends[2]))
        if source is None:
            yield _make_dangling_finding(ends[0], f"{at}/sourceNodeId")
        elif (outputs := list_outputs(source.id)) is not None and ends[1] not in outputs:
            shown = ", ".join(itertools.islice(outputs, MAX_SHOWN)) or "none"
            text = f"{source.name!r} has no output {ends[1]!r}. Its outputs: {shown}."
            yield _make_finding("unknown_output", text, source, f"{at}/sourceOutput")
        if target is None:
            yield _make_dangling_finding(ends[2], f"{at}/targetNodeId")
        elif ends[3] not in (names := _list_inputs(target, ends[3])):
            text = f"{target.name!r} has no input {ends[3]!r}. Its inputs: {', '.join(names) or 'none'}."
            yield _make_finding("unknown_input", text, target, f"{at}/targetInput")


def _list_outputs(node: Node) -> dict[str, None] | None:
    """Return the outputs of a node as keys, in their order; None when its type is unknown."""
    kind = find_node_type(node.type)
    if kind is None:
        return None
    names = [*kind.output_names(node.parameters), *(["error"] if node.on_error == "error_output" else [])]
    return dict.fromkeys(names)


def _list_inputs(node: Node, requested: str) -> list[str]:
    """Return the inputs of a node; just `requested` where any name is allowed, or the type is unknown."""
    kind = find_node_type(node.type)
    return [requested] if kind is None or kind.inputs is None else list(kind.inputs)


def _make_dangling_finding(node_id: str, pointer: str) -> Finding:
    """Return the finding about a connection whose node does not exist."""
    return Finding(code="dangling_connection", message=f"No node has the ID {node_id!r}.", pointer=pointer)


# The graph


def _check_graph(definition: WorkflowDefinition, graph: Graph) -> Iterator[Finding]:
    """Yield findings about the graph: cycles, unreachable nodes, loops."""
    pointers = {node.id: f"/nodes/{index}" for index, node in reversed(list(enumerate(definition.nodes)))}
    too_deep = f"Loops are nested more than {MAX_DEPTH} levels deep. Move inner ones to another workflow."
    for node_id in graph.unread_loops:
        yield _make_finding("too_deep", too_deep, graph.nodes[node_id], pointers[node_id])
    if graph.unread_loops:
        return
    ordered = set(graph.topological_order)
    for node_id in graph.nodes:
        if node_id not in ordered:
            text = "The node is in a cycle or follows one. Only a loop node may be connected back to."
            yield _make_finding("cycle", text, graph.nodes[node_id], pointers[node_id])
    kinds = {node_id: find_node_type(node.type) for node_id, node in graph.nodes.items()}
    triggers = [node_id for node_id, kind in kinds.items() if kind and kind.kind == "trigger"]
    reached = graph.reachable(triggers)
    for node_id, node in graph.nodes.items():
        if triggers and node_id not in reached:
            text = "No trigger leads to this node, so it is never executed. Connect it."
            yield _make_finding("unreachable", text, node, pointers[node_id], severity="warning")
    for loop, body in graph.body_by_loop.items():
        if loop in ordered:
            yield from _check_loop_body(graph, loop, body, pointers)
    loops_around = Counter(node_id for body in graph.body_by_loop.values() for node_id in body)
    for node_id in graph.body_by_loop:
        if 1 + loops_around[node_id] > MAX_DEPTH:
            yield _make_finding("too_deep", too_deep, graph.nodes[node_id], pointers[node_id])


def _check_loop_body(graph: Graph, loop: str, body: set[str], pointers: dict[str, str]) -> Iterator[Finding]:
    """Yield findings about the body of a loop: its connections from and to the outside."""
    if not any(graph.is_return(index) for index in graph.incoming[loop]):
        text = "No connection leads back to the loop, so its output `done` has no items. Add one."
        yield _make_finding(
            "loop_without_return", text, graph.nodes[loop], pointers[loop], severity="warning"
        )
    for index in graph.incoming[loop]:
        source = graph.connections[index].source_node_id
        if source in body and graph.level_by_node[source] != loop:
            text = f"The node is in an inner loop, so it may not be connected back to {graph.nodes[loop].name!r}."
            yield _make_finding("out_of_loop", text, graph.nodes[source], pointers[source])
    for node_id in sorted(body):
        for index in graph.incoming[node_id]:
            source = graph.connections[index].source_node_id
            if source not in body and source != loop:
                text = (
                    f"{graph.nodes[source].name!r} is outside the loop {graph.nodes[loop].name!r}, "
                    "so it may not be connected to a node in its body."
                )
                yield _make_finding("into_loop", text, graph.nodes[node_id], pointers[node_id])
    ends = {
        graph.connections[index].target_node_id
        for index in graph.outgoing[loop]
        if graph.connections[index].source_output == "done"
    }
    for node_id in sorted(ends & body):
        text = "The node follows both outputs of the loop, `loop` and `done`. Remove one connection."
        yield _make_finding("out_of_loop", text, graph.nodes[node_id], pointers[node_id])


# Expressions


class _Use(NamedTuple):
    """An expression, the node that uses it, and the pointer of the value that its own pointer is relative to."""

    node: Node | None
    at: str
    expression: Expression


def _resolve(value: Any, path: tuple[str | int, ...]) -> Any:
    """Return the value at a path within a JSON value. Raises KeyError or IndexError when there is none."""
    for part in path:
        value = value[part]
    return value


def _check_expressions(definition: WorkflowDefinition, graph: Graph) -> Iterator[Finding]:
    """Yield findings about the expressions in parameters, conditions and settings."""
    uses: list[_Use] = []
    for index, node in enumerate(definition.nodes):
        at = f"/nodes/{index}/parameters"
        kind = find_node_type(node.type)
        value = split_verbatim(kind.parameters, node.parameters)[1] if kind else node.parameters
        try:
            expressions = find_node_expressions(node.model_copy(update={"parameters": value}))
            uses += [_Use(node, at, each) for each in expressions]
            for each in expressions:
                if str(_resolve(value, each.path)).startswith("={{"):
                    text = "The = before {{ is n8n's syntax; here it stays in the text. Remove it."
                    pointer = at + each.shown_pointer
                    yield _make_finding("leading_equals", text, node, pointer, severity="warning")
        except ExpressionError as error:
            yield _make_finding("expression_syntax", str(error), node, at + error.pointer)
    if definition.settings.concurrency and (key := definition.settings.concurrency.key):
        try:
            uses += [
                _Use(None, "/settings/concurrency/key", each) for each in rendering.find_expressions(key)
            ]
        except ExpressionError as error:
            yield _make_finding("expression_syntax", str(error), None, "/settings/concurrency/key")
    for index, connection in enumerate(definition.connections):
        if connection.condition:
            source_node = graph.nodes.get(connection.source_node_id)
            expression = Expression(connection.condition)
            uses.append(_Use(source_node, f"/connections/{index}/condition", expression))
    errors = expression_checks.find_syntax_errors([use.expression.source for use in uses])
    if isinstance(errors, Finding):
        yield errors
        return
    ids_by_name = {node.name: node.id for node in definition.nodes}
    names_by_id = {node_id: name for name, node_id in ids_by_name.items()}
    suggestions = hints.Suggestions()
    for use, reason in zip(uses, errors, strict=True):
        source = use.expression.source
        problems: Iterable[tuple[str, str]]
        if reason:
            problems = [("expression_syntax", hints.describe_syntax_error(source, reason))]
        else:
            problems = hints.find_unknown_names(source, suggestions)
            if use.node:
                references = expression_checks.check_references(
                    use.node, source, ids_by_name, names_by_id, graph, suggestions
                )
                problems = itertools.chain(problems, references)
        for code, text in problems:
            yield _make_finding(code, text, use.node, use.at + use.expression.shown_pointer)


def _make_finding(
    code: str, message: str, node: Node | None, pointer: str, severity: str = "error"
) -> Finding:
    """Return a finding about a node, or about no node in particular."""
    return Finding.model_validate(
        {
            "severity": severity,
            "code": code,
            "message": message,
            "node_id": node.id if node else None,
            "pointer": pointer,
        },
        by_name=True,
    )
