"""Nodes in cycles that are not loops."""

from weconnect.workflows.definition.graph import build_graph
from weconnect.workflows.entities import WorkflowDefinition


def find_cycle_nodes(definition: WorkflowDefinition) -> set[str]:
    """Return the ids of the nodes in a cycle or on a path between cycles."""
    graph = build_graph(definition)
    left = set(graph.nodes) - set(graph.topological_order)
    after = {
        node_id: sum(
            graph.connections[index].target_node_id in left and not graph.is_return(index)
            for index in graph.outgoing[node_id]
        )
        for node_id in left
    }
    ends = [node_id for node_id in left if after[node_id] == 0]
    while ends:
        node_id = ends.pop()
        left.discard(node_id)
        for index in graph.forward_incoming(node_id):
            source = graph.connections[index].source_node_id
            if source in left:
                after[source] -= 1
                if after[source] == 0:
                    ends.append(source)
    return left
