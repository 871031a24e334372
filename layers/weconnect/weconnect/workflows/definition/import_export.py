"""Export, import and duplication of workflows."""

from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import Field, PlainValidator

from weconnect.api.caller import Caller
from weconnect.texts import make_visible
from weconnect.workflows import service
from weconnect.workflows.entities import NewWorkflow, Workflow, WorkflowDefinition, WorkflowExport
from weconnect.workflows.importers.n8n.export_file import N8nBundle, N8nWorkflow, check_bounds
from weconnect.workflows.importers.n8n.report import ImportedWorkflow


def _parse_file(value: Any) -> WorkflowExport | N8nWorkflow | N8nBundle:
    """Parse a file by its shape, so that its errors are those of one format only."""
    if isinstance(value, dict) and not {"format", "definition"} & value.keys():
        if "workflows" in value:
            return N8nBundle.model_validate(value)
        if {"nodes", "connections"} & value.keys():
            return N8nWorkflow.model_validate(value)
    return WorkflowExport.model_validate(value)


N8nFile = Annotated[
    dict[str, Any],
    Field(
        description="An export of n8n: `nodes` and `connections`, or `workflows`, of which the first is imported"
    ),
]
ImportFile = Annotated[
    WorkflowExport | N8nWorkflow | N8nBundle,
    PlainValidator(_parse_file, json_schema_input_type=WorkflowExport | N8nFile),
    Body(),
]


def export(caller: Caller, workflow_id: UUID) -> WorkflowExport:
    """Return a workflow's newest definition as a file, without references to its organization."""
    return to_export(service.get(caller, workflow_id))


def to_export(source: Workflow) -> WorkflowExport:
    """Return a workflow as a file, without credentials and references to its organization."""
    slots = [node.id for node in source.nodes if node.credential_id]
    nodes = [node.model_copy(update={"credential_id": None}) for node in source.nodes]
    settings = source.settings.model_copy(update={"error_workflow_id": None})
    return WorkflowExport(
        name=source.name,
        description=source.description,
        tags=source.tags,
        definition=WorkflowDefinition(settings=settings, nodes=nodes, connections=source.connections),
        credential_slots=slots,
    )


def import_file(caller: Caller, file: WorkflowExport | N8nWorkflow | N8nBundle) -> ImportedWorkflow:
    """Create a draft from a file; from an n8n file, with a report of the conversion.

    Raises what `service.create` raises, and Invalid with the pointer of a value that cannot be imported.
    """
    if isinstance(file, WorkflowExport):
        return ImportedWorkflow.model_validate(dict(_import_own(caller, file)), by_name=True)
    workflows = file.workflows if isinstance(file, N8nBundle) else [file]
    return _import_n8n(
        caller, workflows[0], [str((other.model_extra or {}).get("name")) for other in workflows[1:]]
    )


def _import_own(caller: Caller, file: WorkflowExport) -> Workflow:
    """Create a draft from a file in our own format, without the credentials of its nodes."""
    nodes = [
        node.model_copy(update={"credential_id": None, "name": make_visible(node.name)})
        for node in file.definition.nodes
    ]
    return service.create(
        caller,
        NewWorkflow(
            name=make_visible(file.name),
            description=file.description,
            tags=[make_visible(tag) for tag in file.tags],
            settings=file.definition.settings,
            nodes=nodes,
            connections=file.definition.connections,
        ),
        changelog="Imported",
    )


def _import_n8n(caller: Caller, source: N8nWorkflow, others: list[str]) -> ImportedWorkflow:
    """Create a draft from an n8n workflow, with a report that names the `others` in the file as omitted."""
    from weconnect.workflows.importers.n8n.converter import convert  # cold start

    check_bounds(source.model_dump())
    draft = convert(source)
    values = {name: getattr(draft.definition, name) for name in WorkflowDefinition.model_fields}
    new = NewWorkflow(name=draft.name, description=draft.description, tags=draft.tags, **values)
    workflow = service.create(caller, new, changelog="Imported from n8n")
    return ImportedWorkflow.model_validate(
        dict(workflow) | {"report": draft.build_report(others)}, by_name=True
    )


def duplicate(caller: Caller, workflow_id: UUID) -> Workflow:
    """Create a draft named `<name> (copy)` with the newest definition of another workflow."""
    source = service.to_workflow(*service.load(caller.organization_id, workflow_id))
    values = {name: getattr(source, name) for name in NewWorkflow.model_fields if name != "name"}
    values["tags"] = [make_visible(tag) for tag in source.tags]
    values["nodes"] = [node.model_copy(update={"name": make_visible(node.name)}) for node in source.nodes]
    new = NewWorkflow(name=f"{make_visible(source.name)[:248]} (copy)", **values)
    return service.create(caller, new, changelog=f"Copied from {source.name[:1_900]}")
