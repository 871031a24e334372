"""Texts with expressions between `{{` and the next `}}`, whatever is in them."""


def split_at_braces(text: str) -> list[str]:
    """Return plain text and sources in turn: `["a ", " b ", " c"]` for `a {{ b }} c`.

    There is one plain text more than sources. A `{{` that nothing closes is plain text, and so is all after it.
    """
    parts: list[str] = []
    position = 0
    while (start := text.find("{{", position)) >= 0 and (end := text.find("}}", start + 2)) >= 0:
        parts += [text[position:start], text[start + 2 : end]]
        position = end + 2
    return [*parts, text[position:]]
