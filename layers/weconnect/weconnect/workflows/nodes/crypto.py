"""crypto: hashes and signatures, random IDs, base64 and hexadecimal text.

The node is a step, so that an ID stays the same on replay, and the key of a signature can be a secret.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Annotated, Literal

from pydantic import Field

from weconnect import ids
from weconnect.node_sdk import field_paths, output_budget
from weconnect.node_sdk.node_parameters import ExpressionRule, Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeError, NodeRun, NodeType

Text = Annotated[str, Field(max_length=1_000_000)]


class CryptoParameters(Parameters):
    operation: Literal["hash", "hmac", "id", "encode", "decode", "compare"]
    """The operation. `id` creates a random UUID that sorts by time."""
    text: Text = ""
    """Text to hash, sign, encode, decode or compare, as UTF-8."""
    key: Annotated[Text, ExpressionRule.MAY_USE_SECRETS] = ""
    """For `hmac`: the key, which may be a secret variable."""
    algorithm: Literal["md5", "sha1", "sha256", "sha384", "sha512", "sha3_256"] = "sha256"
    """For `hash` and `hmac`: the algorithm. md5 and sha1 are not secure; use them only where a service requires it."""
    format: Literal["hex", "base64", "base64url"] = "hex"
    """Format of hashes and signatures, and the one to `encode` to and `decode` from."""
    other: Text = ""
    """For `compare`: the other text. The comparison takes constant time."""
    into: Annotated[str, Field(min_length=1, max_length=255)] = Field(default="result", alias="as")
    """Path of the field for the result."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return each item with the result added: a text, or a boolean for `compare`."""
    items = (
        field_paths.put(item, parameters.into, _compute_result(parameters))
        for parameters, item in node_run.resolve_each(CryptoParameters)
    )
    return output_budget.collect(node_run.node.name, {"main": items})


def _compute_result(parameters: CryptoParameters) -> str | bool:
    """Return the result of the operation on one text."""
    content = parameters.text.encode(errors="replace")
    match parameters.operation:
        case "id":
            return str(ids.new_id())
        case "compare":
            return hmac.compare_digest(content, parameters.other.encode(errors="replace"))
        case "encode":
            return _encode(content, parameters.format)
        case "decode":
            return _decode(parameters)
        case "hash":
            digest = hashlib.new(parameters.algorithm, content, usedforsecurity=False).digest()
            return _encode(digest, parameters.format)
    if not parameters.key:
        raise NodeError("invalid_parameters", "/key: is required for hmac")
    return _encode(
        hmac.digest(parameters.key.encode(errors="replace"), content, parameters.algorithm), parameters.format
    )


def _encode(content: bytes, form: str) -> str:
    """Return bytes as text in a format."""
    if form == "hex":
        return content.hex()
    encode = base64.b64encode if form == "base64" else base64.urlsafe_b64encode
    text = encode(content).decode()
    return text if form == "base64" else text.rstrip("=")


def _decode(parameters: CryptoParameters) -> str:
    """Return the text that is encoded in a format. Raises NodeError."""
    try:
        if parameters.format == "hex":
            return bytes.fromhex(parameters.text).decode()
        text = parameters.text.rstrip("=")
        padded = text + "=" * (-len(text) % 4)
        letters = b"-_" if parameters.format == "base64url" else b"+/"
        return base64.b64decode(padded, altchars=letters, validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise NodeError(
            "not_decodable", f"/text: is not UTF-8 text encoded as {parameters.format}"
        ) from error


NODE = NodeType(
    label="Crypto",
    description="Hashes, signs, encodes, decodes and compares texts, and creates random IDs.",
    category="data",
    kind="effect",
    parameters=CryptoParameters,
    run=run,
)
