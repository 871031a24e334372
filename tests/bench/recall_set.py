"""Questions and the texts that answer them: LoCoMo's conversations from a file, or a set made here."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PEOPLE = ["Ada", "Bela", "Cleo", "Dora", "Emil", "Finn", "Gita", "Hugo", "Ines", "Juno", "Karl", "Lena"]
# (what is said, what is asked in other words); {p} is a person, {x} a word of the list behind it.
FACTS = [
    ("{p} adopted a puppy and called it {x}", "What is the name of {p}'s dog?", "Rex Milo Bruno"),
    ("{p} moved to {x} last spring", "In which city does {p} live?", "Lyon Turin Graz"),
    ("{p} got hired by {x} as an engineer", "Who is {p}'s employer?", "Initech Globex Acme"),
    ("{p} cannot eat {x} without getting ill", "What is {p} allergic to?", "peanuts shrimp celery"),
    ("{p} started learning the {x} in the evenings", "Which instrument does {p} play?", "cello oboe banjo"),
    ("{p} flew to {x} for two weeks of rest", "Where did {p} go on vacation?", "Crete Madeira Cuba"),
    ("{p} bought a used {x} to get to work", "What car does {p} drive?", "Volvo Skoda Fiat"),
    ("{p} broke a {x} while skiing", "What injury did {p} have?", "wrist ankle collarbone"),
    ("{p} is reading a novel by {x}", "Which author does {p} like at the moment?", "Austen Camus Borges"),
    ("{p} tied the knot with {x} in June", "Who did {p} marry?", "Robin Sasha Kim"),
    ("{p} paints {x} on Sundays", "What art does {p} make?", "landscapes portraits murals"),
    ("{p} is up at {x} every day for a run", "When does {p} get out of bed?", "five six dawn"),
    ("{p} gave up {x} in January", "Which habit did {p} quit?", "smoking sugar coffee"),
    ("{p} teaches {x} at the school nearby", "What subject is {p}'s job about?", "chemistry history latin"),
]
CHATTER = [
    "{p} said that the weather was {x} today",
    "{p} asked whether the meeting could be {x}",
    "{p} laughed about a {x} joke of a colleague",
    "{p} sent greetings and a {x} picture",
]
MOODS = ["nice", "long", "strange", "short", "funny", "early", "late", "awful"]


@dataclass(frozen=True)
class Conversation:
    """Texts by their ids, and questions each with the ids of what answers it."""

    texts: dict[str, str]
    questions: list[tuple[str, set[str]]]


def made() -> list[Conversation]:
    """One conversation: each person's facts among four times as many remarks, asked for in other words."""
    texts: dict[str, str] = {}
    questions = []
    for number, person in enumerate(PEOPLE):
        for place, (said, asked, choices) in enumerate(FACTS):
            words = choices.split()
            fact = f"{person}-{place}"
            texts[fact] = said.format(p=person, x=words[number % len(words)])
            questions.append((asked.format(p=person), {fact}))
            for remark, text in enumerate(CHATTER):
                mood = MOODS[(number + place + remark) % len(MOODS)]
                texts[f"{fact}-{remark}"] = text.format(p=person, x=mood)
    return [Conversation(texts, questions)]


def locomo(path: Path) -> list[Conversation]:
    """The conversations of `locomo10.json`: every turn is a text; questions with evidence, but for adversarial ones."""
    samples = json.loads(path.read_text())
    return [Conversation(dict(_turns(sample["conversation"])), list(_asked(sample))) for sample in samples]


def _turns(conversation: dict[str, object]) -> Iterator[tuple[str, str]]:
    for name, session in conversation.items():
        if name.startswith("session_") and isinstance(session, list):
            for turn in session:
                yield turn["dia_id"], f"{turn['speaker']}: {turn['text']}"


def _asked(sample: dict[str, object]) -> Iterator[tuple[str, set[str]]]:
    known = dict(_turns(sample["conversation"]))  # type: ignore[arg-type]
    for asked in sample["qa"]:  # type: ignore[attr-defined]
        evidence = {part for text in asked.get("evidence", []) for part in text.replace(";", " ").split()}
        if asked["category"] != 5 and evidence & known.keys():
            yield asked["question"], evidence & known.keys()
