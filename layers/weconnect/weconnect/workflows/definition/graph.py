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
MAX_READINGS = 16
"""Readings of all nodes and connections to find the bodies of loops: one for each level, of which 4 are valid."""


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
        """Return the IDs of the nodes in each loop's body, those of inner loops included; empty for `unread_loops`."""
        return self._bodies[0]

    @cached_property
    def unread_loops(self) -> list[str]:
        """Return the loops whose bodies were not read, since so many others contain the same nodes."""
        return self._bodies[1]

    @cached_property
    def _bodies(self) -> tuple[dict[str, set[str]], list[str]]:
        """Return the bodies of the loops, and the loops that have none because `MAX_READINGS` were used up."""
        bodies: dict[str, set[str]] = {}
        unread: list[str] = []
        steps = MAX_READINGS * (len(self.nodes) + len(self.connections))
        for node_id in filter(self.is_loop, self.nodes):
            starts = [
                self.connections[index].target_node_id
                for index in self.outgoing[node_id]
                if self.connections[index].source_output == BODY_OUTPUT
            ]
            body = set() if unread else self._follow(starts, without=node_id, max_steps=steps)
            if body is None or unread:
                unread.append(node_id)
            bodies[node_id] = body or set()
            steps -= sum(1 + len(self.outgoing[each]) for each in bodies[node_id])
        return bodies, unread

    @cached_property
    def level_by_node(self) -> dict[str, str | None]:
        """Return the ID of the innermost loop around each node; None at the top level."""
        levels: dict[str, str | None] = dict.fromkeys(self.nodes)
        sizes = {loop: len(body) for loop, body in reversed(self.body_by_loop.items())}
        for loop in sorted(sizes, key=sizes.__getitem__, reverse=True):
            levels.update(dict.fromkeys(self.body_by_loop[loop], loop))
        return levels

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

    def is_before(self, earlier: str, node_id: str) -> bool:
        """Return whether a node can have been executed before another one, or before an iteration of it."""
        return bool(self._ancestors_by_node[node_id] & self._bit_by_node[earlier])

    @cached_property
    def _bit_by_node(self) -> dict[str, int]:
        """Return a number for each node in which one bit is set."""
        return {node_id: 1 << index for index, node_id in enumerate(self.nodes)}

    @cached_property
    def _ancestors_by_node(self) -> dict[str, int]:
        """Return the bits of all nodes before each node: all in its cycle, then all before those (Tarjan, 1972)."""
        ancestors: dict[str, int] = {}
        order: dict[str, int] = {}
        lowest: dict[str, int] = {}
        open_nodes: list[str] = []
        for root in self.nodes:
            path = [] if root in order else [(root, iter(self.incoming[root]))]
            while path:
                node_id, remaining = path[-1]
                if node_id not in order:
                    order[node_id] = lowest[node_id] = len(order)
                    open_nodes.append(node_id)
                for index in remaining:
                    source = self.connections[index].source_node_id
                    if source not in order:
                        path.append((source, iter(self.incoming[source])))
                        break
                    if source not in ancestors:
                        lowest[node_id] = min(lowest[node_id], order[source])
                else:
                    path.pop()
                    if path:
                        lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[node_id])
                    if lowest[node_id] == order[node_id]:
                        self._close_cycle(node_id, open_nodes, ancestors)
        return ancestors

    def _close_cycle(self, first: str, open_nodes: list[str], ancestors: dict[str, int]) -> None:
        """Move the nodes from `first` on, which are one node or one cycle, from `open_nodes` to `ancestors`."""
        cycle = [open_nodes.pop()]
        while cycle[-1] != first:
            cycle.append(open_nodes.pop())
        bits = 0
        for node_id in cycle:
            for index in self.incoming[node_id]:
                source = self.connections[index].source_node_id
                bits |= self._bit_by_node[source] | ancestors.get(source, 0)
        ancestors.update(dict.fromkeys(cycle, bits))

    def reachable(self, starts: Iterable[str]) -> set[str]:
        """Return the given nodes and all that follow them."""
        starts = list(starts)
        return {*starts, *(self._follow(starts) or ())}

    def _follow(
        self, starts: Iterable[str], without: str | None = None, max_steps: int | None = None
    ) -> set[str] | None:
        """Return the IDs of the nodes that can be reached from `starts`, without passing the node `without`.

        A node and each connection that leaves it are a step; None when there are more than `max_steps`.
        """
        reached: set[str] = set()
        remaining = [node_id for node_id in starts if node_id != without]
        steps = 0
        while remaining:
            node_id = remaining.pop()
            if node_id in reached:
                continue
            reached.add(node_id)
            steps += 1 + len(self.outgoing[node_id])
            if max_steps is not None and steps > max_steps:
                return None
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
