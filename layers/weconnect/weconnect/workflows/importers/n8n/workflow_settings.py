"""What of n8n's file is about the workflow as a whole."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import available_timezones

from weconnect.workflows.entities import WorkflowSettings
from weconnect.workflows.importers.n8n.export_file import N8nWorkflow, escaped
from weconnect.workflows.importers.n8n.report import Dropped

_DROPS = {
    "pinData": "data that stands for a node's answer while it is tried",
    "staticData": "what n8n remembered between runs",
}


def name_of(workflow: N8nWorkflow) -> str:
    found = (workflow.model_extra or {}).get("name")
    return (found.strip()[:255].strip() if isinstance(found, str) else "") or "Imported from n8n"


def _own_settings(workflow: N8nWorkflow) -> dict[str, Any]:
    found = (workflow.model_extra or {}).get("settings")
    return found if isinstance(found, dict) else {}


def timezone_of(workflow: N8nWorkflow) -> str | None:
    found = _own_settings(workflow).get("timezone")
    return found if isinstance(found, str) and found in available_timezones() else None


def settings_of(workflow: N8nWorkflow, timezone: str | None) -> WorkflowSettings:
    seconds = _own_settings(workflow).get("executionTimeout")
    given: dict[str, Any] = {"timezone": timezone} if timezone else {}
    if isinstance(seconds, int) and seconds > 0:
        given["timeout_seconds"] = min(seconds, 86_400)
    return WorkflowSettings(**given)


def tags_of(workflow: N8nWorkflow) -> list[str]:
    found = (workflow.model_extra or {}).get("tags")
    names = (
        [tag.get("name") if isinstance(tag, dict) else tag for tag in found]
        if isinstance(found, list)
        else []
    )
    texts = [name.strip()[:100].strip() for name in names if isinstance(name, str)]
    return list(dict.fromkeys(text for text in texts if text))[:20]


def drops(workflow: N8nWorkflow) -> Iterator[Dropped]:
    extra = workflow.model_extra or {}
    for key, why in _DROPS.items():
        if extra.get(key):
            yield Dropped(pointer=f"/{key}", what=key, why=why)
    for key in _own_settings(workflow):
        if key not in ("timezone", "executionTimeout", "executionOrder"):
            yield Dropped(
                pointer=f"/settings/{escaped(key)}", what=f"settings.{key}"[:200], why="has no counterpart"
            )
