"""Cancelling, pausing and trying again on the local host, over a `kill -9` as well: what has ended has no effect."""

from typing import Any

import pytest

from tests.e2e.services import Effects
from tests.e2e.workflows import ENDED, Api, http, inner
from tests.host.local_host import LocalHost, wait_until
from tests.workflows.definitions import definition, node

TIMER = 15  # seconds: longer than it takes to cancel what waits for it
RETRY = {"maxAttempts": 2, "delaySeconds": TIMER, "maxDelaySeconds": TIMER}


@pytest.fixture
def api(host: LocalHost, effects: Effects) -> Api:
    effects.calls.clear()
    effects.released.clear()
    return Api(host)


def called(effects: Effects, *names: str) -> None:
    wait_until(lambda: set(names) <= {name for name, _ in effects.calls})


def test_nothing_has_an_effect_once_a_run_is_cancelled(host: LocalHost, effects: Effects, api: Api) -> None:
    """In an effect, in one of two branches, in a pause between attempts, at a timer, at a question, in a child: each is
    followed by an effect that must not come; nor does it after a kill.
    """
    after = http(effects, "after")
    child = api.made(
        "Waits", definition([http(effects, "held", "slow"), after], "start > held", "held > after")
    )
    sub = node("sub", "subworkflow", workflowId=child.rpartition("/")[2])
    shapes: dict[str, dict[str, Any]] = {
        "slow": definition([http(effects, "slow", "slow"), after], "start > slow", "slow > after"),
        "branches": definition(
            [http(effects, "one", "slow"), http(effects, "other"), after],
            *("start > one", "start > other", "one > after"),
        ),
        "retry": definition(
            [http(effects, "again", "flaky", retry=RETRY), after], "start > again", "again > after"
        ),
        "timer": definition([node("nap", "wait", seconds=TIMER), after], "start > nap", "nap > after"),
        "question": definition(
            [node("ask", "approval", message="Well?"), after], "start > ask", "ask.approved > after"
        ),
        "child": definition([sub, after], "start > sub", "sub > after"),
    }
    paths = {name: api.made(name, value) for name, value in shapes.items()}
    runs: dict[str, str] = {}
    for name in ("child", "question", "slow", "branches", "retry", "timer"):
        runs[name] = api.begun(paths[name])
    called(effects, "again", "slow", "one", "other", "held")
    api.until(runs["timer"], "waiting")
    for name in ("timer", "retry", "branches", "slow", "child", "question"):
        if name in ("child", "question"):
            api.until(runs[name], "waiting")
        answer = host.request("POST", f"{runs[name]}/cancel", headers=api.headers)
        assert answer.status_code in (200, 202) and answer.json()["cancelRequestedAt"], answer.text
    (question,) = api("GET", "/v1/approvals?status=cancelled")["items"]
    for name in ("timer", "question", "child"):
        assert api("GET", runs[name])["status"] == "cancelled", "what waits ends at once"
    effects.released.set()
    for run in runs.values():
        api.until(run, *ENDED)
    wait_until(lambda: all(each["status"] in ENDED for each in api.children(runs["child"])))
    decided = host.request(
        "POST",
        f"/v1/approvals/{question['id']}/decide",
        headers=api.headers,
        json={"decision": "approve"},
    )
    assert decided.status_code == 409
    ended = {run: api("GET", run) for run in runs.values()}
    assert {each["status"] for each in ended.values()} == {"cancelled"}
    assert [each["status"] for each in api.children(runs["child"])] == ["cancelled"]
    calls = sorted(name for name, _ in effects.calls)
    assert calls == ["again", "held", "one", "other", "slow"]
    host.restart()
    later = api.begun(api.made("Later", definition([node("nap", "wait", seconds=TIMER + 2)], "start > nap")))
    api.until(later, "completed")  # longer than any timer of those that were cancelled
    assert {run: api("GET", run) for run in ended} == ended
    assert sorted(name for name, _ in effects.calls) == calls


def test_pause_resume_and_cancel_in_turns(host: LocalHost, effects: Effects, api: Api) -> None:
    value = definition(
        [http(effects, "first", "slow"), http(effects, "second"), http(effects, "third")],
        *("start > first", "first > second", "second > third"),
    )
    path = api.made("In turns", value)
    run, other = api.begun(path), api.begun(path)
    called(effects, "first")
    for each in (run, other):
        for what in ("pause", "resume", "pause"):
            api("POST", f"{each}/{what}")
    effects.released.set()
    for each in (run, other):
        assert api.until(each, "paused", *ENDED)["status"] == "paused"
    host.restart()
    assert [api("GET", each)["status"] for each in (run, other)] == ["paused", "paused"]
    assert effects.count("second") == 0
    assert api("POST", f"{other}/cancel")["status"] == "cancelled"
    api("POST", f"{run}/resume")
    assert api.until(run, *ENDED)["status"] == "completed"
    assert [effects.count(name) for name in ("first", "second", "third")] == [2, 1, 1]
    assert api("GET", other)["status"] == "cancelled"


def test_a_retry_does_not_repeat_what_was_done(host: LocalHost, effects: Effects, api: Api) -> None:
    """Effects, a timer and a sub-workflow before the failed node are kept, over a kill as well."""
    sub = node("sub", "subworkflow", workflowId=api.made("Kept", inner(effects)).rpartition("/")[2])
    value = definition(
        [http(effects, "early"), sub, http(effects, "fragile", "broken"), http(effects, "end")],
        *("start > early", "early > sub", "sub > fragile", "fragile > end"),
    )
    effects.broken = True
    failed = api.until(api.begun(api.made("Fails", value)), *ENDED)
    assert (failed["status"], failed["error"]["nodeId"]) == ("failed", "fragile")
    effects.broken = False
    host.restart()
    again = api("POST", f"/v1/executions/{failed['id']}/retry", {})
    done = api.until(f"/v1/executions/{again['id']}", *ENDED)
    assert done["status"] == "completed", done["error"]
    counts = {name: effects.count(name) for name in ("early", "inner", "fragile", "end")}
    assert counts == {"early": 1, "inner": 1, "fragile": 2, "end": 1}
    assert api.children(f"/v1/executions/{done['id']}") == []


def test_a_child_that_cannot_start_is_an_error_of_its_node(
    host: LocalHost, effects: Effects, api: Api
) -> None:
    path = api.made("Inactive", inner(effects))
    sub = node("sub", "subworkflow", workflowId=path.rpartition("/")[2], onError="continue")
    calling = api.made("Calls it", definition([sub, http(effects, "next")], "start > sub", "sub > next"))
    api("POST", f"{path}/deactivate")
    done = api.until(api.begun(calling), *ENDED)
    assert done["status"] == "completed", done["error"]
    assert [each["error"]["code"] for each in done["nodes"] if each["error"]] == ["workflow_inactive"]
