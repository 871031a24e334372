"""What is to be remembered, what is asked of memory, and the answer out of what was remembered."""

import re
from typing import Any

from weconnect.agents.embedded_model.sentences import STOP, stem, word_set, words

POLITE = r"^\W*(?:(?:please|also|and|then|hey|ok|okay|(?:can|could|would) you|i(?:'d like| want) you to)\W+)*"
LINK = r"\s*(?:that\b|this\b|:|,|-|the following\b)*\W*\s*"
REMEMBER = [
    r"(?:please\s+)?(?:always\s+)?remember(?!\s+(?:when|what|who|where|how|me\b))",
    r"(?:please\s+)?(?:take|make|keep)\s+(?:a\s+)?(?:mental\s+)?note(?:\s+of)?",
    r"(?:please\s+)?note(?!s?\s+(?:from|about))(?:\s+down)?",
    r"(?:please\s+)?(?:keep|bear)\s+(?:it\s+|this\s+)?in\s+mind",
    r"(?:please\s+)?(?:don't|dont|do\s+not|never)\s+forget",
    r"for\s+(?:the|your)\s+(?:record|information)|fyi",
    r"(?:please\s+)?(?:save|store|memori[sz]e|write\s+down|jot\s+down)\s+(?:this|that|the\s+fact|to\s+memory|in\s+memory|it\s+down)",
    r"(?:please\s+)?memori[sz]e",
    r"(?:just\s+)?so\s+(?:that\s+)?you\s+(?:know|remember)",
    r"[^.?!:]{0,40}\b(?:remember|note|memory)(?=\s*:)",
]
SAVE = re.compile(rf"{POLITE}(?:{'|'.join(REMEMBER)})\b{LINK}(?P<fact>.*\w.*)$", re.IGNORECASE | re.DOTALL)
AFTERWARDS = re.compile(
    r"^(?P<fact>.*\w.*?)\W+(?:please\s+)?(?:(?:remember|note|memori[sz]e|save|don't\s+forget)\s+(?:this|that|it)"
    r"|(?:keep|bear)\s+(?:this|that|it)\s+in\s+mind)\W*(?:please)?\W*$",
    re.IGNORECASE | re.DOTALL,
)
ASKING = [
    r"\b(?:do|can|did)\s+you\s+(?:still\s+)?(?:remember|recall|know)\s+(?:my|me|what|who|where|when|how|which|if|the|about|our)\b",
    r"\bwhat\s+(?:do|did|have)\s+(?:you|i|we)\s+(?:\w+\s+)?(?:know|remember|recall|tell|told|say|said|mention|save|store|note)",
    r"\b(?:have\s+i|did\s+i)\s+(?:ever\s+)?(?:tell|told|mention|mentioned|say|said)\b",
    r"\bremind\s+me\s+(?:what|who|where|when|how|which|of|about)\b",
    r"\b(?:search|check|look\s+in|from|in)\s+(?:your\s+|my\s+|the\s+)?memor(?:y|ies)\b",
    r"\b(?:recall|retrieve)\b",
]
RECALL = re.compile("|".join(ASKING), re.IGNORECASE)
ASKED = frozenset(
    stem(word)
    for word in word_set(
        "remember recall remind told tell said say mention know memory note record save still ever again"
    )
)
SECTION = re.compile(r"memor(?:y|ies)|known facts|what you know|remembered", re.IGNORECASE)
PERSON = {
    "my": "your", "mine": "yours", "i": "you", "me": "you", "i'm": "you're", "am": "are",
    "myself": "yourself",
    "i've": "you've", "i'd": "you'd", "our": "your", "ours": "yours", "we": "you", "us": "you", "was": "were",
}  # fmt: skip
ALIKE = {"live": "home", "resid": "home", "address": "home", "phon": "number", "job": "work",
         "employ": "work",
         "birthday": "born", "spous": "married", "wif": "married", "husband": "married"}  # fmt: skip


def fact_to_save(text: str) -> str | None:
    """Strip the words of command off "remember that …"; None when nothing is to be remembered."""
    match = SAVE.match(text.strip()) or AFTERWARDS.match(text.strip())
    if not match or (text.rstrip().endswith("?") and re.match(r"\W*(do|did)\b", text, re.IGNORECASE)):
        return None
    return re.sub(r"[\s.!?,;]+$", "", match["fact"]).strip() or None


def is_recall(text: str) -> bool:
    return bool(RECALL.search(text))


def known_facts(system: str) -> list[str]:
    """Read the "- " lines under a heading that speaks of memories or known facts."""
    facts, inside = [], False
    for line in system.splitlines():
        if line.lstrip().startswith("- "):
            if inside:
                facts.append(re.sub(r"^\s*-\s+(?:\[[^\]]*\]\s*)?", "", line).strip())
        elif line.strip():
            inside = bool(SECTION.search(line))
    return facts


def matching(question: str, facts: list[str], share: float = 1.0) -> str | None:
    """Find the fact that has the largest share, at least `share`, of the question's words and says more."""
    asked = _key_stems(question)
    best, best_score = None, 0.0
    for fact in facts:
        said = _key_stems(fact)
        score = len(asked & said) / len(asked) if asked else 0.0
        if score >= share and score > best_score and said - asked:
            best, best_score = fact, score
    return best


def spoken_back(fact: str) -> str:
    """Turn "my dog is Rex" into "Your dog is Rex."; a fact about others stays as it is."""
    flat = fact.strip().rstrip(".")
    if re.match(r"(my|i|i'm|i've|our|we)\b", flat, re.IGNORECASE):
        first_person = re.match(r"(?:i|we)\b", flat, re.IGNORECASE)
        flat = re.sub(
            r"[A-Za-z']+",
            lambda m: m[0] if m[0].lower() == "was" and not first_person else PERSON.get(m[0].lower(), m[0]),
            flat,
        )
    return flat[:1].upper() + flat[1:] + "."


def answer(question: str, result: Any) -> str:
    """Answer out of a search's hits: the fact most like the question, else that it is not known."""
    hits = [str(hit["content"]) for hit in _hits(result) if isinstance(hit, dict) and hit.get("content")]
    if not hits:
        return "I do not know: nothing in my memory answers that."
    if re.search(r"\b(?:know|remember|recall|told?)\b[^?]*\babout me\b", question, re.IGNORECASE):
        return "This is what I remember: " + "; ".join(hits[:5]) + "."
    asked = _key_stems(question)
    ranked = sorted(
        hits, key=lambda hit: -len(asked & _key_stems(hit))
    )  # stable: the search's order decides ties
    if asked & _key_stems(ranked[0]):
        return spoken_back(ranked[0])
    return f"I do not know for certain. The nearest thing in my memory: {hits[0]}"


def _hits(result: Any) -> list[Any]:
    found = result.get("memories") if isinstance(result, dict) else result
    return found if isinstance(found, list) else []


def _key_stems(text: str) -> set[str]:
    found = {stem(word) for word in words(text) if word not in STOP} - ASKED
    return found | {ALIKE[word] for word in found if word in ALIKE}
