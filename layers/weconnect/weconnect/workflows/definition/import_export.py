"""Workflows as files, and copies of them."""

from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import Field, PlainValidator

from weconnect.api.caller import Caller
from weconnect.workflows import service
from weconnect.workflows.entities import NewWorkflow, Workflow, WorkflowDefinition, WorkflowExport
from weconnect.workflows.importers.n8n.export_file import N8nBundle, N8nWorkflow, check_depth
from weconnect.workflows.importers.n8n.report import ImportedWorkflow


def _recognised(value: Any) -> WorkflowExport | N8nWorkflow | N8nBundle:
    """A file by its shape, so that what is wrong with it is told of that shape alone."""
    if isinstance(value, dict) and not {"format", "definition"} & value.keys():
        if "workflows" in value:
            return N8nBundle.model_validate(value)
        if {"nodes", "connections"} & value.keys():
            return N8nWorkflow.model_validate(value)
    return WorkflowExport.model_validate(value)


Foreign = Annotated[
    dict[str, Any],
    Field(description="n8n's export: `nodes` and `connections`, or `workflows`, of which the first is taken"),
]
File = Annotated[
    WorkflowExport | N8nWorkflow | N8nBundle,
    PlainValidator(_recognised, json_schema_input_type=WorkflowExport | Foreign),
    Body(),
]


def export(caller: Caller, workflow_id: UUID) -> WorkflowExport:
    """The newest definition as a file; what belongs to the organization alone is left out."""
    return export_of(service.get(caller, workflow_id))


def export_of(source: Workflow) -> WorkflowExport:
    """A workflow as a file."""
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


def take(caller: Caller, file: WorkflowExport | N8nWorkflow | N8nBundle) -> ImportedWorkflow:
    """A new draft out of a file; of n8n's with a report. Raises Conflict `name_taken`, Invalid with the place."""
    if isinstance(file, WorkflowExport):
        return ImportedWorkflow.model_validate(dict(_take_own(caller, file)), by_name=True)
    workflows = file.workflows if isinstance(file, N8nBundle) else [file]
    return _take_n8n(
        caller, workflows[0], [str((other.model_extra or {}).get("name")) for other in workflows[1:]]
    )


def _take_own(caller: Caller, file: WorkflowExport) -> Workflow:
    nodes = [node.model_copy(update={"credential_id": None}) for node in file.definition.nodes]
    return service.create(
        caller,
        NewWorkflow(
            name=file.name,
            description=file.description,
            tags=file.tags,
            settings=file.definition.settings,
            nodes=nodes,
            connections=file.definition.connections,
        ),
        changelog="Imported",
    )


def _take_n8n(caller: Caller, workflow: N8nWorkflow, others: list[str]) -> ImportedWorkflow:
    from weconnect.workflows.importers.n8n.converter import convert

    check_depth(workflow.model_dump())
    draft = convert(workflow)
    values = {name: getattr(draft.definition, name) for name in WorkflowDefinition.model_fields}
    new = NewWorkflow(name=draft.name, description=draft.description, tags=draft.tags, **values)
    made = service.create(caller, new, changelog="Imported from n8n")
    return ImportedWorkflow.model_validate(dict(made) | {"report": draft.report(others)}, by_name=True)


def duplicate(caller: Caller, workflow_id: UUID) -> Workflow:
    """A new draft `<name> (copy)` with the newest definition of another workflow."""
    source = service.workflow(*service.load(caller.organization_id, workflow_id))
    values = {name: getattr(source, name) for name in NewWorkflow.model_fields if name != "name"}
    new = NewWorkflow(name=f"{source.name[:248]} (copy)", **values)
    return service.create(caller, new, changelog=f"Copied from {source.name[:1_900]}")
