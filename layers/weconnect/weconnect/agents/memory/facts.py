"""Parser that reads a plain English statement as a fact: subject, attribute and value. Rules, no model.

"Ada moved to Hamburg" is (ada, residence, hamburg). An attribute that has one value at a time forms the key
`ada.residence`, and another value under the same key is a contradiction. An attribute that may have several values
("speaks French") has its value in the key, `grace.speak french`, and is either affirmed or denied. Only a value of the
same kind contradicts: "Ada moved to the marketing team" is not read as another city (`value_kinds`).
"""

import re
from dataclasses import dataclass

from weconnect.agents.memory.tokenizer import DIGITS_BY_WORD, STOP_WORDS, split_words, stem
from weconnect.agents.memory.value_kinds import classify_value

MAX_CHARACTERS = 300  # a longer text is not a plain statement


@dataclass(frozen=True)
class Fact:
    """A statement about a subject. `value` has normalized words; `is_positive` is false for a denial."""

    subject: str
    attribute: str
    value: frozenset[str]
    is_single_valued: bool
    is_positive: bool = True
    value_kind: str | None = None

    @property
    def key(self) -> str:
        """The key that can have one value at a time, such as `ada.residence`."""
        suffix = "" if self.is_single_valued else " " + " ".join(sorted(self.value))
        return f"{self.subject}.{self.attribute}{suffix}"

    def is_implied_by(self, other: "Fact") -> bool:
        """Return whether the fact says no more than another one with the same key."""
        return self.is_positive == other.is_positive and (
            not self.is_single_valued or self.value <= other.value
        )

    def contradicts(self, other: "Fact") -> bool:
        """Return whether both cannot be valid. A denial contradicts only the value that it denies."""
        if self.key != other.key:
            return False
        if not self.is_single_valued or self.is_positive != other.is_positive:
            return self.is_positive != other.is_positive and self.value == other.value
        if self.value_kind == "name" and self.attribute in _ATTRIBUTES_WITH_SEVERAL_NAMES:
            return False
        return (
            self.is_positive
            and self.value != other.value
            and self.value_kind is not None
            and self.value_kind == other.value_kind
        )


_WHEN = r"(?:(?:next |this )?(?:mon|tues|wednes|thurs|fri|satur|sun)day|\d{1,2}:\d\d|\d{1,2} ?[ap]m)"
# Attributes with one value, and the phrases for them after the subject.
_SINGLE_VALUED = [
    ("port", r"(?:runs|is running|is|listens) on (?=port \d)"),
    ("due", rf"(?:(?:is|was|were|has been|have been) )?(?:moved|rescheduled) to(?= {_WHEN}$)"),
    ("due", rf"(?:is|are|was) (?:on|at)(?= {_WHEN}$)"),
    ("residence", r"(?:lives?|resides?|is living|moved|relocated) (?:in|to|at)"),
    ("location", r"(?:is|are)(?: located| situated| based)? in|(?:has |have )?moved to"),
    ("location", r"(?:is|are) (?:located|situated|based) (?:at|on)"),
    ("employer", r"(?:works?|is working|am working) (?:at|for)|(?:is|am|are) employed (?:by|at)"),
    ("occupation", r"(?:works?|is working|am working) as"),
    ("occupation", r"(?:is|am) (?=an? (?:\w+ )?\w+(?:er|or|ist|ian|ant|eer|yst|ect|ive)\b)"),
    ("birthplace", r"(?:was|were) born in(?= [^\d])"),
    ("birthday", r"(?:was|were) born (?:on|in)"),
    ("name", r"(?:is|am|are) (?:called|named)"),
    ("partner", r"(?:is|am) (?:married|engaged) to|is dating"),
    ("manager", r"reports? to|(?:is|are) (?:managed|led|headed|run) by"),
    ("owner", r"(?:is|are) owned by|belongs? to"),
    ("price", r"costs?"),
    ("departure", r"(?:leaves?|departs?) (?:at|on)"),
    ("location", r"(?:was|were|has been|have been) (?:moved|relocated) to"),
    ("start", r"(?:starts?|begins?|commences?)(?: at| on)?"),
    ("end", r"(?:ends?|finishes)(?: at| on)?"),
    ("opening", r"opens?(?: at| on)"),
    ("closing", r"closes?(?: at| on)"),
    ("due", r"(?:is|are) (?:due|scheduled|planned|set)(?: for| on| at| by)?"),
    ("host", r"(?:is|are) (?:hosted|deployed|running) (?:on|in|at)|(?:runs|deploys) (?:on|in|to)"),
    ("language", r"(?:is|are) (?:written|implemented|built) in"),
    ("preference", r"prefers?|would rather have"),
]  # fmt: skip
# Attributes with several values; a denial of the verb denies the value.
_MULTI_VALUED = [
    ("like", r"(?:really )?(?:likes?|loves?|enjoys?|adores?)|(?:is|am) fond of"),
    ("dislike", r"hates?|dislikes?|(?:cannot|can't) stand|detests?"),
    ("speak", r"speaks?"),
    ("allergic", r"(?:is|am|are) allergic to"),
    ("use", r"uses?"),
    ("know", r"knows?"),
    ("own", r"owns?"),
    ("drink", r"drinks?"),
    ("eat", r"eats?"),
    ("visit", r"visited|has been to|have been to"),
    ("read", r"reads?|has read"),
    ("play", r"plays?"),
    ("join", r"joined"),
    ("support", r"supports?"),
    ("want", r"wants?"),
]
# Nouns that have one value: "the deadline is …", "my budget is …", "Eve's manager is …".
_SINGLE_VALUED_WORDS = """
name nickname surname deadline date day time colour color email mail phone number address budget price cost
rent salary password manager boss owner ceo cfo cto lead head chair president director capital language
currency timezone zone plan version status state limit size age birthday title role job employer company goal
model region supplier vendor provider host port url domain address height weight location country city home
hometown partner wife husband spouse doctor dentist landlord contact username default theme mode editor brand
frequency interval threshold target quota key id
"""
_SINGLE_VALUED_NOUNS = frozenset(_SINGLE_VALUED_WORDS.split())
_SYNONYMS = {
    "color": "colour", "mail": "email", "boss": "manager", "wife": "partner", "husband": "partner",
    "spouse": "partner", "job": "occupation", "company": "employer", "favorite": "favourite", "kid": "child",
    "children": "child", "price": "price", "cost": "price", "city": "residence", "home": "residence",
    "phone": "phone number", "email address": "email", "mail address": "email", "telephone": "phone number",
    "telephone number": "phone number", "supervisor": "manager", "hometown": "residence",
}  # fmt: skip
_NOW = re.compile(
    r"\b(?:now|currently|at the moment|these days|nowadays|presently|actually|still|any ?more|already|as of today)\b",
    re.I,
)
_USER = re.compile(r"^(?:i|we|me|us|the user|user)$")
_OWNED = re.compile(
    r"^(?:(?P<mine>my|our|the user's) |(?P<who>[\w-]+)'s |the (?P<of>.+) of )(?P<rest>.+)$", re.I
)
_DENIAL = re.compile(
    r"\b(?:do not|does not|did not|don't|doesn't|didn't|no longer|never|(?<=is )not|(?<=are )not|(?<=am )not"
    r"|(?<=was )not|isn't|aren't|stopped|quit)\b",
    re.I,
)
# Attributes whose values may coexist when they are proper names: a server runs on Ubuntu, and on Kubernetes.
_ATTRIBUTES_WITH_SEVERAL_NAMES = frozenset({"host", "preference"})
# Kinds of values that are compared as a whole: 2.1 does not imply 2, nor 10:10 imply 10.
_INDIVISIBLE_KINDS = ("number", "clock", "digits", "e-mail", "link")
# Kinds of values of which one is valid at a time after "use": "Use metric units".
_EXCLUSIVE_KINDS = ("units", "indentation", "temperature", "theme", "tone")


def parse_statement(text: str) -> Fact | None:
    """Return the fact in a statement, or None when it is not a plain statement."""
    if len(text) > 4 * MAX_CHARACTERS:  # of which blanks and words without meaning do not count
        return None
    flat = re.sub(r"\s+", " ", _NOW.sub(" ", text)).strip(" .!,;")
    if not flat or len(flat) > MAX_CHARACTERS or "?" in flat or re.search(r"[.;!]\s|\n", flat):
        return None
    flat = re.sub(r"\b(i|we|you|they)'(?:m|re)\b", r"\1 am", flat, flags=re.I)
    flat = re.sub(r"\blikes? (.+) (?:best|most)$", r"prefer \1", flat, flags=re.I)
    denial = _DENIAL.search(flat)
    if denial:
        flat = re.sub(r"\s+", " ", flat[: denial.start()] + " " + flat[denial.end() :]).strip()
    positive = denial is None
    for parse in (_parse_special_form, _parse_count, _parse_verb, _parse_copula):
        if fact := parse(flat, positive):
            return fact
    return None


def _parse_special_form(flat: str, positive: bool) -> Fact | None:
    """Parse "We moved our office to Porto", "Use metric units" and "Version 2.1 is in production"."""
    if match := re.match(
        r"^\w+ (?:have |has )?(?:moved|relocated) ((?:the|our|my) .+?) to (.+)$", flat, re.I
    ):
        when = re.fullmatch(_WHEN, match[2], re.I)
        return _build_fact(match[1], "due" if when else "location", match[2], True, positive)
    if match := re.match(r"^(?:please )?(?:always )?use (.+)$", flat, re.I):
        what = classify_value(match[1]) or ""
        return (
            _build_fact("i", f"use {what}", match[1], True, positive)
            if what.startswith(_EXCLUSIVE_KINDS)
            else None
        )
    if match := re.match(
        r"^version (\d[\w.]*)(?: of (.+?))? is (?:in production|live|deployed)$", flat, re.I
    ):
        return _build_fact(match[2] or "i", "production version", match[1], True, positive)
    return None


def _parse_verb(flat: str, positive: bool) -> Fact | None:
    """Parse a statement with one of the phrases above: "Ada lives in Hamburg", "Grace speaks French"."""
    for patterns, single in ((_SINGLE_VALUED, True), (_MULTI_VALUED, False)):
        for attribute, pattern in patterns:
            match = re.match(
                rf"^(?P<who>(?:[\w'-]+ ){{0,3}}?[\w'-]+) (?:{pattern}) (?P<value>.+)$", flat, re.I
            )
            if match and _is_subject(match["who"]):
                if attribute == "location" and _is_person(match["who"]):
                    attribute = "residence"
                if attribute == "residence" and not _is_person(match["who"]):
                    attribute = "location"
                is_affirmed = positive
                if attribute == "dislike":
                    attribute, is_affirmed = "like", not positive
                return _build_fact(match["who"], attribute, match["value"], single, is_affirmed)
    return None


def _parse_count(flat: str, positive: bool) -> Fact | None:
    """Parse "Bob has two children", "Carol is 34 years old" and "Ivan has a dog"."""
    if match := re.match(r"^(.+?) (?:is|am|are|turned) (\d+)(?: years? old)?$", flat, re.I):
        if _SINGLE_VALUED_NOUNS & set(_normalize_attribute(match[1]).split()[-1:]):
            return None  # "The port is 8080"
        return _build_fact(match[1], "age", match[2], True, positive)
    if match := re.match(r"^(.+?) (?:has|have|got|has got|have got) (\w+) (\w+)$", flat, re.I):
        number = DIGITS_BY_WORD.get(match[2].casefold(), match[2])
        if number.isdigit():
            return _build_fact(
                match[1], f"number of {_normalize_attribute(match[3])}", number, True, positive
            )
    if match := re.match(r"^(.+?) (?:has|have) (?!been\b)(?:got )?(?:an? )?(.+)$", flat, re.I):
        return _build_fact(match[1], "have", match[2], False, positive) if _is_subject(match[1]) else None
    return None


def _parse_copula(flat: str, positive: bool) -> Fact | None:
    """Parse "The deadline is Friday", "Eve's manager is Frank" and "Blue is my favourite colour"."""
    match = re.match(r"^(?P<left>.+?) (?:is|are|am|was) (?P<right>.+)$", flat, re.I)
    if not match:
        return None
    left, right = match["left"], match["right"]
    for noun, value in ((left, right), (right, left)):
        owned = re.match(
            r"^(?:(?P<mine>my|our|the user's) |(?P<who>[\w-]+)'s |the (?P<of>.+) of )(?P<rest>.+)$",
            noun,
            re.I,
        )
        if owned:
            whose = "i" if owned["mine"] else owned["who"] or owned["rest"]
            about = _normalize_attribute(owned["of"] or owned["rest"])
            if (
                about.split()[-1] in _SINGLE_VALUED_NOUNS
                or _normalize_attribute(about) in _SYNONYMS.values()
                or about.startswith("favourite ")
            ):
                return _build_fact(whose, about, value, True, positive)
    named = re.match(r"^(?:the|our|this) (.+)$", left, re.I)
    if (
        named
        and _normalize_attribute(named[1]).split()[-1:]
        and _normalize_attribute(named[1]).split()[-1] in _SINGLE_VALUED_NOUNS
    ):
        return _build_fact("i", _normalize_attribute(named[1]), right, True, positive)
    if _is_subject(left) and classify_value(right) == "diet":
        return _build_fact(left, "diet", right, True, positive)
    if (role := re.match(r"^the (.+)$", right, re.I)) and _SINGLE_VALUED_NOUNS & set(
        _normalize_attribute(role[1]).split()[-1:]
    ):
        return _build_fact("i", _normalize_attribute(role[1]), left, True, positive)
    return _build_fact(left, "be", right, False, positive) if _is_subject(left) else None


def _build_fact(who: str, attribute: str, value: str, single: bool, positive: bool) -> Fact | None:
    """Return the fact with subject, attribute and value normalized; None for a value without content words."""
    normal, of_kind = normalize_words(value), classify_value(value)
    if single and (of_kind or "").startswith(_INDIVISIBLE_KINDS):
        normal = [" ".join(normal)]
    return (
        Fact(_normalize_subject(who), attribute, frozenset(normal), single, positive, of_kind)
        if normal
        else None
    )


def normalize_words(text: str) -> list[str]:
    """Return a text's words without stop words and endings, with numbers as digits and one word for each synonym."""
    content_words = [DIGITS_BY_WORD.get(word, word) for word in split_words(text) if word not in STOP_WORDS]
    stems = [re.sub(r"(?<=..)(?:ing)$", "", stem(word)) for word in content_words]
    return [_SYNONYMS.get(word, word) for word in stems]


def _normalize_subject(who: str) -> str:
    """Return "user" for the speaker, else the words without endings and a leading article."""
    plain = re.sub(r"^(?:the|our|my|this|that|a|an) ", "", who.casefold().strip())
    return (
        "user"
        if _USER.match(who.casefold().strip())
        else " ".join(stem(word) for word in split_words(plain)) or plain
    )


def _normalize_attribute(noun: str) -> str:
    """Return a noun phrase without endings and articles, with one word for each synonym."""
    plain = " ".join(
        _SYNONYMS.get(stem(word), stem(word))
        for word in split_words(noun)
        if word not in ("the", "my", "our")
    )
    return _SYNONYMS.get(plain, plain)


def _is_subject(who: str) -> bool:
    """Return whether a text names one thing: "to ship on Friday" and "every time we" do not."""
    return not set(split_words(who)) & {
        "to",
        "when",
        "if",
        "every",
        "that",
        "which",
        "because",
        "and",
        "or",
        "there",
        "it",
    }


def _is_person(who: str) -> bool:
    """Return whether a subject is the speaker, or is capitalized and has no article before it."""
    return bool(_USER.match(who.casefold())) or (
        who[:1].isupper() and not re.match(r"(?:the|our|my|this) ", who, re.I)
    )


def have_same_words(one: str, other: str) -> bool:
    """Return whether two texts have the same content words, names in the same order, and both or neither a denial."""
    return sorted(normalize_words(one)) == sorted(normalize_words(other)) and have_same_details(one, other)


def have_same_details(one: str, other: str) -> bool:
    """Return whether two texts have the same names and numbers in the same order, and both or neither a denial."""
    return _details(one) == _details(other) and bool(_DENIAL.search(one)) == bool(_DENIAL.search(other))


def _details(text: str) -> list[str]:
    """Return the names (capitalized after the first word) and numbers of a text, in order."""
    flat = re.sub(r"[^\W\d_]+", lambda word: DIGITS_BY_WORD.get(word[0].casefold(), word[0]), text.strip())
    first, _, rest = flat.partition(" ")
    details = [first] if any(map(str.isdigit, first)) else []
    details += re.findall(r"\b(?:[A-Z][\w-]*|\w*\d[\w.,:]*\w|\d)", rest)
    return [stem(word.casefold()) for word in details if word.casefold() not in STOP_WORDS]
