"""Guesses of a tenant about accounts of other addresses, through its own identity provider, and what they cost."""

from typing import Any

import pytest

from tests.auth import sent_mails
from tests.auth.fake_identity_provider import (
    FakeIdentityProvider,
    change_user,
    register_with_provider,
    set_security,
    sign_in,
)
from tests.auth.movable_clock import MovableClock
from tests.auth.sso_accounts import memberships, status_and_code
from tests.factories import RegisteredUser, register
from tests.gateway import ApiResponse
from tests.organizations.organization_helpers import set_plan
from weconnect import clock
from weconnect.settings import settings

KNOWN, INACTIVE, UNKNOWN = "known@corp.example", "inactive@corp.example", "nobody@corp.example"


@pytest.fixture
def holder(aws: None) -> RegisteredUser:
    """Register the holder of an account, and one who was deactivated; return the first."""
    person = register(KNOWN, verified=True)
    change_user(register(INACTIVE, verified=True), is_active=False)
    return person


def to_comparable(response: ApiResponse) -> tuple[int, dict[str, Any]]:
    """Return a response without what differs between two of the same kind."""
    return response.status, {**response.json, "requestId": ""}


def test_a_full_organization_hears_the_same_about_every_address(
    holder: RegisteredUser, evil: FakeIdentityProvider
) -> None:
    mallory = register_with_provider(evil)
    set_plan(mallory, "free", max_team_members=1)
    responses = [sign_in(evil, mallory, email) for email in (UNKNOWN, KNOWN, INACTIVE)]
    assert status_and_code(responses[0]) == (429, "member_limit_reached")
    assert [to_comparable(each) for each in responses] == [to_comparable(responses[0])] * 3
    assert sent_mails.texts_to(UNKNOWN) == [], "nobody was created"


def test_a_guess_that_finds_an_account_mails_its_holder(
    holder: RegisteredUser, evil: FakeIdentityProvider
) -> None:
    mallory = register_with_provider(evil)
    before = memberships(holder)
    for email in (KNOWN, INACTIVE):
        assert status_and_code(sign_in(evil, mallory, email)) == (403, "account_exists")
        text = sent_mails.texts_to(email)[-1]
        assert "someone signed in to WeConnect with this address through the identity provider of" in text
    assert memberships(holder) == before
    assert sign_in(evil, mallory, UNKNOWN).status == 200
    assert "created a WeConnect account for this address" in sent_mails.texts_to(UNKNOWN)[-1]


def test_guesses_count_as_registrations_of_their_network(
    holder: RegisteredUser, evil: FakeIdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    mallory = register_with_provider(evil)
    set_plan(mallory, "enterprise")
    time = MovableClock()
    monkeypatch.setattr(clock, "now", time.now)
    time.advance(minutes=1)
    monkeypatch.setitem(settings.__dict__, "registrations_per_minute", 2)
    guesses = [status_and_code(sign_in(evil, mallory, email)) for email in (KNOWN, INACTIVE)]
    assert guesses == [(403, "account_exists")] * 2
    for email in (KNOWN, UNKNOWN):
        refused = sign_in(evil, mallory, email)
        assert status_and_code(refused) == (429, "too_many_registrations")
        assert refused.headers["Retry-After"]
    assert sign_in(evil, mallory, mallory.user["email"]).status == 200, "a member"
    time.advance(minutes=1)
    assert sign_in(evil, mallory, UNKNOWN).status == 200
    assert sign_in(evil, mallory, "other@corp.example").status == 200, "any domain, as allowedDomains says"
    assert status_and_code(sign_in(evil, mallory, "third@corp.example")) == (429, "too_many_registrations")
    assert sign_in(evil, mallory, UNKNOWN).status == 200, "who is a member already"


def test_a_proved_domain_provides_as_many_accounts_as_the_plan_allows(
    holder: RegisteredUser, idp: FakeIdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = MovableClock()
    monkeypatch.setattr(clock, "now", time.now)
    employer = register_with_provider(idp, "corp.example")
    monkeypatch.setitem(settings.__dict__, "registrations_per_minute", 1)  # used up by the employer's own
    set_plan(employer, "free", max_team_members=3)
    assert [sign_in(idp, employer, email).status for email in (KNOWN, UNKNOWN)] == [200, 200]
    assert status_and_code(sign_in(idp, employer, "new@corp.example")) == (429, "member_limit_reached")
    assert sign_in(idp, employer, KNOWN).status == 200
    set_security(employer)
    assert status_and_code(sign_in(idp, employer, "new@elsewhere.example")) == (429, "too_many_registrations")
