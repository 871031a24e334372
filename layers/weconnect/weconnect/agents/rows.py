"""The agents' rows and every key that they are found by."""

from uuid import UUID

from pynamodb.attributes import BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute

from weconnect.agents.entities import (
    OPEN,
    AgentDefinition,
    AgentSummary,
    AIAgentExecution,
    ExecutionStatus,
    ExecutionStep,
)
from weconnect.db.table import Row, key

RUN_SHARDS = "0123456789abcdef"
NESTED = "nested"
LAST_VERSION = 999_999
BUCKETS = [f"b{number:03d}" for number in range(200)]


class AgentRow(Row, discriminator="AGENT"):
    """The head of an agent. Its counters are moved by finished runs, in the transaction that ends the run."""

    entity = AgentSummary
    apart = frozenset({"average_response_time", "success_rate"})

    total_executions = NumberAttribute(default=0, attr_name="totalExecutions")
    completed = NumberAttribute(default=0)
    failed = NumberAttribute(default=0)
    timeout = NumberAttribute(default=0)
    cancelled = NumberAttribute(default=0)
    total_time = NumberAttribute(default=0, attr_name="totalTime")
    input_tokens = NumberAttribute(default=0, attr_name="inputTokens")
    output_tokens = NumberAttribute(default=0, attr_name="outputTokens")
    cost_micros = NumberAttribute(default=0, attr_name="costMicros")
    without_price = NumberAttribute(default=0, attr_name="withoutPrice")

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("AGENT", agent_id)

    @staticmethod
    def in_trash(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("TRASH", "AGENT", agent_id)

    @staticmethod
    def of_organization(organization_id: UUID, *, deleted: bool = False) -> tuple[str, str]:
        """The partition and the prefix of an organization's agents, or of those in its trash."""
        return key("ORG", organization_id), key("TRASH", "AGENT", "") if deleted else key("AGENT", "")

    @staticmethod
    def by_model(
        organization_id: UUID, provider: str, model: str = "", agent_id: object = ""
    ) -> tuple[str, str]:
        """gsi1: agents of an organization by provider and model."""
        parts = [provider, model, agent_id] if model else [provider, ""]
        return key("ORG", organization_id, "AGENT"), key(*parts)

    def rates(self) -> dict[str, float]:
        """The averages, from sums and counts."""
        finished = self.total_executions
        return {
            "average_response_time": round(self.total_time / finished, 3) if finished else 0,
            "success_rate": round(100 * self.completed / finished, 3) if finished else 0,
        }


class AgentVersionRow(Row, discriminator="AGENTVERSION"):
    """An immutable definition with its tools, which are JSON text, or a pointer to a longer one.

    `current` is a copy of the newest and `published` one of the published version, so that one batch reads an agent
    whole, and another one what a run begins with.
    """

    entity = AgentDefinition
    number = NumberAttribute()
    tools = JSONAttribute(null=True)
    changes = JSONAttribute(default=list)
    made_by = UnicodeAttribute(null=True, attr_name="madeBy")

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, which: int | str = "current") -> tuple[str, str]:
        """By its number, or `current` or `published`."""
        name = f"{which:06d}" if isinstance(which, int) else which
        return child(organization_id, agent_id), key("VERSION", name)

    @classmethod
    def numbered(cls, organization_id: UUID, agent_id: UUID) -> tuple[str, tuple[str, str]]:
        """The partition of an agent's versions, and the sort keys that they lie between, without the copies."""
        pk, first = cls.at(organization_id, agent_id, 0)
        return pk, (first, cls.at(organization_id, agent_id, LAST_VERSION)[1])


class AgentStatsRow(Row, discriminator="AGENTSTATS"):
    """What an agent's finished runs took with one model; `b012` counts those whose time is in bucket 12."""

    provider = UnicodeAttribute(null=True)
    model = UnicodeAttribute(null=True)
    runs = NumberAttribute(default=0)
    input_tokens = NumberAttribute(default=0, attr_name="inputTokens")
    output_tokens = NumberAttribute(default=0, attr_name="outputTokens")
    cost_micros = NumberAttribute(default=0, attr_name="costMicros")
    without_price = NumberAttribute(default=0, attr_name="withoutPrice")
    locals().update({bucket: NumberAttribute(null=True) for bucket in BUCKETS})

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, provider: str, model: str) -> tuple[str, str]:
        return child(organization_id, agent_id), key("STATS", provider, model)

    @staticmethod
    def of_agent(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        return child(organization_id, agent_id), key("STATS", "")


class BudgetRow(Row, discriminator="AGENTBUDGET"):
    """What an agent, or all agents of an organization, used and reserved in a month; written by `budgets`."""

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID | None, month: str) -> tuple[str, str]:
        pk = child(organization_id, agent_id) if agent_id else key("ORG", organization_id)
        return pk, key("AGENTBUDGET", month)


class PurgedAgentRow(Row, discriminator="PURGEDAGENT"):
    """Names an agent that is gone while its runs live on, so that their organization can still end them."""

    PREFIX = "PURGED#AGENT#"

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("PURGED", "AGENT", agent_id)


class ExecutionRow(Row, discriminator="AGENTEXECUTION"):
    """A run. `input` and `output` are texts, or pointers to longer ones.

    `may_run_workflows`: who started it may run workflows, so its tools may.
    """

    entity = AIAgentExecution
    apart = frozenset({"cost", "structured_output"})

    status = UnicodeAttribute()
    input = JSONAttribute()
    output = JSONAttribute(null=True)
    is_structured = BooleanAttribute(default=False, attr_name="isStructured")
    depth = NumberAttribute(default=0)
    may_run_workflows = BooleanAttribute(default=False, attr_name="mayRunWorkflows")
    parent_key = JSONAttribute(null=True, attr_name="parentKey")
    cancel_requested_at = UnicodeAttribute(null=True, attr_name="cancelRequestedAt")
    cost_micros = NumberAttribute(null=True, attr_name="costMicros")

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, execution_id: UUID) -> tuple[str, str]:
        return child(organization_id, agent_id), key("EXECUTION", execution_id)

    @staticmethod
    def of_agent(organization_id: UUID, agent_id: UUID) -> str:
        return child(organization_id, agent_id)

    @staticmethod
    def by_session(organization_id: UUID, agent_id: UUID, session_id: str) -> str:
        """gsi1: runs of a session."""
        return key("ORG", organization_id, "AGENT", agent_id, "SESSION", session_id)

    @staticmethod
    def by_status(organization_id: UUID, agent_id: UUID, status: str) -> str:
        """gsi2: runs of an agent by status."""
        return key("ORG", organization_id, "AGENT", agent_id, "STATUS", status)

    @staticmethod
    def by_time(organization_id: UUID, agent_id: UUID) -> str:
        """gsi3: finished runs of an agent, slowest last."""
        return key("ORG", organization_id, "AGENT", agent_id, "SLOW")

    @staticmethod
    def open(status: str, shard: str) -> str:
        """gsi3: pending and running runs of all organizations, for the sweeper and the closer."""
        return key("RUN", status, shard)

    @staticmethod
    def shard(execution_id: object) -> str:
        """The last digit: the first ones of a UUIDv7 are its time, and would make one hot partition."""
        return str(execution_id)[-1]

    def index_keys(self, status: str, time: int = 0) -> dict[str, str]:
        """The keys that move with the status; `time` in milliseconds, when it has ended.

        A run that is a tool call of another one is nobody's to start or to give up, so it is open under its own key.
        """
        organization_id, agent_id = UUID(self.organization_id), UUID(self.agent_id)
        is_open = ExecutionStatus(status) in OPEN
        state = NESTED if self.parent_execution_id else status
        return {
            "gsi2pk": self.by_status(organization_id, agent_id, status),
            "gsi2sk": self.id,
            "gsi3pk": self.open(state, self.shard(self.id))
            if is_open
            else self.by_time(organization_id, agent_id),
            "gsi3sk": self.id if is_open else key(f"{time:010d}", self.id),
        }


class NestedRow(Row, discriminator="AGENTNESTED"):
    """Names a run that is a tool call of another run, under that one."""

    id = UnicodeAttribute()
    agent_id = UnicodeAttribute(attr_name="agentId")

    @staticmethod
    def at(organization_id: UUID, parent_id: UUID, execution_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id, "RUN", parent_id), key("NESTED", execution_id)

    @staticmethod
    def of_run(organization_id: UUID, parent_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id, "RUN", parent_id), key("NESTED", "")


class StepRow(Row, discriminator="AGENTSTEP"):
    """A step of a run; `result` is JSON text, or a pointer to a longer one."""

    entity = ExecutionStep
    apart = frozenset({"cost"})

    result = JSONAttribute(null=True)
    cost_micros = NumberAttribute(null=True, attr_name="costMicros")

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID, number: int) -> tuple[str, str]:
        return key("ORG", organization_id, "RUN", execution_id), key("STEP", f"{number:04d}")

    @staticmethod
    def of_run(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id, "RUN", execution_id), key("STEP", "")


def child(organization_id: UUID, agent_id: UUID) -> str:
    """The partition of everything that belongs to one agent."""
    return key("ORG", organization_id, "AGENT", agent_id)
