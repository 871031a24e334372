"""Files as n8n exports them, in few words."""

from typing import Any

from weconnect.workflows.importers.n8n.converter import convert
from weconnect.workflows.importers.n8n.draft import Draft
from weconnect.workflows.importers.n8n.export_file import N8nWorkflow
from weconnect.workflows.node_catalogue import find_node_type

BASE = "n8n-nodes-base."
LANGCHAIN = "@n8n/n8n-nodes-langchain."
ACCEPTED = ("no_trigger", "unreachable", "email_send_not_available")
"""Findings that do not fail a conversion: what a lone node lacks, and what the operator decides."""


def n8n(
    name: str, type: str, version: float = 1, /, _node: dict[str, Any] | None = None, **parameters: Any
) -> dict[str, Any]:
    """A node; `_node` holds what stands beside its parameters."""
    full = type if "." in type else BASE + type
    made = {"id": f"id of {name}", "name": name, "type": full, "typeVersion": version, "position": [100, 200]}
    return made | {"parameters": parameters} | (_node or {})


def file(nodes: list[dict[str, Any]], *links: str, **more: Any) -> dict[str, Any]:
    """A workflow; links are `A > B`, `A/1 > B` from the second output, `A > B/1`, `A:ai_tool > B`."""
    connections: dict[str, dict[str, list[list[dict[str, Any]]]]] = {}
    for link in links:
        source, target = (part.strip() for part in link.split(">"))
        source, _, kind = source.partition(":")
        source, _, output = source.partition("/")
        target, _, number = target.partition("/")
        outputs = connections.setdefault(source, {}).setdefault(kind or "main", [])
        while len(outputs) <= int(output or 0):
            outputs.append([])
        outputs[int(output or 0)].append({"node": target, "type": kind or "main", "index": int(number or 0)})
    return {"name": "From n8n", "nodes": nodes, "connections": connections, **more}


def converted(nodes: list[dict[str, Any]], *links: str, **more: Any) -> Draft:
    return convert(N8nWorkflow.model_validate(file(nodes, *links, **more)))


def made(node: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return types and parameters of the nodes for one n8n node; it must be converted without errors."""
    draft = converted([node])
    assert draft.nodes[0].status != "placeholder", draft.nodes[0].reason
    kinds = [find_node_type(each.type) for each in draft.definition.nodes]
    for each, kind in zip(draft.definition.nodes, kinds, strict=True):
        assert kind is not None, each.type
    wrong = [finding for finding in draft.validation.findings if finding.code not in ACCEPTED]
    assert not wrong
    return [(each.type, each.parameters) for each in draft.definition.nodes]


def only(node: dict[str, Any]) -> dict[str, Any]:
    [(_, parameters)] = made(node)
    return parameters


def why(node: dict[str, Any]) -> str:
    imported = converted([node]).nodes[0]
    assert imported.status == "placeholder" and imported.reason
    return imported.reason
