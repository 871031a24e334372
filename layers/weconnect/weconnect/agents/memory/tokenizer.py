"""Words and terms of texts, for search and for the comparison of memories. English only."""

import re
import unicodedata

_STOP_WORDS = """
a an and are as at be but by do does for from has have he her his how i in is it its me my of on or our she
that the their them they this to was we were what when where which who whose why will with you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
_NUMBER_WORDS = """
zero one two three four five six seven eight nine ten eleven twelve
"""
DIGITS_BY_WORD = {word: str(number) for number, word in enumerate(_NUMBER_WORDS.split())}


def extract_terms(text: str) -> list[str]:
    """Return the words that distinguish texts, in lower case, without English plural and possessive endings."""
    return [stem(word) for word in split_words(text) if word not in STOP_WORDS]


def split_words(text: str) -> list[str]:
    """Return all words, in lower case."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", unicodedata.normalize("NFKC", text).casefold())


def stem(word: str) -> str:
    """Return a word without plural and possessive endings."""
    word = word.removesuffix("'s")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def estimate_tokens(text: str) -> int:
    """Return about one token for four characters: the tables of a real tokenizer would have to be downloaded."""
    return -(-len(text) // 4)


def pick_rare(terms: set[str], count: int) -> list[str]:
    """Return the terms that are likely to be in few texts: those with digits first, then the longest."""
    return sorted(terms, key=lambda term: (not any(map(str.isdigit, term)), -len(term), term))[:count]
