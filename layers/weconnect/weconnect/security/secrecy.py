"""The one decision about what is a secret: by the name of a field, by the form of a text, and by its part of a URL.

A name is split into words first (`sortKey`, `sort_key` and `sort-key` are the same two), so `monkey`, `secretary` and
`tokenizer` are plain. In doubt a text is one.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote

from weconnect.hiding import MASK
from weconnect.redaction import redact

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_LETTER = re.compile(r"[^A-Za-z]")
_SECRET_WORDS = frozenset(
    {
        *(
            "password",
            "passwords",
            "passwd",
            "passphrase",
            "passcode",
            "pwd",
            "passwort",
            "kennwort",
            "secret",
        ),
        *("secrets", "credential", "credentials", "cookie", "cookies", "jwt", "bearer", "otp", "totp", "mfa"),
        *("auth", "oauth", "authorization", "authentication", "signature", "signatures", "hmac", "apikey"),
        *("apikeys", "accesskey", "secretkey", "privatekey", "signingkey", "authkey", "encryptionkey"),
        *("sessionid", "sessid", "phpsessid", "jsessionid", "cvv", "cvc", "webhookid", "pindata"),
    }
)
"""Words that make a name secret wherever they are in it, unless the name ends with one of `_ABOUT`."""
_SECRET_ENDS = ("password", "passwd", "passphrase", "secret", "token", "cookie", "apikey", "signature")
"""Ends of words that are written without a separator, such as `accesstoken`."""
_SECRET_LAST_WORDS = frozenset({"pass", "pin", "pins", "sid", "sig", "session"})
_ABOUT = frozenset(
    {
        *(
            "id",
            "ids",
            "name",
            "names",
            "type",
            "types",
            "count",
            "url",
            "uri",
            "endpoint",
            "prefix",
            "header",
        ),
        *(
            "headers",
            "length",
            "limit",
            "arn",
            "version",
            "policy",
            "algorithm",
            "alg",
            "size",
            "date",
            "format",
        ),
        *("field", "label", "status", "enabled", "required", "method", "mode", "ttl", "lifetime", "expiry"),
        *("expires", "at", "in", "usage", "rotation", "provider", "scopes", "scope", "description"),
    }
)
"""Last words of a name that is about a secret and has none in it: `tokenType`, `secretName`."""
_PLAIN_KEYS = frozenset(
    {
        *(
            "sort",
            "primary",
            "foreign",
            "object",
            "partition",
            "group",
            "public",
            "idempotency",
            "cache",
            "row",
        ),
        *("range", "order", "map", "index", "unique", "natural", "surrogate", "composite", "item", "parent"),
        *(
            "lookup",
            "routing",
            "message",
            "dedup",
            "dedupe",
            "deduplication",
            "field",
            "column",
            "translation",
        ),
        *(
            "locale",
            "label",
            "sheet",
            "issue",
            "project",
            "space",
            "json",
            "data",
            "entity",
            "record",
            "document",
        ),
        *("file", "path", "search", "feature", "config", "setting", "property", "memory", "hot", "shortcut"),
        *("event", "metric", "tag", "state", "customer", "tenant", "organization", "product", "concurrency"),
        *(
            "match",
            "join",
            "filter",
            "hash",
            "storage",
            "bucket",
            "s",
            "dictionary",
            "answer",
            "license",
            "by",
        ),
    }
)
"""Words before `key` that make it the name of a thing."""
_PLAIN_TOKENS = frozenset(
    {
        *("page", "next", "previous", "prev", "continuation", "pagination", "sync", "cursor", "resume"),
        *("max", "min", "total", "prompt", "completion", "input", "output", "new", "used", "num", "number"),
        *("count", "budget", "per", "thinking", "reasoning", "cached", "stop", "pad", "unk", "eos", "bos"),
    }
)
"""Words beside `token` that make it a position in a list, or a piece of text that a model reads."""
_CODES = frozenset(
    {"security", "access", "verification", "auth", "mfa", "reset", "login", "recovery", "backup"}
)
_PLAIN_HEADERS = re.compile(
    r"(?i)accept(-.*)?|content-(type|language|encoding|disposition|length)|user-agent|cache-control|prefer|host"
    r"|if-(none-)?match|if-(un)?modified-since|range|date|origin|referer|dnt|idempotency-key|traceparent|expect"
    r"|connection|x-request-id|x-correlation-id|x-requested-with|.*-version"
)
_PLACEHOLDER = re.compile(
    r"(?i)\s{0,9}+(?:(?:bearer|basic|token)\s{1,9}+)?(?:\{[\w.-]{1,200}\}|\{\{[^\"'{}]*\}\})\s{0,9}+"
)
_FORMS = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY|\b(?:ghp|gho|ghu|ghs|ghr|glpat|github_pat|npm|hf|pypi|dop_v1|shpat|whsec|rk"
    r"|sk|xox[abeoprs])[_-][\w-]{8}|\bAIza[\w-]{20}|\bSG\.[\w-]{16}|\bbot[0-9]{6,12}:[\w-]{16}"
)
_PAIRS = re.compile(r"[\w.%\[\]-]{1,100}=[^&\s]*(?:&[\w.%\[\]-]{1,100}=[^&\s]*)*")
_URL_IN_TEXT = re.compile(r"(?i)\bhttps?://[^\s\"'<>]+")
_TOKEN_FOLDERS = frozenset(
    {"services", "hooks", "hook", "webhook", "webhooks", "webhook-test", "callbacks", "shared"}
)
_JOINTS = str.maketrans("0123456789", "A" * 10, "-_")
_TOKEN = re.compile(r"[A-Za-z0-9_=:-]{6,}")


def split_words(name: str) -> list[str]:
    """Return the words of a name in lower case, without its digits."""
    words = _NO_LETTER.split(_WORD_START.sub(" ", name))
    return [word.lower() for word in words if word]


def is_secret_name(name: str) -> bool:
    """Return whether a parameter or field with this name usually has a secret in it."""
    words = split_words(name)
    if words and words[-1] in ("value", "text", "string", "raw") and len(words) > 1:
        words.pop()
    if not words:
        return False
    last, before = words[-1], words[:-1]
    if last == "id" and "session" in before:
        return True
    if last in _ABOUT:
        return False
    if last in ("token", "tokens"):
        return not _PLAIN_TOKENS & set(before)
    if last in ("key", "keys"):
        return not before[-1:] or before[-1] not in _PLAIN_KEYS
    if last == "code":
        return bool(_CODES & set(before))
    if last in _SECRET_LAST_WORDS or (last == "access" and before == ["x"]):
        return True
    return any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words)


def is_secret_header(name: str) -> bool:
    """Return whether a request header may authorize the request: every one, except those that are known as plain."""
    return not _PLAIN_HEADERS.fullmatch(name.strip())


def is_placeholder(text: str) -> bool:
    """Return whether a text has nothing of its own, such as `Bearer {token}` and `{{ $vars.token }}`."""
    return bool(_PLACEHOLDER.fullmatch(text))


def is_secret_text(text: str) -> bool:
    """Return whether a text is a secret, or contains one, by its form alone."""
    if redact(text) != text or _FORMS.search(text):
        return True
    if "=" in text and _PAIRS.fullmatch(text):
        pairs = [pair.partition("=") for pair in text.split("&")]
        if any(is_secret_parameter(name, value) for name, _, value in pairs):
            return True
    return any(
        part != MASK and not is_placeholder(part)
        for match in _URL_IN_TEXT.finditer(text)
        if match[0] != text
        for part in list_url_secrets(match[0])
    )


def is_secret_parameter(name: str, text: str) -> bool:
    """Return whether a parameter of a URL or form is secret. `code` is one when it is long, as Azure's keys are."""
    name, text = unquote(name), unquote(text)
    if not text or is_placeholder(text):
        return False
    return (
        text == MASK
        or is_secret_name(name)
        or (name.lower() == "code" and len(text) >= 8)
        or (name not in ("", "url") and is_secret_text(text))
    )


def is_secret_segment(text: str, before: list[str]) -> bool:
    """Return whether a segment of a path is secret, by its form and by the segments before it."""
    text = unquote(text)
    if not text or is_placeholder(text):
        return False
    is_in_folder = bool(_TOKEN_FOLDERS & {segment.lower() for segment in before})
    if is_in_folder and _TOKEN.fullmatch(text) and not text.translate(_JOINTS).islower():
        return True
    return MASK in text or bool(_FORMS.search(text)) or redact(text) != text


def mask_urls(text: str) -> str:
    """Return a text with MASK in the place of each secret in its URLs."""
    return _URL_IN_TEXT.sub(lambda match: change_url(match[0], lambda key, secret: MASK), text)


def list_url_secrets(url: str) -> list[str]:
    """Return the secrets in a URL, in the order of its parts."""
    secrets: list[str] = []

    def note(key: str, text: str) -> str:
        """Note a secret."""
        secrets.append(text)
        return text

    change_url(url, note)
    return secrets


def change_url(url: str, change: Callable[[str, str], object]) -> str:
    """Return a URL with `change(key, text)` in the place of each secret in it.

    The key of a parameter is its name, so that others may be moved, and that of a segment has the whole path without
    its secrets: a segment has no other name.
    """
    scheme, separator, rest = url.partition("://")
    end = min((index for mark in "/?#" if (index := rest.find(mark)) >= 0), default=len(rest))
    authority, rest = rest[:end], rest[end:]
    user, at, host = authority.rpartition("@")
    rest, hash_mark, fragment = rest.partition("#")
    path, question, query = rest.partition("?")

    def apply(key: str, text: str) -> str:
        """Return the changed text of a part; a client may have percent-encoded the mask."""
        return str(change(key, MASK if unquote(text) == MASK else text))

    if user and not is_placeholder(user):
        user = apply("@", user)
    path = _change_path(path, apply)
    query = _change_parameters(query, "?", apply)
    if "=" in fragment:
        fragment = _change_parameters(fragment, "#", apply)
    elif is_secret_text(unquote(fragment)) or unquote(fragment) == MASK:
        fragment = apply("#", fragment)
    return f"{scheme}{separator}{user}{at}{host}{path}{question}{query}{hash_mark}{fragment}"


def _change_path(path: str, apply: Callable[[str, str], str]) -> str:
    """Return a path with the secrets in its segments and their matrix parameters (`;name=value`) changed."""
    segments = path.split("/")
    changed = []
    is_secret = []
    for index, segment in enumerate(segments):
        plain, semicolon, parameters = segment.partition(";")
        if semicolon:
            parameters = _change_parameters(parameters, ";", apply)
        is_secret.append(is_secret_segment(plain, segments[:index]))
        changed.append((plain, f"{semicolon}{parameters}"))
    pattern = "/".join(
        MASK if secret else plain for (plain, _), secret in zip(changed, is_secret, strict=True)
    )
    return "/".join(
        (apply(f"/{index}{pattern}", plain) if secret else plain) + rest
        for index, ((plain, rest), secret) in enumerate(zip(changed, is_secret, strict=True))
    )


def _change_parameters(text: str, mark: str, apply: Callable[[str, str], str]) -> str:
    """Return `a=1&b=2` with the secret values changed. Of several with one name, each has its number and theirs."""
    pieces = re.split(r"([&;])", text)
    names = [piece.partition("=")[0] for piece in pieces[::2]]
    for index, name in enumerate(names):
        _, equals, value = pieces[2 * index].partition("=")
        if equals and is_secret_parameter(name, value):
            key = f"{mark}{name}&{names[:index].count(name)}&{names.count(name)}"
            pieces[2 * index] = f"{name}={apply(key, value)}"
        elif not equals and (unquote(name) == MASK or is_secret_text(unquote(name))):
            pieces[2 * index] = apply(f"{mark}{index}", name)
    return "".join(pieces)
