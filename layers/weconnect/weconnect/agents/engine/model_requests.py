"""The model requests of a run. Each is one step: fence, budgets, request, journal."""

import random
import time
from dataclasses import replace
from math import ceil, isfinite
from typing import Any

from weconnect import clock, fault_injection
from weconnect.agents.engine import budgets
from weconnect.agents.engine.budgets import Amount, Budget
from weconnect.agents.engine.run_context import (
    Outcome,
    Pinned,
    Run,
    Spent,
    fence,
    journal,
    over_budget,
    seconds_left,
    used_up,
)
from weconnect.agents.entities import ExecutionStatus, ExecutionStep
from weconnect.agents.models import ProviderError, complete, deployment_keys
from weconnect.agents.models.messages import Message, ModelReply, ModelRequest, ModelSettings
from weconnect.api import request_body
from weconnect.durable import Steps

REQUEST_SECONDS = 300.0  # one step must fit into one invocation of the function
ATTEMPTS = 4
LONGEST_PAUSE = 120
PAUSE_FOR_OTHERS = 10
BOUNDED_TOKENS = 16_384


def ask(
    steps: Steps, run: Run, pinned: Pinned, spent: Spent, messages: list[Message]
) -> ModelReply | Outcome:
    """The model's answer, or how the run ends. What passes is tried again, after the provider's Retry-After."""
    name = f"model-{spent.requests + 1}"
    for attempt in range(1, ATTEMPTS + 1):
        step = name if attempt == 1 else f"{name}-again-{attempt - 1}"
        number, used = next(spent.numbers), replace(spent)
        told = steps.step(step, lambda: _try(run, pinned, used, messages, number, attempt))  # noqa: B023
        if reply := told.get("reply"):
            spent.answered(answer := ModelReply.model_validate(reply))
            return answer
        if bill := told.get("billed"):
            spent.billed(*bill)
        if "ended" in told:
            return Outcome.model_validate(told["ended"])
        steps.wait(f"{step}-pause", told["pause"])
    raise AssertionError("the last attempt ends the run")


def _try(
    run: Run, pinned: Pinned, spent: Spent, messages: list[Message], number: int, attempt: int
) -> dict[str, Any]:
    """`{"reply"}`, `{"ended"}`, or `{"pause"}` in seconds before the next attempt; `billed` where it cost something."""
    row, ended = fence(run)
    if ended := ended or over_budget(pinned, spent):
        return ended.ended()
    shared = _shared_budgets(run, pinned)
    bounded = pinned.definition.limits.max_cost_usd is not None or pinned.most_micros is not None
    request = _request(pinned, messages, seconds_left(pinned, spent), is_bounded=bool(shared))
    try:
        bound = _reserve(run, request, shared, is_priced=bounded)
    except budgets.UsedUp as full:
        if isinstance(full, budgets.Reserved) and attempt < ATTEMPTS:
            return {"pause": PAUSE_FOR_OTHERS}
        return used_up(str(full)).ended()
    started, began = clock.now(), time.monotonic()
    reply, failure = ModelReply(), None
    try:
        reply = complete(request, deployment_keys.of_deployment(request.provider))
        if any(request_body.is_deep(call.arguments) for call in reply.tool_calls):
            raise ProviderError("unavailable", "The model's tool call is nested too deeply", billed=reply)
    except ProviderError as error:
        failure, reply = error, error.billed or reply
    fault_injection.point(f"after-effect:model-{spent.requests + 1}")
    budgets.settle(shared, run.id, bound, _used(reply, failure, bound))
    said = {"text": reply.text, "toolCalls": [call.model_dump() for call in reply.tool_calls]}
    step = ExecutionStep(
        number=number,
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
    journal(row, step, None if failure else said, reply.cost_micros)
    if failure is None:
        return {"reply": reply.model_dump(mode="json")}
    bill = [reply.input_tokens, reply.output_tokens, reply.cost_micros] if failure.billed else None
    pause = _pause(failure, attempt, seconds_left(pinned, spent))
    if pause is not None:
        return {"pause": pause, "billed": bill}
    status = ExecutionStatus.TIMEOUT if failure.code == "timeout" else ExecutionStatus.FAILED
    outcome = Outcome(status=status, error=failure.message, code=f"provider_{failure.code}")
    return outcome.ended() | {"billed": bill}


def _request(pinned: Pinned, messages: list[Message], left: float, *, is_bounded: bool) -> ModelRequest:
    """The request; one that a shared budget holds has a limit of its own, or it would reserve all that a model can."""
    definition = pinned.definition
    configuration = definition.configuration
    settings = ModelSettings.model_validate(configuration.model_dump(include=set(ModelSettings.model_fields)))
    if is_bounded and settings.max_tokens is None and definition.provider != "embedded":
        settings.max_tokens = BOUNDED_TOKENS
    return ModelRequest(
        provider=definition.provider,
        model=definition.model,
        system="\n\n".join(part for part in (configuration.system_prompt, pinned.recalled) if part),
        messages=messages,
        tools=[tool.spec() for tool in pinned.tools],
        settings=settings,
        base_url=definition.base_url,
        output_schema=definition.output_schema,
        timeout_seconds=min(max(1.0, left), REQUEST_SECONDS),
    )


def _shared_budgets(run: Run, pinned: Pinned) -> list[Budget]:
    limits = pinned.definition.limits
    found = [
        budgets.of_month(
            run.organization_id, run.agent_id, limits.max_tokens_per_month, limits.max_cost_usd_per_month
        ),
        budgets.of_month(run.organization_id, None, pinned.organization_tokens, pinned.organization_cost_usd),
    ]
    return [budget for budget in found if budget]


def _reserve(run: Run, request: ModelRequest, shared: list[Budget], *, is_priced: bool) -> Amount:
    """Reserve the most that the request can use; raises UsedUp, also where money is limited and the price not known."""
    if not shared and not is_priced:
        return Amount(0, 0)
    from weconnect.agents.models import pricing  # the price list is slow to import

    bound = pricing.bound(request)
    limited = [str(budget) for budget in shared if budget.max_micros is not None]
    if bound.micros is None and (limited or is_priced):
        where = limited[0] if limited else "USD for a run"
        raise budgets.UsedUp(f"{where}: the model's price is not known, so the cost cannot be held")
    most = Amount(bound.tokens, bound.micros or 0)
    budgets.reserve(shared, run.id, most, min(budgets.PATIENCE_SECONDS, request.timeout_seconds))
    return most


def _used(reply: ModelReply, failure: ProviderError | None, bound: Amount) -> Amount:
    """What to charge: what is not known counts as the most that it can have been."""
    if failure and not failure.billed:
        return bound if failure.code == "timeout" else Amount(0, 0)
    micros = bound.micros if reply.cost_micros is None else reply.cost_micros
    return Amount(reply.input_tokens + reply.output_tokens, micros)


def _pause(failure: ProviderError, attempt: int, left: float) -> int | None:
    """Whole seconds before the next attempt; None when there is none, or no time for it."""
    if not failure.retryable or attempt == ATTEMPTS:
        return None
    asked = failure.retry_after if failure.retry_after is not None else 2 ** (attempt - 1)
    if not isfinite(asked):
        return None
    pause = ceil(max(0, asked) + random.uniform(0, 1))  # runs that were refused together come back one by one
    return pause if pause <= min(LONGEST_PAUSE, left) else None
