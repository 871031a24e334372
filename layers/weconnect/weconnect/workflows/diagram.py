"""A workflow as a picture: Mermaid text or SVG, its nodes in the colours of a run."""

import re
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.errors import NotFound
from weconnect.svg import COLOURS, Drawing
from weconnect.workflows import service
from weconnect.workflows.definition import versions
from weconnect.workflows.definition.graph import Graph, graph_of
from weconnect.workflows.entities import Connection, Node, WorkflowDefinition
from weconnect.workflows.sharing import access

WIDTH, HEIGHT, ACROSS, DOWN = 170.0, 48.0, 240.0, 80.0


def draw(caller: Caller, workflow_id: UUID, execution_id: UUID | None, as_svg: bool) -> str:
    """The newest definition, or the version that a run has with what came of each node."""
    if execution_id is None:
        _, _, definition = service.read(caller, workflow_id, access.VIEW)
        return picture(definition, {}, as_svg)
    from weconnect.executions import journal
    from weconnect.executions import service as executions

    service.need(caller, workflow_id, access.VIEW)
    run = executions.need(caller, execution_id, access.SEE_RUN)
    if UUID(run.workflow_id) != workflow_id:
        raise NotFound("No such execution", code="execution_not_found")
    definition = versions.load(caller.organization_id, workflow_id, run.workflow_version).definition
    records = journal.records_of(caller.organization_id, execution_id)
    statuses = {record["nodeId"]: record["status"] for record in records}
    statuses |= dict.fromkeys(run.current_node_ids or [], "running")
    return picture(definition, statuses, as_svg)


def picture(definition: WorkflowDefinition, statuses: dict[str, str], as_svg: bool) -> str:
    """The picture; a node that is missing in `statuses` has no colour."""
    graph = graph_of(definition)
    return _svg(graph, statuses) if as_svg else _mermaid(graph, statuses)


def _mermaid(graph: Graph, statuses: dict[str, str]) -> str:
    names = {node_id: f"n{index}" for index, node_id in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node_id, node in graph.nodes.items():
        lines.append(f'  {names[node_id]}["{_plain(node.name)}<br/>{_plain(node.type)}"]')
    for connection in graph.connections:
        label = _label(connection)
        arrow = f"-->|{_plain(label)}|" if label else "-->"
        lines.append(f"  {names[connection.source_node_id]} {arrow} {names[connection.target_node_id]}")
    for status in sorted({statuses[node_id] for node_id in statuses if node_id in names}):
        lines.append(f"  classDef {status} stroke:{COLOURS.get(status)},stroke-width:3px")
        marked = ",".join(
            names[node_id] for node_id in statuses if statuses[node_id] == status and node_id in names
        )
        lines.append(f"  class {marked} {status}")
    return "\n".join(lines) + "\n"


def _svg(graph: Graph, statuses: dict[str, str]) -> str:
    drawing, at = Drawing(), _places(graph)
    for connection in graph.connections:
        (x1, y1), (x2, y2) = at[connection.source_node_id], at[connection.target_node_id]
        drawing.line(x1 + WIDTH, y1 + HEIGHT / 2, x2, y2 + HEIGHT / 2)
        if label := _label(connection):
            middle = (x1 + WIDTH + x2) / 2  # where connections that begin together are apart
            drawing.text(middle - 3 * len(label[:10]), (y1 + y2 + HEIGHT) / 2 - 4, label, "#546e7a", 10)
    for node_id, node in graph.nodes.items():
        (x, y), status = at[node_id], statuses.get(node_id)
        drawing.box(x, y, WIDTH, HEIGHT, status, _title(node, status))
        drawing.text(x + 8, y + 20, node.name, most=22)
        drawing.text(x + 8, y + 37, node.type, "#78909c")
    return drawing.svg()


def _places(graph: Graph) -> dict[str, tuple[float, float]]:
    """Columns by how much comes before a node, rows by their order."""
    column: dict[str, int] = {}
    for node_id in [*graph.order, *(other for other in graph.nodes if other not in set(graph.order))]:
        before = [graph.connections[index].source_node_id for index in graph.followed(node_id)]
        column[node_id] = 1 + max((column.get(source, 0) for source in before), default=0)
    rows: dict[int, int] = {}
    found = {}
    for node_id in column:
        row = rows.get(column[node_id], 0)
        rows[column[node_id]] = row + 1
        found[node_id] = (20 + (column[node_id] - 1) * ACROSS, 20 + row * DOWN)
    return found


def _label(connection: Connection) -> str:
    ends = (connection.source_output, connection.target_input)
    return " → ".join(end for end in ends if end != "main") + (" ?" if connection.condition else "")


def _title(node: Node, status: str | None) -> str:
    return f"{node.name} ({node.type})" + (f": {status}" if status else "")


def _plain(text: str) -> str:
    """Text that Mermaid takes for nothing but text: its own signs become blanks."""
    return re.sub(r"[^\w .,:/→?-]", " ", text)
