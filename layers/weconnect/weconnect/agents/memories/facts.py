"""Read a plain statement as a fact: whose, what about it, and its value. Rules, no model; English.

"Ada moved to Hamburg" is (ada, residence, hamburg). An attribute that holds one value at a time makes the slot
`ada.residence`, and another value in the same slot is a contradiction. One that may hold several ("speaks French")
has its value in the slot, `grace.speak french`, and says yes or no to it.
"""

import re
from dataclasses import dataclass

from weconnect.agents.memories.words import COMMON, NUMBERS, spoken, stem

LONGEST = 300  # characters; a longer text is no plain statement


@dataclass(frozen=True)
class Fact:
    """`value` is normal words; `positive` is false for a denial."""

    subject: str
    attribute: str
    value: frozenset[str]
    single: bool
    positive: bool = True

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
        return self.positive and self.value != other.value and _alike(self, other)


# Attributes that hold one value: how they are said after the subject.
_SINGLE = [
    ("residence", r"(?:lives?|resides?|is living|moved|relocated) (?:in|to|at)"),
    ("location", r"(?:is|are)(?: located| situated| based)? in|(?:has |have )?moved to"),
    ("location", r"(?:is|are) (?:located|situated|based) (?:at|on)"),
    ("employer", r"(?:works?|is working|am working) (?:at|for)|(?:is|am|are) employed (?:by|at)|joined"),
    ("occupation", r"(?:works?|is working|am working) as"),
    ("occupation", r"(?:is|am) (?=an? (?:\w+ )?\w+(?:er|or|ist|ian|ant|eer|yst|ect|ive)\b)"),
    ("birthplace", r"(?:was|were) born in(?= [^\d])"),
    ("birthday", r"(?:was|were) born (?:on|in)"),
    ("name", r"(?:is|am|are) (?:called|named)"),
    ("partner", r"(?:is|am) (?:married|engaged) to|is dating"),
    ("manager", r"reports? to|(?:is|are) (?:managed|led|headed|run) by"),
    ("owner", r"(?:is|are) owned by|belongs? to"),
    ("price", r"costs?"),
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
_KINDS = [  # words that a person would not want both of
    "tea coffee water juice beer wine milk cola", "dark light", "aisle window", "morning evening afternoon night",
    "cat dog", "email phone sms chat slack", "tabs spaces", "metric imperial", "vegetarian vegan omnivore",
    "train plane car bus", "summer winter spring autumn", "black white", "left right", "celsius fahrenheit",
    "blue green red yellow purple orange pink teal", "short long brief detailed", "formal informal casual",
]  # fmt: skip
_KIND_OF = {word: number for number, kind in enumerate(_KINDS) for word in kind.split()}


def read(text: str) -> Fact | None:
    """The fact that a statement tells, or None when it is not a plain one."""
    flat = re.sub(r"\s+", " ", _NOW.sub(" ", text)).strip(" .!,;")
    if not flat or len(flat) > LONGEST or "?" in flat or re.search(r"[.;!]\s|\n", flat):
        return None
    flat = re.sub(r"\b(i|we|you|they)'(?:m|re)\b", r"\1 am", flat, flags=re.I)
    denial = _DENIAL.search(flat)
    if denial:
        flat = re.sub(r"\s+", " ", flat[: denial.start()] + " " + flat[denial.end() :]).strip()
    positive = denial is None
    return _counted(flat, positive) or _said(flat, positive) or _copula(flat, positive)


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
        return _fact(match[1], "age", match[2], True, positive)
    if match := re.match(r"^(.+?) (?:has|have|got|has got|have got) (\w+) (\w+)$", flat, re.I):
        number = NUMBERS.get(match[2].casefold(), match[2])
        if number.isdigit():
            return _fact(match[1], f"number of {_attribute(match[3])}", number, True, positive)
    if match := re.match(r"^(.+?) (?:has|have) (?:got )?(?:an? )?(.+)$", flat, re.I):
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
    return _fact(left, "be", right, False, positive) if _is_subject(left) else None


def _fact(who: str, attribute: str, value: str, single: bool, positive: bool) -> Fact | None:
    normal = frozenset(meaning(value))
    return Fact(_subject(who), attribute, normal, single, positive) if normal else None


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


def _alike(one: Fact, other: Fact) -> bool:
    """Whether two values stand in each other's way; one may prefer tea and window seats."""
    if one.attribute != "preference":
        return True
    kinds = [{_KIND_OF[word] for word in fact.value if word in _KIND_OF} for fact in (one, other)]
    return bool(kinds[0] & kinds[1])


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
