"""The demo's workflow: a webhook starts it, two branches run in parallel, and an agent calculates a price."""

from typing import Any

from infra.local.demo_client import Client

WEBHOOK_CALL = {
    "method": "POST",
    "headers": {"content-type": "application/json"},
    "query": {},
    "body": {"city": "Lisbon", "guests": 12},
}
"""The input that a webhook passes to a workflow."""
VISIT = {"city": "{{ body.city }}", "guests": "{{ body.guests }}"}
REPLY = {
    "visit": "{{ $nodes.Visit.output }}",
    "price": "{{ $input[output][0].output }}",
    "weather": "{{ $input[body][0].body.sky }}",
}


def create(client: Client, agent_id: str, weather: str | None = None) -> str:
    """Create and activate the workflow; return its path.

    `weather` is the URL of a service that a branch of its own calls.
    """
    body = {"name": "Plan a visit", "description": "Prices a visit", **_build_definition(agent_id, weather)}
    workflow = client.call("POST", "/v1/workflows", body)
    client.call("POST", f"/v1/workflows/{workflow['id']}/activate", {})
    return f"/v1/workflows/{workflow['id']}"


def execute(client: Client, workflow: str) -> Any:
    """Execute the workflow as a webhook does, and return the finished execution with its nodes."""
    started = client.call("POST", f"{workflow}/executions", {"input": WEBHOOK_CALL}, prefer="wait=20")
    return client.wait_until_finished(f"/v1/executions/{started['id']}")


def _build_definition(agent_id: str, weather: str | None) -> dict[str, Any]:
    """Return the nodes and connections of the workflow, with a branch to the weather service when it has a URL."""
    nodes = [
        _build_node("call", "Call", "webhook", responseMode="respond"),
        _build_node("visit", "Visit", "set", keepInput=False, values=VISIT),
        _build_node("large", "Large group?", "if", condition="{{ guests > 10 }}"),
        _build_node(
            "price", "Calculate the price", "agent", agentId=agent_id, input="what is {{ guests }} * 23?"
        ),
        _build_node("fixed", "Fixed price", "set", keepInput=False, values={"output": "200"}),
        _build_node("plan", "Together", "merge"),
        _build_node("reply", "Reply", "respond", body=REPLY),
    ]
    links = ["call > visit", "visit > large", "large.true > price", "large.false > fixed", "price > plan"]
    links += ["fixed > plan", "plan > reply"]
    if weather:
        retry = {"maxAttempts": 3, "delaySeconds": 1}
        request = _build_node("weather", "Weather", "http_request", url=weather + "?city={{ city }}")
        nodes.append(request | {"retry": retry})
        links += ["visit > weather", "weather > plan.weather"]
    return {"nodes": nodes, "connections": [_parse_connection(link) for link in links]}


def _build_node(node_id: str, name: str, kind: str, **parameters: Any) -> dict[str, Any]:
    """Return a node of a workflow as the API takes it."""
    return {"id": node_id, "name": name, "type": kind, "parameters": parameters}


def _parse_connection(text: str) -> dict[str, str]:
    """Return the connection of a text such as `a.output > b.input`; a missing port is `main`."""
    (source, output), (target, entry) = (
        (end.strip().partition(".")[0], end.strip().partition(".")[2] or "main") for end in text.split(">")
    )
    return {"sourceNodeId": source, "sourceOutput": output, "targetNodeId": target, "targetInput": entry}
