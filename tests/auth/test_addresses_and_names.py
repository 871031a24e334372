"""Addresses in one form wherever they are taken, and names that carry nothing into mails to strangers."""

import pytest

from tests.auth import sent_mails
from tests.factories import PASSWORD, register
from tests.gateway import Client
from tests.organizations.organization_helpers import organization_path, register_verified
from weconnect.mail import to_safe_name

NOT_ONE_ADDRESS = [
    '"1" <ada@example.com>',
    '"1"<ada@example.com',
    "<ada@example.com",
    "Ada<ada@example.com>",
    "eve@example.org, ada@example.com",
    "eve,ada@example.com",
    "eve;ada@example.com",
    "group:ada@example.com",
    "(1)ada@example.com",
    "ada(1)@example.com",
    '"ada"@example.com',
    "a\\da@example.com",
    "a\u200bda@example.com",
    "ada@[192.0.2.1]",
]


@pytest.mark.parametrize("text", NOT_ONE_ADDRESS)
def test_what_is_not_one_bare_address_is_refused_wherever_one_is_taken(aws: None, text: str) -> None:
    person = register_verified("ada@example.com")
    before = len(sent_mails.texts())
    names = {"firstName": "A", "lastName": "B", "password": PASSWORD}
    responses = {
        "/email": [
            Client().post("/v1/auth/forgot-password", {"email": text}),
            Client().post("/v1/auth/resend-verification", {"email": text}),
            Client().post("/v1/auth/register", {"email": text, **names}),
            person.client.post(organization_path(person, "/invitations"), {"email": text}),
            person.client.patch("/v1/users/me", {"email": text, "currentPassword": PASSWORD}),
        ]
    }
    for pointer, refused in responses.items():
        for response in refused:
            assert (response.status, response.json["errors"][0]["pointer"]) == (422, pointer), response.text
    assert len(sent_mails.texts()) == before


def test_every_spelling_of_an_address_is_one_account_and_one_counter(aws: None) -> None:
    register("ann@bücher.example")
    spellings = ["Ann@bücher.example", "ANN@BÜCHER.example", " ann@xn--bcher-kva.example "]
    spellings += [
        "ａｎｎ@bücher.example",
        "ann@xn--BCHER-kva.example",
        "ann@bücher.example",
        "aNN@bücher.example",
    ]
    for text in spellings:
        assert Client().post("/v1/auth/forgot-password", {"email": text}).status == 204
    mails = sent_mails.texts()
    assert len(mails) == 1 + 5 and all("Your token" in text for text in mails), (
        "that of the registration, and resets"
    )


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("https://evil.example/win?x=1", "https evil example win x 1"),
        ("www.evil.example", "www evil example"),
        ("evil。example", "evil example"),
        ("mail me@evil.example", "mail me evil example"),
        ("Call +49 170 1234567", "Call 49 170"),
        ("A\r\nBcc: x", "A Bcc x"),
        ("x" * 100, "x" * 40),
        ("Dr. Ada M. O’Neil-Lovelace", "Dr. Ada M. O’Neil-Lovelace"),
        ("Müller & Söhne 24", "Müller & Söhne 24"),
        ("日本 株式会社", "日本 株式会社"),
        ("नमस्ते", "नमस्ते"),
        ("://", "-"),
    ],
)
def test_a_name_in_a_mail_carries_no_link_address_or_number(name: str, safe: str) -> None:
    assert to_safe_name(name) == safe


def test_mails_to_strangers_carry_no_links_of_the_sender(aws: None) -> None:
    evil = "https://evil.example/prize"
    names = {"firstName": evil, "lastName": "evil.example", "organizationName": f"Win at {evil}"}
    register("victim@corp.example", verified=False, **names)
    inviter = register("mallory@mallory.example", verified=True, **names)
    body = {"email": "victim@elsewhere.example"}
    assert inviter.client.post(organization_path(inviter, "/invitations"), body).status == 201
    change = {"email": "victim@third.example", "currentPassword": PASSWORD}
    assert inviter.client.patch("/v1/users/me", change).status == 200
    for address in ("victim@corp.example", "victim@elsewhere.example", "victim@third.example"):
        (text,) = sent_mails.texts_to(address)
        assert "evil example" in text and "evil.example" not in text and "://evil" not in text
