"""The words that tell texts apart."""

import re
import unicodedata

_COMMON = """
a an and are as at be but by do does for from has have he her his how i in is it its me my of on or our she
that the their them they this to was we were what when where which who whose why will with you your
"""
COMMON = frozenset(_COMMON.split())
_NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve
"""
NUMBERS = {word: str(number) for number, word in enumerate(_NUMBERS.split())}


def words(text: str) -> list[str]:
    """The words that tell texts apart, lower case, without English plural and possessive endings."""
    return [stem(word) for word in spoken(text) if word not in COMMON]


def spoken(text: str) -> list[str]:
    """All words, lower case."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", unicodedata.normalize("NFKC", text).casefold())


def stem(word: str) -> str:
    word = word.removesuffix("'s")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def estimate_tokens(text: str) -> int:
    """About four characters a token: the tables of a real tokenizer would have to be fetched."""
    return -(-len(text) // 4)


def rare(found: set[str], most: int) -> list[str]:
    """The words that are likely to be in few texts: those with digits first, then the longest."""
    return sorted(found, key=lambda word: (not any(map(str.isdigit, word)), -len(word), word))[:most]
