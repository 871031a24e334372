"""Short forms of definitions: `definition([node("a", "set", values={})], "start > a")`."""

from typing import Any


def node(id: str, type: str, /, **more: Any) -> dict[str, Any]:
    """Return a node; other arguments than the fields of a node become its parameters."""
    own = {"name", "isEnabled", "retry", "timeoutSeconds", "onError", "parameters"}
    fields = {name: value for name, value in more.items() if name in own}
    parameters = {name: value for name, value in more.items() if name not in own}
    return {"id": id, "name": id, "type": type, "parameters": parameters} | fields


def connect(text: str, condition: str | None = None) -> dict[str, Any]:
    """Return the connection that a text describes: `a > b`, `a.true > b`, `a > b.left`."""
    source, target = (part.strip() for part in text.split(">"))
    connection: dict[str, Any] = {}
    connection["sourceNodeId"], _, output = source.partition(".")
    connection["targetNodeId"], _, end = target.partition(".")
    connection |= {"sourceOutput": output or "main", "targetInput": end or "main"}
    return connection | ({"condition": condition} if condition else {})


START = node("start", "manual")


def definition(nodes: list[dict[str, Any]], *connections: str, **settings: Any) -> dict[str, Any]:
    """Return a definition whose first node is `start`, of the type manual."""
    return {
        "nodes": [START, *nodes],
        "connections": [connect(text) for text in connections],
        "settings": settings,
    }
