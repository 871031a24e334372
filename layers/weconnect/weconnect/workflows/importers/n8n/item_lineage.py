"""The item of one node that an item of another originated from, as far as the graph determines it."""

from typing import Literal

from weconnect.workflows.importers.n8n.export_file import Link, N8nNode

_ONE = {
    "webhook",
    "scheduleTrigger",
    "cron",
    "interval",
    "errorTrigger",
    "manualTrigger",
    "start",
    "chatTrigger",
}
_ONE |= {"telegramTrigger", "formTrigger", "form", "aggregate"}
_KEEPS_ONE = {
    "set",
    "noOp",
    "if",
    "filter",
    "switch",
    "wait",
    "agent",
    "chainLlm",
    "stopAndError",
    "respondToWebhook",
}
_KEEPS_ORDER = {"set", "noOp", "wait", "agent", "chainLlm"}


class ItemLineage:
    """The connections of the kind `main`, by the nodes' indexes in the file."""

    def __init__(self, nodes: list[N8nNode], links: list[Link]) -> None:
        self._kinds = [node.type.rpartition(".")[2] for node in nodes]
        self._index_by_name = {node.name: index for index, node in reversed(list(enumerate(nodes)))}
        self._origins: dict[int, set[int]] = {}
        self._has_one: dict[int, bool] = {}
        self._before: list[list[int]] = [[] for _ in nodes]
        for link in links:
            if link.kind == "main":
                self._before[link.target].append(link.source)

    def item_of_node(self, here: int, name: str) -> Literal["first", "index", "assumed"]:
        """Return which item of the named node belongs to one of the node at index `here`; "assumed" when unsure."""
        wanted = self._index_by_name[name]
        if self._has_one_item(wanted):
            return "first"
        return "index" if wanted in self._list_origins(here) else "assumed"

    def _list_origins(self, here: int) -> set[int]:
        """Return the nodes whose items are in the order of those of the node at index `here`; read once for each."""
        origins = self._origins.get(here)
        if origins is None:
            origins = self._origins[here] = set()
            while len(self._before[here]) == 1 and self._before[here][0] not in origins:
                here = self._before[here][0]
                origins.add(here)
                if self._kinds[here] not in _KEEPS_ORDER:
                    break
        return origins

    def _has_one_item(self, index: int) -> bool:
        """Return whether a node never has more than one item; read once for each."""
        has_one = self._has_one.get(index)
        if has_one is None:
            has_one = self._has_one[index] = self._read_has_one_item(index)
        return has_one

    def _read_has_one_item(self, index: int) -> bool:
        """Return whether a node is the end of a line of nodes that keep the one item of the first."""
        seen: set[int] = set()
        while index not in seen:
            seen.add(index)
            if self._kinds[index] in _ONE:
                return True
            if self._kinds[index] not in _KEEPS_ONE or len(self._before[index]) != 1:
                return False
            index = self._before[index][0]
        return False
