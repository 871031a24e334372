"""The model requests of an execution. Each is one step: fence, budgets, request, record."""

import functools
import random
import time
from dataclasses import replace
from math import ceil, isfinite
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter

from weconnect import clock, fault_injection
from weconnect.agents.engine import monthly_budgets, usage
from weconnect.agents.engine.execution_context import (
    AgentSnapshot,
    Charge,
    Ended,
    ExecutionContext,
    check_fence,
    record_step,
)
from weconnect.agents.engine.monthly_budgets import MonthlyBudget, RequestCost
from weconnect.agents.engine.usage import Usage
from weconnect.agents.entities import AgentExecutionStep
from weconnect.api import request_body
from weconnect.durable.steps import Steps
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.results import Completion
from weconnect.models import ProviderError, operator_access, send_request
from weconnect.models.messages import Message, ModelReply, ModelRequest, ModelSettings
from weconnect.organizations.plans.current_plan import load_plan

REQUEST_TIMEOUT_SECONDS = 300.0  # one step must fit into one invocation of the function
ATTEMPTS = 4
MAX_PAUSE_SECONDS = 120
RESERVED_PAUSE_SECONDS = 10
DEFAULT_BOUNDED_TOKENS = 16_384


class Reply(BaseModel):
    """The model's reply."""

    type: Literal["reply"] = "reply"
    reply: ModelReply


class Pause(BaseModel):
    """The seconds to wait before the next attempt, and what the failed one cost."""

    type: Literal["pause"] = "pause"
    seconds: int
    charge: Charge | None = None


ModelStep = Annotated[Reply | Pause | Ended, Field(discriminator="type")]


def request_reply(
    steps: Steps, context: ExecutionContext, snapshot: AgentSnapshot, total: Usage, messages: list[Message]
) -> ModelReply | Completion:
    """Return the model's reply, or the execution's completion. Adds to `total` what the requests have used.

    Passing failures are retried, after the provider's Retry-After.
    """
    name = f"model-{total.requests + 1}"
    for attempt in range(1, ATTEMPTS + 1):
        step_name = name if attempt == 1 else f"{name}-again-{attempt - 1}"
        request = _Attempt(context, snapshot, replace(total), messages, next(total.step_numbers), attempt)
        result = steps.step(step_name, request.send, _build_step_adapter())
        if isinstance(result, Reply):
            total.add_reply(result.reply)
            return result.reply
        if result.charge:
            total.add_charge(result.charge)
        if isinstance(result, Ended):
            return result.completion
        steps.wait(f"{step_name}-pause", result.seconds)
    raise AssertionError("the last attempt ends the execution")


class _Attempt:
    """One attempt of a model request; `usage` is what the execution has used before it."""

    def __init__(
        self,
        context: ExecutionContext,
        snapshot: AgentSnapshot,
        used: Usage,
        messages: list[Message],
        step_number: int,
        attempt: int,
    ) -> None:
        self.context = context
        self.snapshot = snapshot
        self.used = used
        self.messages = messages
        self.step_number = step_number
        self.attempt = attempt

    def send(self) -> Reply | Pause | Ended:
        """Send the request within the limits and budgets, and record its step."""
        verdict = check_fence(self.context)
        if completion := verdict.completion or usage.find_exceeded_limit(self.snapshot, self.used):
            return Ended(completion=completion)
        budgets = _monthly_budgets(self.context, self.snapshot)
        request = self._build_request(is_bounded=bool(budgets))
        try:
            bound = self._reserve(request, budgets)
        except monthly_budgets.BudgetExceeded as error:
            if isinstance(error, monthly_budgets.BudgetReserved) and self.attempt < ATTEMPTS:
                return Pause(seconds=RESERVED_PAUSE_SECONDS)
            return Ended(completion=usage.budget_exceeded(str(error)))
        started, began = clock.now(), time.monotonic()
        reply, failure = _send(request, self.context.organization_id)
        fault_injection.kill_point(f"after-effect:model-{self.used.requests + 1}")
        monthly_budgets.settle(budgets, self.context.execution_id, bound, _cost(reply, failure, bound))
        step = AgentExecutionStep(
            number=self.step_number,
            type="model",
            name=f"{request.provider}/{request.model}",
            started_at=started,
            duration_ms=int((time.monotonic() - began) * 1000),
            error=failure.message if failure else None,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            cached_tokens=reply.cached_tokens,
            finish_reason=reply.finish_reason,
        )
        content = {"text": reply.text, "toolCalls": [call.model_dump() for call in reply.tool_calls]}
        record_step(verdict.row, step, None if failure else content, reply.cost_micros)
        return self._pause_or_end(failure) if failure else Reply(reply=reply)

    def _build_request(self, *, is_bounded: bool) -> ModelRequest:
        """Build the request. Within a monthly budget it gets a token limit, or it would reserve all a model can use."""
        definition = self.snapshot.definition
        configuration = definition.configuration
        settings = ModelSettings.model_validate(
            configuration.model_dump(include=set(ModelSettings.model_fields))
        )
        if is_bounded and settings.max_tokens is None and definition.provider != "embedded":
            settings.max_tokens = DEFAULT_BOUNDED_TOKENS
        seconds_left = usage.seconds_left(self.snapshot, self.used)
        system_parts = (configuration.system_prompt, self.snapshot.recalled)
        return ModelRequest(
            provider=definition.provider,
            model=definition.model,
            system="\n\n".join(part for part in system_parts if part),
            messages=self.messages,
            tools=[tool.to_spec() for tool in self.snapshot.tools],
            settings=settings,
            base_url=definition.base_url,
            output_schema=definition.output_schema,
            timeout_seconds=min(max(1.0, seconds_left), REQUEST_TIMEOUT_SECONDS),
        )

    def _reserve(self, request: ModelRequest, budgets: list[MonthlyBudget]) -> RequestCost:
        """Reserve the most that the request can cost. Raises BudgetExceeded, also for an unknown price."""
        limits = self.snapshot.definition.limits
        has_cost_limit = limits.max_cost_usd is not None or self.snapshot.max_cost_micros is not None
        if not budgets and not has_cost_limit:
            return RequestCost(0, 0)
        from weconnect.models import pricing  # cold start

        bound = pricing.compute_bound(request)
        cost_budgets = [str(budget) for budget in budgets if budget.max_cost_micros is not None]
        if bound.cost_micros is None and (cost_budgets or has_cost_limit):
            limit = cost_budgets[0] if cost_budgets else "USD for an execution"
            raise monthly_budgets.BudgetExceeded(f"{limit} cannot be enforced: the model's price is unknown")
        cost = RequestCost(bound.tokens, bound.cost_micros or 0)
        patience_seconds = min(monthly_budgets.PATIENCE_SECONDS, request.timeout_seconds)
        monthly_budgets.reserve(budgets, self.context.execution_id, cost, patience_seconds)
        return cost

    def _pause_or_end(self, failure: ProviderError) -> Pause | Ended:
        """Return the pause before the next attempt, or the end with `provider_<code>` when there is none."""
        charge = Charge.of_reply(failure.billed) if failure.billed else None
        seconds = _pause_seconds(failure, self.attempt, usage.seconds_left(self.snapshot, self.used))
        if seconds is not None:
            return Pause(seconds=seconds, charge=charge)
        status = ExecutionStatus.TIMEOUT if failure.code == "timeout" else ExecutionStatus.FAILED
        completion = Completion.with_error(status, f"provider_{failure.code}", failure.message)
        return Ended(completion=completion, charge=charge)


def _send(request: ModelRequest, organization_id: UUID) -> tuple[ModelReply, ProviderError | None]:
    """Return the model's reply, or what it charged together with the failure."""
    try:
        key = operator_access.load_key(request.provider, lambda: load_plan(organization_id))
        reply = send_request(request, key)
        if any(request_body.is_too_deep(call.arguments) for call in reply.tool_calls):
            raise ProviderError("unavailable", "The model's tool call is nested too deeply", billed=reply)
    except ProviderError as error:
        return error.billed or ModelReply(), error
    return reply, None


def _monthly_budgets(context: ExecutionContext, snapshot: AgentSnapshot) -> list[MonthlyBudget]:
    """Return this month's budgets of the agent and of the organization, as far as there are any."""
    limits = snapshot.definition.limits
    budgets = [
        monthly_budgets.monthly_budget(
            context.organization_id,
            context.agent_id,
            limits.max_tokens_per_month,
            limits.max_cost_usd_per_month,
        ),
        monthly_budgets.monthly_budget(
            context.organization_id,
            None,
            snapshot.organization_max_tokens,
            snapshot.organization_max_cost_usd,
        ),
    ]
    return [budget for budget in budgets if budget]


def _cost(reply: ModelReply, failure: ProviderError | None, bound: RequestCost) -> RequestCost:
    """Return what to charge to the budgets; an unknown cost counts as the most that it can have been."""
    if failure and not failure.billed:
        return bound if failure.code == "timeout" else RequestCost(0, 0)
    cost_micros = bound.cost_micros if reply.cost_micros is None else reply.cost_micros
    return RequestCost(reply.input_tokens + reply.output_tokens, cost_micros)


def _pause_seconds(failure: ProviderError, attempt: int, seconds_left: float) -> int | None:
    """Return the whole seconds before the next attempt; None when there is none, or no time for it."""
    if not failure.retryable or attempt == ATTEMPTS:
        return None
    seconds = failure.retry_after if failure.retry_after is not None else 2 ** (attempt - 1)
    if not isfinite(seconds):
        return None
    pause = ceil(max(0, seconds) + random.uniform(0, 1))  # requests refused together are retried one by one
    return pause if pause <= min(MAX_PAUSE_SECONDS, seconds_left) else None


@functools.cache
def _build_step_adapter() -> TypeAdapter[Reply | Pause | Ended]:
    """Return the type of the result of a step that sends a request."""
    return TypeAdapter(ModelStep)
