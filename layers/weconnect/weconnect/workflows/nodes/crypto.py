"""crypto: hashes and signatures, random ids, base64 and hexadecimal text.

It is a step, so that an id stays what it was when the run is replayed, and a signature's key may be a secret.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Annotated, Literal

from pydantic import Field

from weconnect import ids
from weconnect.workflows.node_sdk import field_paths
from weconnect.workflows.node_sdk.node_type import Call, NodeError, NodeType, Outputs, Parameters

Text = Annotated[str, Field(max_length=1_000_000)]


class CryptoParameters(Parameters):
    operation: Literal["hash", "hmac", "id", "encode", "decode", "compare"]
    """What to do; `id` makes a UUID that is random and sorts by time."""
    text: Text = ""
    """What is hashed, signed, encoded, decoded or compared, as UTF-8."""
    key: Text = ""
    """For `hmac`: the key, which may be a secret variable."""
    algorithm: Literal["md5", "sha1", "sha256", "sha384", "sha512", "sha3_256"] = "sha256"
    """For `hash` and `hmac`; md5 and sha1 protect nothing and are for those who still ask for them."""
    format: Literal["hex", "base64", "base64url"] = "hex"
    """Of hashes and signatures, and what `encode` and `decode` are about."""
    other: Text = ""
    """For `compare`: the other text; how long it takes does not tell where they differ."""
    into: Annotated[str, Field(min_length=1, max_length=255)] = Field(default="result", alias="as")
    """The field that takes the result."""


def run(call: Call) -> Outputs:
    """Each item with the result: a text, or of `compare` whether both are the same."""
    return {
        "main": [
            field_paths.put(item, given.into, _result(given)) for given, item in call.each(CryptoParameters)
        ]
    }


def _result(given: CryptoParameters) -> str | bool:
    content = given.text.encode(errors="replace")
    match given.operation:
        case "id":
            return str(ids.new_id())
        case "compare":
            return hmac.compare_digest(content, given.other.encode(errors="replace"))
        case "encode":
            return _encoded(content, given.format)
        case "decode":
            return _decoded(given)
        case "hash":
            digest = hashlib.new(given.algorithm, content, usedforsecurity=False).digest()
            return _encoded(digest, given.format)
    if not given.key:
        raise NodeError("invalid_parameters", "/key: hmac needs one")
    return _encoded(hmac.digest(given.key.encode(errors="replace"), content, given.algorithm), given.format)


def _encoded(content: bytes, form: str) -> str:
    if form == "hex":
        return content.hex()
    encode = base64.b64encode if form == "base64" else base64.urlsafe_b64encode
    text = encode(content).decode()
    return text if form == "base64" else text.rstrip("=")


def _decoded(given: CryptoParameters) -> str:
    try:
        if given.format == "hex":
            return bytes.fromhex(given.text).decode()
        text = given.text.rstrip("=")
        padded = text + "=" * (-len(text) % 4)
        letters = b"-_" if given.format == "base64url" else b"+/"
        return base64.b64decode(padded, altchars=letters, validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise NodeError("not_decodable", f"/text: is no {given.format} of a text in UTF-8") from error


NODE = NodeType(
    label="Crypto",
    description="Hashes, signs, encodes, decodes and compares texts, and makes random ids.",
    category="data",
    kind="effect",
    secrets=frozenset({"key"}),
    parameters=CryptoParameters,
    run=run,
)
