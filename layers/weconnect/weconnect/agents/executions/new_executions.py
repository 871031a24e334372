"""An execution of an agent that may be started, and its row."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from weconnect.agents.entities import AgentExecutionMetadata, AIAgentExecution
from weconnect.agents.rows import AgentExecutionRow, AgentVersionRow
from weconnect.db.table import Row
from weconnect.executions.kinds import Key, PreparedExecution
from weconnect.executions.requests import StartExecution
from weconnect.executions.stored_values import store_text


@dataclass(frozen=True)
class PreparedAgentExecution(PreparedExecution):
    """An execution of an agent that may be started."""

    rows: Mapping[Key, Row]
    request: StartExecution
    version: AgentVersionRow

    def build_row(self, retention_days: int) -> AgentExecutionRow:
        """Return the row of the execution; a long input is stored outside of it."""
        request, execution = self.request, self._build_execution()
        organization_id, parent = request.organization_id, request.parent
        return AgentExecutionRow.new(
            execution,
            retention_days=retention_days,
            input=store_text(organization_id, execution.id, "input", execution.input),
            depth=request.depth,
            parent_key=[parent.pk, parent.sk] if parent else None,
            may_run_workflows=request.may_start_workflows,
        )

    def _build_execution(self) -> AIAgentExecution:
        """Return the execution as it begins."""
        request = self.request
        definition = self.version.to_entity()
        return AIAgentExecution(
            id=request.execution_id,
            created_at=request.requested_at,
            updated_at=request.requested_at,
            organization_id=request.organization_id,
            user_id=request.user_id,
            agent_id=request.target_id,
            agent_version=self.version.number,
            input=request.input,
            input_tokens=0,
            execution_time=0,
            metadata=AgentExecutionMetadata(
                provider=definition.provider,
                model=definition.model,
                temperature=definition.configuration.temperature,
                max_tokens=definition.configuration.max_tokens,
                user_id=request.user_id,
                session_id=request.session_id,
                is_language_model=definition.provider != "embedded",
            ),
            parent_execution_id=UUID(request.parent.id) if request.parent else None,
            api_key_id=request.api_key_id,
        )
