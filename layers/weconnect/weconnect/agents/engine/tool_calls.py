"""The tool calls of a run: what needs an approval is asked for first, then all calls of an answer run side by side.

Each call is one step: fence, call, journal. Its idempotency key is the run and the step. A call of another agent is a
run of its own, whose steps are steps of this one, and a call of a workflow one that this one waits for.
"""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from weconnect import clock, fault_injection, json_schema
from weconnect.agents.engine import executions, sub_agents, suspension, workflow_calls
from weconnect.agents.engine.run_context import (
    ACTOR,
    CANCELLED,
    Outcome,
    Pinned,
    Run,
    Spent,
    fence,
    journal,
    what_is_left,
)
from weconnect.agents.entities import ExecutionStep, StepApproval
from weconnect.agents.models.messages import Message, ToolCall
from weconnect.agents.rows import ExecutionRow
from weconnect.agents.tools import invocation
from weconnect.agents.tools import service as tools
from weconnect.agents.tools.context import ToolContext
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.invocation import Tool
from weconnect.approvals import service as approvals
from weconnect.durable import Steps
from weconnect.executions.entities import Approval, ApprovalStatus, Approvers

Step = Callable[[Steps], dict[str, Any]]


def act(
    steps: Steps, run: Run, pinned: Pinned, spent: Spent, calls: list[ToolCall]
) -> list[Message] | Outcome:
    """What the tools answered, in the order of the calls, or how the run ends."""
    round = spent.requests
    decisions = _approvals(steps, run, pinned, spent, calls)
    if isinstance(decisions, Outcome):
        return decisions
    asked = sum(invocation.asks_agent(tool) for call in calls if (tool := _tool(pinned, call)))
    shares = what_is_left(pinned, spent, max(1, asked))
    branches = [
        _call(
            run,
            pinned,
            call,
            f"tool-{round}-{position}",
            next(spent.numbers),
            decisions.get(position),
            shares,
        )
        for position, call in enumerate(calls, start=1)
    ]
    answers = [branches[0](steps)] if len(branches) == 1 else steps.parallel(f"tools-{round}", branches)
    messages, waited = [], 0.0
    for call, answer in zip(calls, answers, strict=True):
        if "ended" in answer:
            return Outcome.model_validate(answer["ended"])
        if call.name not in spent.tools:
            spent.tools.append(call.name)
        if bill := answer.get("billed"):
            spent.billed(*bill)
        waited = max(waited, answer.get("waited", 0))
        messages.append(
            Message(
                role="tool",
                content=answer["content"],
                tool_call_id=call.id,
                tool_name=call.name,
                is_error=answer["is_error"],
            )
        )
    spent.waited += waited  # side by side
    return messages


# Approvals


def _approvals(
    steps: Steps, run: Run, pinned: Pinned, spent: Spent, calls: list[ToolCall]
) -> dict[int, Approval] | Outcome:
    """The decisions by the position of their call. Nothing of an answer is done before all of them are there."""
    asked = [
        (position, call, tool)
        for position, call in enumerate(calls, start=1)
        if (tool := _tool(pinned, call))
        and tool.requires_approval
        # A call that cannot be made needs nobody's permission: it fails by itself.
        and not json_schema.mismatch(tool.input_schema, call.arguments)
    ]
    if not asked:
        return {}
    round = spent.requests
    approval_ids = [sub_agents.derived_id(run, f"approval-{round}-{position}") for position, _, _ in asked]

    def hold() -> bool:
        row = run.row()
        for approval_id, (_, call, tool) in zip(approval_ids, asked, strict=True):
            approval = _question(run, row, pinned, call, tool, approval_id)
            approvals.request(approval, executions.days_left(row), int(row.depth or 0), ACTOR)
        held = suspension.hold(row, approval_ids, ACTOR)
        if not held:
            approvals.withdraw(run.organization_id, approval_ids, ACTOR)
        return held

    if not steps.step(f"hold-{round}", hold):
        return CANCELLED

    def question(number: int) -> Callable[[Steps], Any]:
        position, _, tool = asked[number]
        wait_at = partial(approvals.wait_at, run.organization_id, approval_ids[number])
        seconds = tool.approval.expires_in_seconds
        return lambda own: own.callback(f"approval-{round}-{position}", wait_at, seconds)

    questions = [question(number) for number in range(len(asked))]
    if len(questions) == 1:
        questions[0](steps)
    else:
        # All at once: one that is announced later would wait beyond its own time.
        steps.parallel(f"approvals-{round}", questions, at_once=len(questions))
    told = steps.step(f"resume-{round}", lambda: _resume(run, approval_ids))
    if "ended" in told:
        return Outcome.model_validate(told["ended"])
    spent.waited += told["waited"]
    found = [Approval.model_validate(item) for item in told["decisions"]]
    return {position: decision for (position, _, _), decision in zip(asked, found, strict=True)}


def _question(
    run: Run, row: ExecutionRow, pinned: Pinned, call: ToolCall, tool: Tool, approval_id: UUID
) -> Approval:
    moment = clock.now()
    return Approval(
        id=approval_id,
        created_at=moment,
        updated_at=moment,
        organization_id=run.organization_id,
        user_id=pinned.user_id,
        agent_id=run.agent_id,
        execution_id=run.id,
        tool_name=call.name,
        arguments=call.arguments,
        input_schema=tool.input_schema,
        approvers=Approvers(users=tool.approval.users, roles=list(tool.approval.roles)),
        expires_at=moment + timedelta(seconds=tool.approval.expires_in_seconds),
        api_key_id=row.api_key_id,
    )


def _resume(run: Run, approval_ids: list[UUID]) -> dict[str, Any]:
    decisions = approvals.settle(run.organization_id, approval_ids, ACTOR)
    suspension.note_life(member.key for member in run.family())
    if not suspension.go_on(run.row(), ACTOR):
        _, ended = fence(run)
        return (ended or CANCELLED).ended()
    asked = min(decision.created_at for decision in decisions)
    return {
        "waited": (clock.now() - asked).total_seconds(),
        "decisions": [decision.model_dump(mode="json") for decision in decisions],
    }


# Calls


def _call(
    run: Run,
    pinned: Pinned,
    call: ToolCall,
    name: str,
    number: int,
    decision: Approval | None,
    share: tuple[int | None, int | None],
) -> Step:
    """One call as a branch: `{"content", "is_error", "billed"?, "waited"?}`, or `{"ended"}` when the run is to stop."""
    tool = _tool(pinned, call)
    arguments = decision.settled() if decision else call.arguments
    allowed = decision is None or decision.status == ApprovalStatus.APPROVED
    if tool and allowed and invocation.asks_agent(tool):
        return lambda steps: sub_agents.call(
            steps, run, pinned, tool, arguments, name, number, _told(decision), share
        )
    if tool and allowed and invocation.runs_workflow(tool):
        return lambda steps: workflow_calls.call(
            steps, run, pinned, tool, arguments, name, number, _told(decision)
        )
    return lambda steps: steps.step(
        name, lambda: _use(run, pinned, tool, call.name, arguments, name, number, decision)
    )


def _use(
    run: Run,
    pinned: Pinned,
    tool: Tool | None,
    called: str,
    arguments: dict[str, Any],
    name: str,
    number: int,
    decision: Approval | None,
) -> dict[str, Any]:
    row, ended = fence(run)
    if ended:
        return ended.ended()
    context = ToolContext(run.organization_id, run.agent_id, pinned.user_id, run.id, f"{run.id}:{name}")
    started, began = clock.now(), time.monotonic()
    result: Any = None
    failure: str | None = None
    try:
        if tool is None:
            raise ToolError(f"There is no tool {called!r}")
        if decision and decision.status != ApprovalStatus.APPROVED:
            raise ToolError(_refused(decision))
        result = invocation.call(tool, arguments, context)
    except ToolError as error:
        failure = str(error)
    fault_injection.point(f"after-effect:{name}")
    step = ExecutionStep(
        number=number,
        type="tool",
        name=called,
        started_at=started,
        duration_ms=int((time.monotonic() - began) * 1000),
        arguments=arguments,
        error=failure,
        approval=_told(decision),
    )
    journal(row, step, result)
    if tool:
        tools.note_use(run.organization_id, run.agent_id, tool.id)
    content = failure if failure is not None else json.dumps(result, ensure_ascii=False)
    return {"content": content, "is_error": failure is not None}


def _told(decision: Approval | None) -> StepApproval | None:
    """The decision as the run's step shows it."""
    if decision is None:
        return None
    return StepApproval.model_validate(
        {
            "approval_id": decision.id,
            "decision": decision.status,
            "edited": decision.edited_arguments is not None,
            "decided_by": decision.decided_by,
            "decided_at": decision.decided_at,
            "note": decision.note,
        },
        by_name=True,
    )


def _refused(decision: Approval) -> str:
    if decision.status == ApprovalStatus.EXPIRED:
        return "Nobody approved this call in time; it was not made"
    note = f": {decision.note}" if decision.note else ""
    return f"The call was not approved and not made{note}"


def _tool(pinned: Pinned, call: ToolCall) -> Tool | None:
    return next((tool for tool in pinned.tools if tool.name == call.name), None)
