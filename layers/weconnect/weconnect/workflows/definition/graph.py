"""A definition as a graph: what follows what, and which nodes are the body of which loop.

What can be reached from the output `loop` of a loop node is its body; connections from the body back to the loop's
input end an iteration. Each body is a level of its own, walked once an iteration; the rest is the top level.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from weconnect.workflows.entities import Connection, Node, WorkflowDefinition

LOOP, BODY = "loop", "loop"


@dataclass
class Graph:
    """The nodes by id, and the connections that are enabled and end at nodes that exist, in their order."""

    nodes: dict[str, Node]
    connections: list[Connection]
    incoming: dict[str, list[int]] = field(default_factory=dict)
    outgoing: dict[str, list[int]] = field(default_factory=dict)

    def is_loop(self, node_id: str) -> bool:
        return self.nodes[node_id].type == LOOP and self.nodes[node_id].is_enabled

    @cached_property
    def bodies(self) -> dict[str, set[str]]:
        """The body of each loop, those of loops within it included."""
        return {
            node_id: self._reached(
                (
                    self.connections[index].target_node_id
                    for index in self.outgoing[node_id]
                    if self.connections[index].source_output == BODY
                ),
                without=node_id,
            )
            for node_id in self.nodes
            if self.is_loop(node_id)
        }

    @cached_property
    def level_of(self) -> dict[str, str | None]:
        """The innermost loop that each node is in; None at the top."""
        return {
            node_id: min(
                (loop for loop, body in self.bodies.items() if node_id in body),
                key=lambda loop: len(self.bodies[loop]),
                default=None,
            )
            for node_id in self.nodes
        }

    @cached_property
    def levels(self) -> dict[str | None, list[str]]:
        """The nodes of each level in order; None is the top."""
        found: dict[str | None, list[str]] = {None: [], **{loop: [] for loop in self.bodies}}
        for node_id in self.order:
            found[self.level_of[node_id]].append(node_id)
        return found

    @cached_property
    def order(self) -> list[str]:
        """All nodes in an order in which none comes before what it follows; those in a cycle are missing."""
        open_ends = {node_id: len(self.followed(node_id)) for node_id in self.nodes}
        found = [node_id for node_id, count in open_ends.items() if count == 0]
        for node_id in found:
            for index in self.outgoing[node_id]:
                target = self.connections[index].target_node_id
                if not self.is_return(index):
                    open_ends[target] -= 1
                    if open_ends[target] == 0:
                        found.append(target)
        return found

    def followed(self, node_id: str) -> list[int]:
        """The connections that a node follows, without those that come back to a loop."""
        return [index for index in self.incoming[node_id] if not self.is_return(index)]

    def is_return(self, index: int) -> bool:
        """Whether a connection ends an iteration."""
        connection = self.connections[index]
        target, source = connection.target_node_id, connection.source_node_id
        return target in self.bodies and source in self.bodies[target]

    def reachable(self, starts: Iterable[str]) -> set[str]:
        """The nodes and all that follow them."""
        starts = list(starts)
        return {*starts, *self._reached(starts)}

    def before(self, node_id: str) -> set[str]:
        """All nodes that can have run when this one runs."""
        found: set[str] = set()
        left = [node_id]
        while left:
            for index in self.incoming[left.pop()]:
                source = self.connections[index].source_node_id
                if source not in found:
                    found.add(source)
                    left.append(source)
        return found

    def _reached(self, starts: Iterable[str], without: str | None = None) -> set[str]:
        found: set[str] = set()
        left = [node_id for node_id in starts if node_id != without]
        while left:
            node_id = left.pop()
            if node_id in found:
                continue
            found.add(node_id)
            left += [
                target
                for index in self.outgoing[node_id]
                if (target := self.connections[index].target_node_id) != without
            ]
        return found


def graph_of(definition: WorkflowDefinition) -> Graph:
    """The graph of a definition; of nodes with the same id the first counts."""
    nodes: dict[str, Node] = {}
    for node in definition.nodes:
        nodes.setdefault(node.id, node)
    connections = [
        connection
        for connection in definition.connections
        if connection.is_enabled and {connection.source_node_id, connection.target_node_id} <= nodes.keys()
    ]
    graph = Graph(nodes, connections, {node_id: [] for node_id in nodes}, {node_id: [] for node_id in nodes})
    for index, connection in enumerate(connections):
        graph.outgoing[connection.source_node_id].append(index)
        graph.incoming[connection.target_node_id].append(index)
    return graph
