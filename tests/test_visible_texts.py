"""Names with characters that cannot be shown: refused in requests, and replaced where stored ones are shown."""

import base64
import hashlib
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import RegisteredUser
from tests.gateway import Client
from tests.workflows.definitions import node
from weconnect import texts
from weconnect.svg import Drawing

INVISIBLE = [
    "\x00",
    "\x01",
    "\x1b",
    "\x85",
    "\n",
    "\u202e",
    "\u2067",
    "\u200b",
    "\u200f",
    "\u2060",
    "\ufffe",
    "\uffff",
]


class ScriptReader(HTMLParser):
    """The scripts of a page, as a browser finds them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            assert not attributes, "no script of another file"
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data


@pytest.mark.parametrize("character", INVISIBLE)
def test_a_name_with_a_character_that_cannot_be_shown_is_refused(me: RegisteredUser, character: str) -> None:
    for path in ("/v1/agents", "/v1/workflows", "/v1/organizations"):
        refused = me.client.post(path, {"name": f"a{character}b"})
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/name"), refused.text
        assert f"U+{ord(character):04X}" in refused.text
    assert me.client.post("/v1/agents", {"name": "Zoë 🤖 שלום"}).status == 201


@pytest.mark.parametrize("character", ["\x1b", "\u200b", "\u200f", "\u202e"])
def test_every_text_that_names_something_is_checked(me: RegisteredUser, character: str) -> None:
    name = f"a{character}b"
    agent = f"/v1/agents/{me.client.post('/v1/agents', {'name': 'Helper'}).json['id']}"
    for path, body, pointer in (
        (f"{agent}/tools", {"toolName": "current_time", "displayName": name}, "/displayName"),
        (f"{agent}/executions", {"input": "hi", "sessionId": name}, "/sessionId"),
        ("/v1/workflows", {"name": "w", "tags": [name]}, "/tags/0"),
        ("/v1/workflows", {"name": "w", "nodes": [node("a", "set", name=name, values={})]}, "/nodes"),
    ):
        refused = me.client.post(path, body)
        assert refused.status == 422, refused.text
        assert refused.json["errors"][0]["pointer"] == pointer
        assert f"U+{ord(character):04X}" in refused.text


@given(st.text())
def test_a_picture_is_xml_whatever_its_texts_are(text: str) -> None:
    drawing = Drawing()
    drawing.box(0, 0, 10, 10, None, text)
    drawing.text(0, 0, text)
    ElementTree.fromstring(drawing.svg())


@given(st.text())
def test_visible_texts_are_accepted(text: str) -> None:
    visible = texts.make_visible(text)
    assert texts.require_visible(visible) == visible and len(visible) == len(text)
    assert texts.make_visible(f"a\tb\n{visible}", "\t\n") == f"a\tb\n{visible}"


def test_no_response_can_be_framed_or_load_anything_but_the_documentation_page(me: RegisteredUser) -> None:
    headers = {name.lower(): text for name, text in me.client.get("/v1/agents").headers.items()}
    assert headers["x-frame-options"] == "DENY"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    page = Client().get("/docs")
    policy = {name.lower(): text for name, text in page.headers.items()}["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and "'unsafe-inline'" not in policy.partition("style-src")[0]
    scripts = ScriptReader(page.text).scripts
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(scripts) == 2 and all(f"'sha256-{each}'" in policy for each in hashes)
