"""Generate docs/errors.md from the error classes of all modules."""

import importlib
import inspect
from collections.abc import Iterator
from http import HTTPStatus

from infra.cloudformation import ROOT
from weconnect.errors import Problem

LAYER = ROOT / "layers" / "weconnect"
ERRORS = ROOT / "docs" / "errors.md"
INTRODUCTION = """\
# Errors

Written by `make api` from the classes in each module's `errors.py`. Change the classes, not this file.

A refused request gets an RFC 9457 problem (`application/problem+json`). Decide by `code`, which is stable; `title` and
`detail` are for people and may change. `errors` names each invalid value by its JSON pointer, `requestId` is what we
need to look into a failure.

```json
{"type": "urn:weconnect:problem:name_taken", "title": "Name taken", "status": 409, "code": "name_taken",
 "detail": "The name 'Support' is taken by an agent. Choose another name.", "instance": "/v1/agents",
 "errors": [{"pointer": "/name", "detail": "taken"}], "requestId": "Ab3dEf="}
```
"""
PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""The names of RFC 9110 that Python has since 3.13 only."""
TABLE_HEAD = "| code | title | meaning | class |\n| --- | --- | --- | --- |\n"


def load_error_classes() -> list[type[Problem]]:
    """Import every `errors.py` of the layer and return the classes with a code of their own, by status and code."""
    for path in sorted(LAYER.glob("weconnect/**/errors.py")):
        importlib.import_module(".".join(path.relative_to(LAYER).with_suffix("").parts))
    classes: set[type[Problem]] = {Problem, *list_subclasses(Problem)}
    return sorted(
        (kind for kind in classes if "code" in vars(kind)),
        key=lambda kind: (kind.status, kind.code, kind.__module__),
    )


def list_subclasses(kind: type[Problem]) -> Iterator[type[Problem]]:
    """Yield all direct and indirect subclasses."""
    for child in kind.__subclasses__():
        yield child
        yield from list_subclasses(child)


def render_errors_page() -> str:
    """Return the Markdown of docs/errors.md: for each status a table of code, title, meaning and module."""
    sections = [INTRODUCTION]
    status = 0
    for kind in load_error_classes():
        if kind.status != status:
            status = kind.status
            sections.append(
                f"\n## {status} {PHRASES.get(status) or HTTPStatus(status).phrase}\n\n{TABLE_HEAD}"
            )
        meaning = " ".join((inspect.getdoc(kind) or "").split())
        sections.append(f"| `{kind.code}` | {kind.title} | {meaning} | `{_shorten_name(kind)}` |\n")
    return "".join(sections)


def _shorten_name(kind: type[Problem]) -> str:
    """Return the module and the class: `agents.AgentNotFound` for that of `weconnect.agents.errors`."""
    module = kind.__module__.removeprefix("weconnect.").removesuffix("errors")
    return f"{module}{kind.__name__}"
