"""Cold start of the usual recipe: resolver with validation, Logger, Metrics, all entities, but no Tracer."""

import json
import sys
from types import SimpleNamespace
from typing import Any
from uuid import UUID

event = json.loads(sys.stdin.read())

from aws_lambda_powertools import Logger, Metrics  # noqa: E402
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver  # noqa: E402

import weconnect.agents.rows  # noqa: E402
import weconnect.identity.rows  # noqa: E402
import weconnect.organizations.rows  # noqa: E402, F401
from weconnect.agents.entities import AIAgent  # noqa: E402
from weconnect.agents.rows import AgentRow, AgentVersionRow  # noqa: E402

app = APIGatewayHttpResolver(enable_validation=True)
logger, metrics = Logger(service="x"), Metrics(namespace="x", service="x")


@app.get("/v1/agents/<agent_id>")
def get_agent(agent_id: str) -> AIAgent:
    organization_id = UUID(event["get_agent"]["requestContext"]["authorizer"]["lambda"]["organizationId"])
    head = AgentRow.get(*AgentRow.at(organization_id, UUID(agent_id)))
    version = AgentVersionRow.get(*AgentVersionRow.at(organization_id, UUID(agent_id)))
    values = head.values() | head.rates() | version.to_entity().model_dump()
    return AIAgent.model_validate(values, by_name=True)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    metrics.add_metric("Reads", "Count", 1)
    return app.resolve(event, context)


context = SimpleNamespace(
    function_name="f", memory_limit_in_mb=1024, invoked_function_arn="arn", aws_request_id="r"
)
response = handler(event["get_agent"], context)
assert response["statusCode"] == 200, response
