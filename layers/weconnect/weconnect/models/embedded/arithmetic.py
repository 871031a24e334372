"""Arithmetic expressions in sentences, written with operators or in words."""

import ast
import re
from collections.abc import Callable

from weconnect.calculations.calculator import FUNCTIONS, normalize
from weconnect.models.embedded.sentences import replace_number_words, to_word_set

# Parts of the patterns below: a number or call, a percentage, a number without a group, a list of numbers.
N = r"(-?\d+(?:\.\d+)?|[a-z]*\([^()]*\))"
P = r"(\d+(?:\.\d+)?)\s*(?:%|percent|per cent|pct)"
ONE = f"(?:{N[1:-1]})"
ALL = rf"({ONE}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*){ONE})+)"
LARGEST = r"(?:max(?:imum)?|largest|larger|biggest|bigger|greatest|greater|highest|higher)"
SMALLEST = r"(?:min(?:imum)?|smallest|smaller|least|lowest|lower)"
OF = r"(?:\s+(?:one|number|value))?\s+(?:of|between|among|from)\s+(?:the\s+)?(?:numbers?\s+)?"
TIP = r"(?:\s+(?:tip|tax|vat|commission|interest|fee|share|cut))?"

PARTS = {
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "eighth": 8,
    "tenth": 10,
    "hundredth": 100,
}

ORDINALS = {
    "second": 2,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "tenth": 10,
}

Rewrite = str | Callable[[re.Match[str]], str]


def _make_infix_replacer(sign: str) -> Callable[[re.Match[str]], str]:
    """Return a replacement for `re.sub` that joins the numbers of group 1 by a sign: `(1 + 2 + 3)`."""
    return lambda match: f"({f' {sign} '.join(_find_numbers(match.group(1)))})"


def _make_call_replacer(name: str) -> Callable[[re.Match[str]], str]:
    """Return a replacement for `re.sub` that passes the numbers of group 1 to a function: `max(1, 2)`."""
    return lambda match: f"{name}({', '.join(_find_numbers(match.group(1)))})"


def _format_average(match: re.Match[str]) -> str:
    """Return the average of the numbers in group 1 as an expression: `((1 + 2) / 2)`."""
    numbers = _find_numbers(match.group(1))
    return f"(({' + '.join(numbers)}) / {len(numbers)})"


def _format_fraction(match: re.Match[str]) -> str:
    """Return "two thirds of 90" as an expression: `(90 * 2 / 3)`; the groups are count, part and number."""
    return f"({match.group(3)} * {match.group(1) or 1} / {PARTS[match.group(2)]})"


def _find_numbers(text: str) -> list[str]:
    """Return the numbers and calls in a text, as they are written."""
    return re.findall(N, text)


# Phrases and the expressions that they mean, applied in this order; later rules see the output of earlier ones.
PHRASES: list[tuple[str, Rewrite]] = [
    (rf"(?:average|mean)\s+(?:value\s+)?of\s+{ALL}", _format_average),
    (rf"(?:sum|total)\s+of\s+{ALL}", _make_infix_replacer("+")),
    (rf"product\s+of\s+{ALL}", _make_infix_replacer("*")),
    (rf"difference\s+(?:between|of)\s+{N}\s+and\s+{N}", r"abs(\1 - \2)"),
    (rf"{LARGEST}{OF}{ALL}", _make_call_replacer("max")),
    (rf"{SMALLEST}{OF}{ALL}", _make_call_replacer("min")),
    (rf"what\s+percent(?:age)?\s+of\s+{N}\s+is\s+{N}", r"(\2 * 100 / \1)"),
    (rf"{N}\s+(?:is|as)\s+(?:what|a)\s+percent(?:age)?\s+of\s+{N}", r"(\1 * 100 / \2)"),
    (rf"add\s+{P}\s+to\s+{N}", r"(\2 + \2 * \1 / 100)"),
    (rf"{P}\s+(?:off|discount\s+on|less\s+than)\s+(?:of\s+)?{N}", r"(\2 - \2 * \1 / 100)"),
    (rf"(?:increase|raise)\s+{N}\s+by\s+{P}", r"(\1 + \1 * \2 / 100)"),
    (rf"(?:reduce|decrease|lower|cut)\s+{N}\s+by\s+{P}", r"(\1 - \1 * \2 / 100)"),
    (rf"{P}\s+more\s+than\s+{N}", r"(\2 + \2 * \1 / 100)"),
    (rf"{N}\s*(?:\+|plus|increased\s+by|with)\s+{P}(?!\s+of)", r"(\1 + \1 * \2 / 100)"),
    (rf"{N}\s*(?:-|minus|less|decreased\s+by|reduced\s+by)\s+{P}(?!\s+of)", r"(\1 - \1 * \2 / 100)"),
    (rf"{P}{TIP}\s+(?:of|on|for)\s+(?:an?\s+)?{N}", r"(\1 * \2 / 100)"),
    (rf"(?:add|sum)\s+(?:up\s+|together\s+)?{ALL}", _make_infix_replacer("+")),
    (rf"multiply\s+{ALL}", _make_infix_replacer("*")),
    (rf"add\s+{N}\s+(?:to|with)\s+{N}", r"(\1 + \2)"),
    (rf"(?:subtract|take|deduct)\s+{N}\s+(?:away\s+)?from\s+{N}", r"(\2 - \1)"),
    (rf"multiply\s+{N}\s+(?:by|with)\s+{N}", r"(\1 * \2)"),
    (rf"(?:divide|split)\s+{N}\s+(?:by|among|between|into)\s+{N}", r"(\1 / \2)"),
    (rf"remainder\s+(?:of|when)\s+{N}\s+(?:is\s+)?(?:divided\s+by|over|/)\s+{N}", r"(\1 % \2)"),
    (rf"(?:a\s+|one\s+|1\s+)?half\s+(?:of\s+)?{N}", r"(\1 / 2)"),
    (rf"(?:an?\s+)?(?:(\d+)[\s-]+)?({'|'.join(PARTS)})s?\s+of\s+{N}", _format_fraction),
    (rf"(?:double|twice)\s+(?:of\s+)?{N}", r"(2 * \1)"),
    (rf"triple\s+(?:of\s+)?{N}", r"(3 * \1)"),
    (rf"(?:square\s+)?root\s+of\s+{N}", r"sqrt(\1)"),
    (r"cube\s+sqrt\(", "cbrt("),
    (rf"{N}\s+squared|square\s+of\s+{N}", lambda m: f"{m.group(1) or m.group(2)} ** 2"),
    (rf"{N}\s+cubed|cube\s+of\s+{N}", lambda m: f"{m.group(1) or m.group(2)} ** 3"),
    (rf"factorial\s+of\s+{N}|{N}\s+factorial|{N}!", lambda m: f"factorial({m[1] or m[2] or m[3]})"),
    (rf"absolute\s+value\s+of\s+{N}", r"abs(\1)"),
    (rf"(?:natural\s+log(?:arithm)?|log(?:arithm)?)\s+of\s+{N}", r"log(\1)"),
    (rf"round\s+{N}\s+to\s+(\d+)\s+(?:decimals?|digits?|places?)(?:\s+places?)?", r"round(\1, \2)"),
    (rf"round\s+{N}(?:\s+to\s+the\s+nearest\s+(?:integer|whole(?:\s+number)?))?", r"round(\1)"),
    (rf"{N}\s+(?:raised\s+)?to\s+the\s+(?:power\s+(?:of\s+)?{N}|(\d+)(?:st|nd|rd|th)(?:\s+power)?|({'|'.join(ORDINALS)})\s+power)",
     lambda m: f"{m.group(1)} ** {m.group(2) or m.group(3) or ORDINALS[m.group(4)]}"),
    (rf"(?<=[\d)])\s*(?:multiplied\s+by|times|x)\s*(?={N})", " * "),
    (rf"(?<=[\d)])\s*(?:divided\s+by|over)\s*(?={N})", " / "),
    (rf"(?<=[\d)])\s+plus\s+(?={N})", " + "),
    (rf"(?<=[\d)])\s+(?:minus|less)\s+(?={N})", " - "),
    (rf"(?<=[\d)])\s+mod(?:ulo)?\s+(?={N})", " % "),
]  # fmt: skip
RULES = [
    (re.compile(rf"(?<![\w.]){pattern}" if pattern[0] not in "(" else pattern), to) for pattern, to in PHRASES
]

NAMES = "|".join(sorted(FUNCTIONS, key=len, reverse=True))
EXPRESSION = re.compile(
    rf"(?:(?<![a-z])(?:{NAMES})\s*(?=\()|(?<![a-z])pi(?![a-z])|[\d.]+%?|\*\*|[-+*/%(),\s])+"
)
NOT_NUMBERS = re.compile(
    r"\d{4}-\d{2}-\d{2}|\b\d{1,2}/\d{1,2}/\d{2,4}\b|https?://|\b\d+:\d{2}\b|[\w.]+@\w|#\d"
)
ARTICLE = re.compile(rf"\bthe\s+(?!power|nearest|\d+(?:st|nd|rd|th)|{'|'.join(ORDINALS)})")
UNREAD_OPERATION = re.compile(
    r"\b(?:multipl(?:y|ied)|divided?|subtract|times|plus|minus|squared|cubed|percent|average)\b"
    r"|\b(?:square|cube) root\b"
    r"|\badd \d"
)
MAX_LENGTH = 1000
HUGE = re.compile(r"\d{60}")
CURRENCY = re.compile(r"[$€£¥](?=\s?\d)|(?<=\d)\s?[€£¥$]|(?<=\d) (?:dollars?|euros?|pounds?|usd|eur|gbp)\b")
LEAD_IN = to_word_set(
    "what what's whats is are the a please can could you tell me calculate compute evaluate solve how "
    "much result of answer to equals equal give find work out show i need want know do does get if "
    "make makes use using with calculator math expression value hey hi so and then now quick quickly "
    "exactly come comes"
)


def find_expression(text: str) -> str | None:
    """Return the first arithmetic expression, in Python's notation; None without one."""
    if (
        len(text) > MAX_LENGTH
        or HUGE.search(text)
        or NOT_NUMBERS.search(text)
        or not re.search(r"\d", replace_number_words(text))
    ):
        return None
    spoken = ARTICLE.sub("", CURRENCY.sub("", _normalize_signs(replace_number_words(text.lower()))))
    written = spoken
    # Twice: of "multiply 12 by the square root of 81", the inner part is rewritten first.
    for _ in range(2):
        for rule, to in RULES:
            written = rule.sub(to, written)
    for run in EXPRESSION.finditer(written):
        candidate = run.group().strip(" ,.\t\n")
        expression = _expression(candidate)
        if (
            expression
            and not _has_unread_operation(written, run)
            and (not _is_ambiguous(candidate, spoken) or _has_only_lead_in(written, run))
        ):
            return expression
    return None


def _normalize_signs(text: str) -> str:
    """Return the text without thousands separators, and with Python's operators for ×, ·, ÷, −, – and ^."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    for sign, plain_sign in {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "**"}.items():
        text = text.replace(sign, plain_sign)
    return text


def _expression(candidate: str) -> str | None:
    """Return a computation with regular spaces; None when the text is not one."""
    for trial in (candidate, candidate.rstrip("(+-*/%, "), candidate.lstrip(")*/%, ")):
        if not trial or len(trial) > 480 or re.fullmatch(r"[\d.]+%", trial):
            continue
        try:
            tree = ast.parse(normalize(trial), mode="eval").body
            if isinstance(tree, ast.BinOp | ast.Call):
                return ast.unparse(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def _has_unread_operation(text: str, run: re.Match[str]) -> bool:
    """Return whether an operation was not read: half a computation must not pass for the whole."""
    return bool(UNREAD_OPERATION.search(text[: run.start()]) or UNREAD_OPERATION.search(text[run.end() :]))


def _is_ambiguous(candidate: str, spoken: str) -> bool:
    """Return whether the text may be something else, as 555-1234 and 24/7; words, `*` and `+` are unambiguous."""
    return candidate in spoken and not re.search(r"[*+%(]", candidate)


def _has_only_lead_in(text: str, run: re.Match[str]) -> bool:
    """Return whether the text around the expression has only words such as "what is"."""
    rest = re.findall(r"[\w']+", text[: run.start()] + " " + text[run.end() :])
    return all(word in LEAD_IN for word in rest)
