"""The interface to the durable SDK, on its own in-memory runner."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

from weconnect.durable import DurableSteps, StepFailed, Steps
from weconnect.ids import new_id

ORGANIZATION = UUID("01900000-0000-7000-8000-000000000001")


@contextmanager
def running(body: Callable[[Steps], Any]) -> Iterator[DurableFunctionTestRunner]:
    """A runner of a durable function whose body is `body`."""
    run_id = new_id()

    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        return body(DurableSteps(context, ORGANIZATION, run_id))

    with DurableFunctionTestRunner(handler=handler, poll_interval=0.02) as runner:
        yield runner
    runner._scheduler._loop.close()  # which its own close forgets


def result(body: Callable[[Steps], Any]) -> Any:
    with running(body) as runner:
        ended = runner.run(input="{}", execution_timeout=30)
    assert ended.error is None, ended.error
    return json.loads(ended.result)


def test_branches_run_side_by_side_and_answer_in_their_order(aws: None) -> None:
    meet = threading.Barrier(3, timeout=10)  # broken unless all three are under way at once

    def branch(name: str) -> Callable[[Steps], Any]:
        return lambda steps: steps.step("meet", lambda: [name, meet.wait() is not None])

    found = result(lambda steps: steps.parallel("all", [branch("a"), branch("b"), branch("c")]))
    assert found == [["a", True], ["b", True], ["c", True]]


def test_steps_of_branches_are_done_once_over_a_wait(aws: None) -> None:
    done: list[str] = []

    def body(steps: Steps) -> Any:
        def branch(name: str) -> Callable[[Steps], Any]:
            def work(own: Steps) -> Any:
                own.step("before", lambda: done.append(f"{name} before"))
                own.wait("pause", 1)
                return own.step("after", lambda: done.append(f"{name} after") or name)

            return work

        return [*steps.parallel("all", [branch("a"), branch("b")]), steps.step("last", lambda: "last")]

    assert result(body) == ["a", "b", "last"]
    assert sorted(done) == ["a after", "a before", "b after", "b before"]


def test_long_results_of_branches_leave_the_checkpoint(aws: None) -> None:
    """100,000 characters each, three of them: more than a checkpoint takes, equal step names in each branch."""

    def branch(letter: str) -> Callable[[Steps], Any]:
        return lambda steps: steps.step("text", lambda: letter * 100_000)

    def body(steps: Steps) -> Any:
        found = steps.parallel("all", [branch(letter) for letter in "abc"])
        return [[text[0], len(text), len(set(text))] for text in found]

    assert result(body) == [["a", 100_000, 1], ["b", 100_000, 1], ["c", 100_000, 1]]


def test_a_branch_that_fails_is_a_failed_step(aws: None) -> None:
    def broken(steps: Steps) -> Any:
        return steps.step("broken", lambda: 1 // 0)

    def body(steps: Steps) -> Any:
        try:
            return steps.parallel("all", [broken, broken])
        except StepFailed as failure:
            return str(failure)

    assert "by zero" in result(body)


@pytest.mark.parametrize("answer", [{"decision": "approved"}, None])
def test_a_callback_answers_what_was_sent_or_nothing_in_time(aws: None, answer: Any) -> None:
    told: list[str] = []

    def body(steps: Steps) -> Any:
        return [steps.callback("ask", told.append, 60 if answer else 1)]

    with running(body) as runner:
        arn = runner.run_async(input="{}", execution_timeout=30)
        if answer:
            callback_id = runner.wait_for_callback(arn, timeout=20)
            runner.send_callback_success(callback_id, json.dumps(answer).encode())
            assert told == [callback_id]
        ended = runner.wait_for_result(arn, timeout=20)
    assert ended.error is None, ended.error
    assert json.loads(ended.result) == [answer] and len(told) == 1
