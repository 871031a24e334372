"""Many changes of one agent at once: no tool and no count is lost, and versions have no gap."""

from uuid import UUID

import pytest

from tests.agents.runs import Starter
from tests.factories import Registered, registered
from tests.integration.racing import caller_of, outcomes, together
from weconnect.agents import publication, service, statistics
from weconnect.agents.engine import executions
from weconnect.agents.entities import AIAgent, AIAgentChanges, ExecutionStatus, NewAIAgent, NewExecution
from weconnect.agents.rows import AgentRow, ExecutionRow
from weconnect.agents.tools import service as tools
from weconnect.agents.tools.entities import AIAgentToolChanges, NewAIAgentTool, ToolConfiguration
from weconnect.api.caller import Caller
from weconnect.db import table


@pytest.fixture
def caller(aws: None) -> Caller:
    me: Registered = registered()
    return caller_of(me)


@pytest.fixture
def agent(caller: Caller) -> AIAgent:
    return service.create(caller, NewAIAgent(name="Helper"))


def tool(number: int) -> NewAIAgentTool:
    configuration = ToolConfiguration(api_endpoint="https://example.com/")
    return NewAIAgentTool(tool_name=f"t{number}", tool_type="http", configuration=configuration)


def newest(caller: Caller, agent: AIAgent) -> list[str]:
    """The tools of the newest version, of which all before must be there as well."""
    number = service.get(caller, agent.id).agent_version
    for earlier in range(1, number):
        publication.get(caller, agent.id, earlier)
    return sorted(found.name for found in publication.get(caller, agent.id, number).tools)


@pytest.mark.parametrize("attempt", range(5))
def test_two_tools_at_once_are_both_there(caller: Caller, agent: AIAgent, attempt: int) -> None:
    found = outcomes(together(2, lambda number: tools.create(caller, agent.id, tool(number))))
    assert found == {"ok": 2}
    assert newest(caller, agent) == ["t0", "t1"] and service.get(caller, agent.id).agent_version == 3


def test_ten_tools_and_a_definition_at_once(caller: Caller, agent: AIAgent) -> None:
    def work(number: int) -> object:
        if number == 10:
            return service.update(caller, agent.id, AIAgentChanges(description="changed"), None)
        return tools.create(caller, agent.id, tool(number))

    answers = together(11, work)
    found = outcomes(answers)
    assert found["ok"] >= 10 and set(found) <= {"ok", "version_conflict"}, found
    assert newest(caller, agent) == sorted(f"t{number}" for number in range(10))
    after = service.get(caller, agent.id)
    assert after.agent_version == 1 + found["ok"]
    assert after.description == ("changed" if found["ok"] == 11 else "")


def test_changed_and_taken_away_at_once(caller: Caller, agent: AIAgent) -> None:
    made = [tools.create(caller, agent.id, tool(number)) for number in range(4)]

    def work(number: int) -> object:
        if number % 2:
            return tools.delete(caller, agent.id, made[number].id, None)
        return tools.update(caller, agent.id, made[number].id, AIAgentToolChanges(is_active=False), None)

    assert outcomes(together(4, work)) == {"ok": 4}
    version = publication.get(caller, agent.id, service.get(caller, agent.id).agent_version)
    assert {(found.name, found.is_active) for found in version.tools} == {("t0", False), ("t2", False)}
    assert version.version == 9


def test_the_bound_of_tools_holds(caller: Caller, agent: AIAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "MAX_TOOLS", 3)
    found = outcomes(together(8, lambda number: tools.create(caller, agent.id, tool(number))))
    assert found == {"ok": 3, "tool_limit_reached": 5}
    assert len(newest(caller, agent)) == len(tools.of_agent(caller.organization_id, agent.id)) == 3


def test_copies_made_at_once_are_whole_and_have_names_of_their_own(caller: Caller, agent: AIAgent) -> None:
    from weconnect.agents import duplication

    for number in range(40):
        tools.create(caller, agent.id, tool(number))
    copies = together(4, lambda _: duplication.duplicate(caller, agent.id))
    assert outcomes(copies) == {"ok": 4}
    assert len({copy.name for copy in copies}) == 4
    assert [len(newest(caller, copy)) for copy in copies] == [40] * 4
    pk, prefix = AgentRow.of_organization(caller.organization_id)
    assert len(list(AgentRow.query(pk, AgentRow.sk.startswith(prefix)))) == 5


def test_what_runs_is_what_was_published_last(caller: Caller, agent: AIAgent, starter: Starter) -> None:
    for number in range(5):
        service.update(caller, agent.id, AIAgentChanges(description=f"{number}"), None)
    found = outcomes(together(5, lambda number: publication.publish(caller, agent.id, number + 1, None)))
    assert found["ok"] >= 1 and set(found) <= {"ok", "version_conflict"}
    started = executions.start(caller, agent.id, NewExecution(input="x"))
    assert started.agent_version == service.get(caller, agent.id).published_version


def test_twenty_ends_of_ten_runs_count_ten(caller: Caller, agent: AIAgent, starter: Starter) -> None:
    runs = [executions.start(caller, agent.id, NewExecution(input="x")) for _ in range(10)]

    def end(number: int) -> bool:
        at = ExecutionRow.at(caller.organization_id, agent.id, UUID(str(runs[number % 10].id)))
        return executions.finish(table.need(ExecutionRow, at, "execution"), ExecutionStatus.COMPLETED)

    assert sorted(together(20, end)) == [False] * 10 + [True] * 10
    stats = statistics.of_agent(caller, agent.id)
    assert stats.runs["completed"] == 10 and [model.runs for model in stats.models] == [10]
    assert stats.execution_time.p50 == 0
