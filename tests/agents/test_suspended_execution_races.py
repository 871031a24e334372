"""A suspended execution under decisions, cancellations, timeouts and sweeps in random order."""

import random

import pytest

from tests.agents.execution_helpers import Starter, execute, script_replies
from tests.agents.tool_call_helpers import (
    DONE,
    calculator_calls,
    decide,
    only_execution,
)
from tests.factories import RegisteredUser
from tests.soak import example_count
from weconnect.agents.tools import invocation
from weconnect.executions import sweeper


class RacedExecution:
    """A suspended execution with two approval requests, and everything that can happen to it, in random order."""

    def __init__(self, me: RegisteredUser, starter: Starter, path: str, seed: int) -> None:
        self.me, self.starter, self.path, self.random = me, starter, path, random.Random(seed)
        self.execution = execute(me, starter, path, "go")
        self.approvals = {name: name for name in self.execution["waitingFor"]}
        self.states = [self.execution["status"]]
        self.decisions: dict[str, str] = {}

    def act(self) -> None:
        self.random.choice([self.decide, self.decide, self.cancel, self.expire, self.close, self.sweep])()
        self.states.append(only_execution(self.me, self.path)["status"])

    def decide(self) -> None:
        approval_id = self.random.choice(list(self.approvals))
        decision = self.random.choice(["approve", "deny"])
        self.starter.is_unavailable = self.random.random() < 0.3
        response = decide(self.me.client, {"id": approval_id}, decision=decision)
        self.starter.is_unavailable = False
        assert response.status in (200, 409), response.text
        if response.status == 200:
            assert approval_id not in self.decisions, "decided twice"
            self.decisions[approval_id] = decision

    def cancel(self) -> None:
        response = self.me.client.post(f"{self.path}/executions/{self.execution['id']}/cancel")
        assert response.status in (202, 409)

    def expire(self) -> None:
        """Resume the execution as the platform does when its callbacks time out."""
        waiting, self.starter.suspended = self.starter.suspended, []
        for request, steps in waiting:
            steps.callback_values |= dict.fromkeys(
                ("approvals-1-1/approval-1-1", "approvals-1-2/approval-1-2")
            )
            self.starter._execute(request, steps)

    def close(self) -> None:
        """End the function as the platform does."""
        self.starter.suspended.clear()
        sweeper.close(self.execution["id"], "STOPPED", "stopped")

    def sweep(self) -> None:
        sweeper.sweep()


@pytest.mark.parametrize("seed", range(example_count(8)))
def test_racing_actions_leave_one_final_status_and_only_approved_effects(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    executed: list[str] = []
    monkeypatch.setattr(
        invocation, "call_tool", lambda tool, arguments, *_: executed.append(arguments["expression"])
    )
    script_replies(monkeypatch, calculator_calls("1+1", "2+2"), DONE)
    raced = RacedExecution(me, starter, guarded, seed)
    expressions_by_id = {
        item["id"]: item["arguments"]["expression"] for item in me.client.get("/v1/approvals").json["items"]
    }
    for _ in range(6):
        raced.act()
    raced.sweep()
    if only_execution(me, guarded)["status"] == "waiting":
        raced.expire()
    last = only_execution(me, guarded)["status"]
    final_statuses = [state for state in [*raced.states, last] if state != "waiting"]
    assert (
        final_statuses and set(final_statuses) == {last} and last in ("completed", "cancelled", "failed")
    ), raced.states
    approved = {expressions_by_id[key] for key, decision in raced.decisions.items() if decision == "approve"}
    assert len(executed) == len(set(executed)) and set(executed) <= approved
    if last == "completed":
        assert set(executed) == approved
    assert me.client.get("/v1/approvals").json["items"] == [], "a finished execution has no open requests"
    assert sweeper.sweep() == 0 and starter.suspended == []
