"""Words, sentences and numbers of a request, and its tone: small talk, question or statement."""

import re
from typing import Literal

MAX_REQUEST_CHARACTERS = 4000


def to_word_set(text: str) -> frozenset[str]:
    """Return the words of a text as a set, so that tables of words are plain text."""
    return frozenset(text.split())


STOP_WORDS = to_word_set(
    "a an the this that these those is are was were be been am do does did has have had will would "
    "can could should may might i me my mine we us our you your he she it its they them their of to "
    "in on at for from by with about into and or but if so as than then there here what which who "
    "whom whose when where why how much many please just now also too very not no yes ok okay some "
    "any all i'm it's what's let's us one thing something right s t m re ve ll d tell know give want "
    "need like get"
)

SPELLING = {
    "colour": "color",
    "favourite": "favorite",
    "centre": "center",
    "catalogue": "catalog",
    "e-mail": "email",
}

INVARIABLE = to_word_set("news status address bus gas business process access series sms")

SMALL_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
UNITS = {word: n for n, word in enumerate(SMALL_NUMBERS.split())}
TENS = {
    w: 10 * n
    for n, w in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
NUMBER_WORD = "|".join([*UNITS, *TENS, *SCALES, "dozen"])
NUMBER_WORDS = re.compile(
    rf"\b(?:a\s+)?(?:{NUMBER_WORD})(?:(?:[\s-]+(?:and\s+)?)(?:{NUMBER_WORD}))*\b", re.IGNORECASE
)

SMALL_TALK = {
    "Hello! What can I do for you?": r"(hi|hiya|hello|hey|howdy|good (morning|afternoon|evening|day))",
    "You are welcome.": r"((many )?thanks|thank you|thx|cheers|great|perfect|awesome|nice|cool)",
    "Goodbye!": r"(bye|goodbye|see you|good night|farewell)",
    "I am well, thank you. What can I do for you?": r"(how are you|how's it going|how do you do)",
}
TRAILING_TALK = (
    r"(\W+(there|everyone|all|a lot|very much|so much|again|for (that|the help|your help)|later|today|and))*"
)

ABOUT_THE_MODEL = re.compile(
    r"^\W*(?:help|who are you|what are you|what(?: else)? can you do|what (?:do|can) you help(?: me)? with"
    r"|how (?:can|do) you help(?: me)?|what tools do you have|which tools (?:do|can) you (?:have|use))\W*$",
    re.IGNORECASE,
)
QUESTION = re.compile(
    r"^\W*(?:(?:and|so|ok|okay|hey|please|then|also)\W+)*"
    r"(what|who|whom|whose|when|where|why|how|which|is|are|was|were|do|does|did|has|have|am"
    r"|(?:can|could) you tell|tell me (?:what|who|when|where|why|how|which)|any|remind me)\b",
    re.IGNORECASE,
)
STATEMENT = re.compile(
    r"^\W*(i|i'm|i've|we|we're|he|she|they|it|it's|my|our|the|this|that|there)\b", re.IGNORECASE
)
REQUEST = re.compile(
    r"\b(i|we)\s*(?:'d|\s+would)?\s*(?:really\s+)?(need|want|like|wish|have)\b.*\bto\b"
    r"|\b(i|we) (need|want|'?d like)\b",
    re.IGNORECASE,
)

# The words that may start a new task after "and".
TASK_WORDS = to_word_set(
    "what what's whats who who's when where where's why how which is are do does did can could tell "
    "remember note keep don't calculate compute work add subtract multiply divide convert find search "
    "look lookup check show list get fetch call send email mail message post put delete remove cancel "
    "create open make save store track use give translate summarise summarize write draw explain book "
    "run schedule remind download update set please also then file raise"
)
STARTERS = "|".join(sorted(TASK_WORDS))  # each ends at a word boundary, so their order does not matter
JOINT = re.compile(
    rf"(?P<sentence>(?<=[.?!;])\s+|\s*\n+\s*)"
    rf"|(?P<joined>,?\s+(?:and\s+then|and\s+also|and\s+finally|and|then|also|plus)\s+(?=(?:please\s+)?(?:{STARTERS})\b))",
    re.IGNORECASE,
)
PROTECTED = re.compile(
    r"\"[^\"\n]*\"|“[^”\n]*”|(?<!\w)'[^'\n]*'(?!\w)|\{[^{}]*\}|https?://\S+|\b(?:e\.g|i\.e|mr|mrs|dr|st)\.\s",
    re.IGNORECASE,
)
QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|‘([^’\n]+)’|(?<!\w)'([^'\n]+)'(?!\w)|`([^`\n]+)`")


def split_words(text: str) -> list[str]:
    """Return the words in lower case; names such as getWeather and lookup_order are split."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text.replace("_", " "))
    words = re.findall(r"e-mail|[^\W_]+(?:'[a-z]+)?", spaced.lower().replace("’", "'"))
    return [SPELLING.get(word, word) for word in words]


def stem(word: str) -> str:
    """Return a word without common English endings, the same for orders, ordered and ordering."""
    word = word.removesuffix("'s")
    if word in INVARIABLE:
        return word
    for ending, replacement in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending) + replacement
            break
    return word.rstrip("e") if len(word) > 3 else word


def extract_stems(text: str) -> list[str]:
    """Return the stems of the content words, each once, in order."""
    return list(dict.fromkeys(stem(word) for word in split_words(text) if word not in STOP_WORDS))


def split_request(text: str) -> list[tuple[str, Literal["", "sentence", "joined"]]]:
    """Return up to eight texts that may be separate tasks, each with its joint to the one before."""
    shielded = [match.span() for match in PROTECTED.finditer(text)]
    parts: list[tuple[str, Literal["", "sentence", "joined"]]] = []
    start, joint = 0, ""
    for match in JOINT.finditer(text):
        if any(low < match.start() and match.end() < high for low, high in shielded):
            continue
        parts.append((text[start : match.start()].strip(), joint))  # type: ignore[arg-type]
        start, joint = match.end(), match.lastgroup or ""
    parts.append((text[start:].strip(), joint))  # type: ignore[arg-type]
    return [(part, how) for part, how in parts if re.search(r"\w", part)][:8]


def reply_to_small_talk(text: str) -> str | None:
    """Return the reply to a greeting, thanks or goodbye; None for any other text."""
    bare = re.sub(r"[^\w' ]+", " ", text.lower()).strip()
    for answer, pattern in SMALL_TALK.items():
        if re.fullmatch(rf"(?:(?:oh|ok|okay|well|and)\s+)?{pattern}{TRAILING_TALK}\W*", bare):
            return answer
    return None


def asks_about_the_model(text: str) -> bool:
    """Return whether the text asks about this model: "who are you?", "what can you do?", "help"."""
    return bool(ABOUT_THE_MODEL.match(text))


def is_question(text: str) -> bool:
    """Return whether the text has a question mark or begins like a question."""
    return bool(re.search(r"\w.*\?", text) or QUESTION.match(text))


def is_statement(text: str) -> bool:
    """Return whether the text only states something, so that no tool is needed."""
    return bool(STATEMENT.match(text)) and not is_question(text) and not REQUEST.search(text)


def extract_quoted(text: str) -> list[str]:
    """Return the texts in quotation marks, in order."""
    return [next(group for group in match.groups() if group) for match in QUOTED.finditer(text)]


def replace_number_words(text: str) -> str:
    """Return the text with digits for number words: 305 for "three hundred and five"."""
    return NUMBER_WORDS.sub(lambda match: str(_parse_number_words(match.group())), text)


def _parse_number_words(text: str) -> int:
    """Return the number of consecutive number words: 305 for "three hundred and five"."""
    total = current = 0
    for word in re.split(r"[\s-]+", text.lower()):
        if word in SCALES:
            current = max(current, 1) * SCALES[word]
            if SCALES[word] > 100:
                total, current = total + current, 0
        elif word == "dozen":
            current = max(current, 1) * 12
        else:
            current += UNITS.get(word, 0) or TENS.get(word, 0)
    return total + current
