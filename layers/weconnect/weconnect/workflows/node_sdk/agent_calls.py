"""What nodes ask of agents: their memories, and their runs as part of a workflow's run."""

from typing import Any
from uuid import UUID

from weconnect import durable, ids
from weconnect.agents.tools.context import ToolContext
from weconnect.db import table
from weconnect.errors import Problem
from weconnect.workflows.node_sdk.node_type import Call, Carrier, Item, NodeError

ACTOR = {"system": "run_workflow"}


def context_of(call: Call, agent_id: UUID, key: str) -> ToolContext:
    """On whose behalf a node reaches an agent's memory; raises NodeError when there is no such agent."""
    from weconnect.agents.rows import AgentRow

    if table.get(AgentRow, AgentRow.at(call.organization_id, agent_id)) is None:
        raise NodeError("agent_not_found", "No such agent")
    return ToolContext(call.organization_id, agent_id, call.user_id, call.run_id, key)


def ask(call: Call, carrier: Carrier, agent_id: UUID, question: str, index: int) -> Item:
    """Let an agent run as part of the workflow's run: its steps are steps of that run, under names of their own."""
    from weconnect.agents.engine.loop import run_agent
    from weconnect.agents.engine.run_context import Run

    name = f"agent-{index + 1}"
    begun = carrier.step(name, lambda: {"id": str(_store(call, agent_id, question, index))})
    run = Run(call.organization_id, agent_id, UUID(begun["id"]), within=call.run_key)
    told: dict[str, Any] = run_agent(durable.Named(carrier.steps, f"{name}/"), run)
    if told["status"] != "completed":
        said = told.get("error") or f"The agent's run is {told['status']}"
        raise NodeError("agent_failed", said)
    return {"output": told["output"], "executionId": str(run.id), "agentId": str(agent_id)}


def _store(call: Call, agent_id: UUID, question: str, index: int) -> UUID:
    """Store the agent's run under an id that a repeated step finds again."""
    from weconnect.agents.engine import executions

    assert call.run_key, "a node that takes long is no test of one node"
    execution_id = ids.derived_from(call.run_id, f"{call.key}:{index}")
    try:
        executions.store_within(
            call.organization_id,
            agent_id,
            question,
            execution_id,
            call.user_id,
            ACTOR,
            parent_key=call.run_key,
            days=call.retention_days,
            depth=call.depth + 1,
            may_run_workflows=True,  # or this run would not be
            parent_execution_id=call.run_id,
        )
    except Problem as problem:
        raise NodeError(problem.code, problem.detail) from problem
    return execution_id
