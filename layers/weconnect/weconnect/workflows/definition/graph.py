"""A definition as a graph: its connections by node, the bodies of its loops, and an order to execute it in.

All nodes that can be reached from the output `loop` of a loop node are its body; connections from the body back to the
loop's input end an iteration. Each body is a level of its own, executed once per iteration; the rest is the top level.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from weconnect.node_sdk.entities import Connection, Node
from weconnect.workflows.entities import WorkflowDefinition

LOOP_TYPE = "loop"
BODY_OUTPUT = "loop"


@dataclass
class Graph:
    """The nodes by ID, and the enabled connections between existing nodes, in their order.

    `incoming` and `outgoing` map a node's ID to indexes in `connections`.
    """

    nodes: dict[str, Node]
    connections: list[Connection]
    incoming: dict[str, list[int]] = field(default_factory=dict)
    outgoing: dict[str, list[int]] = field(default_factory=dict)

    def is_loop(self, node_id: str) -> bool:
        """Return whether a node is an enabled loop."""
        return self.nodes[node_id].type == LOOP_TYPE and self.nodes[node_id].is_enabled

    @cached_property
    def body_by_loop(self) -> dict[str, set[str]]:
        """Return the IDs of the nodes in each loop's body, those of inner loops included."""
        return {
            node_id: self._follow(
                (
                    self.connections[index].target_node_id
                    for index in self.outgoing[node_id]
                    if self.connections[index].source_output == BODY_OUTPUT
                ),
                without=node_id,
            )
            for node_id in self.nodes
            if self.is_loop(node_id)
        }

    @cached_property
    def level_by_node(self) -> dict[str, str | None]:
        """Return the ID of the innermost loop around each node; None at the top level."""
        return {
            node_id: min(
                (loop for loop, body in self.body_by_loop.items() if node_id in body),
                key=lambda loop: len(self.body_by_loop[loop]),
                default=None,
            )
            for node_id in self.nodes
        }

    @cached_property
    def nodes_by_level(self) -> dict[str | None, list[str]]:
        """Return the nodes of each level in topological order; None is the top level."""
        levels: dict[str | None, list[str]] = {None: [], **{loop: [] for loop in self.body_by_loop}}
        for node_id in self.topological_order:
            levels[self.level_by_node[node_id]].append(node_id)
        return levels

    @cached_property
    def topological_order(self) -> list[str]:
        """Return the nodes, each after all that it follows; nodes in a cycle and those after it are missing."""
        open_ends = {node_id: len(self.forward_incoming(node_id)) for node_id in self.nodes}
        ordered = [node_id for node_id, count in open_ends.items() if count == 0]
        for node_id in ordered:
            for index in self.outgoing[node_id]:
                target = self.connections[index].target_node_id
                if not self.is_return(index):
                    open_ends[target] -= 1
                    if open_ends[target] == 0:
                        ordered.append(target)
        return ordered

    def forward_incoming(self, node_id: str) -> list[int]:
        """Return the indexes of a node's incoming connections, without those that end an iteration."""
        return [index for index in self.incoming[node_id] if not self.is_return(index)]

    def is_return(self, index: int) -> bool:
        """Return whether a connection leads from a loop's body back to the loop, and so ends an iteration."""
        connection = self.connections[index]
        target, source = connection.target_node_id, connection.source_node_id
        return target in self.body_by_loop and source in self.body_by_loop[target]

    def reachable(self, starts: Iterable[str]) -> set[str]:
        """Return the given nodes and all that follow them."""
        starts = list(starts)
        return {*starts, *self._follow(starts)}

    def ancestors(self, node_id: str) -> set[str]:
        """Return all nodes that can have been executed before this one."""
        ancestors: set[str] = set()
        remaining = [node_id]
        while remaining:
            for index in self.incoming[remaining.pop()]:
                source = self.connections[index].source_node_id
                if source not in ancestors:
                    ancestors.add(source)
                    remaining.append(source)
        return ancestors

    def _follow(self, starts: Iterable[str], without: str | None = None) -> set[str]:
        """Return the IDs of the nodes that can be reached from `starts`, without passing the node `without`."""
        reached: set[str] = set()
        remaining = [node_id for node_id in starts if node_id != without]
        while remaining:
            node_id = remaining.pop()
            if node_id in reached:
                continue
            reached.add(node_id)
            remaining += [
                target
                for index in self.outgoing[node_id]
                if (target := self.connections[index].target_node_id) != without
            ]
        return reached


def build_graph(definition: WorkflowDefinition) -> Graph:
    """Return the graph of a definition; of several nodes with the same ID only the first is in it."""
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
