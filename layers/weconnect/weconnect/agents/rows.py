"""The rows of agents and their executions, and every key by which they are read."""

from typing import Any
from uuid import UUID

from pynamodb.attributes import Attribute, NumberAttribute

from weconnect.agents.entities import (
    OPEN_STATUSES,
    AgentDefinition,
    AgentExecutionStatus,
    AgentExecutionStep,
    AIAgentExecution,
    AIAgentSummary,
)
from weconnect.db.payloads import StoredText
from weconnect.db.table import EntityRow, Row, key, stored

EXECUTION_SHARDS = "0123456789abcdef"
NESTED = "nested"
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


class AgentExecutionRow(EntityRow[AIAgentExecution], discriminator="AGENTEXECUTION"):
    """An execution of an agent. `input` and `output` are texts, or pointers to longer ones.

    `may_run_workflows` is true when the user who started it may execute workflows, so that its tools may, too.
    """

    apart = frozenset({"cost", "structured_output"})

    id: Attribute[str]
    organization_id: Attribute[str]
    user_id: Attribute[str]
    agent_id: Attribute[str]
    metadata: Attribute[dict[str, Any]]
    started_at: Attribute[str | None]
    waiting_for: Attribute[list[str]]
    parent_execution_id: Attribute[str | None]
    api_key_id: Attribute[str | None]
    status: Attribute[str] = stored()
    input: Attribute[StoredText] = stored()
    output: Attribute[StoredText | None] = stored()
    is_structured: Attribute[bool] = stored(default=False)
    depth: Attribute[int] = stored(default=0)
    may_run_workflows: Attribute[bool] = stored(default=False)
    parent_key: Attribute[list[str] | None] = stored()
    cancel_requested_at: Attribute[str | None] = stored()
    cost_micros: Attribute[int | None] = stored()

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the key of an execution."""
        return agent_partition(organization_id, agent_id), key("EXECUTION", execution_id)

    @staticmethod
    def of_agent(organization_id: UUID, agent_id: UUID) -> str:
        """Return the partition key of an agent's executions."""
        return agent_partition(organization_id, agent_id)

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

    @staticmethod
    def open_executions(status: str, shard: str) -> str:
        """Return a gsi3 partition of the open executions of all organizations, for the sweeper."""
        return key("RUN", status, shard)

    @staticmethod
    def shard(execution_id: object) -> str:
        """Return the last digit of the id: the first ones of a UUIDv7 are its time, and make one hot partition."""
        return str(execution_id)[-1]

    def index_keys(self, status: str, milliseconds: int = 0) -> dict[str, str]:
        """Return the index keys that depend on the status; `milliseconds` is the execution time once it has finished.

        The sweeper must not start a nested execution, so open ones are in a partition of their own.
        """
        organization_id, agent_id = UUID(self.organization_id), UUID(self.agent_id)
        is_open = AgentExecutionStatus(status) in OPEN_STATUSES
        state = NESTED if self.parent_execution_id else status
        return {
            "gsi2pk": self.by_status(organization_id, agent_id, status),
            "gsi2sk": self.id,
            "gsi3pk": self.open_executions(state, self.shard(self.id))
            if is_open
            else self.by_time(organization_id, agent_id),
            "gsi3sk": self.id if is_open else key(f"{milliseconds:010d}", self.id),
        }


class NestedExecutionRow(Row, discriminator="AGENTNESTED"):
    """The name of a nested execution in the partition of the execution that it is part of."""

    id: Attribute[str] = stored()
    agent_id: Attribute[str] = stored()

    @staticmethod
    def at(organization_id: UUID, parent_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the key of a nested execution's name under its parent."""
        return key("ORG", organization_id, "RUN", parent_id), key("NESTED", execution_id)

    @staticmethod
    def of_parent(organization_id: UUID, parent_id: UUID) -> tuple[str, str]:
        """Return partition key and sort key prefix of the executions that are part of `parent_id`."""
        return key("ORG", organization_id, "RUN", parent_id), key("NESTED", "")


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
        return key("ORG", organization_id, "RUN", execution_id), key("STEP", f"{number:04d}")

    @staticmethod
    def of_execution(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return partition key and sort key prefix of an execution's steps."""
        return key("ORG", organization_id, "RUN", execution_id), key("STEP", "")


def agent_partition(organization_id: UUID, agent_id: UUID) -> str:
    """Return the partition of everything that belongs to an agent."""
    return key("ORG", organization_id, "AGENT", agent_id)
