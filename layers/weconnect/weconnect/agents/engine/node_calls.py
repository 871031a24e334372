"""Agents as used by nodes: their memory, and their executions nested in the workflow's execution."""

from uuid import UUID

from weconnect.agents.tools.context import ToolContext
from weconnect.db import table
from weconnect.durable import steps as durable_steps
from weconnect.errors import Problem
from weconnect.executions.errors import ExecutionNotFound
from weconnect.executions.requests import StartExecution
from weconnect.executions.rows import ExecutionRow
from weconnect.node_sdk.node_type import FlowContext, Item, NodeError, NodeRun


def load_tool_context(node_run: NodeRun, agent_id: UUID, key: str) -> ToolContext:
    """Return the context in which a node uses an agent's memory. Raises NodeError `agent_not_found`."""
    from weconnect.agents.rows import AgentRow  # cold start

    if table.get(AgentRow, AgentRow.at(node_run.organization_id, agent_id)) is None:
        raise NodeError("agent_not_found", f"Agent {agent_id} does not exist. Choose another one.")
    return ToolContext(node_run.organization_id, agent_id, node_run.user_id, node_run.execution_id, key)


def run_agent_for_item(
    node_run: NodeRun, context: FlowContext, agent_id: UUID, question: str, index: int
) -> Item:
    """Execute an agent on the item with this index, its steps prefixed as steps of the workflow's execution.

    Returns `{"output", "executionId", "agentId"}`. Raises NodeError `agent_failed`.
    """
    from weconnect.agents.engine.execution_context import ExecutionContext  # cold start
    from weconnect.agents.engine.loop import run_agent  # cold start

    name = f"agent-{index + 1}"
    stored = context.step(name, lambda: {"id": str(_store(node_run, agent_id, question, index))})
    execution_id = UUID(stored["id"])
    agent_context = ExecutionContext(
        node_run.organization_id, agent_id, execution_id, workflow_execution_key=node_run.execution_key
    )
    result = run_agent(durable_steps.PrefixedSteps(context.steps, f"{name}/"), agent_context)
    if not result.is_completed:
        raise NodeError("agent_failed", result.error or f"The agent's execution is {result.status}")
    return {"output": result.output, "executionId": str(execution_id), "agentId": str(agent_id)}


def _store(node_run: NodeRun, agent_id: UUID, question: str, index: int) -> UUID:
    """Store the agent's execution under an ID that a repeated step derives again. Raises NodeError."""
    from weconnect.executions.start import start  # cold start

    assert node_run.execution_key, "a test of a single node executes no agent"
    parent = table.require(ExecutionRow, node_run.execution_key, ExecutionNotFound)
    request = StartExecution.by_parent(parent, f"{node_run.key}:{index}", "agent", agent_id, question)
    try:
        return UUID(start(request).row.id)
    except Problem as problem:
        raise NodeError(problem.code, problem.detail) from problem
