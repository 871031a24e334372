"""Questions with the texts that answer them: LoCoMo's conversations from a file, or a generated set."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PEOPLE = ["Ada", "Bela", "Cleo", "Dora", "Emil", "Finn", "Gita", "Hugo", "Ines", "Juno", "Karl", "Lena"]
# (statement, question in other words, words for {x}); {p} is a person.
FACTS = [
    ("{p} adopted a puppy and called it {x}", "What is the name of {p}'s dog?", "Rex Milo Bruno"),
    ("{p} moved to {x} last spring", "In which city does {p} live?", "Lyon Turin Graz"),
    ("{p} got hired by {x} as an engineer", "Who is {p}'s employer?", "Initech Globex Acme"),
    ("{p} cannot eat {x} without getting ill", "What is {p} allergic to?", "peanuts shrimp celery"),
    ("{p} started learning the {x} in the evenings", "Which instrument does {p} play?", "cello oboe banjo"),
    ("{p} flew to {x} for two weeks of rest", "Where did {p} spend the holidays?", "Crete Madeira Cuba"),
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
    """Texts by their ids, and questions with the ids of the texts that answer them."""

    texts: dict[str, str]
    questions: list[tuple[str, set[str]]]


def generate() -> list[Conversation]:
    """Return one conversation: each person's facts among four times as many remarks, with questions in other words."""
    texts: dict[str, str] = {}
    questions = []
    for number, person in enumerate(PEOPLE):
        for index, (statement, question, choices) in enumerate(FACTS):
            words = choices.split()
            fact = f"{person}-{index}"
            texts[fact] = statement.format(p=person, x=words[number % len(words)])
            questions.append((question.format(p=person), {fact}))
            for remark, text in enumerate(CHATTER):
                mood = MOODS[(number + index + remark) % len(MOODS)]
                texts[f"{fact}-{remark}"] = text.format(p=person, x=mood)
    return [Conversation(texts, questions)]


def read_locomo(path: Path) -> list[Conversation]:
    """Return the conversations of `locomo10.json`: each turn is a text; adversarial questions are left out."""
    samples = json.loads(path.read_text())
    return [
        Conversation(dict(_turns(sample["conversation"])), list(_questions(sample))) for sample in samples
    ]


def _turns(conversation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, session in conversation.items():
        if name.startswith("session_") and isinstance(session, list):
            for turn in session:
                yield turn["dia_id"], f"{turn['speaker']}: {turn['text']}"


def _questions(sample: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    ids = dict(_turns(sample["conversation"])).keys()
    for question in sample["qa"]:
        evidence = {part for text in question.get("evidence", []) for part in text.replace(";", " ").split()}
        if question["category"] != 5 and evidence & ids:
            yield question["question"], evidence & ids
