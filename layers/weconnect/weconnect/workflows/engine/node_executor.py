"""Carrying out one node: its steps, its attempts, and what comes of its errors."""

import hashlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from weconnect import clock, durable, ids
from weconnect.api import request_body
from weconnect.approvals import service as approvals
from weconnect.db import table
from weconnect.durable import Steps
from weconnect.errors import Problem
from weconnect.executions import journal, lifecycle
from weconnect.executions.entities import Approval, Approvers, ExecutionStatus
from weconnect.executions.journal import Record
from weconnect.executions.lifecycle import ACTOR, Pinned, Place
from weconnect.executions.rows import CallbackRow, ExecutionRow, QuestionRow
from weconnect.log import logger
from weconnect.workflows.entities import Node, Retry
from weconnect.workflows.node_sdk.catalogue import node_type
from weconnect.workflows.node_sdk.node_type import (
    LOG,
    Call,
    Items,
    NodeError,
    NodeType,
    Outputs,
    Question,
    passed,
)
from weconnect.workflows.node_sdk.secret_values import Secrets

MAX_OUTPUT_BYTES = 4 * 2**20
PAUSE_SECONDS = 30 * 86_400
OPERATIONS = 2_900
"""The platform ends a run at 3,000 operations; we end it before, with a word about why."""


class Ended(Exception):
    """The run is to end here, as its fence found it. `records`: what had been done of the nodes under way."""

    def __init__(self, status: ExecutionStatus, records: list[Record] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.records = records or []


@dataclass
class Ran:
    """What came of a node, as JSON passes it between branches: its records, the last of which counts."""

    records: list[Record]
    ended_at: float
    waited: float = 0
    operations: int = 0
    written: bool = False

    @property
    def last(self) -> Record:
        return self.records[-1]


@dataclass(frozen=True)
class Bearer:
    """Carries one node through its steps. `before` is what to write ahead of its first effect, when that is due."""

    steps: Steps
    place: Place
    pinned: Pinned
    call: Call
    path: str
    waited: float
    before: journal.Journal | None = None
    progress: int = 0

    def carry(self, moment: float) -> Ran:
        """Try the node until it succeeds or may not be tried again; raises Ended with the attempts until then."""
        ran = Ran([], moment)
        try:
            return self._tried(ran)
        except Ended as ended:
            ended.records = ran.records
            raise

    def _tried(self, ran: Ran) -> Ran:
        kind = kind_of(self.call.node)
        for attempt in range(1, self.call.node.retry.max_attempts + 1):
            call = replace(self.call, key=f"{self.place.id}:{self.path}:{attempt}")
            if kind.kind == "flow":
                self._flow(kind, call, attempt, ran)
            else:
                self._effect(kind, call, attempt, ran)
            error = ran.last.get("error")
            if (
                error is None
                or attempt == call.node.retry.max_attempts
                or not may_retry(call.node.retry, error)
            ):
                return ran
            seconds = pause_before(call.node.retry, attempt, call.key)
            self.steps.wait(f"{self.path}~{attempt}-pause", seconds)
            ran.operations += 1
        return ran

    def _effect(self, kind: NodeType, call: Call, attempt: int, ran: Ran) -> None:
        """One attempt of a node that is one step."""

        def work() -> Any:
            secrets = Secrets(call.organization_id, call.scope.sealed, kind.secrets)
            opening = replace(call, secrets=secrets)
            with secrets.hidden():
                return secrets.hide(self.attempted(lambda: {"outputs": bounded(kind.run(opening))}))

        told = self.fenced(f"{self.path}~{attempt}", work, ran)
        ran.records.append(record_of(call, self.path, attempt, told))

    def _flow(self, kind: NodeType, call: Call, attempt: int, ran: Ran) -> None:
        """One attempt of a node that takes steps of its own."""
        assert kind.carry
        began = ran.ended_at
        through = Through(self, f"{self.path}~{attempt}/", ran, kind.may_suspend)
        told: dict[str, Any] = {"began": began}
        try:
            told["outputs"] = bounded(kind.carry(call, through))
        except NodeError as error:
            told["error"] = error_of(error)
        if kind.may_suspend:
            ran.operations += 1
            ended = self.steps.step(f"{self.path}~{attempt}-ended", lambda: {"at": clock.now().timestamp()})
            ran.ended_at = ended["at"]
            ran.waited += max(0.0, ended["at"] - began)
        ran.records.append(
            record_of(call, self.path, attempt, told | {"ms": int((ran.ended_at - began) * 1000)})
        )

    def fenced(self, name: str, work: Any, ran: Ran, *, writes: bool = True) -> dict[str, Any]:
        """A step that has its effect only while the run may go on; `{"at", "began", "ms", …}` or `{"error"}` too.

        A run that is to pause waits here, and the step is taken again under another name.
        """
        for again in range(1_000):
            step = name if again == 0 else f"{name}-again-{again}"
            ran.operations += 1
            told: dict[str, Any] = self.steps.step(step, lambda: self._within(work, writes, ran))
            if "ended" in told:
                raise Ended(ExecutionStatus(told["ended"]))
            if "paused" not in told:
                ran.ended_at = told["at"]
                ran.written = ran.written or told.get("written", False)
                return told
            self._pause(f"{step}-paused", ran, told["at"])
        raise Ended(ExecutionStatus.CANCELLED)

    def _within(self, work: Any, writes: bool, ran: Ran) -> dict[str, Any]:
        """What the step does: fence, journal when it is due, effect."""
        began = clock.now().timestamp()
        stopped = lifecycle.fence(self.place, self.pinned, self.waited + ran.waited)
        if stopped:
            return stopped | {"at": began}
        told: dict[str, Any] = {"began": began}
        if writes and self.before and not ran.written and self.before.is_due(began):
            lifecycle.write(
                self.place, self.before.records, self.before.batch, [self.call.node.id], self.progress
            )
            told["written"] = True
        clocked = time.monotonic()
        told |= self.attempted(work)
        told["ms"] = int((time.monotonic() - clocked) * 1000)
        told["at"] = clock.now().timestamp()
        return told

    def unless_stopped(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `attempted` answers, or `{"ended"}` when the run is to stop."""
        if lifecycle.is_stopped(table.get(ExecutionRow, self.place.key)):
            return {"ended": ExecutionStatus.CANCELLED.value}
        return self.attempted(work)

    def attempted(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `work` answers, or `{"error"}`: a node's error is a value, and no failure of the step."""
        try:
            return work()
        except NodeError as error:
            return {"error": error_of(error), "log": error.log}
        except Problem as problem:
            return {
                "error": error_of(NodeError(problem.code, problem.detail, retryable=problem.status >= 500))
            }
        except Exception as error:
            logger.exception("a node failed", execution_id=str(self.place.id), path=self.path)
            return {"error": error_of(NodeError("internal_error", type(error).__name__))}

    def _pause(self, name: str, ran: Ran, since: float) -> None:
        ran.operations += 3
        answer = self.steps.callback(
            name,
            lambda callback: lifecycle.pause(self.place, self.path, callback, is_branch=self.before is None),
            PAUSE_SECONDS,
        )
        resumed: dict[str, Any] = self.steps.step(f"{name}-over", lambda: self._resumed(answer is None))
        ran.waited += max(0.0, resumed["at"] - since)

    def _resumed(self, is_over: bool) -> dict[str, Any]:
        """Go on: because somebody said so, or because nobody did in all the time that there is for it."""
        lifecycle.resume(self.place.row(), **({"pause_requested_at": None} if is_over else {}))
        return {"at": clock.now().timestamp()}


class Named(durable.Named):
    """Steps under a prefix that are counted."""

    def __init__(self, steps: Steps, prefix: str, ran: Ran) -> None:
        super().__init__(steps, prefix)
        self._ran = ran

    def step(self, name: str, work: Any) -> Any:
        self._ran.operations += 1
        return super().step(name, work)

    def wait(self, name: str, seconds: int) -> None:
        self._ran.operations += 1
        super().wait(name, seconds)

    def callback(self, name: str, announce: Any, seconds: int) -> Any:
        self._ran.operations += 2
        return super().callback(name, announce, seconds)


@dataclass(frozen=True)
class Through:
    """What a `flow` node takes its steps through: `contract.Carrier`."""

    bearer: Bearer
    prefix: str
    ran: Ran
    suspends: bool

    @property
    def steps(self) -> "Named":
        return Named(self.bearer.steps, self.prefix, self.ran)

    def step(self, name: str, work: Any) -> Any:
        def value() -> dict[str, Any]:
            return {"value": work()}

        if self.suspends:  # then the run waits: it is not paused, and its own time does not pass
            told: dict[str, Any] = self.steps.step(name, lambda: self.bearer.unless_stopped(value))
            if "ended" in told:
                raise Ended(ExecutionStatus(told["ended"]))
        else:
            told = self.bearer.fenced(f"{self.prefix}{name}", value, self.ran, writes=False)
        if error := told.get("error"):
            raise NodeError(error["code"], error["message"], retryable=error["retryable"])
        return told["value"]

    def announce_callback(self, callback_id: str) -> None:
        place, row = self.bearer.place, self.bearer.place.row()
        pk, sk = CallbackRow.at(place.organization_id, place.id, self.bearer.path)
        table.put(CallbackRow(pk=pk, sk=sk, callback_id=callback_id, ttl=row.ttl), ACTOR)

    def ask(self, question: Question) -> None:
        place, row = self.bearer.place, self.bearer.place.row()
        approval_id, moment = self._approval_id(row), clock.now()
        approval = Approval(
            id=approval_id,
            created_at=moment,
            updated_at=moment,
            organization_id=place.organization_id,
            user_id=row.user_id,
            run_type="workflow",
            workflow_id=row.workflow_id,
            execution_id=place.id,
            tool_name=self.bearer.call.node.name,
            message=question.message,
            arguments=question.values,
            input_schema={"type": "object"},
            approvers=Approvers(users=question.users, roles=question.roles),
            expires_at=moment + timedelta(seconds=question.expires_in_seconds),
            api_key_id=row.api_key_id,
        )
        pk, sk = QuestionRow.at(place.organization_id, place.id, self.bearer.path)
        table.put(QuestionRow(pk=pk, sk=sk, approval_id=str(approval_id), ttl=row.ttl), ACTOR)
        approvals.request(approval, lifecycle.days_left(row), int(row.depth or 0), ACTOR)
        # After that: who cancels the run sees the question, or is seen here.
        if lifecycle.is_stopped(table.get(ExecutionRow, place.key)):
            approvals.withdraw(place.organization_id, [approval_id], ACTOR)

    def announce_question(self, callback_id: str) -> None:
        row = self.bearer.place.row()
        approvals.wait_at(self.bearer.place.organization_id, self._approval_id(row), callback_id)

    def decision(self) -> dict[str, Any]:
        approval_id = self._approval_id(self.bearer.place.row())
        (found,) = approvals.settle(self.bearer.place.organization_id, [approval_id], ACTOR)
        return {
            "approvalId": str(approval_id),
            "status": found.status.value,
            "arguments": found.settled(),
            "note": found.note,
            "decidedBy": str(found.decided_by) if found.decided_by else None,
        }

    def _approval_id(self, row: ExecutionRow) -> UUID:
        return ids.derived_from(UUID(row.id), f"approval {self.bearer.path}")

    def store_child(self, workflow_id: UUID, items: Items) -> str:
        from weconnect.workflows.engine import child_executions  # which needs us

        return str(child_executions.store(self.bearer.place.row(), self.prefix, workflow_id, items))

    def announce_child(self, execution_id: str, callback_id: str) -> None:
        from weconnect.workflows.engine import child_executions

        place = self.bearer.place
        is_stopped = lifecycle.is_stopped(table.get(ExecutionRow, place.key))
        child_executions.announce(
            place.organization_id, UUID(execution_id), callback_id, is_stopped=is_stopped
        )

    def child_result(self) -> dict[str, Any]:
        from weconnect.workflows.engine import child_executions

        return child_executions.result(self.bearer.place.row(), self.prefix)


def kind_of(node: Node) -> NodeType:
    """The node's type; raises NodeError when there is none, though the check would have found that."""
    kind = node_type(node.type)
    if kind is None:
        raise NodeError("unknown_node_type", f"There is no node type {node.type!r}")
    return kind


def compute(call: Call, path: str, moment: float) -> Record:
    """The record of a node that only computes; it takes no step, and its clock is the run's."""
    told: dict[str, Any] = {"began": moment, "ms": 0}
    try:
        kind = kind_of(call.node)
        told["outputs"] = bounded(kind.run(call) if call.node.is_enabled else passed(call))
    except NodeError as error:
        told["error"] = error_of(error)
    except RecursionError:
        told["error"] = error_of(NodeError("too_deep", "The items are nested too deeply"))
    except Exception as error:
        logger.exception("a node failed", path=path)
        told["error"] = error_of(NodeError("internal_error", type(error).__name__))
    return record_of(call, path, 1, told)


def record_of(call: Call, path: str, attempt: int, told: dict[str, Any]) -> Record:
    """A node run for the journal, with what its errors become."""
    node, error = call.node, told.get("error")
    outputs = dict(told.get("outputs", {}))
    lines = outputs.pop(LOG, None) or told.get("log")
    record: Record = {
        "nodeId": node.id,
        "nodeName": node.name,
        "nodeType": node.type,
        "path": path,
        "attempt": attempt,
        "status": "failed" if error else "completed",
        "startedAt": clock.iso(datetime.fromtimestamp(told["began"], UTC)),
        "durationMs": told["ms"],
        "itemsIn": len(call.items),
        "input": dict(call.inputs),
        "output": {} if error else outputs,
    }
    if lines:
        record["logs"] = lines
    if error:
        record["error"] = error | {"nodeId": node.id}
        if node.on_error != "stop":
            output = "error" if node.on_error == "error_output" else "main"
            record["output"] = {output: [item | {"error": record["error"]} for item in call.items or [{}]]}
    record["itemsOut"] = sum(len(items) for items in record["output"].values())
    return record


def bounded(outputs: Outputs) -> Outputs:
    """The outputs, unless they are too deep, too large or no JSON."""
    if any(request_body.is_deep(items) for items in outputs.values()):  # the run could not be read again
        raise NodeError("too_deep", f"What the node answered is nested more than {request_body.DEEPEST} deep")
    try:
        size = len(json.dumps(outputs, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise NodeError("not_json", f"What the node answered is no JSON: {error}") from error
    if size > MAX_OUTPUT_BYTES:
        raise NodeError("too_large", f"The node answered more than {MAX_OUTPUT_BYTES >> 20} MB")
    return outputs


def may_retry(retry: Retry, error: dict[str, Any]) -> bool:
    """Whether an error is one that the node is tried again after."""
    return error["code"] in retry.on if retry.on else bool(error["retryable"])


def pause_before(retry: Retry, attempt: int, key: str) -> int:
    """Whole seconds before the next attempt: the same on every replay, and another for every run."""
    delay = retry.delay_seconds * (2 ** (attempt - 1) if retry.backoff == "exponential" else 1)
    jitter = random.Random(hashlib.sha256(key.encode()).digest()).uniform(0, 0.25)
    return max(1, min(retry.max_delay_seconds, round(delay * (1 + jitter))))


def error_of(error: NodeError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message[:2_000], "retryable": error.retryable}
