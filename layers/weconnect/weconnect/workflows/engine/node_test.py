"""Test one node by itself, on given items."""

import time
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import FailFast, Field

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.base_entity import ApiModel, max_entries
from weconnect.errors import Problem
from weconnect.identity import waiting
from weconnect.log import logger
from weconnect.node_sdk import output_budget
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_type import (
    LOG,
    ExpressionScope,
    Items,
    ItemsByOutput,
    NodeError,
    NodeRun,
    NodeType,
)
from weconnect.node_sdk.secret_values import Secrets
from weconnect.workflows import service
from weconnect.workflows.entities import MAX_NODES, WorkflowDefinition
from weconnect.workflows.errors import NodeNotFound, NotTestable
from weconnect.workflows.node_catalogue import find_node_type
from weconnect.workflows.sharing import access
from weconnect.workflows.variables import snapshot

TIMEOUT_SECONDS = 20.0
MAX_PORTS = 100
MAX_ITEMS = 100_000

TestItems = Annotated[list[dict[str, Any]], Field(max_length=MAX_ITEMS), FailFast()]
ItemsByPort = Annotated[dict[str, TestItems], Field(max_length=MAX_PORTS), max_entries(MAX_PORTS)]
"""Lists of items by the name of an input or an output; one wrong item of a list is shown, not each."""


class NodeTest(ApiModel):
    """The items to test a node with, by input, and the outputs of other nodes that its expressions may use."""

    input: ItemsByPort = Field(
        default={"main": [{}]}, description='Lists of items by the name of the input: `{"main": [{"n": 1}]}`'
    )
    nodes: Annotated[dict[str, ItemsByPort], Field(max_length=MAX_NODES), max_entries(MAX_NODES)] = Field(
        default={}, description="Outputs of other nodes, by the node's name"
    )
    trigger: Any = None


class NodeTestError(ApiModel):
    """The error of a tested node. `retryable`: the same may succeed later."""

    code: str
    message: str
    retryable: bool


class NodeTestResult(ApiModel):
    """The items of the node's outputs, or its error; `log` has the lines that it printed."""

    status: Literal["completed", "failed"]
    output: dict[str, list[dict[str, Any]]] = {}
    error: NodeTestError | None = None
    log: list[str] = []
    duration_ms: int


def test(caller: Caller, workflow_id: UUID, node_id: str, body: NodeTest) -> NodeTestResult:
    """Execute one node of the newest definition, its effects included; nothing is stored.

    Raises WorkflowNotFound, Forbidden, NodeNotFound, TooManyWaiting, and NotTestable for a node that waits or may take
    long.
    """
    row, _, definition = service.load_for(caller, workflow_id, access.TEST_NODE)
    node, kind = _require_testable(definition, node_id)
    execution_id = ids.new_id()
    execution = {
        "id": str(execution_id),
        "workflowId": str(workflow_id),
        "workflowName": row.name,
        "mode": "test",
    }
    variables = snapshot.take_snapshot(caller.organization_id, workflow_id, definition)
    secrets = Secrets(caller.organization_id, variables.sealed, kind.secret_parameters)
    node_run = NodeRun(
        node=node,
        inputs=body.input,
        scope=ExpressionScope(
            execution, body.trigger, body.nodes, clock.now(), variables.values, variables.sealed
        ),
        secrets=secrets,
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        execution_id=execution_id,
        key=f"{execution_id}:{node_id}:test",
        timeout_seconds=min(float(node.timeout_seconds or TIMEOUT_SECONDS), TIMEOUT_SECONDS),
    )
    began = time.monotonic()
    with secrets.active(), waiting.require_lease(caller.organization_id, node_run.timeout_seconds):
        outputs, error, log = _attempt(kind, node_run)
    return NodeTestResult(
        status="failed" if error else "completed",
        output=secrets.hide_values(outputs),
        error=error and error.model_copy(update={"message": secrets.hide(error.message)}),
        log=secrets.hide([line["message"] for line in log]),
        duration_ms=int((time.monotonic() - began) * 1000),
    )


def _require_testable(definition: WorkflowDefinition, node_id: str) -> tuple[Node, NodeType]:
    """Return a node and its type. Raises NodeNotFound, and NotTestable for one that waits or may take long."""
    node = next((node for node in definition.nodes if node.id == node_id), None)
    kind = find_node_type(node.type) if node else None
    if node is None or kind is None:
        raise NodeNotFound()
    if not (kind.express or kind.testable):
        raise NotTestable("The node waits or may take long. Execute the workflow with mode test instead.")
    return node, kind


def _attempt(kind: NodeType, node_run: NodeRun) -> tuple[ItemsByOutput, NodeTestError | None, Items]:
    """Execute the node once; return its outputs, its error (None on success) and its log lines."""
    log: Items = []
    try:
        outputs = output_budget.collect(node_run.node.name, kind.run(node_run))
        return outputs, None, outputs.pop(LOG, [])
    except NodeError as failure:
        error = NodeTestError(code=failure.code, message=failure.message, retryable=failure.retryable)
        log = failure.log
    except Problem as problem:
        error = NodeTestError(code=problem.code, message=problem.detail, retryable=False)
    except Exception as failure:  # it may contain a secret, so it is logged here, where secrets are masked
        logger.exception("node failed", path=node_run.node.id)
        error = NodeTestError(code="internal_error", message=type(failure).__name__, retryable=False)
    return {}, error, log
