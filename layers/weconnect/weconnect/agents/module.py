"""The manifest of the agents."""

from weconnect.manifest import EXECUTION_ENDED, EventSource, ExportPart, Module, PlanQuota

_MEMORY_ROUTES = (
    "create_agent_memory",
    "delete_agent_memory",
    "erase_agent_session",
    "search_agent_memories",
    "update_agent_memory",
)
_EXECUTION_ROUTES = ("call_mcp", "cancel_agent_execution", "start_agent_execution")

MODULE = Module(
    permissions={"agents": ("create", "read", "update", "delete", "execute")},
    rows=("weconnect.agents.memory.rows", "weconnect.agents.rows", "weconnect.agents.tools.rows"),
    trash={"AGENT": "weconnect.agents.purge:purge"},
    erase_organization="weconnect.agents.purge:erase_organization",
    export={
        "agents": ExportPart(
            function="weconnect.agents.export:export_agents",
            description="Each agent with its tools and memories; secrets are masked",
        )
    },
    events={
        "AGENTEXECUTION": EventSource(
            change=EXECUTION_ENDED,
            types={
                "agent.run.completed": "An execution of an agent completed; not one that another execution started",
                "agent.run.failed": "An execution of an agent failed or timed out; not one that another one started",
            },
            build="weconnect.agents.events:build_message",
        )
    },
    quotas={"agents": PlanQuota(limit_field="max_agents", noun="agents", key_part="AGENT")},
    node_packages=("weconnect.agents.nodes",),
    execution_kinds={"agent": "weconnect.agents.executions.kind:AGENT"},
    tags={
        "Agents": "Agents, their published versions, and the model providers that they use.",
        "Agent tools": "The tools of an agent: HTTP requests, MCP servers, workflows, other agents, and built-in ones.",
        "Agent memory": "The memories and sessions of an agent.",
        "Agent executions": "Executions of an agent, with their steps.",
        "MCP": "The Model Context Protocol server that offers active agents and workflows as tools.",
    },
    tags_rank=10,
    role="AgentsRole",
    reading_role="ContentReadingRole",
    roles_by_route={
        "get_agent_stats": "AgentsRole",  # counts what has ended and is not counted yet
        "list_model_providers": "ModelProvidersRole",
        "test_agent_tool": "ToolTestRole",
        **dict.fromkeys(_MEMORY_ROUTES, "MemoryRole"),
        **dict.fromkeys(_EXECUTION_ROUTES, "AgentExecutionsRole"),
    },
)
