"""Which item of a node another node's item came from, as far as the graph tells."""

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
_KEEPS_PLACES = {"set", "noOp", "wait", "agent", "chainLlm"}


class Lineage:
    """The connections of the kind `main`, by the nodes' places in the file."""

    def __init__(self, nodes: list[N8nNode], links: list[Link]) -> None:
        self._kinds = [node.type.rpartition(".")[2] for node in nodes]
        self._places = {node.name: place for place, node in reversed(list(enumerate(nodes)))}
        self._before: list[list[int]] = [[] for _ in nodes]
        for link in links:
            if link.kind == "main":
                self._before[link.target].append(link.source)

    def of_node(self, here: int, name: str) -> Literal["first", "index", "assumed"]:
        """Which item of the node with that name belongs to the item with the same place at `here`."""
        wanted = self._places[name]
        if self._gives_one(wanted):
            return "first"
        seen: set[int] = set()
        while here not in seen and len(self._before[here]) == 1:
            seen.add(here)
            here = self._before[here][0]
            if here == wanted:
                return "index"
            if self._kinds[here] not in _KEEPS_PLACES:
                break
        return "assumed"

    def _gives_one(self, place: int) -> bool:
        """Whether a node never has more than one item."""
        seen: set[int] = set()
        while place not in seen:
            seen.add(place)
            if self._kinds[place] in _ONE:
                return True
            if self._kinds[place] not in _KEEPS_ONE or len(self._before[place]) != 1:
                return False
            place = self._before[place][0]
        return False
