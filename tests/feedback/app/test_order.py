"""The order model of the rank board, run in a browser, beside a model in Python that is written another way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page

import tutelage.feedback.app
from tests.browser import browser
from tutelage.core import rankings

__all__ = ["browser"]

STATIC = Path(tutelage.feedback.app.__file__).parent / "static"
Move = list[Any]
#: Make moves one after another; tell after each one what the order says of itself.
PLAY = """async ([cards, moves]) => {
    const model = await import("/order.js");
    const tell = (order) => ({
        rows: order.rows, unsure: order.unsure, seeded: order.seeded, tray: model.tray(order),
        complete: model.complete(order), groups: model.groups(order),
    });
    let order = model.start(cards);
    const told = [];
    for (const [move, ...rest] of moves) {
        const before = JSON.stringify(tell(order));
        const next = model[move](order, ...rest);
        if (JSON.stringify(tell(order)) !== before) throw new Error(`${move} changed the order it was given`);
        if (next === order !== (JSON.stringify(tell(next)) === before)) {
            throw new Error(`${move} must return the same object if, and only if, nothing changed`);
        }
        if (move !== "undo" && next !== order && model.undo(next) !== order) throw new Error(`${move} is not undone`);
        const again = model.restored(cards, JSON.parse(JSON.stringify(model.saved(next))));
        if (JSON.stringify(tell(again)) !== JSON.stringify(tell(next))) throw new Error(`${move} is not saved`);
        order = next;
        told.push(tell(order));
    }
    return told;
}"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page on which the module can be imported."""
    opened = browser.new_page()
    opened.route("**/*", lambda route: route.fulfill(content_type="text/html", body="<!doctype html><title>x</title>"))
    module = (STATIC / "order.js").read_text(encoding="utf-8")
    opened.route("**/order.js", lambda route: route.fulfill(content_type="text/javascript", body=module))
    opened.goto("http://order.test/")
    yield opened
    opened.close()


def play(page: Page, cards: str, *moves: Move) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = page.evaluate(PLAY, [list(cards), list(moves)])
    return told


def rows(page: Page, cards: str, *moves: Move) -> str:
    """Return the last rows, like "A|BC||D"."""
    return "|".join("".join(row) for row in play(page, cards, *moves)[-1]["rows"])


ABCD = [["place", "A", 0], ["place", "B", 1], ["place", "C", 2], ["place", "D", 3]]


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ([["place", "B", 2]], "||B|"),
        ([["place", "B", 2], ["place", "B", 0]], "B|||"),
        ([["place", "B", 0], ["place", "A", 0]], "BA|||"),
        ([["insert", "A", 0], ["insert", "B", 0]], "B|A||"),
        ([["insert", "A", 4], ["insert", "B", 4]], "||A|B"),
        ([*ABCD, ["insert", "D", 0]], "D|A|B|C"),
        ([*ABCD, ["insert", "A", 4]], "B|C|D|A"),
        ([*ABCD, ["insert", "A", 2]], "B|A|C|D"),
        ([*ABCD, ["shift", "C", -1]], "A|C|B|D"),
        ([*ABCD, ["shift", "C", 1]], "A|B|D|C"),
        ([*ABCD, ["shift", "A", -1]], "A|B|C|D"),
        ([*ABCD, ["shift", "D", 1]], "A|B|C|D"),
        ([*ABCD, ["tieAbove", "C"]], "A|BC||D"),
        ([*ABCD, ["tieAbove", "C"], ["tieAbove", "D"]], "A|BCD||"),
        ([*ABCD, ["tieAbove", "A"]], "A|B|C|D"),
        ([["place", "A", 2], ["tieAbove", "B"]], "||AB|"),
        ([*ABCD, ["tieAbove", "C"], ["shift", "C", -1]], "A|C|B|D"),
        ([*ABCD, ["tieAbove", "C"], ["shift", "B", 1]], "A|C|B|D"),
        ([*ABCD, ["take", "B"]], "A||C|D"),
        ([["tieAll"]], "ABCD|||"),
        ([*ABCD, ["prefer", "D", "A"]], "D|A|B|C"),
        ([*ABCD, ["prefer", "A", "D"]], "A|B|C|D"),
        ([["prefer", "C", "B"]], "C|B||"),
        ([["place", "A", 0], ["prefer", "B", "C"]], "A|B|C|"),
        ([["place", "A", 3], ["prefer", "B", "C"]], "|A|B|C"),
        ([["place", "A", 1], ["prefer", "A", "C"]], "|A|C|"),
        ([["place", "A", 0], ["place", "B", 1], ["prefer", "C", "A"]], "C|A|B|"),
        ([*ABCD, ["equal", "A", "D"]], "|B|C|DA"),
        ([["equal", "B", "C"]], "BC|||"),
        ([["place", "A", 1], ["equal", "A", "C"]], "|AC||"),
        ([["seed", {"A": 2, "B": 7, "C": 2, "D": 5}]], "B|D|AC|"),
        ([*ABCD, ["take", "A"], ["undo"], ["undo"]], "A|B|C|"),
    ],
)
def test_a_move_leads_where_a_labeler_expects(page: Page, moves: list[Move], expected: str) -> None:
    assert rows(page, "ABCD", *moves) == expected


def test_an_order_is_complete_only_when_hands_have_placed_every_card(page: Page) -> None:
    complete = [step["complete"] for step in play(page, "ABC", *ABCD[:3], ["take", "B"], ["tieAll"])]
    assert complete == [False, False, True, False, True]


def test_a_seeded_order_must_be_confirmed_card_by_card_or_as_a_whole(page: Page) -> None:
    seed = ["seed", {"A": 1, "B": 2, "C": 3}]
    steps = play(page, "ABC", seed, ["place", "C", 0], ["shift", "A", -1], ["prefer", "C", "B"])
    assert [step["unsure"] for step in steps] == [["A", "B", "C"], ["A", "B"], ["B"], []]
    assert [step["complete"] for step in steps] == [False, False, False, True]
    whole = play(page, "ABC", seed, ["confirm"], ["undo"], ["undo"])
    assert [(step["complete"], step["seeded"]) for step in whole] == [
        (False, True),
        (True, True),
        (False, True),
        (False, False),
    ]


def test_confirming_does_not_place_what_lies_in_the_tray(page: Page) -> None:
    steps = play(page, "AB", ["seed", {"A": 1, "B": 2}], ["take", "A"], ["confirm"])
    assert steps[-1]["tray"] == ["A"] and not steps[-1]["complete"]


def test_the_tray_keeps_the_order_of_the_screen(page: Page) -> None:
    assert play(page, "DACB", ["place", "A", 0], ["place", "D", 0], ["take", "D"])[-1]["tray"] == ["D", "C", "B"]


@pytest.mark.parametrize(
    "move",
    [
        ["place", "A", 3],
        ["place", "A", -1],
        ["place", "A", 1.5],
        ["place", "X", 0],
        ["insert", "A", 4],
        ["insert", "X", 0],
        ["prefer", "A", "A"],
        ["equal", "B", "B"],
        ["seed", {"A": 1, "B": None, "C": 2}],
        ["seed", {"A": 1, "B": 3}],
    ],
)
def test_an_impossible_move_is_an_error(page: Page, move: Move) -> None:
    with pytest.raises(Error):
        play(page, "ABC", move)


@pytest.mark.parametrize(
    "saved",
    [
        {"rows": [["A"], [], []], "unsure": [], "seeded": False},
        {"rows": [["A"], ["A"]], "unsure": [], "seeded": False},
        {"rows": [["A"], ["X"]], "unsure": [], "seeded": False},
        {"rows": [["A"], []], "unsure": ["X"], "seeded": True},
    ],
)
def test_an_order_of_other_cards_is_not_restored(page: Page, saved: dict[str, Any]) -> None:
    with pytest.raises(Error, match="of other cards"):
        page.evaluate(
            "async ([cards, saved]) => (await import('/order.js')).restored(cards, saved)", [["A", "B"], saved]
        )


def weak_orders(cards: str) -> set[tuple[frozenset[str], ...]]:
    """List every order with ties, by giving each card a level and forgetting the gaps."""
    found = set()
    for levels in product(range(len(cards)), repeat=len(cards)):
        used = sorted(set(levels))
        found.add(
            tuple(frozenset(card for card, own in zip(cards, levels, strict=True) if own == level) for level in used)
        )
    return found


def test_every_order_with_ties_of_four_cards_can_be_made_by_digits(page: Page) -> None:
    every = weak_orders("ABCD")
    assert len(every) == 75  # the ordered Bell number of 4
    for order in every:
        moves: list[Move] = [["place", card, row] for row, group in enumerate(order) for card in sorted(group)]
        told = play(page, "ABCD", *moves)[-1]
        assert tuple(map(frozenset, told["groups"])) == order
        rankings.validate(told["groups"], "ABCD")


class Places:
    """The same rules, kept as one number per card."""

    def __init__(self, cards: str) -> None:
        self.cards = cards
        self.of: dict[str, int] = {}
        self.unsure: set[str] = set()
        self.seeded = False

    def state(self) -> tuple[Any, ...]:
        return dict(self.of), set(self.unsure), self.seeded

    def put(self, card: str, before: int) -> None:
        """Give a card its own row between two others."""
        self.of.pop(card, None)
        free = set(range(len(self.cards))) - set(self.of.values())
        below = min((row for row in free if row >= before), default=None)
        if below is not None:
            self.of = {other: row + (before <= row < below) for other, row in self.of.items()}
            self.of[card] = before
        else:
            above = max(free)
            self.of = {other: row - (above < row < before) for other, row in self.of.items()}
            self.of[card] = before - 1

    def lowest(self, above: int) -> int | None:
        return max((row for row in self.of.values() if row < above), default=None)

    def alone(self, card: str) -> bool:
        return list(self.of.values()).count(self.of[card]) == 1

    def make(self, move: str, *told: Any) -> None:
        getattr(self, move)(*told)

    def place(self, card: str, row: int) -> None:
        self.unsure.discard(card)
        self.of[card] = row

    def insert(self, card: str, before: int) -> None:
        self.unsure.discard(card)
        self.put(card, before)

    def take(self, card: str) -> None:
        self.unsure.discard(card)
        self.of.pop(card, None)

    def tieAbove(self, card: str) -> None:
        row = self.lowest(self.of.get(card, len(self.cards)))
        if row is not None:
            self.place(card, row)

    def shift(self, card: str, step: int) -> None:
        if card not in self.of:
            return
        row = self.of[card]
        if not self.alone(card):
            self.insert(card, row if step < 0 else row + 1)
        elif 0 <= row + step < len(self.cards):
            self.unsure.discard(card)
            self.of = {
                other: row + step if place == row else row if place == row + step else place
                for other, place in self.of.items()
            }

    def prefer(self, better: str, worse: str) -> None:
        self.unsure -= {better, worse}
        if worse in self.of:
            if self.of.get(better, len(self.cards)) >= self.of[worse]:
                self.beside(better, worse, 0)
        elif better in self.of:
            self.beside(worse, better, 1)
        else:
            last = self.lowest(len(self.cards))
            self.put(better, 0 if last is None else last + 1)
            self.put(worse, self.of[better] + 1)

    def beside(self, card: str, anchor: str, after: int) -> None:
        self.of.pop(card, None)
        self.put(card, self.of[anchor] + after)

    def equal(self, one: str, other: str) -> None:
        self.unsure -= {one, other}
        if other in self.of:
            self.of[one] = self.of[other]
        elif one in self.of:
            self.of[other] = self.of[one]
        else:
            last = self.lowest(len(self.cards))
            self.put(one, 0 if last is None else last + 1)
            self.of[other] = self.of[one]

    def tieAll(self) -> None:
        if len(self.of) < len(self.cards) or len(set(self.of.values())) > 1 or self.unsure:
            self.of = dict.fromkeys(self.cards, 0)
            self.unsure = set()

    def seed(self, qualities: dict[str, int]) -> None:
        steps = sorted(set(qualities.values()), reverse=True)
        self.of = {card: steps.index(quality) for card, quality in qualities.items()}
        self.unsure, self.seeded = set(self.cards), True

    def confirm(self) -> None:
        self.unsure = set()


def some_move(chance: random.Random, cards: str) -> Move:
    kind = chance.choice(
        ["place", "place", "insert", "insert", "take", "tieAbove", "shift", "prefer", "equal", "tieAll", "seed"]
        + ["confirm", "undo"]
    )
    one, other = chance.sample(cards, 2)
    rest: dict[str, list[Any]] = {
        "place": [one, chance.randrange(len(cards))],
        "insert": [one, chance.randrange(len(cards) + 1)],
        "take": [one],
        "tieAbove": [one],
        "shift": [one, chance.choice([-1, 1])],
        "prefer": [one, other],
        "equal": [one, other],
        "seed": [{card: chance.randint(1, 7) for card in cards}],
    }
    return [kind, *rest.get(kind, [])]


@pytest.mark.parametrize("k", range(2, 10))
def test_random_moves_agree_with_a_model_written_another_way(page: Page, k: int) -> None:
    cards = "ABCDEFGHI"[:k]
    for seed in range(25):
        chance = random.Random(f"{k}/{seed}")
        moves = [some_move(chance, cards) for _ in range(60)]
        model, past = Places(cards), []
        for move, told in zip(moves, play(page, cards, *moves), strict=True):
            if move[0] == "undo":
                model.of, model.unsure, model.seeded = past.pop() if past else model.state()
            else:
                before = model.state()
                model.make(*move)
                if model.state() != before:
                    past.append(before)
            assert {card: row for row, group in enumerate(told["rows"]) for card in group} == model.of, (seed, move)
            assert (set(told["unsure"]), told["seeded"]) == (model.unsure, model.seeded), (seed, move)
            assert told["complete"] == (set(model.of) == set(cards) and not model.unsure)
            assert sorted([*told["tray"], *model.of]) == list(cards)
