"""The routes of agents in the tests that call every route."""

from tests.api.module_matrix import ExampleRequest, ModuleMatrix, Side, created


def add_entities(side: Side) -> None:
    """Create three agents, one of which is in the trash, with tools, memories, versions and executions."""
    client = side.client
    agent = created(client.post("/v1/agents", {"name": "Helper", "description": "Answers"}))
    trashed = created(client.post("/v1/agents", {"name": "Trashed"}))
    assert client.delete(f"/v1/agents/{trashed['id']}").status == 204
    created(client.post("/v1/agents", {"name": "Second"}))
    path = f"/v1/agents/{agent['id']}"
    tool = created(client.post(f"{path}/tools", {"toolName": "calculator"}))
    created(client.post(f"{path}/tools", {"toolName": "date_time"}))
    fact = {"content": "My favourite colour is teal", "key": "colour", "sessionId": "session-1"}
    memory = created(client.post(f"{path}/memories", fact))["memory"]
    for session in ("session-1", "session-2"):
        new = {"input": "What is 2 + 2?", "sessionId": session}
        execution = created(client.post(f"{path}/executions", new))
        side.starter.run_pending()
    pending = created(client.post(f"{path}/executions", {"input": "wait"}))
    side.ids |= {
        "agentId": agent["id"],
        "trashedAgentId": trashed["id"],
        "toolId": tool["id"],
        "memoryId": memory["id"],
        "executionId": execution["id"],
        "pendingExecutionId": pending["id"],
    }


MATRIX = ModuleMatrix(
    names={"version": "1"},
    add_entities=add_entities,
    requests={
        "call_mcp": ExampleRequest({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
        "cancel_agent_execution": ExampleRequest(ids={"executionId": "pendingExecutionId"}),
        "create_agent": ExampleRequest({"name": "A new agent"}),
        "create_agent_memory": ExampleRequest(
            {"content": "The sky is blue", "key": "sky", "sessionId": "session-1"}
        ),
        "create_agent_tool": ExampleRequest({"toolName": "http_request"}),
        "delete_agent": ExampleRequest(),
        "delete_agent_memory": ExampleRequest(),
        "delete_agent_tool": ExampleRequest(),
        "duplicate_agent": ExampleRequest(),
        "erase_agent_session": ExampleRequest(query="?sessionId=session-1"),
        "get_agent": ExampleRequest(),
        "get_agent_execution": ExampleRequest(),
        "get_agent_memory": ExampleRequest(),
        "get_agent_stats": ExampleRequest(),
        "get_agent_tool": ExampleRequest(),
        "get_agent_version": ExampleRequest(),
        "list_agent_executions": ExampleRequest(),
        "list_agent_memories": ExampleRequest(),
        "list_agent_sessions": ExampleRequest(),
        "list_agent_tools": ExampleRequest(),
        "list_agent_versions": ExampleRequest(),
        "list_agents": ExampleRequest(),
        "list_model_providers": ExampleRequest(takes_no_input=True),
        "open_mcp_stream": ExampleRequest(is_public=True, takes_no_input=True),  # always 405
        "publish_agent_version": ExampleRequest(),
        "restore_agent": ExampleRequest(ids={"agentId": "trashedAgentId"}),
        "search_agent_memories": ExampleRequest({"query": "colour"}),
        "start_agent_execution": ExampleRequest({"input": "hello", "sessionId": "session-1"}),
        "test_agent_tool": ExampleRequest({"arguments": {"expression": "1 + 1"}}),
        "update_agent": ExampleRequest({"description": "changed", "configuration": {"temperature": 0.5}}),
        "update_agent_memory": ExampleRequest({"content": "My favourite colour is red"}),
        "update_agent_tool": ExampleRequest({"description": "changed"}),
    },
)
