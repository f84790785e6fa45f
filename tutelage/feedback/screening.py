"""Screening of new labelers in the paper's four parts (B.1): what is asked, what an answer is, who decides.

Candidates flag sensitive speech, put outputs in order, answer sensitive prompts and say for which groups and topics
they can spot sensitive speech. The first two are compared with keys, the third is scored by two researchers who do not
know whose text it is, the fourth has no score. The cut-offs are soft: a person decides and gives a reason. Held-out
labelers are not screened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any

from tutelage.core import rankings
from tutelage.core.screening import (
    SCORERS,
    Outcome,
    Share,
    demonstration_score,
    flag_agreement,
    outcomes,
    ranking_agreement,
)
from tutelage.errors import DataError, MissingError
from tutelage.files import read_records
from tutelage.store import Store, screening
from tutelage.store.screening import Decision, Item, Part, Score, Screening

#: The set that ships with the program; a language model wrote it, keys included (sets/screening-1.md).
SHIPPED = "screening-1"
PARTS: tuple[Part, ...] = ("flags", "ranking", "demonstration", "topics")
LONGEST_ANSWER = 20_000

__all__ = ["Decision", "Item", "Outcome", "Part", "Result", "Share", "Sheet", "Text", "answer", "decide", "result"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A candidate's screening with its items, in their order, and the answers so far, by item."""

    screening: Screening
    items: Sequence[Item]
    answers: dict[str, Any]

    def next(self) -> Item | None:
        """Return the first item without an answer."""
        return next((item for item in self.items if item.id not in self.answers), None)

    def count(self, part: Part) -> tuple[int, int]:
        """Return how many items of a part are answered, and how many it has."""
        of_part = [item for item in self.items if item.part == part]
        return sum(item.id in self.answers for item in of_part), len(of_part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A demonstration to score, under an id that says nothing about who wrote it."""

    id: str
    prompt: str
    looks_for: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a candidate's answers came to. None means that something is missing; topics are those answered with yes."""

    flags: Share | None
    ranking: Share | None
    demonstration: float | None
    topics: tuple[str, ...]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Return the measured parts beside their soft cut-offs."""
        return outcomes(self.flags, self.ranking, self.demonstration)


def shipped() -> list[Item]:
    """Return the items of the shipped set."""
    with resources.as_file(resources.files("tutelage.feedback").joinpath("sets", f"{SHIPPED}.jsonl")) as path:
        return read_records(path, Item)


def publish_default(store: Store, *, now: datetime) -> None:
    """Publish the shipped set."""
    publish(store, SHIPPED, shipped(), now=now)


def publish(store: Store, name: str, items: Sequence[Item], *, now: datetime) -> None:
    """Publish a set for ever. It needs all four parts, and every flag and ranking its key."""
    if not name.strip():
        raise DataError("A screening set needs a name.")
    if len({item.id for item in items}) != len(items):
        raise DataError(f"The screening set {name!r} has two items with one id; give each its own.")
    for item in items:
        _check_item(name, item)
    for part in PARTS:
        if all(item.part != part for item in items):
            raise DataError(f"The screening set {name!r} has no items for the part {part}; a screening has four parts.")
    screening.publish(store, name, items, now=now)


def begin(store: Store, candidate: str, *, now: datetime) -> Sheet:
    """Begin or go on with a candidate's screening, with the newest set if it begins now."""
    under = screening.get(store, candidate)
    if under is None:
        under = screening.begin(store, candidate, screening.newest_set(store), now=now)
    return Sheet(screening=under, items=screening.items(store, under.set), answers=screening.answers(store, candidate))


def shown(store: Store, candidate: str, item: Item) -> list[int]:
    """Return the numbers of an item's outputs in the order of this candidate's screen: random, and always the same."""
    numbers = range(len(item.outputs))
    return sorted(numbers, key=lambda number: store.digest("screening order", candidate, item.id, str(number)))


def answer(store: Store, candidate: str, item_id: str, given: Any, *, now: datetime) -> None:
    """Record an answer: yes or no, groups of output numbers (best first), or a text; the last one of an item counts."""
    under = screening.get(store, candidate)
    item = next((one for one in screening.items(store, under.set) if one.id == item_id), None) if under else None
    if item is None:
        raise MissingError(f"There is no item {item_id!r} in this screening; go back to its list.")
    _check_answer(item, given)
    screening.answer(store, candidate, item_id, given, now=now)


def to_score(store: Store, researcher: str) -> list[Text]:
    """Return the demonstrations that wait for this researcher, without their authors, in an order of chance.

    A text waits until it has two scores, or its candidate is decided about.
    """
    texts = _handed_in(store)
    given: dict[tuple[str, str], set[str]] = {}
    for score in screening.scores(store):
        given.setdefault((score.candidate, score.item), set()).add(score.researcher)
    decided = screening.decisions(store)
    waiting = [
        text
        for (candidate, item), text in texts.items()
        if candidate not in decided and candidate != researcher
        if researcher not in (scorers := given.get((candidate, item), set())) and len(scorers) < SCORERS
    ]
    return sorted(waiting, key=lambda text: text.id)


def score(store: Store, researcher: str, text_id: str, given: int, *, now: datetime) -> None:
    """Record a researcher's score of a demonstration, known by its blind id; the last one counts."""
    if type(given) is not int or not 1 <= given <= 7:
        raise DataError(f"The score {given!r} is not on the scale; give a whole number from 1 to 7.")
    for (candidate, item), text in _handed_in(store).items():
        if text.id == text_id and candidate != researcher:
            screening.score(store, Score(candidate=candidate, item=item, researcher=researcher, score=given), now=now)
            return
    raise MissingError("There is no such demonstration to score; go back to the list.")


def result(store: Store, candidate: str) -> Result:
    """Compare a candidate's answers with the keys and the researchers' scores; None for what is not complete."""
    under = screening.get(store, candidate)
    if under is None:
        raise MissingError("This candidate has not begun the screening.")
    items, answers = screening.items(store, under.set), screening.answers(store, candidate)
    parts = {part: [item for item in items if item.part == part] for part in PARTS}
    flags = ranking = None
    if all(item.id in answers for item in parts["flags"]):
        keys = {item.id: bool(item.sensitive) for item in parts["flags"]}
        flags = flag_agreement({item: answers[item] for item in keys}, keys)
    if all(item.id in answers for item in parts["ranking"]):
        orders = {item.id: _named(item.order) for item in parts["ranking"]}
        ranking = ranking_agreement({item: _named(answers[item]) for item in orders}, orders)
    given: dict[str, list[int]] = {item.id: [] for item in parts["demonstration"]}
    for one in screening.scores(store):
        if one.candidate == candidate:
            given[one.item].append(one.score)
    return Result(
        flags=flags,
        ranking=ranking,
        demonstration=demonstration_score(given),
        topics=tuple(item.prompt for item in parts["topics"] if answers.get(item.id)),
    )


def readable(store: Store, candidate: str) -> dict[str, Any]:
    """Return the answers that those who decide may read: texts once all their scores are there.

    Before that, a text beside its author's pseudonym would end the blindness.
    """
    under = screening.get(store, candidate)
    if under is None:
        raise MissingError("There is no screening of this candidate; go back to the list.")
    given, is_scored = screening.answers(store, candidate), result(store, candidate).demonstration is not None
    texts = {item.id for item in screening.items(store, under.set) if item.part == "demonstration"}
    return {item: answer for item, answer in given.items() if is_scored or item not in texts}


def decide(store: Store, candidate: str, passed: bool, *, reason: str, by: str, now: datetime) -> None:
    """Take a candidate as a labeler or not, with a reason; the results that were seen are kept with it.

    Nobody is taken before every part is complete: two researchers have scored each demonstration.
    """
    if not reason.strip():
        raise DataError("A decision needs its reason; write one sentence.")
    values = {outcome.part: outcome.value for outcome in result(store, candidate).outcomes}
    if passed and None in values.values():
        missing = ", ".join(part for part, value in values.items() if value is None)
        raise DataError(f"The parts {missing} are not complete; score every demonstration twice, then decide.")
    decision = Decision(
        candidate=candidate, passed=passed, reason=reason.strip(), decided_by=by, results=values, created=now
    )
    screening.decide(store, decision)


def _handed_in(store: Store) -> dict[tuple[str, str], Text]:
    """Return all demonstrations of screenings that were handed in, by candidate and item."""
    found: dict[tuple[str, str], Text] = {}
    for under in screening.find(store):
        if under.handed_in is None:
            continue
        answers = screening.answers(store, under.candidate)
        for item in screening.items(store, under.set):
            if item.part == "demonstration":
                found[under.candidate, item.id] = Text(
                    id=store.digest("screening text", under.candidate, item.id)[:16],
                    prompt=item.prompt,
                    looks_for=item.reason,
                    text=answers[item.id],
                )
    return found


def _check_item(name: str, item: Item) -> None:
    told = f"The item {item.id} of the screening set {name!r}"
    outputs = {"flags": 1, "ranking": max(2, len(item.outputs)), "demonstration": 0, "topics": 0}[item.part]
    if not item.prompt.strip() or len(item.outputs) != outputs:
        raise DataError(f"{told} needs a prompt and {outputs} outputs for the part {item.part}.")
    if (item.sensitive is not None) != (item.part == "flags"):
        raise DataError(f"{told} needs a key yes or no if it is a flag, and none else.")
    if item.part == "ranking":
        _check_order(item, item.order)
    elif item.order:
        raise DataError(f"{told} has an order, which only a ranking has.")


def _check_answer(item: Item, given: Any) -> None:
    if item.part in ("flags", "topics") and type(given) is not bool:
        raise DataError("Answer yes or no; an open question is not an answer.")
    if item.part == "demonstration":
        if not isinstance(given, str) or not given.strip():
            raise DataError("The answer is empty; write what the person should get.")
        if len(given) > LONGEST_ANSWER:
            raise DataError(f"The answer has {len(given)} characters; write at most {LONGEST_ANSWER}.")
    if item.part == "ranking":
        _check_order(item, given)


def _check_order(item: Item, order: Any) -> None:
    is_order = isinstance(order, list | tuple) and all(
        isinstance(group, list | tuple) and all(type(number) is int for number in group) for group in order
    )
    try:
        rankings.validate(_named(order) if is_order else [], [str(number) for number in range(len(item.outputs))])
    except ValueError as error:
        raise DataError("Place every output exactly once; equals share a place.") from error


def _named(order: Sequence[Sequence[int]]) -> list[list[str]]:
    return [[str(number) for number in group] for group in order]
