"""Fixtures of the tests of authentication."""

from collections.abc import Iterator

import pytest

from tests.auth.fake_identity_provider import FakeIdentityProvider, run_fake_provider
from weconnect import mail


@pytest.fixture
def deployment_address(monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the deployment know its own address, which single sign-on needs, and return it."""
    address = "https://api.example.com"
    monkeypatch.setattr(mail, "base_url", lambda: address)
    return address


@pytest.fixture
def idp(deployment_address: str) -> Iterator[FakeIdentityProvider]:
    """Run a fake identity provider."""
    with run_fake_provider() as provider:
        yield provider


@pytest.fixture
def evil(deployment_address: str) -> Iterator[FakeIdentityProvider]:
    """Run a second fake identity provider, for an attacker."""
    with run_fake_provider() as provider:
        yield provider
