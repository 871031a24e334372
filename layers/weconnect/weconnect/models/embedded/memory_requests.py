"""Requests to remember and to recall, and answers from remembered facts."""

import re
from typing import Any

from weconnect.models.embedded.sentences import STOP_WORDS, split_words, stem, to_word_set

POLITE = r"^\W*(?:(?:please|also|and|then|hey|ok|okay|(?:can|could|would) you|i(?:'d like| want) you to)\W+)*"
LINK = r"\s*+(?:that\b|this\b|:|,|-|the following\b)*\W*+"
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
SAVE = re.compile(rf"{POLITE}(?:{'|'.join(REMEMBER)})\b{LINK}(?P<fact>\w.*)$", re.IGNORECASE | re.DOTALL)
AFTERWARDS = re.compile(
    r"(?<!\w)(?:please\s+)?(?:(?:remember|note|memori[sz]e|save|don't\s+forget)\s+(?:this|that|it)"
    r"|(?:keep|bear)\s+(?:this|that|it)\s+in\s+mind)\W*+(?:please\W*+)?$",
    re.IGNORECASE,
)
UP_TO_WORD = re.compile(r".*\w", re.DOTALL)
ASKING = [
    r"\b(?:do|can|did)\s+you\s+(?:still\s+)?(?:remember|recall|know)\s+(?:my|me|what|who|where|when|how|which|if|the|about|our)\b",
    r"\bwhat\s+(?:do|did|have)\s+(?:you|i|we)\s+(?:\w+\s+)?(?:know|remember|recall|tell|told|say|said|mention|save|store|note)",
    r"\b(?:have\s+i|did\s+i)\s+(?:ever\s+)?(?:tell|told|mention|mentioned|say|said)\b",
    r"\bremind\s+me\s+(?:what|who|where|when|how|which|of|about)\b",
    r"\b(?:search|check|look\s+in|from|in)\s+(?:your\s+|my\s+|the\s+)?memor(?:y|ies)\b",
    r"\b(?:recall|retrieve)\b",
]
RECALL = re.compile("|".join(ASKING), re.IGNORECASE)
RECALL_STEMS = frozenset(
    stem(word)
    for word in to_word_set(
        "remember recall remind told tell said say mention know memory note record save still ever again"
    )
)
SECTION = re.compile(r"memor(?:y|ies)|known facts|what you know|remembered", re.IGNORECASE)
SECOND_PERSON = {
    "my": "your", "mine": "yours", "i": "you", "me": "you", "i'm": "you're", "am": "are",
    "myself": "yourself",
    "i've": "you've", "i'd": "you'd", "our": "your", "ours": "yours", "we": "you", "us": "you", "was": "were",
}  # fmt: skip
RELATED_STEMS = {"live": "home", "resid": "home", "address": "home", "phon": "number", "job": "work",
         "employ": "work",
         "birthday": "born", "spous": "married", "wif": "married", "husband": "married"}  # fmt: skip


def extract_fact(text: str) -> str | None:
    """Return the fact in "remember that …"; None when the text is not such a request."""
    if text.rstrip().endswith("?") and re.match(r"\W*(do|did)\b", text, re.IGNORECASE):
        return None
    if before := SAVE.match(text.strip()):
        return str(before["fact"]).rstrip(" \t\r\n.!?,;") or None
    after = AFTERWARDS.search(text)
    fact = UP_TO_WORD.match(text[: after.start()]) if after else None
    return fact[0].strip() if fact else None


def is_recall_request(text: str) -> bool:
    """Return whether the text asks for something that the user has said before."""
    return bool(RECALL.search(text))


def read_facts(system: str) -> list[str]:
    """Return the "- " lines of the system prompt under a heading about memories or known facts."""
    facts, inside = [], False
    for line in system.splitlines():
        if line.lstrip().startswith("- "):
            if inside:
                facts.append(re.sub(r"^\s*-\s+(?:\[[^\]]*\]\s*)?", "", line).strip())
        elif line.strip():
            inside = bool(SECTION.search(line))
    return facts


def find_matching_fact(question: str, facts: list[str], share: float = 1.0) -> str | None:
    """Return the fact with the largest share, at least `share`, of the question's words that has other words too."""
    question_stems = _extract_key_stems(question)
    best, best_score = None, 0.0
    for fact in facts:
        stems = _extract_key_stems(fact)
        score = len(question_stems & stems) / len(question_stems) if question_stems else 0.0
        if score >= share and score > best_score and stems - question_stems:
            best, best_score = fact, score
    return best


def rephrase_for_user(fact: str) -> str:
    """Return "Your dog is Rex." for "my dog is Rex"; a fact about others is unchanged."""
    flat = fact.strip().rstrip(".")
    if re.match(r"(my|i|i'm|i've|our|we)\b", flat, re.IGNORECASE):
        first_person = re.match(r"(?:i|we)\b", flat, re.IGNORECASE)
        flat = re.sub(
            r"[A-Za-z']+",
            lambda m: (
                m[0] if m[0].lower() == "was" and not first_person else SECOND_PERSON.get(m[0].lower(), m[0])
            ),
            flat,
        )
    return flat[:1].upper() + flat[1:] + "."


def answer_from_hits(question: str, result: Any) -> str:
    """Return an answer from the hits of a search: the fact closest to the question, or that there is none."""
    hits = [
        str(hit["content"])
        for hit in _extract_memories(result)
        if isinstance(hit, dict) and hit.get("content")
    ]
    if not hits:
        return "I do not know: nothing in my memory answers that."
    if re.search(r"\b(?:know|remember|recall|told?)\b[^?]*\babout me\b", question, re.IGNORECASE):
        return "This is what I remember: " + "; ".join(hits[:5]) + "."
    question_stems = _extract_key_stems(question)
    # The sort is stable: the order of the search decides ties.
    ranked = sorted(hits, key=lambda hit: -len(question_stems & _extract_key_stems(hit)))
    if question_stems & _extract_key_stems(ranked[0]):
        return rephrase_for_user(ranked[0])
    return f"I do not know for certain. The nearest thing in my memory: {hits[0]}"


def _extract_memories(result: Any) -> list[Any]:
    """Return the memories in a result of memory_search; an empty list when it has none."""
    hits = result.get("memories") if isinstance(result, dict) else result
    return hits if isinstance(hits, list) else []


def _extract_key_stems(text: str) -> set[str]:
    """Return the stems of the content words, and the stems related to them."""
    stems = {stem(word) for word in split_words(text) if word not in STOP_WORDS} - RECALL_STEMS
    return stems | {RELATED_STEMS[word] for word in stems if word in RELATED_STEMS}
