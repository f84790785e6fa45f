"""Prompts on which labelers differ most, and one of them as each labeler saw and judged it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from tutelage.core.agreement import compare
from tutelage.core.rankings import mean_rank_order
from tutelage.errors import MissingError
from tutelage.records import Completion, Group, Prompt
from tutelage.store import Store, completions, judged, prompts
from tutelage.store.judged import Context, Looked, Ordered, Rated

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: How many characters of a prompt stand in a list.
BEGINNING = 160
_WIDEST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """How far labelers differ on one prompt.

    `order` is the mean share of pairs of outputs on which two labelers differ (a tie against an order is a half),
    `quality` the mean distance of two ratings of one output; None where no two labelers made one. `flags` are those
    that one labeler answered yes and another no.
    """

    prompt_id: str
    use_case: str
    labelers: int
    order: float | None
    quality: float | None
    flags: tuple[str, ...]

    @property
    def size(self) -> float:
        """Give the larger difference, from 0 for none to 1; a flag that is answered both ways counts a half."""
        quality = None if self.quality is None else self.quality / _WIDEST
        return max(self.order or 0.0, quality or 0.0, 0.5 if self.flags else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """An output under a letter that says nothing about who wrote it; the best on average is A."""

    letter: str
    completion: Completion


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one labeler made of a prompt: the letters in their order, and a rating by letter."""

    context: Context
    groups: tuple[tuple[str, ...], ...]
    ratings: dict[str, Rated]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One prompt with everybody's judgements; `farthest` are the two whose orders differ most, best first."""

    prompt: Prompt
    outputs: tuple[Output, ...]
    sides: tuple[Side, ...]
    farthest: tuple[Side, ...]


def find(store: Store, which: Looked, *, group: Group | None = None, flag: str = "") -> list[Item]:
    """Return the prompts that two labelers or more judged, the largest difference first.

    `group` leaves the labels of other groups out; `flag` keeps prompts on which it was answered both ways.
    """

    def counts(context: Context) -> bool:
        return group is None or context.group == group

    orders: defaultdict[str, list[Ordered]] = defaultdict(list)
    rated: defaultdict[str, list[Rated]] = defaultdict(list)
    for made in judged.orders(store, which):
        if counts(made.context):
            orders[made.context.prompt_id].append(made)
    for one in judged.rated(store, which):
        if counts(one.context):
            rated[one.context.prompt_id].append(one)
    items = [_item(prompt, orders[prompt], rated[prompt]) for prompt in sorted({*orders, *rated})]
    found = [item for item in items if item.labelers > 1 and (not flag or flag in item.flags)]
    return sorted(found, key=lambda item: (-item.size, item.prompt_id))


def beginnings(store: Store, items: Sequence[Item]) -> dict[str, str]:
    """Return how the prompts of these items begin."""
    return {prompt: one.text[:BEGINNING] for prompt, one in prompts.get(store, [i.prompt_id for i in items]).items()}


def open_case(store: Store, which: Looked) -> Case:
    """Return one prompt, `which.prompt_id`, with all judgements."""
    orders, rated = judged.orders(store, which), judged.rated(store, which)
    ids = {output for made in orders for output in made.presented} | {one.completion_id for one in rated}
    if not ids:
        raise MissingError("Nobody judged this prompt in this way; go back to the list of disagreements.")
    letters = dict(zip(_best_first(sorted(ids), orders), LETTERS * (len(ids) // len(LETTERS) + 1), strict=False))
    texts = completions.get(store, ids)
    by: defaultdict[str, dict[str, Rated]] = defaultdict(dict)
    for one in rated:
        by[one.context.labeler][letters[one.completion_id]] = one
    sides = {
        made.context.labeler: Side(
            context=made.context,
            groups=tuple(tuple(sorted(letters[output] for output in tied)) for tied in made.groups),
            ratings=by.get(made.context.labeler, {}),
        )
        for made in orders
    }
    for labeler, ratings in by.items():
        context = next(iter(ratings.values())).context
        sides.setdefault(labeler, Side(context=context, groups=(), ratings=ratings))
    return Case(
        prompt=prompts.get(store, [which.prompt_id])[which.prompt_id],
        outputs=tuple(Output(letter=letter, completion=texts[output]) for output, letter in letters.items()),
        sides=tuple(sides[labeler] for labeler in sorted(sides)),
        farthest=_farthest([sides[labeler] for labeler in sorted(sides)]),
    )


def submissions(store: Store, case: Case) -> dict[str, str]:
    """Return by labeler the submission that stands for their judgement of the prompt; imported ones have none."""
    ids = {side.context.labeler: side.context.assignment_id for side in case.sides if side.context.assignment_id}
    return {
        labeler: made.id
        for labeler, assignment in ids.items()
        for made in judged.handed(store, assignment=assignment)
        if made.is_latest
    }


def _item(prompt: str, orders: Sequence[Ordered], rated: Sequence[Rated]) -> Item:
    tallies = [
        compare(a.groups, b.groups) for a, b in combinations(orders, 2) if a.context.labeler != b.context.labeler
    ]
    pairs, credit = sum(tally.pairs for tally in tallies), sum(tally.credit for tally in tallies)
    by: defaultdict[str, list[Rated]] = defaultdict(list)
    for one in rated:
        by[one.completion_id].append(one)
    two = [(a, b) for given in by.values() for a, b in combinations(given, 2) if a.context.labeler != b.context.labeler]
    contexts = [*(made.context for made in orders), *(one.context for one in rated)]
    return Item(
        prompt_id=prompt,
        use_case=contexts[0].use_case,
        labelers=len({context.labeler for context in contexts}),
        order=1 - credit / pairs if pairs else None,
        quality=sum(abs(a.quality - b.quality) for a, b in two) / len(two) if two else None,
        flags=tuple(
            sorted({flag for a, b in two for flag in a.flags if {a.flags[flag], b.flags.get(flag)} == {True, False}})
        ),
    )


def _best_first(ids: Sequence[str], orders: Sequence[Ordered]) -> list[str]:
    """Order the outputs by mean place where all orders are of the same outputs, else by id."""
    if orders and all(set(made.presented) == set(ids) for made in orders):
        return [output for tied in mean_rank_order([made.groups for made in orders]) for output in tied]
    return list(ids)


def _farthest(sides: Sequence[Side]) -> tuple[Side, ...]:
    ranked = [side for side in sides if side.groups]
    if len(ranked) < 2:
        return tuple(ranked)
    return min(
        combinations(ranked, 2),
        key=lambda two: (tally := compare(two[0].groups, two[1].groups)).credit / (tally.pairs or 1),
    )
