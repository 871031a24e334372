"""Name, settings and tags of the workflow in n8n's file."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import available_timezones

from weconnect.texts import make_visible
from weconnect.workflows.entities import WorkflowSettings
from weconnect.workflows.importers.n8n.export_file import N8nWorkflow, escape_pointer
from weconnect.workflows.importers.n8n.report import Dropped

_DROPS = {
    "pinData": "sample output of nodes for tests",
    "staticData": "state that n8n keeps between executions",
}


def read_name(workflow: N8nWorkflow) -> str:
    """Return the workflow's name, at most 255 characters; "Imported from n8n" without one."""
    value = (workflow.model_extra or {}).get("name")
    return (
        make_visible(value.strip()[:255].strip()) if isinstance(value, str) else ""
    ) or "Imported from n8n"


def _read_own_settings(workflow: N8nWorkflow) -> dict[str, Any]:
    """Return the object `settings` of the file, `{}` without one."""
    value = (workflow.model_extra or {}).get("settings")
    return value if isinstance(value, dict) else {}


def read_timezone(workflow: N8nWorkflow) -> str | None:
    """Return the workflow's time zone (IANA name); None when the file has none, or an unknown one."""
    value = _read_own_settings(workflow).get("timezone")
    return value if isinstance(value, str) and value in available_timezones() else None


def read_settings(workflow: N8nWorkflow, timezone: str | None) -> WorkflowSettings:
    """Return our settings: the time zone, and the timeout of at most a day."""
    seconds = _read_own_settings(workflow).get("executionTimeout")
    settings: dict[str, Any] = {"timezone": timezone} if timezone else {}
    if isinstance(seconds, int) and seconds > 0:
        settings["timeout_seconds"] = min(seconds, 86_400)
    return WorkflowSettings(**settings)


def read_tags(workflow: N8nWorkflow) -> list[str]:
    """Return the names of the tags: at most 20, of at most 100 characters, without duplicates."""
    value = (workflow.model_extra or {}).get("tags")
    names = (
        [tag.get("name") if isinstance(tag, dict) else tag for tag in value]
        if isinstance(value, list)
        else []
    )
    texts = [make_visible(name.strip()[:100].strip()) for name in names if isinstance(name, str)]
    return list(dict.fromkeys(text for text in texts if text))[:20]


def list_dropped(workflow: N8nWorkflow) -> Iterator[Dropped]:
    """Yield the parts of the file and its settings that have no equivalent."""
    extra = workflow.model_extra or {}
    for key, why in _DROPS.items():
        if extra.get(key):
            yield Dropped(pointer=f"/{key}", what=key, why=why)
    for key in _read_own_settings(workflow):
        if key not in ("timezone", "executionTimeout", "executionOrder"):
            yield Dropped(
                pointer=f"/settings/{escape_pointer(key)}",
                what=f"settings.{key}"[:200],
                why="has no equivalent",
            )
