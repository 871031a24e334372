"""Races on one account. Run as a process of its own against an emulator (AWS_ENDPOINT_URL); prints JSON."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import pyotp

from infra import cloudformation
from tests.factories import PASSWORD, register
from tests.integration.limit_races import run_threads
from weconnect import clock
from weconnect.api.caller import RequestInfo
from weconnect.auth.account import users
from weconnect.auth.login import email_verification, mfa, one_time_tokens, password_changes, password_login
from weconnect.auth.schemas import EmailVerification, Login, PasswordReset
from weconnect.db import table
from weconnect.identity.rows import AttemptsRow
from weconnect.security import signing
from weconnect.settings import settings

EACH = 4  # of 25 threads: a hundred


def one_by_one(items: list[Any]) -> Callable[[], Any]:
    """Return a function that returns the next item at each call, from any thread."""
    remaining: Iterator[Any] = iter(items)
    return lambda: next(remaining)


def sign_in(email: str, password: str, ip: str) -> Any:
    return password_login.log_in(Login(email=email, password=password), RequestInfo(ip=ip))


def failures_at_one_address() -> dict[str, Any]:
    """Try a hundred wrong passwords from one address."""
    register("pair@example.com")
    ends, _ = run_threads(lambda: sign_in("pair@example.com", "wrong", "203.0.113.1"), each=EACH)
    return {
        "ends": ends,
        "count": int(AttemptsRow.get(*AttemptsRow.at("pair@example.com", "203.0.113.1")).total),
    }


def after_the_first_wait() -> Counter[str]:
    """Try a hundred more when the first wait is over."""
    moment, still = clock.now().timestamp() + 30, clock.now
    clock.now = lambda: type(still()).fromtimestamp(moment, still().tzinfo)
    ends, _ = run_threads(lambda: sign_in("pair@example.com", "wrong", "203.0.113.1"), each=EACH)
    clock.now = still
    return ends


def failures_from_everywhere() -> dict[str, Any]:
    """Try a hundred wrong passwords from a hundred addresses, then the right one from another."""
    register("account@example.com")
    address = one_by_one([f"198.51.100.{number}" for number in range(100)])
    ends, _ = run_threads(lambda: sign_in("account@example.com", "wrong", address()), each=EACH)
    count = int(AttemptsRow.get(*AttemptsRow.at_account("account@example.com")).total)
    right, _ = run_threads(lambda: sign_in("account@example.com", PASSWORD, "198.51.100.200"), threads=1)
    return {"ends": ends, "count": count, "right": right}


def right_passwords() -> Counter[str]:
    """Try twenty-five right passwords."""
    register("right@example.com")
    return run_threads(lambda: sign_in("right@example.com", PASSWORD, "203.0.113.2"))[0]


def codes() -> dict[str, Any]:
    """Use one code of an app, and one recovery code, a hundred times each."""
    person = register("codes@example.com")
    enrolment = person.client.post("/v1/auth/mfa/enroll").json
    app = pyotp.TOTP(enrolment["secret"])
    response = person.client.post("/v1/auth/mfa/confirm", {"code": app.at(clock.now()), "password": PASSWORD})
    assert response.status == 204, response.text
    later = app.at(clock.epoch_seconds() + 30)
    spent = {}
    for name, code in (("app", later), ("recovery", enrolment["recoveryCodes"][0])):
        _, results = run_threads(partial(mfa.spend_code, person.user["id"], code), each=EACH)
        spent[name] = [results.count(True), results.count(False)]
    return spent


def new_addresses() -> Counter[str]:
    """Confirm the same new address for a hundred users, each with a token of their own."""
    tokens = []
    for number in range(100):
        person = register(f"mover{number}@example.com")
        token, row = one_time_tokens.build_token(
            email_verification.CHANGE_PURPOSE, person.user["id"], "wanted@example.com", 60
        )
        row.old_email = person.user["email"]
        table.create(row, {})
        tokens.append(token)
    token_of = one_by_one(tokens)

    def verify() -> Any:
        return email_verification.verify_email(EmailVerification(token=token_of()), RequestInfo())

    ends, verified = run_threads(verify, each=EACH)
    owner = users.find_by_email("wanted@example.com")
    assert owner is not None and [str(user.id) for user in verified] == [owner.id]
    return ends


def resets() -> Counter[str]:
    """Use one reset token a hundred times."""
    person = register("forgot@example.com")
    token, row = one_time_tokens.build_token(
        password_changes.PURPOSE, person.user["id"], "forgot@example.com", 60
    )
    table.create(row, {})
    body = PasswordReset(token=token, password="Another-Horse-8-Battery")
    return run_threads(lambda: password_changes.reset_password(body, RequestInfo()), each=EACH)[0]


def main() -> None:
    """Run all races, with the clock stopped, and print their results."""
    moment = clock.now()
    clock.now = lambda: moment
    boto3.client("dynamodb").create_table(**cloudformation.read_table_definition("weconnect"))
    object.__setattr__(settings, "key_arn", boto3.client("kms").create_key()["KeyMetadata"]["Arn"])
    secret = signing.SigningKey("v", b"s" * 64)
    signing._current, signing._keys_by_id = secret, {secret.id: secret}
    results = {
        "failures_at_one_address": failures_at_one_address(),
        "after_the_first_wait": after_the_first_wait(),
        "failures_from_everywhere": failures_from_everywhere(),
        "right_passwords": right_passwords(),
        "codes": codes(),
        "new_addresses": new_addresses(),
        "resets": resets(),
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
