"""The recorder that holds all tests to the roles of the functions."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import role_recorder
from tests.factories import RegisteredUser
from tests.role_recorder import Need
from tests.workflows.test_variables import create_variable
from weconnect.jobs import service


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
    monkeypatch.setattr(role_recorder, "is_granted", lambda need, function: need.action != "dynamodb:Query")
    assert me.client.get("/v1/jobs").status == 200
    assert {line.rpartition(" on ")[0] for line in role_recorder.refused} == {
        "ReadingRole of ListJobs in template.yaml does not allow dynamodb:Query"
    }
    role_recorder.refused.clear()


def test_a_call_in_another_thread_belongs_to_the_function_that_waits_for_it(
    me: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role_recorder, "needs_by_function", {})
    find = service.find

    def find_in_thread(*args: Any, **options: Any) -> Any:
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(find, *args, **options).result()

    monkeypatch.setattr(service, "find", find_in_thread)
    assert me.client.get("/v1/jobs").status == 200
    assert Need("dynamodb:Query", "table") in role_recorder.needs_by_function["ListJobs"]


def test_what_a_process_keeps_counts_as_read_at_each_use(
    me: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a process that has just started. Both variables are sealed with the key that the first request has made."""
    for name in ("one", "two"):
        monkeypatch.setattr(role_recorder, "needs_by_function", {})
        create_variable(me, name, "hidden value", "secret")
        needs = role_recorder.needs_by_function["CreateVariable"]
        assert {Need("kms:Decrypt"), Need("kms:GenerateDataKey")} <= needs
    me.client.get("/v1/model-providers")
    needs = role_recorder.needs_by_function["ListModelProviders"]
    assert Need("secretsmanager:GetSecretValue", "models") in needs
    me.client.post("/v1/auth/forgot-password", {"email": me.user["email"]})
    assert Need("ssm:GetParameter") in role_recorder.needs_by_function["ForgotPassword"]


@pytest.mark.parametrize("function", role_recorder.FUNCTIONS)
def test_a_role_allows_what_lambda_does_with_it_and_what_replays_need(function: str) -> None:
    needs = role_recorder.list_standing_needs(function)
    assert [need for need in needs if not role_recorder.is_granted(need, function)] == []


# What nothing needs


def list_all_needs() -> dict[str, set[Need]]:
    """Return as recorded all that the roles allow."""
    names = {end: name for name, end in role_recorder.NAMES.items()}
    return {
        function: {
            Need(action, next((names[end] for end in names if resource.endswith(end)), resource))
            for grant in role_recorder.list_grants(role_recorder.role_of(function))
            for action in grant.actions
            for resource in grant.resources
        }
        for function in role_recorder.FUNCTIONS
    }


def test_what_is_untested_is_allowed() -> None:
    for role, actions in role_recorder.UNTESTED.items():
        granted = {action for grant in role_recorder.list_grants(role) for action in grant.actions}
        assert set(actions) <= granted, role


def test_nothing_is_unused_when_functions_use_all_that_they_may() -> None:
    assert list(role_recorder.list_unused(list_all_needs())) == []


@pytest.mark.parametrize(
    ("unused", "role", "expected"),
    [
        (Need("sqs:SendMessage", "event"), "StreamRole", "EventQueue.Arn for sqs:SendMessage"),
        (Need("secretsmanager:GetSecretValue", "stripe"), "BillingRole", "secretsmanager:GetSecretValue on"),
        (Need("dynamodb:BatchGetItem", "table"), "ReadinessRole", "dynamodb:BatchGetItem on"),
    ],
)
def test_what_no_function_of_a_role_needs_is_named_with_its_statement(
    unused: Need, role: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Processes write what they recorded; the last step of the suite reads it and fails."""
    monkeypatch.setattr(role_recorder, "FOLDER", tmp_path)
    monkeypatch.setattr(role_recorder, "needs_by_function", list_all_needs())
    role_recorder.write("one")
    assert role_recorder.main() == 0 and capsys.readouterr().out == ""
    for function, needs in role_recorder.needs_by_function.items():
        if role_recorder.role_of(function) == role:
            needs.discard(unused)
    role_recorder.write("one")
    assert role_recorder.main() == 1
    (line,) = [text for text in capsys.readouterr().out.splitlines() if role in text]
    assert line.startswith(f"  {role}: ") and expected in line


@pytest.mark.parametrize(
    ("need", "function", "expected"),
    [
        (("dynamodb:Query", "index"), "ListJobs", True),
        (("dynamodb:BatchGetItem", "table"), "GetReadiness", True),
        (("dynamodb:Query", "table"), "GetReadiness", False),
        (("dynamodb:GetItem", "table"), "GetHealth", False),
        (("sqs:SendMessage", "jobs"), "BulkExecutions", True),
        (("sqs:SendMessage", "event"), "BulkExecutions", False),
        (("lambda:InvokeFunction", "run-agent:live"), "StartAgentExecution", True),
        (("lambda:GetDurableExecutionState", "run-agent:live"), "RunAgent", True),
        (("lambda:GetDurableExecutionState", "run-agent:live"), "RunWorkflow", False),
        (("secretsmanager:GetSecretValue", "signing"), "StartCheckout", False),
    ],
)
def test_a_role_allows_actions_on_its_resources_alone(
    need: tuple[str, str], function: str, expected: bool
) -> None:
    assert role_recorder.is_granted(Need(*need), function) is expected


def test_only_express_executions_and_tests_of_nodes_have_what_nodes_may_reach() -> None:
    """Definitions need neither model keys, mail, models nor other functions."""
    reaching = {"lambda:InvokeFunction", "ses:SendEmail", "bedrock:InvokeModel"}
    for function, allowed in {
        "UpdateWorkflow": set(),
        "TestNode": reaching,
        "StartExecution": reaching,
    }.items():
        grants = role_recorder.list_grants(role_recorder.role_of(function))
        granted = {action for grant in grants for action in grant.actions}
        assert granted & reaching == allowed, function


def test_billing_alone_reads_the_keys_of_stripe() -> None:
    need = Need("secretsmanager:GetSecretValue", "stripe")
    readers = {name for name in role_recorder.FUNCTIONS if role_recorder.is_granted(need, name)}
    assert readers == {"StartCheckout", "OpenBillingPortal", "ReceiveStripeEvent"}
