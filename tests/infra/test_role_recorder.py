"""The recorder that holds all tests to the roles of the functions."""

import uuid

import pytest

from tests import role_recorder
from tests.factories import RegisteredUser


def test_a_call_belongs_to_the_function_that_makes_it(me: RegisteredUser) -> None:
    headers = {"Idempotency-Key": "once"}
    response = me.client.post(f"/v1/jobs/{uuid.uuid4()}/cancel", headers=headers)
    assert response.json["code"] == "job_not_found"
    needs = role_recorder.needs_by_function["CancelJob"]
    assert {("dynamodb:PutItem", "table"), ("dynamodb:DeleteItem", "table")} <= needs
    assert ("secretsmanager:GetSecretValue", "signing") in role_recorder.needs_by_function["Authorize"]


def test_a_call_that_a_role_does_not_allow_is_refused(
    me: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role_recorder, "needs_by_function", {})
    monkeypatch.setattr(role_recorder, "is_granted", lambda need, function: need[0] != "dynamodb:Query")
    assert me.client.get("/v1/jobs").status == 200
    assert {line.rpartition(" on ")[0] for line in role_recorder.refused} == {
        "The role of ListJobs in template.yaml does not allow dynamodb:Query"
    }
    role_recorder.refused.clear()


@pytest.mark.parametrize(
    ("need", "function", "expected"),
    [
        (("dynamodb:Query", "index"), "ListJobs", True),
        (("dynamodb:BatchGetItem", "table"), "GetReadiness", True),
        (("dynamodb:Query", "table"), "GetReadiness", False),
        (("dynamodb:GetItem", "table"), "GetHealth", False),
        (("sqs:SendMessage", "jobs"), "BulkExecutions", True),
        (("sqs:SendMessage", "event"), "BulkExecutions", False),
        (("lambda:InvokeFunction", "run-agent"), "StartAgentExecution", True),
        (("lambda:GetDurableExecutionState", "run-agent"), "RunAgent", True),
        (("lambda:GetDurableExecutionState", "run-agent"), "RunWorkflow", False),
        (("secretsmanager:GetSecretValue", "signing"), "StartCheckout", False),
    ],
)
def test_a_role_allows_actions_on_its_resources_alone(
    need: tuple[str, str], function: str, expected: bool
) -> None:
    assert role_recorder.is_granted(need, function) is expected


def test_only_express_executions_and_tests_of_nodes_have_what_nodes_may_reach() -> None:
    """Definitions need neither model keys, mail, models nor other functions."""
    reaching = {"lambda:InvokeFunction", "ses:SendEmail", "bedrock:InvokeModel"}
    for function, allowed in {
        "UpdateWorkflow": set(),
        "TestNode": reaching,
        "StartExecution": reaching,
    }.items():
        granted = {action for actions, _ in role_recorder.list_grants(function) for action in actions}
        assert granted & reaching == allowed, function


@pytest.mark.parametrize("function", ["StartCheckout", "OpenBillingPortal", "ReceiveStripeEvent"])
def test_billing_alone_reads_the_keys_of_stripe(function: str) -> None:
    readers = {
        name
        for name, resource in role_recorder.RESOURCES.items()
        if resource["Type"] == "AWS::Serverless::Function"
        and any("StripeKeysArn" in resource for _, resource in role_recorder.list_grants(name))
    }
    assert function in readers and len(readers) == 3
