"""Workflows as files, and copies of them."""

from uuid import UUID

from weconnect.caller import Caller
from weconnect.workflows import service
from weconnect.workflows.entities import NewWorkflow, Workflow, WorkflowDefinition, WorkflowExport


def export(caller: Caller, workflow_id: UUID) -> WorkflowExport:
    """The newest definition as a file; what belongs to the organization alone is left out."""
    source = service.get(caller, workflow_id)
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


def take(caller: Caller, file: WorkflowExport) -> Workflow:
    """A new draft out of a file that `export` made; raises Conflict `name_taken`."""
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


def duplicate(caller: Caller, workflow_id: UUID) -> Workflow:
    """A new draft `<name> (copy)` with the newest definition of another workflow."""
    source = service.get(caller, workflow_id)
    values = {name: getattr(source, name) for name in NewWorkflow.model_fields if name != "name"}
    new = NewWorkflow(name=f"{source.name[:248]} (copy)", **values)
    return service.create(caller, new, changelog=f"Copied from {source.name[:1_900]}")
