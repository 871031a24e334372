"""Concurrent changes of one agent: no tool and no count is lost, and versions have no gaps."""

import pytest

from tests.agents.execution_helpers import Starter
from tests.factories import RegisteredUser, register
from tests.integration.racing import count_outcomes, owner_caller, run_concurrently
from weconnect.agents import duplication, publication, service, statistics
from weconnect.agents.entities import AIAgent, AIAgentChanges, NewAIAgent, NewAIAgentExecution
from weconnect.agents.executions.starts import start_for_caller
from weconnect.agents.rows import AgentExecutionRow, AgentRow
from weconnect.agents.tools import service as tools
from weconnect.agents.tools.entities import AgentToolConfiguration, AIAgentToolChanges, NewAIAgentTool
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.errors import ExecutionNotFound
from weconnect.executions.followups import complete_execution
from weconnect.executions.results import Completion


@pytest.fixture
def caller(aws: None) -> Caller:
    me: RegisteredUser = register()
    return owner_caller(me)


@pytest.fixture
def agent(caller: Caller) -> AIAgent:
    return service.create(caller, NewAIAgent(name="Helper"))


def tool(number: int) -> NewAIAgentTool:
    configuration = AgentToolConfiguration(api_endpoint="https://example.com/")
    return NewAIAgentTool(tool_name=f"t{number}", tool_type="http", configuration=configuration)


def newest_tool_names(caller: Caller, agent: AIAgent) -> list[str]:
    """Return the names of the newest version's tools, after reading every earlier version."""
    number = service.get(caller, agent.id).agent_version
    for earlier in range(1, number):
        publication.get(caller, agent.id, earlier)
    return sorted(tool.name for tool in publication.get(caller, agent.id, number).tools)


@pytest.mark.parametrize("attempt", range(5))
def test_two_tools_created_at_the_same_time_are_both_kept(
    caller: Caller, agent: AIAgent, attempt: int
) -> None:
    outcomes = count_outcomes(
        run_concurrently(2, lambda number: tools.create(caller, agent.id, tool(number)))
    )
    assert outcomes == {"ok": 2}
    assert (
        newest_tool_names(caller, agent) == ["t0", "t1"] and service.get(caller, agent.id).agent_version == 3
    )


def test_ten_tools_and_a_definition_can_change_at_the_same_time(caller: Caller, agent: AIAgent) -> None:
    def work(number: int) -> object:
        if number == 10:
            return service.update(caller, agent.id, AIAgentChanges(description="changed"), None)
        return tools.create(caller, agent.id, tool(number))

    results = run_concurrently(11, work)
    outcomes = count_outcomes(results)
    assert outcomes["ok"] >= 10 and set(outcomes) <= {"ok", "version_conflict"}, outcomes
    assert newest_tool_names(caller, agent) == sorted(f"t{number}" for number in range(10))
    after = service.get(caller, agent.id)
    assert after.agent_version == 1 + outcomes["ok"]
    assert after.description == ("changed" if outcomes["ok"] == 11 else "")


def test_tools_can_be_changed_and_deleted_at_the_same_time(caller: Caller, agent: AIAgent) -> None:
    created = [tools.create(caller, agent.id, tool(number)) for number in range(4)]

    def work(number: int) -> object:
        if number % 2:
            tools.delete(caller, agent.id, created[number].id, None)
            return None
        return tools.update(caller, agent.id, created[number].id, AIAgentToolChanges(is_active=False), None)

    assert count_outcomes(run_concurrently(4, work)) == {"ok": 4}
    version = publication.get(caller, agent.id, service.get(caller, agent.id).agent_version)
    assert {(tool.name, tool.is_active) for tool in version.tools} == {("t0", False), ("t2", False)}
    assert version.version == 9


def test_the_tool_limit_is_enforced_under_concurrency(
    caller: Caller, agent: AIAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "MAX_TOOLS", 3)
    outcomes = count_outcomes(
        run_concurrently(8, lambda number: tools.create(caller, agent.id, tool(number)))
    )
    assert outcomes == {"ok": 3, "tool_limit_reached": 5}
    assert (
        len(newest_tool_names(caller, agent)) == len(tools.list_rows(caller.organization_id, agent.id)) == 3
    )


def test_concurrent_copies_are_complete_and_have_unique_names(caller: Caller, agent: AIAgent) -> None:
    for number in range(40):
        tools.create(caller, agent.id, tool(number))
    copies = run_concurrently(4, lambda _: duplication.duplicate(caller, agent.id))
    assert count_outcomes(copies) == {"ok": 4}
    assert len({copy.name for copy in copies}) == 4
    assert [len(newest_tool_names(caller, copy)) for copy in copies] == [40] * 4
    pk, prefix = AgentRow.of_organization(caller.organization_id)
    assert len(list(AgentRow.query(pk, AgentRow.sk.startswith(prefix)))) == 5


def test_executions_use_the_version_published_last(caller: Caller, agent: AIAgent, starter: Starter) -> None:
    for number in range(5):
        service.update(caller, agent.id, AIAgentChanges(description=f"{number}"), None)
    outcomes = count_outcomes(
        run_concurrently(5, lambda number: publication.publish(caller, agent.id, number + 1, None))
    )
    assert outcomes["ok"] >= 1 and set(outcomes) <= {"ok", "version_conflict"}
    started = start_for_caller(caller, agent.id, NewAIAgentExecution(input="x"), 0)
    assert started.agent_version == service.get(caller, agent.id).published_version


def test_ten_executions_finished_twice_are_counted_once_each(
    caller: Caller, agent: AIAgent, starter: Starter
) -> None:
    started = [start_for_caller(caller, agent.id, NewAIAgentExecution(input="x"), 0) for _ in range(10)]

    def finish(number: int) -> bool:
        key = AgentExecutionRow.at(caller.organization_id, agent.id, started[number % 10].id)
        row = table.require(AgentExecutionRow, key, ExecutionNotFound)
        return complete_execution(row, Completion(status=ExecutionStatus.COMPLETED))

    assert sorted(run_concurrently(20, finish)) == [False] * 10 + [True] * 10
    stats = statistics.load_statistics(caller, agent.id)
    assert stats.runs["completed"] == 10 and [model.runs for model in stats.models] == [10]
    assert stats.execution_time.p50 == 0
