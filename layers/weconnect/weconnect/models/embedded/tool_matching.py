"""Choice of a tool for a request, by the tool's name, description and parameters."""

import re
from typing import Any, NamedTuple

from weconnect.models.embedded.sentences import extract_stems, split_words, stem, to_word_set
from weconnect.models.messages import ToolSpec

# Verbs for each action, in tools' names and in requests.
# A tool that changes something is called only when the request names its action.
ACTIONS = {
    "read": "get fetch read look lookup find search list show check see view display query retrieve track "
    "status current convert calculate compute estimate count",
    "create": "create make new open add file raise register place write draft insert",
    "send": "send email mail notify forward deliver post publish message text share dispatch submit",
    "update": "update change set edit modify rename move assign mark switch turn",
    "delete": "delete remove cancel drop erase destroy close clear revoke archive unsubscribe",
    "book": "book reserve schedule",
    "pay": "pay charge",
    "refund": "refund reimburse",
    "buy": "buy purchase order",
    "transfer": "transfer wire",
    "run": "run trigger execute launch call invoke",
    "start": "start begin boot",
    "stop": "stop halt shutdown kill",
    "restart": "restart reboot reset",
    "deploy": "deploy release ship",
    "approve": "approve accept confirm",
    "reject": "reject decline deny",
    "enable": "enable activate unlock unblock",
    "disable": "disable deactivate lock block suspend ban",
    "upload": "upload import",
    "restore": "restore recover undo",
}
# A tool can do these only if its name or description says so.
CREATIVE_VERBS = to_word_set(
    "summarise summarize explain draw compose sing describe analyse analyze generate paint rewrite "
    "proofread guess imagine translate write invent recommend suggest compare teach play cook predict "
    "design joke poem story"
)
# Names of tools that are everyday words: such a tool is named only by "the text tool".
EVERYDAY_NAMES = frozenset({"text"})
NOUNS_IN_NAMES = to_word_set("email mail message text order status current file new")
BEFORE_VERBS = to_word_set(
    "please can could will you to and then also just now i we let's lets hey hi ok okay so quickly "
    "kindly don't or me would want need like"
)
VERBS = {word: action for action, listed in ACTIONS.items() for word in listed.split()}
VERB_STEMS = {stem(word): action for word, action in VERBS.items()}
GENERIC_STEMS = frozenset(
    map(stem, to_word_set("tool api data info information service request value result id number"))
)

# Everyday words for the nouns that tools are usually named after.
RELATED_WORDS = {
    "weather": "rain raining snow sunny cold warm hot temperature forecast umbrella windy humid storm",
    "currency": "usd eur gbp jpy dollar euro yen pound money exchange",
    "order": "parcel package shipment delivery",
    "email": "mail inbox",
    "invoice": "bill",
    "product": "item goods",
    "price": "cost expensive cheap",
    "user": "customer account person member",
    "customer": "client user",
    "ticket": "issue case",
    "stock": "share ticker quote",
    "news": "headline",
    "sms": "text",
    "meeting": "appointment calendar event",
    "translate": "translation",
    "summarize": "summarise summary",
    "flight": "plane",
}
SYNONYMS: dict[str, set[str]] = {}
for _noun, _others in RELATED_WORDS.items():
    for _other in _others.split():
        SYNONYMS.setdefault(stem(_other), set()).add(stem(_noun))


class ToolMatch(NamedTuple):
    """A tool that matches a request; `by_name` when the request names its noun."""

    tool: ToolSpec
    score: float
    by_name: bool


def rank_tools(text: str, tools: list[ToolSpec]) -> list[ToolMatch]:
    """Return the tools that match, best first; a tool that shares one or two words by coincidence is left out."""
    weights = _with_synonyms(extract_stems(text))
    actions = _actions(text)
    matches = [match for tool in tools if (match := _match_tool(text, weights, actions, tool))]
    return sorted(matches, key=lambda match: -match.score)


def find_named_tool(text: str, tools: list[ToolSpec]) -> ToolSpec | None:
    """Return the tool that the text names: "get_weather city=Lima", "use the calculator tool"."""
    for tool in sorted(tools, key=lambda tool: -len(tool.name)):
        name = re.escape(tool.name)
        if not tool.name:
            continue
        if tool.name in EVERYDAY_NAMES:
            if re.search(rf"\b{name}\s+tool\b", text, re.I):
                return tool
            continue
        if re.search(
            rf"(?:^|\b(?:use|call|run|with|using|invoke|execute)\s+(?:the\s+)?)[`'\"]?{name}(?!\w)",
            text,
            re.I,
        ):
            return tool
        if re.search(r"[_\d]|[a-z][A-Z]", tool.name) and re.search(rf"(?<!\w){name}(?!\w)", text):
            return tool
    return None


def _match_tool(text: str, weights: dict[str, float], actions: set[str], tool: ToolSpec) -> ToolMatch | None:
    """Return the match of a tool; None when actions or nouns differ. `weights`: each requested stem's weight."""
    name = split_words(tool.name)
    verb = next((word for word in name if word in VERBS and word not in NOUNS_IN_NAMES), None)
    described_as = split_words(tool.description)[:1]
    # "customer_email" has no verb; its description, "Sends …", starts with one.
    action = VERBS[verb] if verb else next((VERB_STEMS.get(stem(word)) for word in described_as), None)
    if not _action_fits(action or "read", actions):
        return None
    # An action outside the table is read from the description: approve_x "Approves …" must be requested too.
    alike = [word for word in described_as if name and word != name[0] and word.startswith(name[0][:-1])]
    if not action and alike and not weights.get(stem(name[0])):
        return None
    nouns = [stem(word) for word in name if word != verb and stem(word) not in GENERIC_STEMS]
    crafts = {stem(word) for word in split_words(text) if word in CREATIVE_VERBS}
    if crafts - {
        related
        for word in [*map(stem, name), *extract_stems(tool.description)]
        for related in (word, *SYNONYMS.get(word, ()))
    }:
        return None
    of_name = sum(weights.get(word, 0) for word in nouns)
    described = {word for word in extract_stems(tool.description) if word not in GENERIC_STEMS} - set(nouns)
    parameters = (
        {word for key in _read_properties(tool) for word in extract_stems(key)} - set(nouns) - GENERIC_STEMS
    )
    of_rest = sum(weights.get(word, 0) for word in described | parameters if word not in VERB_STEMS)
    by_name = bool(nouns) and of_name >= max(1.0, 0.5 * len(nouns)) * 0.8
    if not by_name:
        # Two words of a description may be a coincidence: they must be most of the request.
        content_words = [
            word for word in extract_stems(text) if word not in VERB_STEMS and not word.isdigit()
        ]
        if of_rest < 2 or of_rest < 0.5 * len(content_words):
            return None
    return ToolMatch(
        tool, 3 * of_name / max(1, len(nouns)) + of_rest + (0.5 if action in actions else 0), by_name
    )


def _action_fits(action: str, actions: set[str]) -> bool:
    """Return whether an action fits: reading fits a request that changes nothing; others must be named."""
    if action in ("read", "run"):
        return not (actions - {"read", "run"}) or "read" in actions
    return action in actions


def _actions(text: str) -> set[str]:
    """Return the requested actions; "change" is one in the position of a verb, not in "climate change"."""
    actions = set()
    tokens = split_words(text)
    for position, word in enumerate(tokens):
        action = VERBS.get(word)
        if action and _is_verb_position(tokens[:position]):
            actions.add(action)
    if re.search(r"\bset\s+up\b", text, re.IGNORECASE):
        actions.add("create")
    return actions


def _is_verb_position(before: list[str]) -> bool:
    """Return whether the words before a word allow it to be a verb, as "please" and "to" do."""
    return not before or before[-1] in BEFORE_VERBS or all(word in BEFORE_VERBS for word in before)


def _with_synonyms(stems: list[str]) -> dict[str, float]:
    """Return the weight of each stem: 1, or 0.8 for the nouns that it may mean."""
    weights = {noun: 0.8 for word in stems for noun in SYNONYMS.get(word, ())}
    return weights | dict.fromkeys(stems, 1.0)


def _read_properties(tool: ToolSpec) -> dict[str, Any]:
    """Return the tool's parameters by name; an invalid schema has none."""
    properties = tool.input_schema.get("properties")
    return properties if isinstance(properties, dict) else {}
