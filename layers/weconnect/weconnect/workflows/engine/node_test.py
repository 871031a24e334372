"""One node by itself, on given items."""

import time
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.base_entity import Wire
from weconnect.errors import Conflict, NotFound, Problem
from weconnect.log import logger
from weconnect.workflows import service
from weconnect.workflows.node_sdk.catalogue import node_type
from weconnect.workflows.node_sdk.node_type import LOG, Call, Items, NodeError, NodeType, Outputs, Scope
from weconnect.workflows.node_sdk.secret_values import Secrets
from weconnect.workflows.sharing import access
from weconnect.workflows.variables import snapshot

TIMEOUT_SECONDS = 20.0


class NodeTest(Wire):
    """What the node works on: its items by input, and what expressions may see of other nodes by name."""

    input: dict[str, list[dict[str, Any]]] = Field(
        default={"main": [{}]}, description='Lists of items by the name of the input: `{"main": [{"n": 1}]}`'
    )
    nodes: dict[str, dict[str, list[dict[str, Any]]]] = Field(
        default={}, description="Outputs of other nodes, by the node's name"
    )
    trigger: Any = None


class NodeTestError(Wire):
    code: str
    message: str
    retryable: bool


class NodeTestResult(Wire):
    """The items of its outputs, or its error; `log` are the lines that it printed."""

    status: Literal["completed", "failed"]
    output: dict[str, list[dict[str, Any]]] = {}
    error: NodeTestError | None = None
    log: list[str] = []
    duration_ms: int


def test(caller: Caller, workflow_id: UUID, node_id: str, body: NodeTest) -> NodeTestResult:
    """Run one node of the newest definition, its effects included; nothing of it is kept.

    Raises Conflict `not_testable` for a node that waits or may take long.
    """
    row, _, definition = service.read(caller, workflow_id, access.TEST)
    node = next((node for node in definition.nodes if node.id == node_id), None)
    kind = node_type(node.type) if node else None
    if node is None or kind is None:
        raise NotFound("No such node", code="node_not_found")
    if not (kind.express or kind.testable):
        text = "This node waits or may take long: run the workflow with mode test"
        raise Conflict(text, code="not_testable")
    run_id = ids.new_id()
    execution = {"id": str(run_id), "workflowId": str(workflow_id), "workflowName": row.name, "mode": "test"}
    known = snapshot.pin(caller.organization_id, workflow_id, definition)
    secrets = Secrets(caller.organization_id, known.sealed, kind.secrets)
    call = Call(
        node=node,
        inputs=body.input,
        scope=Scope(execution, body.trigger, body.nodes, clock.now(), known.values, known.sealed),
        secrets=secrets,
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        run_id=run_id,
        key=f"{run_id}:{node_id}:test",
        timeout_seconds=min(float(node.timeout_seconds or TIMEOUT_SECONDS), TIMEOUT_SECONDS),
    )
    began = time.monotonic()
    with secrets.hidden():
        output, error, log = _tried(kind, call)
    return NodeTestResult(
        status="failed" if error else "completed",
        output=secrets.hide(output),
        error=error and error.model_copy(update={"message": secrets.hide(error.message)}),
        log=secrets.hide([line["message"] for line in log]),
        duration_ms=int((time.monotonic() - began) * 1000),
    )


def _tried(kind: NodeType, call: Call) -> tuple[Outputs, NodeTestError | None, Items]:
    log: Items = []
    try:
        output = kind.run(call)
        return output, None, output.pop(LOG, [])
    except NodeError as failure:
        error, log = (
            NodeTestError(code=failure.code, message=failure.message, retryable=failure.retryable),
            failure.log,
        )
    except Problem as problem:
        error = NodeTestError(code=problem.code, message=problem.detail, retryable=False)
    except Exception as failure:  # which may speak of a secret, so it is logged here, where those are hidden
        logger.exception("a node failed", path=call.node.id)
        error = NodeTestError(code="internal_error", message=type(failure).__name__, retryable=False)
    return {}, error, log
