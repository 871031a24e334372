"""How well a request fits a tool, judged by the tool's name, description and parameters."""

import re
from typing import Any, NamedTuple

from weconnect.agents.embedded_model.sentences import stem, stems, word_set, words
from weconnect.agents.models.messages import ToolSpec

# What an action is called, in names and in requests; words in one row mean the same.
# A tool that writes is called only when its own action is asked for.
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
# Crafts: a tool does them only when its name or description says so.
CRAFTS = word_set(
    "summarise summarize explain draw compose sing describe analyse analyze generate paint rewrite "
    "proofread guess imagine translate write invent recommend suggest compare teach play cook predict "
    "design joke poem story"
)
# Tools whose name is a word of every day: they are called by it only as "the text tool".
ORDINARY = frozenset({"text"})
NOUNS_IN_NAMES = word_set("email mail message text order status current file new")
BEFORE_VERBS = word_set(
    "please can could will you to and then also just now i we let's lets hey hi ok okay so quickly "
    "kindly don't or me would want need like"
)
VERBS = {word: action for action, listed in ACTIONS.items() for word in listed.split()}
VERB_STEMS = {stem(word): action for word, action in VERBS.items()}
GENERIC = frozenset(
    map(stem, word_set("tool api data info information service request value result id number"))
)

# Everyday words for what tools are usually named after.
ALIKE = {
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
for _noun, _others in ALIKE.items():
    for _other in _others.split():
        SYNONYMS.setdefault(stem(_other), set()).add(stem(_noun))


class Match(NamedTuple):
    tool: ToolSpec
    score: float
    by_name: bool


def rank(text: str, tools: list[ToolSpec]) -> list[Match]:
    """Order the tools that fit, best first; a tool that only shares a word or two by chance is left out."""
    asked = _with_synonyms(stems(text))
    actions = _actions(text)
    found = [match for tool in tools if (match := _match(text, asked, actions, tool))]
    return sorted(found, key=lambda match: -match.score)


def named(text: str, tools: list[ToolSpec]) -> ToolSpec | None:
    """Find a tool that is called by its name: "get_weather city=Lima", "use the calculator tool"."""
    for tool in sorted(tools, key=lambda tool: -len(tool.name)):
        name = re.escape(tool.name)
        if not tool.name:
            continue
        if tool.name in ORDINARY:
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


def _match(text: str, asked: dict[str, float], actions: set[str], tool: ToolSpec) -> Match | None:
    name = words(tool.name)
    verb = next((word for word in name if word in VERBS and word not in NOUNS_IN_NAMES), None)
    described_as = words(tool.description)[:1]
    # "customer_email" has no verb; its description, "Sends …", starts with one.
    action = VERBS[verb] if verb else next((VERB_STEMS.get(stem(word)) for word in described_as), None)
    if not _action_fits(action or "read", actions):
        return None
    # An action that no table knows shows in the description: approve_x "Approves …" must be asked for too.
    alike = [word for word in described_as if name and word != name[0] and word.startswith(name[0][:-1])]
    if not action and alike and not asked.get(stem(name[0])):
        return None
    nouns = [stem(word) for word in name if word != verb and stem(word) not in GENERIC]
    crafts = {stem(word) for word in words(text) if word in CRAFTS}
    if crafts - {
        related
        for word in [*map(stem, name), *stems(tool.description)]
        for related in (word, *SYNONYMS.get(word, ()))
    }:
        return None
    of_name = sum(asked.get(word, 0) for word in nouns)
    described = {word for word in stems(tool.description) if word not in GENERIC} - set(nouns)
    parameters = {word for key in _properties(tool) for word in stems(key)} - set(nouns) - GENERIC
    of_rest = sum(asked.get(word, 0) for word in described | parameters if word not in VERB_STEMS)
    by_name = bool(nouns) and of_name >= max(1.0, 0.5 * len(nouns)) * 0.8
    if not by_name:
        # Two words of a description may be chance: they must be most of what was said.
        meant = [word for word in stems(text) if word not in VERB_STEMS and not word.isdigit()]
        if of_rest < 2 or of_rest < 0.5 * len(meant):
            return None
    return Match(
        tool, 3 * of_name / max(1, len(nouns)) + of_rest + (0.5 if action in actions else 0), by_name
    )


def _action_fits(action: str, actions: set[str]) -> bool:
    """Reading needs no word, but must not answer a wish to change something; the rest needs its word."""
    if action in ("read", "run"):
        return not (actions - {"read", "run"}) or "read" in actions
    return action in actions


def _actions(text: str) -> set[str]:
    """Name the actions asked for; "change" is one where a verb stands, not in "climate change"."""
    found = set()
    tokens = words(text)
    for position, word in enumerate(tokens):
        action = VERBS.get(word)
        if action and _leads(tokens[:position]):
            found.add(action)
    if re.search(r"\bset\s+up\b", text, re.IGNORECASE):
        found.add("create")
    return found


def _leads(before: list[str]) -> bool:
    return not before or before[-1] in BEFORE_VERBS or all(word in BEFORE_VERBS for word in before)


def _with_synonyms(found: list[str]) -> dict[str, float]:
    weights = {noun: 0.8 for word in found for noun in SYNONYMS.get(word, ())}
    return weights | dict.fromkeys(found, 1.0)


def _properties(tool: ToolSpec) -> dict[str, Any]:
    properties = tool.input_schema.get("properties")
    return properties if isinstance(properties, dict) else {}
