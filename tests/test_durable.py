"""Durable steps, on the SDK's own in-memory runner."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner
from pydantic import TypeAdapter, ValidationError

from tests.in_memory_steps import InMemorySteps
from weconnect.base_entity import ApiModel
from weconnect.durable.steps import DurableSteps, PrefixedSteps, StepFailed, Steps, from_json
from weconnect.ids import new_id

ORGANIZATION = UUID("01900000-0000-7000-8000-000000000001")


@contextmanager
def running_function(body: Callable[[Steps], Any]) -> Iterator[DurableFunctionTestRunner]:
    """Yield a runner of a durable function whose body is `body`."""
    execution_id = new_id()

    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        return body(DurableSteps(context, ORGANIZATION, execution_id))

    with DurableFunctionTestRunner(handler=handler, poll_interval=0.02) as runner:
        yield runner
    runner._scheduler._loop.close()  # which its own close forgets


def execute(body: Callable[[Steps], Any]) -> Any:
    with running_function(body) as runner:
        result = runner.run(input="{}", execution_timeout=30)
    assert result.error is None, result.error
    return json.loads(result.result or "null")


def test_branches_run_in_parallel_and_return_in_their_order(aws: None) -> None:
    barrier = threading.Barrier(3, timeout=10)  # broken unless all three are in progress at once

    def branch(name: str) -> Callable[[Steps], list[Any]]:
        return lambda steps: steps.step("meet", lambda: [name, barrier.wait() is not None])

    results = execute(lambda steps: steps.parallel("all", [branch("a"), branch("b"), branch("c")]))
    assert results == [["a", True], ["b", True], ["c", True]]


def test_steps_of_branches_are_executed_once_over_a_wait(aws: None) -> None:
    executed: list[str] = []

    def record(name: str, value: str | None = None) -> str | None:
        executed.append(name)
        return value

    def body(steps: Steps) -> Any:
        def branch(name: str) -> Callable[[Steps], str | None]:
            def work(own: Steps) -> str | None:
                own.step("before", lambda: record(f"{name} before"))
                own.wait("pause", 1)
                return own.step("after", lambda: record(f"{name} after", name))

            return work

        return [*steps.parallel("all", [branch("a"), branch("b")]), steps.step("last", lambda: "last")]

    assert execute(body) == ["a", "b", "last"]
    assert sorted(executed) == ["a after", "a before", "b after", "b before"]


def test_long_results_of_branches_leave_the_checkpoint(aws: None) -> None:
    """100,000 characters each, three of them: more than a checkpoint takes, equal step names in each branch."""

    def branch(letter: str) -> Callable[[Steps], str]:
        return lambda steps: steps.step("text", lambda: letter * 100_000)

    def body(steps: Steps) -> Any:
        texts = steps.parallel("all", [branch(letter) for letter in "abc"])
        return [[text[0], len(text), len(set(text))] for text in texts]

    assert execute(body) == [["a", 100_000, 1], ["b", 100_000, 1], ["c", 100_000, 1]]


def test_a_branch_that_fails_is_a_failed_step(aws: None) -> None:
    def broken(steps: Steps) -> int:
        return steps.step("broken", lambda: 1 // 0)

    def body(steps: Steps) -> Any:
        try:
            return steps.parallel("all", [broken, broken])
        except StepFailed as failure:
            return str(failure)

    assert "by zero" in execute(body)


@pytest.mark.parametrize("value", [{"decision": "approved"}, None])
def test_a_callback_returns_what_was_sent_or_nothing_after_its_timeout(aws: None, value: Any) -> None:
    announced: list[str] = []

    def body(steps: Steps) -> Any:
        return [steps.callback("ask", announced.append, 60 if value else 1)]

    with running_function(body) as runner:
        arn = runner.run_async(input="{}", execution_timeout=30)
        if value:
            callback_id = runner.wait_for_callback(arn, timeout=20)
            runner.send_callback_success(callback_id, json.dumps(value).encode())
            assert announced == [callback_id]
        result = runner.wait_for_result(arn, timeout=20)
    assert result.error is None, result.error
    assert json.loads(result.result or "null") == [value] and len(announced) == 1


# Typed results


class Reply(ApiModel):
    reply_id: UUID
    sent_at: datetime
    parts: dict[str, Any] = {}


@dataclass
class Pause:
    seconds: int


REPLY = Reply(
    reply_id=ORGANIZATION, sent_at=datetime(2026, 1, 2, tzinfo=UTC), parts={"a": None, "b": "half \ud800"}
)
STEP: TypeAdapter[Reply | Pause] = TypeAdapter(Reply | Pause)


def typed_steps(steps: Steps) -> list[bool]:
    """Take steps of every kind of result, each of which must come back equal."""
    named = PrefixedSteps(steps, "named/")
    replies = steps.parallel("all", [lambda own: own.step("reply", lambda: REPLY, Reply)] * 2, Reply)
    return [
        steps.step("model", lambda: REPLY, Reply) == REPLY,
        named.step("model", lambda: REPLY, Reply) == REPLY,
        steps.step("dataclass", lambda: Pause(3), Pause) == Pause(3),
        steps.step("union", lambda: Pause(4), STEP) == Pause(4),
        steps.step("json", lambda: {"a": [1, None]}) == {"a": [1, None]},
        replies == [REPLY, REPLY],
    ]


def test_results_come_back_as_the_type_that_they_had(aws: None) -> None:
    assert execute(typed_steps) == [True] * 6


def test_a_replay_returns_the_same_types() -> None:
    steps = InMemorySteps()
    assert typed_steps(steps) == [True] * 6
    executed = list(steps.names)
    assert typed_steps(InMemorySteps(parent=steps)) == [True] * 6
    assert steps.names == executed


def test_a_result_that_is_not_of_its_type_is_refused() -> None:
    with pytest.raises(ValidationError):
        from_json({"seconds": "many"}, Pause)


# Operations


def counted_steps(steps: Steps) -> list[int]:
    """Take steps of each kind, and return the count of operations after each."""
    counts = []
    steps.step("one", lambda: None)
    counts.append(steps.operations)
    PrefixedSteps(steps, "named/").wait("two", 1)
    counts.append(steps.operations)

    def branch(number: int) -> Callable[[Steps], int]:
        def work(own: Steps) -> int:
            for index in range(number):
                own.step(f"inner-{index}", lambda: None)
            return own.operations

        return work

    counts += steps.parallel("three", [branch(1), branch(4)])
    counts.append(steps.operations)
    return counts


def test_steps_count_their_operations_and_those_of_their_branches(aws: None) -> None:
    """One, one, and three for two branches with five steps in them."""
    expected = [1, 2, 1, 4, 10]
    assert execute(counted_steps) == expected
    assert counted_steps(InMemorySteps()) == expected


def test_a_replay_counts_the_operations_of_branches_that_it_does_not_run_again(aws: None) -> None:
    counts: list[int] = []

    def body(steps: Steps) -> int:
        steps.parallel("all", [lambda own: own.step("a", lambda: "a")] * 3)
        steps.wait("pause", 1)  # ends the invocation; the next one replays the branches from their checkpoint
        counts.append(steps.operations)
        return steps.operations

    assert execute(body) == 8
    assert set(counts) == {8}


def test_a_callback_takes_two_operations() -> None:
    steps = InMemorySteps()
    steps.callback_values["ask"] = "yes"
    assert steps.callback("ask", lambda callback_id: None, 60) == "yes"
    assert steps.operations == 2
