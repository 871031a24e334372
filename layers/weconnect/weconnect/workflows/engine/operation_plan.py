"""The number of operations that the nodes of a graph may take, with which loops plan."""

from weconnect.node_sdk.entities import Node
from weconnect.workflows.definition.graph import Graph
from weconnect.workflows.engine import levels
from weconnect.workflows.node_catalogue import find_node_type
from weconnect.workflows.nodes.loop import MAX_ITERATIONS, LoopParameters

OPERATIONS_OF_SLICE = 8
"""Those of the execution that waits for a slice."""
MAX_SLICES = 100


def plan_operations(graph: Graph) -> dict[str, int]:
    """Return how many operations each node may take at most, by its ID.

    Of a loop it is the number when it is processed in slices, where it does not fit into one execution.
    """
    planned: dict[str, int] = {}
    inner_first = sorted(
        graph.topological_order, key=lambda node_id: len(graph.body_by_loop.get(node_id, ()))
    )
    for node_id in inner_first:
        planned[node_id] = _plan_node(graph, graph.nodes[node_id], planned)
    return planned


def count_iteration_operations(graph: Graph, planned: dict[str, int], loop_id: str) -> int:
    """Return how many operations one iteration of a loop may take."""
    return sum(planned[node_id] for node_id in graph.nodes_by_level[loop_id])


def _plan_node(graph: Graph, node: Node, planned: dict[str, int]) -> int:
    """Return how many operations a node may take at most, given those `planned` for the nodes in its body."""
    kind = find_node_type(node.type)
    if kind is None or not node.is_enabled or kind.kind in ("pure", "trigger"):
        return 0
    if not graph.is_loop(node.id):
        return node.retry.max_attempts * (kind.operations + 1) + 1
    default = LoopParameters.model_fields["max_iterations"].default
    iterations = node.parameters.get("maxIterations", default)
    whole = count_iteration_operations(graph, planned, node.id) * (
        iterations if isinstance(iterations, int) else MAX_ITERATIONS
    )
    return min(whole, OPERATIONS_OF_SLICE * min(MAX_SLICES, -(-whole // levels.PLANNED_OPERATIONS)))
