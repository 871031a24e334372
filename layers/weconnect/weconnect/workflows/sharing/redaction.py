"""What a workflow is without that which may be a secret, for those who come by a link.

Secrets belong into variables, of which a definition holds the names alone. This is for those that somebody wrote into
a text all the same, and for addresses that are secrets themselves. It masks rather too much.
"""

import re
from collections.abc import Callable
from typing import Any

from weconnect.log import MASK, redact
from weconnect.workflows.entities import Node, WorkflowDefinition, WorkflowExport, WorkflowSettings

_REFERENCE = re.compile(r"""(?i)\s*((bearer|basic|token)\s+)?\{\{[^"'{}]*\}\}\s*""")
"""An expression without a text of its own, such as `Bearer {{ $vars.token }}`."""
_EXPRESSION = re.compile(r"(\{\{.*?\}\})", re.DOTALL)
_ADDRESS = re.compile(
    r"(?i)((?<=/hooks/)|(?<=/callbacks/)|(?<=/shared/)|(?<=/webhook/)|(?<=/webhook-test/)|(?<=/webhooks/)"
    r"|(?<=hooks\.slack\.com/services/))[^\s\"'?#]+"
    r"|(?<=/bot)\d+:[\w-]+"
)
_QUERY = re.compile(
    r"(?i)(?<=[?&])((?:[\w-]*(?:key|sig|signature|code|auth|pass|pwd|sid|secret|token))=)[^&\s\"'{]+"
)
_WRITTEN = re.compile(
    r"""(?<![\w-])([\w-]{1,64})(["']?\]?\s{0,9}(?::\s{0,9}\w{1,32}\s{0,9})?[:=]{1,2}\s{0,9}[rbf]{0,2})"""
    r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""",
    re.IGNORECASE,
)
"""A name and the text that it gets, as code, JSON and SQL have them: `password = "…"`, `"apiKey": "…"`."""
_QUERY_NAMES = re.compile(r"(?i)(.*[_-])?(key|sig|signature|code|auth|pass|pwd|sid)")
_FOREIGN = re.compile(r"(?i)credentials?(_?ids?)?|webhook_?id|pin_?data|password|pwd|pass")
_PLAIN_HEADERS = re.compile(r"(?i)accept(-.*)?|content-type|content-language|user-agent|cache-control|prefer")


def scrubbed(file: WorkflowExport) -> WorkflowExport:
    """The file with every text looked through, and without what other programs had left in it."""
    definition = file.definition
    return file.model_copy(
        update={
            "name": _text(file.name),
            "description": _text(file.description),
            "tags": [_text(tag) for tag in file.tags],
            "definition": WorkflowDefinition(
                settings=_settings(definition.settings),
                nodes=[_node(node) for node in definition.nodes],
                connections=[
                    connection.model_copy(update={"condition": _value(connection.condition)})
                    for connection in definition.connections
                ],
            ),
        }
    )


def _settings(settings: WorkflowSettings) -> WorkflowSettings:
    bound = settings.concurrency
    return settings.model_copy(
        update={"concurrency": bound and bound.model_copy(update={"key": _value(bound.key)})}
    )


def _node(node: Node) -> Node:
    parameters = {name: _value(value, name) for name, value in node.parameters.items()}
    if node.type == "http_request":
        parameters |= _request(node.parameters)
    elif node.type == "crypto" and "key" in parameters:
        parameters["key"] = _hidden(node.parameters["key"])
    elif node.type == "placeholder":
        parameters |= {"original": "", "isCut": True}
    found = {"name": _text(node.name), "parameters": parameters, "notes": _value(node.notes)}
    return node.model_copy(update=found)


def _request(given: dict[str, Any]) -> dict[str, Any]:
    """Headers that may authorize, and what of the query has a likely name, as references alone."""
    found = {}
    if "headers" in given:
        found["headers"] = _chosen(given["headers"], lambda name: not _PLAIN_HEADERS.fullmatch(name))
    if "query" in given:
        found["query"] = _chosen(given["query"], lambda name: bool(_QUERY_NAMES.fullmatch(name)))
    return found


def _chosen(values: Any, is_hidden: Callable[[str], bool]) -> Any:
    if not isinstance(values, dict):
        return _hidden(values)
    return {
        _text(name): _hidden(value) if is_hidden(name) else _value(value, name)
        for name, value in values.items()
    }


def _value(value: Any, name: str = "") -> Any:
    if _is_secret(name):
        return _hidden(value)
    if isinstance(value, dict):
        named = value.get("name") if "value" in value else None
        return {
            _text(key): _value(item, named if isinstance(named, str) and key == "value" else key)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_value(item, name) for item in value]
    return _text(value) if isinstance(value, str) else value


def _is_secret(name: str) -> bool:
    return bool(_FOREIGN.fullmatch(name)) or redact("a value", name) == MASK


def _hidden(value: Any) -> Any:
    """Nothing but references stays, and what holds no secret: null, true and false."""
    if isinstance(value, dict):
        return {_text(name): _hidden(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    if value is None or isinstance(value, bool) or (isinstance(value, str) and _REFERENCE.fullmatch(value)):
        return value
    return MASK


def _text(text: str) -> str:
    """The text without what looks like a secret by its form; expressions and what is around them each by itself."""
    parts = [redact(part) for part in _EXPRESSION.split(_WRITTEN.sub(_unwritten, text))]
    return _QUERY.sub(rf"\g<1>{MASK}", _ADDRESS.sub(MASK, "".join(parts)))


def _unwritten(found: re.Match[str]) -> str:
    name, between, quoted = found.groups()
    if not _is_secret(name) or len(quoted) == 2:
        return found[0]
    return f"{name}{between}{quoted[0]}{_hidden(quoted[1:-1])}{quoted[0]}"
