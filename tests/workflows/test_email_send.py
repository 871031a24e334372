"""The node email_send: the users who may send, the recipients of a day, and mails that are sent once."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import create_workflow, execute_workflow
from tests.factories import RegisteredUser
from tests.organizations.organization_helpers import invite, register_verified, set_plan
from tests.workflows.definitions import definition, node
from weconnect import mail
from weconnect.db import table
from weconnect.identity.rows import UserRow
from weconnect.organizations.rows import CountRow
from weconnect.settings import settings

TO = ["a@example.com", "b@example.com", "a@example.com"]
TWO_ITEMS = {"items": [{"n": 1}, {"n": 2}]}


class Ses:
    """SES, which keeps the mails and fails with the codes in `errors`, one a call; an empty one accepts."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.errors: list[str] = []

    def send_email(self, **request: Any) -> dict[str, str]:
        if code := self.errors.pop(0) if self.errors else "":
            raise ClientError({"Error": {"Code": code}}, "SendEmail")
        self.sent.append(request)
        return {"MessageId": f"mail-{len(self.sent)}"}


@pytest.fixture(autouse=True)
def ses(aws: None, monkeypatch: pytest.MonkeyPatch) -> Ses:
    """Switch the node on, and take what it sends."""
    replacement = Ses()
    monkeypatch.setattr(mail, "_create_client", lambda service: replacement)
    monkeypatch.setitem(settings.__dict__, "mail_nodes", "on")
    return replacement


@pytest.fixture
def me(ses: Ses) -> RegisteredUser:
    person = register_verified()
    ses.sent.clear()
    return person


def mailing(*, to: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """Return the definition of a workflow that sends a mail for each item of `$trigger.items`."""
    parameters = {"to": to or TO, "subject": "No {{ n }}\r\nBcc: b@example.com", "text": "hi", **more}
    return definition(
        [node("each", "split", field="items"), node("send", "email_send", name="Tell them", **parameters)],
        "start > each",
        "each > send",
    )


def counted_recipients(me: RegisteredUser) -> int:
    """Return how many recipients the organization has had today."""
    pk, prefix = CountRow.at(me.organization["id"], "MAILS ")
    return sum(int(row.count) for row in CountRow.query(pk, CountRow.sk.startswith(prefix)))


def error_of(execution: Any) -> tuple[str, str]:
    """Return the code and the message of an execution's error."""
    return execution["error"]["code"], execution["error"]["message"]


def test_a_mail_is_sent_for_each_item(me: RegisteredUser, starter: Starter, ses: Ses) -> None:
    execution = execute_workflow(me, starter, mailing(replyTo=["c@example.com"]), TWO_ITEMS)
    assert execution["status"] == "completed", execution
    sent = [(mail["Destination"]["ToAddresses"], mail["ReplyToAddresses"]) for mail in ses.sent]
    assert sent == [(["a@example.com", "b@example.com"], ["c@example.com"])] * 2
    assert ses.sent[1]["Content"]["Simple"]["Subject"]["Data"] == "No 2 Bcc: b@example.com"
    assert ses.sent[0]["FromEmailAddress"] == settings.mail_from
    assert execution["output"] == [{"messageId": f"mail-{n}", "to": TO[:2]} for n in (1, 2)]
    assert counted_recipients(me) == 4


def test_no_mail_is_sent_for_a_user_without_a_verified_address(
    me: RegisteredUser, starter: Starter, ses: Ses
) -> None:
    path = create_workflow(me, mailing())
    table.change(UserRow.get(*UserRow.at(me.user["id"])), {"email_verified": False}, {})
    started = me.client.post(f"{path}/executions", {"input": TWO_ITEMS})
    starter.run_pending()
    code, message = error_of(me.client.get(started.headers["Location"]).json)
    assert code == "email_not_verified" and "'Tell them'" in message and "Verify it" in message
    assert ses.sent == [] and counted_recipients(me) == 0


def test_the_plan_limits_the_recipients_of_a_day(me: RegisteredUser, starter: Starter, ses: Ses) -> None:
    set_plan(me, "free", max_mail_recipients_per_day=5)
    definition = mailing()
    assert execute_workflow(me, starter, definition, TWO_ITEMS)["status"] == "completed"
    code, message = error_of(execute_workflow(me, starter, definition, TWO_ITEMS, name="Again"))
    assert code == "mail_limit_reached" and "'Tell them'" in message and "allows 5 recipients" in message
    assert len(ses.sent) == 2 and counted_recipients(me) == 4
    one_left = execute_workflow(me, starter, mailing(to=["z@example.com"]), {"items": [{}]}, name="Last")
    assert one_left["status"] == "completed" and counted_recipients(me) == 5
    set_plan(me, "free", max_mail_recipients_per_day=-1)
    assert execute_workflow(me, starter, definition, TWO_ITEMS, name="More")["status"] == "completed"


def test_a_mail_that_was_sent_is_neither_sent_nor_counted_by_a_retry(
    me: RegisteredUser, starter: Starter, ses: Ses
) -> None:
    definition = mailing()
    definition["nodes"][2]["retry"] = {"maxAttempts": 2}
    ses.errors = ["", "TooManyRequestsException"]
    execution = execute_workflow(me, starter, definition, TWO_ITEMS)
    assert execution["status"] == "completed" and [run["attempt"] for run in execution["nodes"]][-2:] == [
        1,
        2,
    ]
    assert [mail["Content"]["Simple"]["Subject"]["Data"][:4] for mail in ses.sent] == ["No 1", "No 2"]
    assert [item["messageId"] for item in execution["output"]] == ["mail-1", "mail-2"]
    assert counted_recipients(me) == 4


@pytest.mark.parametrize(
    ("code", "retryable"), [("TooManyRequestsException", True), ("MessageRejected", False)]
)
def test_a_refusal_of_ses_is_the_nodes_error(
    me: RegisteredUser, starter: Starter, ses: Ses, code: str, retryable: bool
) -> None:
    definition = mailing()
    definition["nodes"][2]["retry"] = {"maxAttempts": 2}
    ses.errors = [code, code]
    execution = execute_workflow(me, starter, definition, {"items": [{"n": 1}]})
    assert error_of(execution) == ("mail_not_sent", f"SES refused the mail: {code}.")
    assert len(ses.errors) == (0 if retryable else 1) and counted_recipients(me) == 2


def test_a_node_run_sends_at_most_20_mails(me: RegisteredUser, starter: Starter, ses: Ses) -> None:
    execution = execute_workflow(me, starter, mailing(), {"items": [{}] * 21})
    assert error_of(execution)[0] == "too_many_items" and ses.sent == []


@pytest.mark.parametrize(
    ("setting", "value", "advice"),
    [("mail_nodes", "off", "set MailNodes to on"), ("mail_from", "", "MailFrom")],
)
def test_the_check_refuses_the_node_where_the_deployment_sends_no_mails(
    me: RegisteredUser,
    starter: Starter,
    ses: Ses,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    value: str,
    advice: str,
) -> None:
    path = create_workflow(me, mailing())
    started = me.client.post(f"{path}/executions", {"input": TWO_ITEMS})
    monkeypatch.setitem(settings.__dict__, setting, value)
    (error,) = me.client.post(f"{path}/activate", {}).json["errors"]
    assert (error["code"], error["pointer"]) == ("email_send_not_available", "/nodes/2/type")
    assert advice in error["detail"]
    starter.run_pending()
    code, message = error_of(me.client.get(started.headers["Location"]).json)
    assert code == "email_send_not_available" and message.startswith("'Tell them': ") and advice in message
    assert ses.sent == []


def test_mails_with_tenants_words_have_a_configuration_set_of_their_own(
    me: RegisteredUser, starter: Starter, ses: Ses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "tenant_mail_configuration_set", "tenants")
    execute_workflow(me, starter, mailing(), {"items": [{}]})
    invite(me, "new@example.com")
    register_verified()  # is sent a token
    assert [mail.get("ConfigurationSetName") for mail in ses.sent] == ["tenants", "tenants", None]
