"""The names that expressions read from variables, and the rule that secrets hangs on them, with tricky text."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.workflows.definitions import connect, node
from weconnect.node_sdk.entities import Connection, Node
from weconnect.node_sdk.node_expressions import find_used_names
from weconnect.node_sdk.node_type import ExpressionScope, NodeError, NodeRun
from weconnect.node_sdk.secret_values import SealedSecret, Secrets
from weconnect.workflows.node_catalogue import find_node_type

SECRET = "a secret of 1 canary"


class PlainSecrets(Secrets):
    """Secrets without encryption that record which of them were decrypted."""

    def __init__(self, allowed_parameters: frozenset[str]) -> None:
        super().__init__(UUID(int=1), {}, allowed_parameters)
        self.opened: list[str] = []

    def open(self, names: Any) -> dict[str, str]:
        self.opened += names
        self.add(SECRET)
        return dict.fromkeys(self.opened, SECRET)


def execute(type: str, **parameters: Any) -> tuple[dict[str, Any], list[str]]:
    """Execute a node with the secret `token` and the variable `plain`; return its item and the secrets it opened."""
    kind = find_node_type(type)
    assert kind
    sealed = {"token": SealedSecret(id=UUID(int=2), text="")}
    scope = ExpressionScope({}, None, {}, datetime(2026, 1, 2, tzinfo=UTC), {"plain": "p"}, sealed)
    secrets = PlainSecrets(kind.secret_parameters) if kind.kind == "effect" else None
    node = Node(id="n", name="N", type=type, parameters=parameters)
    outputs = kind.run(NodeRun(node=node, inputs={"main": [{}]}, scope=scope, secrets=secrets))
    return outputs["main"][0], secrets.opened if secrets else []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("no expression, just $vars.a", set()),
        ('{{ $vars.a & $vars.`b c` & $vars."d" }}', {"a", "b c", "d"}),
        ("it's {{ $vars.a }} and isn't {{ $vars.b }}", {"a", "b"}),
        ("{{ $vars . a }} {{ $vars/* of all */.b }}", {"a", "b"}),
        ("{{ '$vars.a' & \"$vars.b\" & /* $vars.c */ `$vars.d` }}", set()),
        ("{{ $replace(x, /$vars.a/, '') }}", set()),
        ("{{ $variables.a & $var.b & $.vars.c }}", set()),
        ("{{ $lookup($vars, 'a') }}", None),
        ("{{ ($v := $vars; $v.a) }}", None),
        ("{{ $vars['a'] }}", None),
        ("{{ $vars.* }}", None),
        ("{{ never closed, without the variable", set()),
        ("{{ $vars.a", None),
    ],
)
def test_the_names_in_a_text_are_read_from_its_expressions(text: str, names: set[str] | None) -> None:
    setting = Node.model_validate(node("a", "set", values={"x": ["y", text]}))
    assert find_used_names([setting], [], "vars") == names


def test_raw_expressions_and_conditions_count() -> None:
    nodes = [
        Node.model_validate(node("a", "jsonata", expression="$vars.a & '{{ $vars.none }}'")),
        Node.model_validate(node("b", "event", types=["t"], condition="$vars.b")),
        Node.model_validate(node("c", "code", code="return f'{{' + '$nodes.x'")),
    ]
    connection = Connection.model_validate(connect("a > b", "$nodes.c.output.n = $vars.c"))
    assert find_used_names(nodes, [connection], "vars") == {"a", "b", "c"}
    assert find_used_names(nodes[:2], [connection], "nodes") == {"c"}
    assert find_used_names(nodes, [connection], "nodes") is None, "the code may be an open expression"


@pytest.mark.parametrize(
    "source",
    [
        "$vars.token",
        "$vars.`token`",
        '$vars."token"',
        "$vars\n.\ttoken",
        "$vars/* .plain */.token",
        "$vars.plain & $vars.token",
        "x.{'y': $vars.token}",
        "(function($vars) { 1 })(2) & $vars.token",
    ],
)
def test_a_secret_is_refused_however_it_is_written(source: str) -> None:
    with pytest.raises(NodeError) as caught:
        execute("set", values={"x": f"{{{{ {source} }}}}"})
    assert caught.value.code == "secret_not_allowed"
    with pytest.raises(NodeError) as caught:
        execute("crypto", operation="encode", text=f"{{{{ {source} }}}}")
    assert caught.value.code == "secret_not_allowed"


@pytest.mark.parametrize(
    "source",
    ["'$vars.token'", "/* $vars.token */ 'x'", "$contains('x', /$vars.token/)", "`$vars.token` = 1"],
)
def test_text_that_looks_like_a_secret_opens_none(source: str) -> None:
    assert SECRET not in str(execute("set", values={"x": f"{{{{ {source} }}}}"}))
    item, opened = execute("crypto", operation="hmac", text="x", key=f"k{{{{ {source} }}}}")
    assert opened == [] and SECRET not in str(item)


@pytest.mark.parametrize(
    "source", ["$lookup($vars, 'token')", "$vars['token']", "($v := $vars; $v.token)", "$string($vars)"]
)
def test_an_expression_over_all_variables_has_no_secrets(source: str) -> None:
    item, _ = execute("set", values={"x": f"{{{{ $string({source}) }}}}"})
    assert SECRET not in str(item)
    with pytest.raises(NodeError) as caught:
        execute("crypto", operation="hmac", key="{{ $vars.token }}", text=f"{{{{ {source} }}}}")
    assert caught.value.code == "secret_not_allowed", "beside a secret, variables are used by name"


def test_a_secret_is_opened_where_it_is_allowed() -> None:
    item, opened = execute("crypto", operation="hmac", text="x", key="{{ $vars.token }}")
    assert opened == ["token"] and len(item["result"]) == 64
