"""Hiding: no encoding that a service may have used shows a secret, and the work is linear."""

import base64
import html
import json
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weconnect import hiding
from weconnect.hiding import MASK, Hiding, hide_and_cut

SECRET = "p\"a\\ss &<w>ö/+ord's3cret%41é"
OTHER_CASE = SECRET.upper()


def encode_each_byte(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def escape_each_letter(text: str) -> str:
    return "".join(f"\\u{unit:04X}" for unit in memoryview(text.encode("utf-16-le")).cast("H"))


def wrap_base64(text: str) -> str:
    return base64.encodebytes(b"before " * 9 + text.encode() + b" after" * 20).decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": json.dumps,
    "json in letters": lambda text: json.dumps({"a": [text]}, ensure_ascii=False),
    "json escapes": escape_each_letter,
    "html": html.escape,
    "html decimal": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "html hexadecimal": lambda text: "".join(f"&#x{ord(letter):X};" for letter in text),
    "url": lambda text: urllib.parse.quote(text, safe=""),
    "url with plus": urllib.parse.quote_plus,
    "url lower case": encode_each_byte,
    "url upper case": lambda text: encode_each_byte(text).upper(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal upper case": lambda text: f"x{text.encode().hex().upper()}",
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 after 1": lambda text: base64.b64encode(b"." + text.encode() + b"..").decode().rstrip("="),
    "base64url after 2": lambda text: base64.urlsafe_b64encode(b"??" + text.encode()).decode(),
    "base64 in lines": wrap_base64,
    "base64 after letters": lambda text: "a" + base64.b64encode(text.encode()).decode(),
}
PACKED = [name for name in ENCODINGS if name.startswith(("base64", "hexadecimal"))]


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("outer", ENCODINGS)
def test_a_secret_is_hidden_in_each_encoding_and_each_within_another(name: str, outer: str) -> None:
    once = ENCODINGS[name](SECRET)
    text = f'before {ENCODINGS[outer](once)} "after"'
    hidden = Hiding([SECRET]).hide(text)
    assert MASK in hidden
    assert once not in hidden and ENCODINGS[outer](once) not in hidden
    assert hidden.startswith("before ") and hidden.endswith('"after"')


@pytest.mark.parametrize("name", ["json", "html", "url", "url with plus"])
def test_escapes_are_undone_as_often_as_they_were_applied(name: str) -> None:
    text = SECRET
    for _ in range(8):
        text = ENCODINGS[name](text)
    hidden = Hiding([SECRET]).hide(text)
    assert MASK in hidden and "3cret" not in hidden


@given(st.text(min_size=8, max_size=60), st.sampled_from(list(ENCODINGS)), st.text(max_size=9))
def test_any_secret_is_hidden(secret: str, name: str, before: str) -> None:
    try:
        text = before + ENCODINGS[name](secret)
    except UnicodeEncodeError:  # half a surrogate pair
        return
    assert MASK in Hiding([secret]).hide(text)


@given(st.recursive(st.text() | st.integers() | st.none() | st.booleans(), lambda inner: st.lists(inner)))
def test_what_contains_no_secret_is_returned_as_it_is(value: object) -> None:
    assert Hiding([SECRET, "another secret"]).hide(value) == value


def test_values_are_hidden_in_keys_numbers_and_lists_and_the_rest_stays() -> None:
    secrets = Hiding([SECRET, "12345678"])
    value = {f"x {SECRET}": [OTHER_CASE, 12345678, 912345678.5, 7, True, None, {"ü": "stays"}], "b": "c"}
    masked = [MASK, MASK, 912345678.5, 7, True, None, {"ü": "stays"}]
    assert secrets.hide(value) == {f"x {MASK}": masked, "b": "c"}
    assert secrets.hide_bytes(b"\xff" + SECRET.encode() + b"\x00") == b"\xff" + MASK.encode() + b"\x00"


def test_short_texts_are_not_secrets() -> None:
    assert Hiding(["true", ""]).hide({"true": "true"}) == {"true": "true"}


def test_derived_values_are_hidden_but_not_the_words_of_their_template() -> None:
    secrets = Hiding()
    secrets.add_derived(
        {"a": ["Bearer 12-derived-34"], "n": 123456789}, ["Bearer {{ x }}", {"b": "given text"}]
    )
    assert (
        secrets.hide("12-derived-34 of Bearer, given text, 123456789")
        == f"{MASK} of Bearer, given text, {MASK}"
    )


def test_the_password_of_basic_authentication_is_hidden() -> None:
    header = f"Basic {base64.b64encode(b'someone:open sesame').decode()}"
    assert Hiding([header]).hide("user someone, password open sesame") == f"user someone, password {MASK}"


def test_lines_of_a_long_secret_are_hidden_each() -> None:
    key = "-----BEGIN KEY-----\nMIIabcdefghijklmnopq\nrstuvwxyzABCDEFGHIJ\n-----END KEY-----\n"
    assert Hiding([key]).hide(key.replace("\n", "\r\n")).count(MASK) == 2


@pytest.mark.parametrize("cut", range(90))
def test_no_part_of_a_secret_is_left_before_a_cut(cut: int) -> None:
    with Hiding([SECRET]).active():
        text = hide_and_cut(f"{'-' * 40}{json.dumps(SECRET)}{'-' * 40}", cut)
    assert text == f'{"-" * 40}"{MASK}"{"-" * 40}'[:cut]
    assert hiding.hide(SECRET) == SECRET, "only within the context"


NESTED = "%" + "25" * 20_000
"""Together with itself as base64, it decodes to 36 times its length, if nothing ends the search."""


@pytest.mark.parametrize(
    "text",
    [
        *(each * 20_000 for each in ("\\", "%25", "&amp;", "aA1+", "25")),
        NESTED + base64.b64encode(NESTED.encode()).decode(),
    ],
)
def test_the_work_is_bounded(text: str) -> None:
    """A text is decoded to a bounded multiple of its length, so the bytes that are looked at tell the work."""
    lengths: list[int] = []

    class Counting(Hiding):
        def _match(self, content: bytes) -> list[Any]:
            lengths.append(len(content))
            return super()._match(content)

    Counting([SECRET]).hide(text)
    assert sum(lengths) <= 24 * len(text) + hiding.MIN_OVERLAP


@pytest.mark.parametrize(
    "text", ["%" + "25" * 300, "\\" * 999, "&" + "amp;" * 300, "&#38;#38;" * 99, "%255c" * 99, "VVVV" * 99]
)
def test_no_text_makes_others_or_itself_disappear(text: str) -> None:
    value = {"reviews": [text, {"text": "great"}, SECRET], "total": 2}
    assert Hiding([SECRET]).hide(value) == {"reviews": [text, {"text": "great"}, MASK], "total": 2}


def test_keys_that_were_different_stay_different() -> None:
    value = {f"a {SECRET}": 1, f"a {OTHER_CASE}": 2, f"a {MASK}": 3, "b": 4}
    assert Hiding([SECRET]).hide(value) == {f"a {MASK} (2)": 1, f"a {MASK} (3)": 2, f"a {MASK}": 3, "b": 4}


def test_our_own_names_stay() -> None:
    secrets = Hiding(["message", "reviews"])
    assert secrets.hide_values({"reviews": [{"a": "reviews"}]}) == {"reviews": [{"a": MASK}]}
    assert secrets.hide_messages([{"level": "info", "message": "a message"}]) == [
        {"level": "info", "message": f"a {MASK}"}
    ]


def test_a_long_file_is_read_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hiding, "WINDOW", 1000)
    monkeypatch.setattr(hiding, "MIN_OVERLAP", 200)
    for before in range(700, 1100, 3):
        content = b"-" * before + base64.b64encode(SECRET.encode()) + b"-" * 1500
        assert Hiding([SECRET]).hide_bytes(content).count(MASK.encode()) == 1, before


def test_what_is_public_in_any_case_is_not_derived() -> None:
    secrets = Hiding()
    derived = ["KEY-12345678 QUARTERLY Contract", 1234567890, "x" * 5000 + " another-word"]
    secrets.add_derived(derived, [{"texts": ["quarterly CONTRACT", 1234567890]}])
    shown = secrets.hide({"a": "quarterly contract 1234567890 key-12345678", "b": "another-word"})
    assert shown == {"a": f"quarterly contract 1234567890 {MASK}", "b": MASK}


def test_what_is_derived_is_bounded() -> None:
    secrets = Hiding()
    for number in range(100):
        secrets.add_derived(" ".join(f"{number}-{each:08d}" for each in range(10_000)))
    assert sum(map(len, secrets._needles)) < 8 * hiding.MAX_ALL_DERIVED_CHARACTERS
