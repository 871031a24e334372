"""Regular expressions with the same meaning in JavaScript and in JSONata."""

import re

from weconnect.workflows.importers.n8n.syntax_tree import Regex, Unsupported

_OUTSIDE = {"d": "[0-9]", "D": "[^0-9]", "w": "[A-Za-z0-9_]", "W": "[^A-Za-z0-9_]", "s": "\\s", "S": "\\S"}
_INSIDE = {"d": "0-9", "w": "A-Za-z0-9_", "s": "\\s"}
_SAME = {"n": "\\n", "t": "\\t", "r": "\\r"}


def to_jsonata(regex: Regex) -> str:
    """Return a regular expression as JSONata writes it; raise Unsupported when it could mean something else there."""
    if set(regex.flags) - set("gim"):
        raise Unsupported(f"a regular expression with the flags {regex.flags!r}")
    source, result, position, inside = regex.pattern, "", 0, False
    while position < len(source):
        letter = source[position]
        if letter == "\\":
            escaped = source[position + 1]
            if escaped.isalnum():
                classes = (_INSIDE if inside else _OUTSIDE) | _SAME
                if escaped not in classes:
                    raise Unsupported(f"\\{escaped} in a regular expression")
                result += classes[escaped]
            else:
                result += f"\\{escaped}" if escaped.isascii() and escaped not in "\"'`<>&~#@ " else escaped
            position += 2
            continue
        if source.startswith("(?", position) and not source.startswith("(?:", position):
            raise Unsupported("a group of that kind in a regular expression")
        if letter == "[" and (inside or source.startswith(("[]", "[^]"), position)):
            if not inside:
                raise Unsupported("an empty class in a regular expression")
            result += "\\["
        elif inside and letter in "&~" and source[position + 1 : position + 2] == letter:
            raise Unsupported(f"{letter * 2} in a class of a regular expression")
        else:
            inside = (inside or letter == "[") and not (inside and letter == "]")
            result += "\\/" if letter == "/" else letter
        position += 1
    if re.search(r"(?<!\\)\{(?!\d+(,\d*)?\})", result):
        raise Unsupported("a brace in a regular expression")
    return f"/{result}/{''.join(flag for flag in 'im' if flag in regex.flags)}"


def uses_groups_only(source: str, put: str) -> bool:
    """Return whether every dollar sign in a replacement refers to an existing group by one digit."""
    count = len(re.findall(r"(?<!\\)\((?!\?)", source))
    references = re.findall(r"\$(.?.?)", put)
    return all(
        one[:1].isdigit() and 1 <= int(one[0]) <= min(9, count) and not one[1:].isdigit()
        for one in references
    )
