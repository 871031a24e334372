"""Diagrams of workflows as Mermaid text or SVG, with the nodes colored by their status in an execution."""

import re
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from weconnect.api.caller import Caller
from weconnect.executions.errors import ExecutionNotFound
from weconnect.node_sdk.entities import Connection, Node
from weconnect.svg import COLOURS, Drawing
from weconnect.workflows import service
from weconnect.workflows.definition import stored_versions
from weconnect.workflows.definition.graph import Graph, build_graph
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.sharing import access

WIDTH, HEIGHT, ACROSS, DOWN = 170.0, 48.0, 240.0, 80.0


def build_diagram_response(
    caller: Caller, workflow_id: UUID, execution_id: UUID | None, accept: str
) -> Response[str]:
    """Return a workflow's diagram in the format that the Accept header asks for: SVG, else Mermaid text."""
    as_svg = "image/svg+xml" in accept
    content_type = "image/svg+xml" if as_svg else "text/vnd.mermaid; charset=utf-8"
    return Response(200, content_type, draw(caller, workflow_id, execution_id, as_svg))


def draw(caller: Caller, workflow_id: UUID, execution_id: UUID | None, as_svg: bool) -> str:
    """Return the diagram of the newest definition, or of an execution's version with the status of each node.

    Raises ExecutionNotFound for an execution of another workflow.
    """
    if execution_id is None:
        _, _, definition = service.load_for(caller, workflow_id, access.VIEW)
        return render(definition, {}, as_svg)
    from weconnect.workflows.executions import journal  # cold start
    from weconnect.workflows.executions import service as executions  # cold start

    service.require(caller, workflow_id, access.VIEW)
    execution = executions.require(caller, execution_id, "view")
    if UUID(execution.workflow_id) != workflow_id:
        raise ExecutionNotFound()
    definition = stored_versions.load_version(
        caller.organization_id, workflow_id, execution.workflow_version
    ).definition
    entries = journal.load_entries(caller.organization_id, execution_id)
    statuses: dict[str, str] = {entry["nodeId"]: entry["status"] for entry in entries}
    statuses |= dict.fromkeys(execution.current_node_ids or [], "running")
    return render(definition, statuses, as_svg)


def render(definition: WorkflowDefinition, statuses: dict[str, str], as_svg: bool) -> str:
    """Return a definition's diagram; `statuses` are by node ID, and a node without one has no color."""
    graph = build_graph(definition)
    return _render_svg(graph, statuses) if as_svg else _render_mermaid(graph, statuses)


def _render_mermaid(graph: Graph, statuses: dict[str, str]) -> str:
    """Return the diagram as Mermaid text."""
    names = {node_id: f"n{index}" for index, node_id in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node_id, node in graph.nodes.items():
        lines.append(f'  {names[node_id]}["{_clean_text(node.name)}<br/>{_clean_text(node.type)}"]')
    for connection in graph.connections:
        label = _build_label(connection)
        arrow = f"-->|{_clean_text(label)}|" if label else "-->"
        lines.append(f"  {names[connection.source_node_id]} {arrow} {names[connection.target_node_id]}")
    for status in sorted({statuses[node_id] for node_id in statuses if node_id in names}):
        lines.append(f"  classDef {status} stroke:{COLOURS.get(status)},stroke-width:3px")
        marked = ",".join(
            names[node_id] for node_id in statuses if statuses[node_id] == status and node_id in names
        )
        lines.append(f"  class {marked} {status}")
    return "\n".join(lines) + "\n"


def _render_svg(graph: Graph, statuses: dict[str, str]) -> str:
    """Return the diagram as SVG."""
    drawing, at = Drawing(), _compute_positions(graph)
    for connection in graph.connections:
        (x1, y1), (x2, y2) = at[connection.source_node_id], at[connection.target_node_id]
        drawing.line(x1 + WIDTH, y1 + HEIGHT / 2, x2, y2 + HEIGHT / 2)
        if label := _build_label(connection):
            middle = (x1 + WIDTH + x2) / 2  # where connections that begin together are apart
            drawing.text(middle - 3 * len(label[:10]), (y1 + y2 + HEIGHT) / 2 - 4, label, "#546e7a", 10)
    for node_id, node in graph.nodes.items():
        (x, y), status = at[node_id], statuses.get(node_id)
        drawing.box(x, y, WIDTH, HEIGHT, status, _build_title(node, status))
        drawing.text(x + 8, y + 20, node.name, max_length=22)
        drawing.text(x + 8, y + 37, node.type, "#78909c")
    return drawing.svg()


def _compute_positions(graph: Graph) -> dict[str, tuple[float, float]]:
    """Return the top left corner of each node: columns by the longest path before it, rows by order."""
    column: dict[str, int] = {}
    for node_id in dict.fromkeys([*graph.topological_order, *graph.nodes]):
        before = [graph.connections[index].source_node_id for index in graph.forward_incoming(node_id)]
        column[node_id] = 1 + max((column.get(source, 0) for source in before), default=0)
    rows: dict[int, int] = {}
    positions = {}
    for node_id in column:
        row = rows.get(column[node_id], 0)
        rows[column[node_id]] = row + 1
        positions[node_id] = (20 + (column[node_id] - 1) * ACROSS, 20 + row * DOWN)
    return positions


def _build_label(connection: Connection) -> str:
    """Return the label of a connection: its ends other than `main`, and a question mark for a condition."""
    ends = (connection.source_output, connection.target_input)
    return " → ".join(end for end in ends if end != "main") + (" ?" if connection.condition else "")


def _build_title(node: Node, status: str | None) -> str:
    """Return the tooltip of a node: name, type and status."""
    return f"{node.name} ({node.type})" + (f": {status}" if status else "")


def _clean_text(text: str) -> str:
    """Return a text with spaces for all characters that have a meaning in Mermaid."""
    return re.sub(r"[^\w .,:/→?-]", " ", text)
