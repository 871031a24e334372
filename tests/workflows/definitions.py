"""Definitions in few words: `definition("start manual", "a set x=1", "start > a")`."""

from typing import Any


def node(id: str, type: str, /, **more: Any) -> dict[str, Any]:
    """A node; what is not a field of nodes goes into its parameters."""
    own = {"name", "isEnabled", "retry", "timeoutSeconds", "onError", "parameters"}
    fields = {name: value for name, value in more.items() if name in own}
    parameters = {name: value for name, value in more.items() if name not in own}
    return {"id": id, "name": id, "type": type, "parameters": parameters} | fields


def connect(text: str, condition: str | None = None) -> dict[str, Any]:
    """`a > b`, `a.true > b`, `a > b.left`."""
    source, target = (part.strip() for part in text.split(">"))
    found: dict[str, Any] = {}
    found["sourceNodeId"], _, output = source.partition(".")
    found["targetNodeId"], _, end = target.partition(".")
    found |= {"sourceOutput": output or "main", "targetInput": end or "main"}
    return found | ({"condition": condition} if condition else {})


START = node("start", "manual")


def definition(nodes: list[dict[str, Any]], *connections: str, **settings: Any) -> dict[str, Any]:
    """A definition that begins with the node `start`, of type manual."""
    return {
        "nodes": [START, *nodes],
        "connections": [connect(text) for text in connections],
        "settings": settings,
    }
