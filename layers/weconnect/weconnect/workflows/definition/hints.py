"""What the static check says beside the bare fault: what there is instead, and what another language means here."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from weconnect.expressions.evaluator import REFUSED, refused
from weconnect.expressions.rendering import SKIPPED, VARIABLE
from weconnect.workflows.node_sdk.node_type import NodeType

BOUND = frozenset({"json", "input", "index", "execution", "trigger", "nodes", "vars"})
SHOWN = frozenset({"output", "items", "outputs"})
"""What expressions see of the run, and of a node: as `Scope.bindings` and `shown` make it."""

_FUNCTIONS = """
abs append assert average base64decode base64encode boolean ceil contains count decodeUrl decodeUrlComponent
distinct each encodeUrl encodeUrlComponent error exists filter floor formatBase formatInteger formatNumber
fromMillis join keys length lookup lowercase map match max merge millis min not now number pad parseInteger
power reduce replace reverse round sift single sort split spread sqrt string substring substringAfter
substringBefore sum toMillis trim type uppercase zip
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())

_OTHER_SIGNS = {"!": "$not(…)", "==": "=", "!==": "!=", "&&": "and", "||": "or", "?.": "."}
_SIGNS = re.compile(r"!==|={2,3}|&&|\|\||\?\.|!(?!=)")
_OWN = re.compile(r"\$([A-Za-z_]\w*)\s*:=|[@#]\$([A-Za-z_]\w*)|(?:function|λ)\s*\(([^)]*)\)")
_N8N_NODE = re.compile(r"\$node\b|\$\(")
_PART_OF_NODE = re.compile(r"\$nodes\s*\.\s*(?:`[^`]+`|\"[^\"]+\"|[A-Za-z_]\w*)\s*\.\s*(\w+)")
_NO_TEXT = ("bool_", "int_", "float_", "list_", "dict_")


def meant(name: str, known: Collection[str]) -> str:
    """`: did you mean 'x'?`, or nothing where no known name is like it."""
    from difflib import get_close_matches

    plain = {each.casefold().replace("_", ""): each for each in known}
    found = get_close_matches(name.casefold().replace("_", ""), plain, n=1, cutoff=0.75)
    return f": did you mean {plain[found[0]]!r}?" if found else ""


def of_parameter(kind: NodeType, wrong: Any) -> str:
    """What a validation error of a node's parameters says to who wrote them."""
    said, place = wrong["msg"].removeprefix("Value error, "), wrong["loc"]
    if wrong["type"] == "extra_forbidden" and len(place) == 1:
        known = [field.alias or name for name, field in kind.parameters.model_fields.items()]
        return f"There is no parameter {place[0]!r}; it has {', '.join(known) or 'none'}"
    if isinstance(wrong["input"], str) and wrong["type"].startswith(_NO_TEXT):
        return f"{said}; an expression stands between {{{{ and }}}}"
    return str(said)


def of_syntax(source: str, said: str) -> str:
    """Why an expression cannot be parsed, and how what other languages write is written in JSONata."""
    found = _SIGNS.search(SKIPPED.sub(" ", source))
    if not found:
        return said
    sign = found[0]
    return f"{said}; JSONata writes {_OTHER_SIGNS.get(sign, '=')!r} for {sign!r}"


def of_names(source: str) -> Iterator[tuple[str, str]]:
    """What an expression names that there is not: code and message."""
    for part in _PART_OF_NODE.findall(source):
        if part not in SHOWN:
            yield "unknown_reference", f"A node has output, items and outputs, and no {part!r}"
    plain = SKIPPED.sub('""', source)
    if _N8N_NODE.search(plain):
        yield (
            "unknown_name",
            "Another node is $nodes.`Its name`.output here, for its first item, or .items for all",
        )
        return
    own = {name for each in _OWN.findall(plain) for name in (each[0], each[1], *VARIABLE.findall(each[2]))}
    for found in VARIABLE.finditer(plain):
        name = found[1]
        if found.start() and plain[found.start() - 1] == "\\":
            continue  # within a regular expression
        if name in REFUSED and name not in own:
            yield "unknown_name", refused(name)
        elif name not in own | BOUND | FUNCTIONS:
            known = [f"${each}" for each in sorted(BOUND | FUNCTIONS)]
            yield "unknown_name", f"There is no ${name}{meant(f'${name}', known)}"
