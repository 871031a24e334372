"""The rows of agents and their executions, and every key by which they are read."""

from typing import Any, Self, cast
from uuid import UUID

from pynamodb.attributes import Attribute, NumberAttribute

from weconnect.agents.entities import (
    AgentDefinition,
    AgentExecutionStep,
    AIAgentExecution,
    AIAgentSummary,
)
from weconnect.db.payloads import StoredText
from weconnect.db.table import EntityRow, Row, key, stored
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.rows import (
    ExecutionRow,
    FunctionCall,
    OpenState,
    StatusKeys,
    agent_execution_key,
    agent_slot,
    partition_of,
)
from weconnect.settings import settings

LAST_VERSION = 999_999
BUCKETS = [f"b{number:03d}" for number in range(200)]


class AgentRow(EntityRow[AIAgentSummary], discriminator="AGENT"):
    """An agent. Its counters are incremented in the transaction that finishes an execution."""

    apart = frozenset({"average_response_time", "success_rate"})

    id: Attribute[str]
    organization_id: Attribute[str]
    user_id: Attribute[str]
    name: Attribute[str]
    description: Attribute[str]
    provider: Attribute[str]
    model: Attribute[str]
    is_active: Attribute[bool]
    agent_version: Attribute[int]
    published_version: Attribute[int | None]
    last_executed_at: Attribute[str | None]
    total_executions: Attribute[int] = stored(default=0)
    completed: Attribute[int] = stored(default=0)
    failed: Attribute[int] = stored(default=0)
    timeout: Attribute[int] = stored(default=0)
    cancelled: Attribute[int] = stored(default=0)
    total_time: Attribute[int] = stored(default=0)
    input_tokens: Attribute[int] = stored(default=0)
    output_tokens: Attribute[int] = stored(default=0)
    cost_micros: Attribute[int] = stored(default=0)
    without_price: Attribute[int] = stored(default=0)

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        """Return the key of an agent."""
        return key("ORG", organization_id), key("AGENT", agent_id)

    @staticmethod
    def in_trash(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        """Return the key of an agent in the trash."""
        return key("ORG", organization_id), key("TRASH", "AGENT", agent_id)

    @staticmethod
    def of_organization(organization_id: UUID, *, deleted: bool = False) -> tuple[str, str]:
        """Return partition and sort key prefix of an organization's agents, or of those in its trash."""
        return key("ORG", organization_id), key("TRASH", "AGENT", "") if deleted else key("AGENT", "")

    @staticmethod
    def by_model(
        organization_id: UUID, provider: str, model: str = "", agent_id: object = ""
    ) -> tuple[str, str]:
        """Return the gsi1 keys of an organization's agents by provider and model."""
        parts = [provider, model, agent_id] if model else [provider, ""]
        return key("ORG", organization_id, "AGENT"), key(*parts)

    def rates(self) -> dict[str, float]:
        """Return `average_response_time` and `success_rate` (percent) over all finished executions."""
        finished = self.total_executions
        return {
            "average_response_time": round(self.total_time / finished, 3) if finished else 0,
            "success_rate": round(100 * self.completed / finished, 3) if finished else 0,
        }


class AgentVersionRow(EntityRow[AgentDefinition], discriminator="AGENTVERSION"):
    """A version of an agent: its immutable definition, and its tools as JSON text or a pointer to a longer one.

    `current` is a copy of the newest version and `published` one of the published version, so that one batch reads a
    whole agent, or all that an execution starts with.
    """

    number: Attribute[int] = stored()
    tools: Attribute[StoredText | None] = stored()
    changes: Attribute[list[str]] = stored(default=list)
    made_by: Attribute[str | None] = stored()

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, which: int | str = "current") -> tuple[str, str]:
        """Return the key of a version by its number, `current` or `published`."""
        name = f"{which:06d}" if isinstance(which, int) else which
        return agent_partition(organization_id, agent_id), key("VERSION", name)

    @classmethod
    def numbered(cls, organization_id: UUID, agent_id: UUID) -> tuple[str, tuple[str, str]]:
        """Return the partition of an agent's versions and the first and last sort key, which leave out the copies."""
        pk, first = cls.at(organization_id, agent_id, 0)
        return pk, (first, cls.at(organization_id, agent_id, LAST_VERSION)[1])


class EndedExecutionRow(Row, discriminator="AGENTENDED"):
    """The numbers of an execution that has ended and is not counted in its agent's statistics yet.

    `without_price` is 1 when its cost is unknown, else 0.
    """

    status: Attribute[str] = stored()
    provider: Attribute[str] = stored()
    model: Attribute[str] = stored()
    execution_time: Attribute[int] = stored()
    input_tokens: Attribute[int] = stored()
    output_tokens: Attribute[int] = stored()
    cost_micros: Attribute[int] = stored()
    without_price: Attribute[int] = stored()

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of an execution's numbers."""
        return agent_partition(organization_id, agent_id), key("ENDED", execution_id)

    @staticmethod
    def of_agent(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        """Return the partition and the sort key prefix of the numbers of an agent's executions."""
        return agent_partition(organization_id, agent_id), key("ENDED", "")


class AgentStatsRow(Row, discriminator="AGENTSTATS"):
    """Statistics of an agent's finished executions with one model; `b012` counts those in time bucket 12."""

    provider: Attribute[str | None] = stored()
    model: Attribute[str | None] = stored()
    runs: Attribute[int] = stored(default=0)
    input_tokens: Attribute[int] = stored(default=0)
    output_tokens: Attribute[int] = stored(default=0)
    cost_micros: Attribute[int] = stored(default=0)
    without_price: Attribute[int] = stored(default=0)
    locals().update({bucket: NumberAttribute(null=True) for bucket in BUCKETS})

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, provider: str, model: str) -> tuple[str, str]:
        """Return the key of an agent's statistics with one model."""
        return agent_partition(organization_id, agent_id), key("STATS", provider, model)

    @staticmethod
    def of_agent(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        """Return partition key and sort key prefix of an agent's statistics."""
        return agent_partition(organization_id, agent_id), key("STATS", "")


class AgentBudgetRow(Row, discriminator="AGENTBUDGET"):
    """The tokens and money that an agent, or an organization's agents, have used and reserved in a month.

    Written by `engine.monthly_budgets`.
    """

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID | None, month: str) -> tuple[str, str]:
        """Return the key of a month such as 2026-11; without `agent_id` that of the organization."""
        pk = agent_partition(organization_id, agent_id) if agent_id else key("ORG", organization_id)
        return pk, key("AGENTBUDGET", month)


class PurgedAgentRow(Row, discriminator="PURGEDAGENT"):
    """A purged agent whose executions still exist, so that a purge of its organization finds them."""

    PREFIX = "PURGED#AGENT#"

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        """Return the key of a purged agent."""
        return key("ORG", organization_id), key("PURGED", "AGENT", agent_id)


class AgentExecutionRow(ExecutionRow[AIAgentExecution], discriminator="AGENTEXECUTION"):
    """An execution of an agent. `input` and `output` are texts, or pointers to longer ones.

    `may_run_workflows` is true when the user who started it may execute workflows, so that its tools may, too.
    """

    execution_kind = "agent"
    swept_states = ("pending", "nested")
    swept_index = "gsi3"
    apart = frozenset({"cost", "structured_output"})

    agent_id: Attribute[str]
    metadata: Attribute[dict[str, Any]]
    waiting_for: Attribute[list[str]]
    is_structured: Attribute[bool] = stored(default=False)
    may_run_workflows: Attribute[bool] = stored(default=False)
    cost_micros: Attribute[int | None] = stored()

    @classmethod
    def new(cls, execution: AIAgentExecution, **fields: Any) -> Self:
        """Return the row of a new execution with all its keys; `fields` are those that the entity does not have."""
        organization_id, agent_id = execution.organization_id, execution.agent_id
        pk, sk = cls.at(organization_id, agent_id, execution.id)
        if session_id := execution.metadata.session_id:
            gsi1pk = cls.by_session(organization_id, agent_id, session_id)
            fields |= {"gsi1pk": gsi1pk, "gsi1sk": str(execution.id)}
        row = cls.of(execution, pk=pk, sk=sk, **fields)
        row.set(**row.status_keys(execution.status))
        return row

    @property
    def target_id(self) -> UUID:
        return UUID(self.agent_id)

    @property
    def function_call(self) -> FunctionCall:
        payload = {"organizationId": self.organization_id, "agentId": self.agent_id, "executionId": self.id}
        return FunctionCall(settings.run_agent_function, self.id, payload)

    @property
    def may_start_workflows(self) -> bool:
        return bool(self.may_run_workflows)

    @property
    def slot(self) -> str:
        return agent_slot(UUID(self.agent_id), UUID(self.id))

    @property
    def needs_slot(self) -> bool:
        return not self.is_nested  # else it counts as a part of its parent

    @property
    def is_nested(self) -> bool:
        return self.parent_execution_id is not None

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the key of an execution."""
        return agent_execution_key(organization_id, agent_id, execution_id)

    @staticmethod
    def of_agent(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        """Return the partition and the sort key prefix of an agent's executions."""
        return agent_partition(organization_id, agent_id), key("EXECUTION", "")

    @staticmethod
    def by_session(organization_id: UUID, agent_id: UUID, session_id: str) -> str:
        """Return the gsi1 partition of a session's executions."""
        return key("ORG", organization_id, "AGENT", agent_id, "SESSION", session_id)

    @staticmethod
    def by_status(organization_id: UUID, agent_id: UUID, status: str) -> str:
        """Return the gsi2 partition of an agent's executions with a status."""
        return key("ORG", organization_id, "AGENT", agent_id, "STATUS", status)

    @staticmethod
    def by_time(organization_id: UUID, agent_id: UUID) -> str:
        """Return the gsi3 partition of an agent's finished executions, the slowest last."""
        return key("ORG", organization_id, "AGENT", agent_id, "SLOW")

    def status_keys(self, status: str, milliseconds: int = 0) -> StatusKeys:
        """Return the keys that change with the status; `milliseconds` is the execution time of one that has ended.

        The sweeper must not start a nested execution, so open ones are in a partition of their own.
        """
        organization_id, agent_id = UUID(self.organization_id), UUID(self.agent_id)
        by_status = {"gsi2pk": self.by_status(organization_id, agent_id, status), "gsi2sk": self.id}
        if ExecutionStatus(status) not in OPEN_STATUSES:
            by_time = self.by_time(organization_id, agent_id)
            return {**by_status, "gsi3pk": by_time, "gsi3sk": key(f"{milliseconds:010d}", self.id)}
        state = cast(OpenState, "nested" if self.is_nested else status)
        return {**by_status, "gsi3pk": self.sweeper_partition(state, self.shard(self.id)), "gsi3sk": self.id}


class AgentStepRow(EntityRow[AgentExecutionStep], discriminator="AGENTSTEP"):
    """A step of an execution; `result` is JSON text, or a pointer to a longer one."""

    apart = frozenset({"cost"})

    type: Attribute[str]
    input_tokens: Attribute[int | None]
    output_tokens: Attribute[int | None]
    result: Attribute[StoredText | None] = stored()
    cost_micros: Attribute[int | None] = stored()

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID, number: int) -> tuple[str, str]:
        """Return the key of a step."""
        return partition_of(organization_id, execution_id), key("STEP", f"{number:04d}")

    @staticmethod
    def of_execution(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return partition key and sort key prefix of an execution's steps."""
        return partition_of(organization_id, execution_id), key("STEP", "")


def agent_partition(organization_id: UUID, agent_id: UUID) -> str:
    """Return the partition of everything that belongs to an agent."""
    return key("ORG", organization_id, "AGENT", agent_id)
