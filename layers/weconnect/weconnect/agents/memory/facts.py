"""Read a plain statement as a fact: whose, what about it, and its value. Rules, no model; English.

"Ada moved to Hamburg" is (ada, residence, hamburg). An attribute that holds one value at a time makes the slot
`ada.residence`, and another value in the same slot is a contradiction. One that may hold several ("speaks French")
has its value in the slot, `grace.speak french`, and says yes or no to it. Another value is one of the same kind:
"Ada moved to the marketing team" is not read as one more city (`kinds`).
"""

import re
from dataclasses import dataclass

from weconnect.agents.memory.tokenizer import COMMON, NUMBERS, spoken, stem
from weconnect.agents.memory.value_kinds import kind

LONGEST = 300  # characters; a longer text is no plain statement


@dataclass(frozen=True)
class Fact:
    """`value` is normal words, `kind` what `kinds` knows of it; `positive` is false for a denial."""

    subject: str
    attribute: str
    value: frozenset[str]
    single: bool
    positive: bool = True
    kind: str | None = None

    @property
    def slot(self) -> str:
        """What can hold one value at a time."""
        own = "" if self.single else " " + " ".join(sorted(self.value))
        return f"{self.subject}.{self.attribute}{own}"

    def agrees(self, other: "Fact") -> bool:
        """Whether it says no more than another of its slot."""
        return self.positive == other.positive and (not self.single or self.value <= other.value)

    def contradicts(self, other: "Fact") -> bool:
        """Whether both cannot hold. A denial is against the value that it denies, and against no other."""
        if self.slot != other.slot:
            return False
        if not self.single or self.positive != other.positive:
            return self.positive != other.positive and self.value == other.value
        if self.kind == "name" and self.attribute in _NAMED_BY_SEVERAL:
            return False
        return (
            self.positive and self.value != other.value and self.kind is not None and self.kind == other.kind
        )


_WHEN = r"(?:(?:next |this )?(?:mon|tues|wednes|thurs|fri|satur|sun)day|\d{1,2}:\d\d|\d{1,2} ?[ap]m)"
# Attributes that hold one value: how they are said after the subject.
_SINGLE = [
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
# Attributes that may hold several; a denial of the verb is a denial of the value.
_SEVERAL = [
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
# Nouns that hold one value: "the deadline is …", "my budget is …", "Eve's manager is …".
_SLOT_WORDS = """
name nickname surname deadline date day time colour color email mail phone number address budget price cost
rent salary password manager boss owner ceo cfo cto lead head chair president director capital language
currency timezone zone plan version status state limit size age birthday title role job employer company goal
model region supplier vendor provider host port url domain address height weight location country city home
hometown partner wife husband spouse doctor dentist landlord contact username default theme mode editor brand
frequency interval threshold target quota key id
"""
_SLOTS = frozenset(_SLOT_WORDS.split())
_SAME = {
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
# Where values that are written like names may hold beside each other: a server runs on Ubuntu, and on Kubernetes.
_NAMED_BY_SEVERAL = frozenset({"host", "preference"})
# Kinds whose parts say nothing alone: 2.1 is not more of 2, nor 10:10 of 10.
_ORDERED = ("number", "clock", "digits", "e-mail", "link")
# Instructions and states of which one holds at a time, by the class of their value.
_EXCLUSIVE = ("units", "indentation", "temperature", "theme", "tone")


def read(text: str) -> Fact | None:
    """The fact that a statement tells, or None when it is not a plain one."""
    flat = re.sub(r"\s+", " ", _NOW.sub(" ", text)).strip(" .!,;")
    if not flat or len(flat) > LONGEST or "?" in flat or re.search(r"[.;!]\s|\n", flat):
        return None
    flat = re.sub(r"\b(i|we|you|they)'(?:m|re)\b", r"\1 am", flat, flags=re.I)
    flat = re.sub(r"\blikes? (.+) (?:best|most)$", r"prefer \1", flat, flags=re.I)
    denial = _DENIAL.search(flat)
    if denial:
        flat = re.sub(r"\s+", " ", flat[: denial.start()] + " " + flat[denial.end() :]).strip()
    positive = denial is None
    for reading in (_told, _counted, _said, _copula):
        if fact := reading(flat, positive):
            return fact
    return None


def _told(flat: str, positive: bool) -> Fact | None:
    """ "We moved our office to Porto", "Use metric units", "Version 2.1 is in production"."""
    if match := re.match(
        r"^\w+ (?:have |has )?(?:moved|relocated) ((?:the|our|my) .+?) to (.+)$", flat, re.I
    ):
        when = re.fullmatch(_WHEN, match[2], re.I)
        return _fact(match[1], "due" if when else "location", match[2], True, positive)
    if match := re.match(r"^(?:please )?(?:always )?use (.+)$", flat, re.I):
        what = kind(match[1]) or ""
        return _fact("i", f"use {what}", match[1], True, positive) if what.startswith(_EXCLUSIVE) else None
    if match := re.match(
        r"^version (\d[\w.]*)(?: of (.+?))? is (?:in production|live|deployed)$", flat, re.I
    ):
        return _fact(match[2] or "i", "production version", match[1], True, positive)
    return None


def _said(flat: str, positive: bool) -> Fact | None:
    for patterns, single in ((_SINGLE, True), (_SEVERAL, False)):
        for attribute, pattern in patterns:
            match = re.match(
                rf"^(?P<who>(?:[\w'-]+ ){{0,3}}?[\w'-]+) (?:{pattern}) (?P<value>.+)$", flat, re.I
            )
            if match and _is_subject(match["who"]):
                if attribute == "location" and _is_person(match["who"]):
                    attribute = "residence"
                if attribute == "residence" and not _is_person(match["who"]):
                    attribute = "location"
                yes = positive
                if attribute == "dislike":
                    attribute, yes = "like", not positive
                return _fact(match["who"], attribute, match["value"], single, yes)
    return None


def _counted(flat: str, positive: bool) -> Fact | None:
    """ "Bob has two children", "Carol is 34 years old", "Ivan has a dog"."""
    if match := re.match(r"^(.+?) (?:is|am|are|turned) (\d+)(?: years? old)?$", flat, re.I):
        if _SLOTS & set(_attribute(match[1]).split()[-1:]):
            return None  # "The port is 8080"
        return _fact(match[1], "age", match[2], True, positive)
    if match := re.match(r"^(.+?) (?:has|have|got|has got|have got) (\w+) (\w+)$", flat, re.I):
        number = NUMBERS.get(match[2].casefold(), match[2])
        if number.isdigit():
            return _fact(match[1], f"number of {_attribute(match[3])}", number, True, positive)
    if match := re.match(r"^(.+?) (?:has|have) (?!been\b)(?:got )?(?:an? )?(.+)$", flat, re.I):
        return _fact(match[1], "have", match[2], False, positive) if _is_subject(match[1]) else None
    return None


def _copula(flat: str, positive: bool) -> Fact | None:
    """ "The deadline is Friday", "Eve's manager is Frank", "Blue is my favourite colour"."""
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
            about = _attribute(owned["of"] or owned["rest"])
            if (
                about.split()[-1] in _SLOTS
                or _attribute(about) in _SAME.values()
                or about.startswith("favourite ")
            ):
                return _fact(whose, about, value, True, positive)
    named = re.match(r"^(?:the|our|this) (.+)$", left, re.I)
    if named and _attribute(named[1]).split()[-1:] and _attribute(named[1]).split()[-1] in _SLOTS:
        return _fact("i", _attribute(named[1]), right, True, positive)
    if _is_subject(left) and kind(right) == "diet":
        return _fact(left, "diet", right, True, positive)
    if (role := re.match(r"^the (.+)$", right, re.I)) and _SLOTS & set(_attribute(role[1]).split()[-1:]):
        return _fact("i", _attribute(role[1]), left, True, positive)
    return _fact(left, "be", right, False, positive) if _is_subject(left) else None


def _fact(who: str, attribute: str, value: str, single: bool, positive: bool) -> Fact | None:
    normal, of_kind = meaning(value), kind(value)
    if single and (of_kind or "").startswith(_ORDERED):
        normal = [" ".join(normal)]
    return Fact(_subject(who), attribute, frozenset(normal), single, positive, of_kind) if normal else None


def meaning(text: str) -> list[str]:
    """Words in their normal form: no endings, numbers as digits, words of one meaning as one of them."""
    found = [NUMBERS.get(word, word) for word in spoken(text) if word not in COMMON]
    stems = [re.sub(r"(?<=..)(?:ing)$", "", stem(word)) for word in found]
    return [_SAME.get(word, word) for word in stems]


def _subject(who: str) -> str:
    plain = re.sub(r"^(?:the|our|my|this|that|a|an) ", "", who.casefold().strip())
    return (
        "user"
        if _USER.match(who.casefold().strip())
        else " ".join(stem(word) for word in spoken(plain)) or plain
    )


def _attribute(noun: str) -> str:
    plain = " ".join(
        _SAME.get(stem(word), stem(word)) for word in spoken(noun) if word not in ("the", "my", "our")
    )
    return _SAME.get(plain, plain)


def _is_subject(who: str) -> bool:
    """Whether it names one thing: "to ship on Friday" and "every time we" do not."""
    return not set(spoken(who)) & {
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
    return bool(_USER.match(who.casefold())) or (
        who[:1].isupper() and not re.match(r"(?:the|our|my|this) ", who, re.I)
    )


def same_words(one: str, other: str) -> bool:
    """Whether two texts have the same words that matter, with the names in the same order, and both deny or neither."""
    return sorted(meaning(one)) == sorted(meaning(other)) and same_details(one, other)


def same_details(one: str, other: str) -> bool:
    """Whether two texts have the same names and numbers in the same order, and both deny or neither."""
    return _details(one) == _details(other) and bool(_DENIAL.search(one)) == bool(_DENIAL.search(other))


def _details(text: str) -> list[str]:
    """Names (capital letters behind the first word) and numbers."""
    flat = re.sub(r"[^\W\d_]+", lambda word: NUMBERS.get(word[0].casefold(), word[0]), text.strip())
    first, _, rest = flat.partition(" ")
    found = [first] if any(map(str.isdigit, first)) else []
    found += re.findall(r"\b(?:[A-Z][\w-]*|\w*\d[\w.,:]*\w|\d)", rest)
    return [stem(word.casefold()) for word in found if word.casefold() not in COMMON]
