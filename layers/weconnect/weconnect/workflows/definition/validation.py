"""The static check of a definition: what would make it fail is found before it runs."""

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from pydantic import ValidationError

from weconnect.api.caller import Caller
from weconnect.errors import Invalid
from weconnect.expressions import rendering
from weconnect.expressions.rendering import ExpressionError
from weconnect.workflows import service
from weconnect.workflows.definition import hints, tool_offers
from weconnect.workflows.definition import trigger_index as triggers
from weconnect.workflows.definition.graph import Graph, graph_of
from weconnect.workflows.entities import Finding, Node, Validation, WorkflowDefinition
from weconnect.workflows.node_sdk import catalogue
from weconnect.workflows.node_sdk import node_type as contract
from weconnect.workflows.node_sdk.catalogue import node_type
from weconnect.workflows.node_sdk.node_type import NodeType, misplaced, parted, pointer_of, referenced
from weconnect.workflows.sharing import access

MAX_DEPTH = 4
MAX_EXPRESSIONS = 5_000


def validate(caller: Caller, workflow_id: UUID, given: WorkflowDefinition | None) -> Validation:
    """Check the newest saved definition, or the given one in its place."""
    _, _, saved = service.read(caller, workflow_id, access.VIEW)
    return check(saved if given is None else given)


def require_valid(definition: WorkflowDefinition) -> Validation:
    """The check's result; raises Invalid `workflow_invalid` with every error found."""
    found = check(definition)
    if not found.valid:
        errors = [
            {
                "pointer": finding.pointer,
                "detail": finding.message,
                "code": finding.code,
                "nodeId": finding.node_id,
            }
            for finding in found.findings
            if finding.severity == "error"
        ]
        raise Invalid("The workflow cannot run as it is", code="workflow_invalid", errors=errors)
    return found


def check(definition: WorkflowDefinition) -> Validation:
    """All findings, in the order of the definition."""
    graph = graph_of(definition)
    findings = [
        *_nodes(definition),
        *_connections(definition, graph),
        *_shape(definition, graph),
        *_expressions(definition, graph),
    ]
    valid = all(finding.severity == "warning" for finding in findings)
    if valid and definition.settings.execution == "express" and not is_express(definition):
        text = "A node of this workflow may take long or wait, so its runs cannot be express"
        findings.append(Finding(code="not_express", message=text, pointer="/settings/execution"))
        valid = False
    return Validation(valid=valid, express=valid and is_express(definition), findings=findings)


def is_express(definition: WorkflowDefinition) -> bool:
    """Whether no node can wait or take long, so that a run can be carried out while its caller waits."""
    found = [node_type(node.type) for node in definition.nodes if node.is_enabled]
    return definition.settings.execution != "durable" and all(kind and kind.express for kind in found)


# Nodes


def _nodes(definition: WorkflowDefinition) -> Iterator[Finding]:
    ids = Counter(node.id for node in definition.nodes)
    names = Counter(node.name.casefold() for node in definition.nodes)
    for index, node in enumerate(definition.nodes):
        at = f"/nodes/{index}"
        if ids[node.id] > 1:
            yield _finding("duplicate_node_id", f"The id {node.id} is not unique", node, f"{at}/id")
        if names[node.name.casefold()] > 1:
            yield _finding("duplicate_node_name", f"The name {node.name!r} is not unique", node, f"{at}/name")
        kind = node_type(node.type)
        if kind is None:
            like = hints.meant(node.type, catalogue.names()) or "; GET /v1/node-types lists them"
            text = f"There is no node type {node.type!r}{like}"
            yield _finding("unknown_node_type", text, node, f"{at}/type")
            continue
        if node.is_enabled:
            yield from _parameters(node, kind, at)
            if reason := kind.unavailable():
                yield _finding(f"{node.type}_not_available", reason, node, f"{at}/type")
        if node.on_error == "error_output" and kind.kind == "trigger":
            yield _finding("no_error_output", "A trigger cannot fail", node, f"{at}/onError")
    if len(triggers.types_of(definition)) > triggers.MAX_TYPES:
        text = f"It begins runs for more than {triggers.MAX_TYPES} types of events"
        yield Finding(code="too_many_event_types", message=text, pointer="/nodes")
    if definition.settings.offer_as_tool and tool_offers.declared(definition) is None:
        text = "What is offered as a tool begins with a manual or webhook trigger that has an inputSchema"
        yield Finding(code="no_input_schema", message=text, pointer="/settings/offerAsTool")
    if not any(kind and kind.kind == "trigger" for kind in _kinds(definition)):
        text = "A workflow begins with a trigger, such as a node of type manual"
        yield Finding(code="no_trigger", message=text, pointer="/nodes")


def _kinds(definition: WorkflowDefinition) -> list[NodeType | None]:
    return [node_type(node.type) for node in definition.nodes if node.is_enabled]


def _parameters(node: Node, kind: NodeType, at: str) -> Iterator[Finding]:
    for pointer, code, text in misplaced(kind.parameters, node.parameters):
        yield _finding(code, text, node, f"{at}/parameters{pointer}")
    try:
        kind.parameters.model_validate(node.parameters)
    except ValidationError as error:
        for wrong in error.errors(include_url=False):
            verbatim = wrong["loc"][0] in kind.parameters.VERBATIM
            if isinstance(wrong["input"], str) and "{{" in wrong["input"] and not verbatim:
                continue  # what it will be is known when it runs
            place = f"{at}/parameters{pointer_of(wrong['loc'])}"
            missing = wrong["type"] == "missing"
            code = "missing_parameter" if missing else "invalid_parameter"
            yield _finding(code, hints.of_parameter(kind, wrong), node, place)


# Connections


def _connections(definition: WorkflowDefinition, graph: Graph) -> Iterator[Finding]:
    seen: set[tuple[str, ...]] = set()
    for index, connection in enumerate(definition.connections):
        at = f"/connections/{index}"
        ends = (
            connection.source_node_id,
            connection.source_output,
            connection.target_node_id,
            connection.target_input,
        )
        if ends in seen:
            yield Finding(code="duplicate_connection", message="These ends are connected already", pointer=at)
        seen.add(ends)
        source, target = (graph.nodes.get(node_id) for node_id in (ends[0], ends[2]))
        if source is None:
            yield _dangling(ends[0], f"{at}/sourceNodeId")
        elif (kind := node_type(source.type)) is not None:
            names = [*kind.output_names(source.parameters)]
            names += ["error"] if source.on_error == "error_output" else []
            if ends[1] not in names:
                text = f"{source.name!r} has no output {ends[1]!r}; it has {', '.join(names) or 'none'}"
                yield _finding("unknown_output", text, source, f"{at}/sourceOutput")
        if target is None:
            yield _dangling(ends[2], f"{at}/targetNodeId")
        elif ends[3] not in (names := _inputs(target, ends[3])):
            text = f"{target.name!r} has no input {ends[3]!r}; it has {', '.join(names) or 'none'}"
            yield _finding("unknown_input", text, target, f"{at}/targetInput")


def _inputs(node: Node, wanted: str) -> list[str]:
    """The inputs of a node; the wanted one where any name will do, or where the type is not known."""
    kind = node_type(node.type)
    return [wanted] if kind is None or kind.inputs is None else list(kind.inputs)


def _dangling(node_id: str, pointer: str) -> Finding:
    return Finding(code="dangling_connection", message=f"There is no node {node_id!r}", pointer=pointer)


# The whole


def _shape(definition: WorkflowDefinition, graph: Graph) -> Iterator[Finding]:
    places = {node.id: f"/nodes/{index}" for index, node in reversed(list(enumerate(definition.nodes)))}
    ordered = set(graph.order)
    for node_id in graph.nodes:
        if node_id not in ordered:
            text = "It is in a cycle, or follows one; only a loop node may be returned to"
            yield _finding("cycle", text, graph.nodes[node_id], places[node_id])
    kinds = {node_id: node_type(node.type) for node_id, node in graph.nodes.items()}
    triggers = [node_id for node_id, kind in kinds.items() if kind and kind.kind == "trigger"]
    reached = graph.reachable(triggers)
    for node_id, node in graph.nodes.items():
        if triggers and node_id not in reached:
            text = "No trigger leads here, so it never runs"
            yield _finding("unreachable", text, node, places[node_id], severity="warning")
    for loop, body in graph.bodies.items():
        if loop in ordered:
            yield from _body(graph, loop, body, places)
    for node_id in graph.bodies:
        depth = 1 + sum(node_id in body for body in graph.bodies.values())
        if depth > MAX_DEPTH:
            text = f"Loops stand in each other at most {MAX_DEPTH} deep"
            yield _finding("too_deep", text, graph.nodes[node_id], places[node_id])


def _body(graph: Graph, loop: str, body: set[str], places: dict[str, str]) -> Iterator[Finding]:
    if not any(graph.is_return(index) for index in graph.incoming[loop]):
        text = "Nothing comes back to the loop, so its output `done` has no items"
        yield _finding("loop_without_return", text, graph.nodes[loop], places[loop], severity="warning")
    for index in graph.incoming[loop]:
        source = graph.connections[index].source_node_id
        if source in body and graph.level_of[source] != loop:
            text = f"It may return to its own loop alone, not to {graph.nodes[loop].name!r}"
            yield _finding("out_of_loop", text, graph.nodes[source], places[source])
    for node_id in sorted(body):
        for index in graph.incoming[node_id]:
            source = graph.connections[index].source_node_id
            if source not in body and source != loop:
                text = (
                    f"{graph.nodes[source].name!r} leads into the body of the loop {graph.nodes[loop].name!r}"
                )
                yield _finding("into_loop", text, graph.nodes[node_id], places[node_id])
    ends = {
        graph.connections[index].target_node_id
        for index in graph.outgoing[loop]
        if graph.connections[index].source_output == "done"
    }
    for node_id in sorted(ends & body):
        text = "It follows both outputs of the loop, `loop` and `done`"
        yield _finding("out_of_loop", text, graph.nodes[node_id], places[node_id])


# Expressions


def _expressions(definition: WorkflowDefinition, graph: Graph) -> Iterator[Finding]:
    found: list[tuple[Node | None, str, str]] = []
    for index, node in enumerate(definition.nodes):
        at = f"/nodes/{index}/parameters"
        if node.type == "jsonata" and isinstance(source := node.parameters.get("expression"), str):
            found.append((node, f"{at}/expression", source))
            continue
        if node.type == "event" and isinstance(source := node.parameters.get("condition"), str):
            found.append((node, f"{at}/condition", source))
            continue
        kind = node_type(node.type)
        value = parted(kind.parameters, node.parameters)[1] if kind else node.parameters
        try:
            inner = rendering.find(value)
            found += [(node, at + each.pointer, each.source) for each in inner]
            for each in inner:
                if str(contract.at(value, each.pointer)).startswith("={{"):
                    text = "The = before {{ is n8n's, and stays in the text here"
                    yield _finding("leading_equals", text, node, at + each.pointer, severity="warning")
        except ExpressionError as error:
            yield _finding("expression_syntax", str(error), node, at + error.pointer)
    if definition.settings.concurrency and (key := definition.settings.concurrency.key):
        try:
            found += [(None, "/settings/concurrency/key", each.source) for each in rendering.find(key)]
        except ExpressionError as error:
            yield _finding("expression_syntax", str(error), None, "/settings/concurrency/key")
    for index, connection in enumerate(definition.connections):
        if connection.condition:
            source_node = graph.nodes.get(connection.source_node_id)
            found.append((source_node, f"/connections/{index}/condition", connection.condition))
    if len(found) > MAX_EXPRESSIONS:
        text = f"More than {MAX_EXPRESSIONS} expressions"
        yield Finding(code="too_many_expressions", message=text, pointer="/nodes")
        return
    errors = rendering.syntax_errors([source for _, _, source in found]) if found else []
    names = {node.name: node.id for node in definition.nodes}
    for (where, pointer, source), wrong in zip(found, errors, strict=True):
        if wrong:
            yield _finding("expression_syntax", hints.of_syntax(source, wrong), where, pointer)
            continue
        for code, text in hints.of_names(source):
            yield _finding(code, text, where, pointer)
        if where is not None and "$nodes" in source:
            yield from _references(where, pointer, source, names, graph)


def _references(
    node: Node, pointer: str, source: str, names: dict[str, str], graph: Graph
) -> Iterator[Finding]:
    before = graph.before(node.id)
    for name in sorted(referenced([source]) or ()):
        if name not in names:
            known = {node_id: name for name, node_id in names.items()}
            like = f": its id is that of {known[name]!r}" if name in known else hints.meant(name, names)
            yield _finding("unknown_reference", f"There is no node named {name!r}{like}", node, pointer)
        elif names[name] not in before:
            text = f"{name!r} cannot have run before {node.name!r}"
            yield _finding("reference_not_before", text, node, pointer)


def _finding(code: str, message: str, node: Node | None, pointer: str, severity: str = "error") -> Finding:
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
