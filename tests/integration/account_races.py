"""Run as a process of its own against an emulator (AWS_ENDPOINT_URL): one account, many at once. Prints JSON."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pyotp

from infra import cloudformation
from tests.factories import PASSWORD, registered
from tests.integration.limit_races import at_once
from weconnect import clock
from weconnect.api.caller import RequestInfo
from weconnect.auth.account import users
from weconnect.auth.account.schemas import PasswordReset
from weconnect.auth.entities import EmailVerification, Login
from weconnect.auth.login import email_verification, mfa, one_time_tokens, password_changes
from weconnect.auth.login import login as service
from weconnect.auth.rows import AttemptsRow
from weconnect.db import registry as rows
from weconnect.db import table
from weconnect.security import signing
from weconnect.settings import settings

EACH = 4  # of 25 threads: a hundred
assert rows


def one_after_the_other(items: list[Any]) -> Callable[[], Any]:
    """A function that hands out the items to whoever asks first."""
    left: Iterator[Any] = iter(items)
    return lambda: next(left)


def sign_in(email: str, password: str, ip: str) -> Any:
    return service.login(Login(email=email, password=password), RequestInfo(ip=ip))


def failures_at_one_address() -> dict[str, Any]:
    """A hundred wrong passwords from one address."""
    registered("pair@example.com")
    ends, _ = at_once(lambda: sign_in("pair@example.com", "wrong", "203.0.113.1"), each=EACH)
    return {
        "ends": ends,
        "count": int(AttemptsRow.get(*AttemptsRow.at("pair@example.com", "203.0.113.1")).total),
    }


def after_the_first_wait() -> Counter[str]:
    """A hundred more when the first wait is over."""
    moment, still = clock.now().timestamp() + 30, clock.now
    clock.now = lambda: type(still()).fromtimestamp(moment, still().tzinfo)
    ends, _ = at_once(lambda: sign_in("pair@example.com", "wrong", "203.0.113.1"), each=EACH)
    clock.now = still
    return ends


def failures_from_everywhere() -> dict[str, Any]:
    """A hundred wrong passwords from a hundred addresses, then the right one from another."""
    registered("account@example.com")
    address = one_after_the_other([f"198.51.100.{number}" for number in range(100)])
    ends, _ = at_once(lambda: sign_in("account@example.com", "wrong", address()), each=EACH)
    count = int(AttemptsRow.get(*AttemptsRow.at_account("account@example.com")).total)
    right, _ = at_once(lambda: sign_in("account@example.com", PASSWORD, "198.51.100.200"), threads=1)
    return {"ends": ends, "count": count, "right": right}


def right_passwords() -> Counter[str]:
    """Twenty-five right passwords hinder nobody."""
    registered("right@example.com")
    return at_once(lambda: sign_in("right@example.com", PASSWORD, "203.0.113.2"))[0]


def codes() -> dict[str, Any]:
    """One code of an app, and one recovery code, a hundred times each."""
    person = registered("codes@example.com")
    found = person.client.post("/v1/auth/mfa/enroll").json
    app = pyotp.TOTP(found["secret"])
    answer = person.client.post("/v1/auth/mfa/confirm", {"code": app.at(clock.now())})
    assert answer.status == 204, answer.text
    later = app.at(clock.epoch() + 30)
    spent = {}
    for name, code in (("app", later), ("recovery", found["recoveryCodes"][0])):
        _, gave = at_once(lambda code=code: mfa.spend(person.user["id"], code), each=EACH)
        spent[name] = [gave.count(True), gave.count(False)]
    return spent


def new_addresses() -> Counter[str]:
    """A hundred users, each with a token that makes one and the same address theirs."""
    tokens = []
    for number in range(100):
        person = registered(f"mover{number}@example.com")
        token, row = one_time_tokens.new(
            email_verification.CHANGE, person.user["id"], "wanted@example.com", 60
        )
        row.old_email = person.user["email"]
        table.create(row, {})
        tokens.append(token)
    token_of = one_after_the_other(tokens)
    verify = lambda: email_verification.verify(EmailVerification(token=token_of()), RequestInfo())  # noqa: E731
    ends, gave = at_once(verify, each=EACH)
    row = users.by_email("wanted@example.com")
    assert row is not None and [str(user.id) for user in gave] == [row.id]
    return ends


def resets() -> Counter[str]:
    """One reset token a hundred times."""
    person = registered("forgot@example.com")
    token, row = one_time_tokens.new(password_changes.PURPOSE, person.user["id"], "forgot@example.com", 60)
    table.create(row, {})
    body = PasswordReset(token=token, password="Another-Horse-8-Battery")
    return at_once(lambda: password_changes.reset(body, RequestInfo()), each=EACH)[0]


def main() -> None:
    """Run all of them, at one moment."""
    moment = clock.now()
    clock.now = lambda: moment
    boto3.client("dynamodb").create_table(**cloudformation.table_definition("weconnect"))
    object.__setattr__(settings, "key_arn", boto3.client("kms").create_key()["KeyMetadata"]["Arn"])
    secret = signing.SigningKey("v", b"s" * 64)
    signing._current, signing._known = secret, {secret.id: secret}
    found = {
        "failures_at_one_address": failures_at_one_address(),
        "after_the_first_wait": after_the_first_wait(),
        "failures_from_everywhere": failures_from_everywhere(),
        "right_passwords": right_passwords(),
        "codes": codes(),
        "new_addresses": new_addresses(),
        "resets": resets(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
