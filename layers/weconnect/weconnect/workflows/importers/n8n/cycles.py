"""Nodes that lead back to themselves otherwise than by a loop."""

from weconnect.workflows.definition.graph import graph_of
from weconnect.workflows.entities import WorkflowDefinition


def circles(definition: WorkflowDefinition) -> set[str]:
    """The ids of the nodes in a cycle, or on a way from one cycle to another."""
    graph = graph_of(definition)
    left = set(graph.nodes) - set(graph.order)
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
        for index in graph.followed(node_id):
            source = graph.connections[index].source_node_id
            if source in left:
                after[source] -= 1
                if after[source] == 0:
                    ends.append(source)
    return left
