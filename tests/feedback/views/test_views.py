"""What leads look at, on both databases: counts by hand, agreement by hand, biases that were put in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from tests.feedback.conftest import NOW, Desk, database, desk, later, store
from tests.feedback.panel import hand_in, rated
from tutelage.errors import MissingError
from tutelage.feedback import filing, work
from tutelage.feedback.views import agreement, disagreements, labelers, monitors, progress
from tutelage.records import Completion, Labeler, Ranking
from tutelage.store import completions, judged, labels, tasks
from tutelage.store import labelers as stored
from tutelage.store.judged import Looked
from tutelage.store.labels import Judgements

__all__ = ["database", "desk", "store"]

PEOPLE = Looked(task="comparison", kind="human")


@pytest.fixture
def panel(desk: Desk) -> Desk:
    """Anna and Ben order p and q, Hal (held out) orders p's outputs in a task of his own; a simulated one as well."""
    desk.labelers("sim", kind="simulated")
    desk.task("p", k=3, overlap=3, prompt={"use_case": "chat"})
    desk.task("q", k=3, overlap=2, prompt={"use_case": "rewrite"})
    hand_in(desk, "anna", "t-p", order=[[0], [1], [2]], ratings=rated(7, 4, 1, violent=False, hallucination=None))
    hand_in(desk, "ben", "t-p", order=[[0, 2], [1]], ratings=rated(6, 4, 4, violent=True))
    hand_in(desk, "sim", "t-p", order=[[2], [1], [0]])
    hand_in(desk, "anna", "t-q", order=[[0], [1], [2]], at=8 * 24 * 3600)
    hand_in(desk, "ben", "t-q", order=[[0], [1], [2]], at=8 * 24 * 3600)
    outputs = tuple(f"p-sft-{n}" for n in range(3))
    again = work.Task(
        id="t-again",
        kind="rank",
        purpose="agreement",
        prompt_id="p",
        instruction_version="comparison-1",
        completion_ids=outputs,
        group="heldout",
    )
    work.file_tasks(desk.store, [again], now=NOW)
    hand_in(desk, "hal", "t-again", order=[[2], [1], [0]])
    return desk


def test_progress_sums_what_is_left_and_how_long_it_takes(desk: Desk) -> None:
    for name in "pqr":
        desk.task(name, "demonstrate", overlap=2, prompt={"use_case": "chat" if name == "p" else ""})
    desk.task("k", k=2, overlap=5)
    hand_in(desk, "anna", "t-p", text="x", active_ms=60_000, at=0)
    hand_in(desk, "anna", "t-q", text="x", active_ms=120_000, at=9 * 24 * 3600)
    found = progress.of(desk.store, now=NOW + timedelta(days=10))
    assert found.each["demonstrate"].mean_ms == 90_000
    ranks, written = sorted(found.lines("kind"), key=lambda line: line.names, reverse=True)
    assert (written.names, written.tasks, written.wanted, written.left, written.recent) == (
        ("demonstrate",),
        3,
        6,
        4,
        1,
    )
    assert written.left_ms == 4 * 90_000 and written.left_days == 4 * 7
    # Nobody ranked yet: nobody knows how long it takes.
    assert (ranks.left, ranks.left_ms, ranks.left_days) == (5, None, None)
    by = {line.names: line for line in found.lines("kind", "use_case")}
    assert (by["demonstrate", "chat"].left, by["demonstrate", "chat"].left_ms) == (1, 90_000)


def test_agreement_by_group_counts_one_kind_of_labelers_and_no_other(panel: Desk) -> None:
    """Anna and Ben: of p 01 is alike, 02 tied by Ben, 12 opposite; of q all are alike. Hal is the opposite of Anna."""
    views = agreement.of(panel.store, PEOPLE)
    within, between = views.groups()
    assert (within.names, within.prompts, within.labelers) == (("training",), 2, 2)
    found = within.agreement
    assert found.ties_excluded is not None and found.tie_half is not None and found.exact is not None
    assert found.ties_excluded[::3] == pytest.approx((4 / 5, 5))
    assert found.tie_half[::3] == pytest.approx((4.5 / 6, 6))
    assert found.exact[::3] == pytest.approx((4 / 6, 6))
    # tau-b on p: (1 - 1) / sqrt(3 * 2) = 0; on q 1.
    assert within.tau is not None and within.tau.mean == pytest.approx(0.5)
    assert between.names == ("training", "heldout") and between.alpha is None
    assert between.agreement.tie_half is not None
    # With Anna 0 of 3; with Ben 01 opposite, 02 tied, 12 alike.
    assert between.agreement.tie_half.mean == pytest.approx((0 + 1.5) / 6)
    simulated = agreement.of(panel.store, Looked(task="comparison", kind="simulated"))
    assert simulated.groups() == [] and len(simulated.orders) == 1
    assert agreement.of(panel.store, Looked(task="evaluation", kind="human")).meetings == []


def test_agreement_by_use_case_week_and_labeler(panel: Desk) -> None:
    views = agreement.of(panel.store, PEOPLE)
    shares = {line.names: line.agreement.tie_half for line in views.use_cases("training")}
    assert {names: found and found.mean for names, found in shares.items()} == {("chat",): 0.5, ("rewrite",): 1.0}
    weeks = views.weeks("training")
    assert [week.monday for week in weeks] == [date(2026, 11, 2), date(2026, 11, 9)]
    against = {line.names[0]: line for line in views.labelers()}
    assert {name: (line.prompts, line.labelers) for name, line in against.items()} == {
        "anna": (2, 2),
        "ben": (2, 2),
        "hal": (1, 2),
    }
    anna = against["anna"].agreement.tie_half
    assert anna is not None and anna.mean == pytest.approx((1.5 + 3 + 0) / 9)


def test_agreement_on_ratings_and_flags(panel: Desk) -> None:
    (scale,) = agreement.of(panel.store, PEOPLE).scales()
    assert scale.name == "training" and scale.outputs == 3
    assert scale.distance is not None and scale.distance.mean == pytest.approx((1 + 0 + 3) / 3)
    (violent,) = agreement.of(panel.store, PEOPLE).flags("training")
    # Null is no answer: hallucination was asked and has none.
    assert (violent.name, violent.answers, violent.yes) == ("violent", 6, 3)
    assert violent.same is not None and violent.same.mean == 0


def test_the_same_prompt_again_is_compared_with_the_first_time(panel: Desk) -> None:
    (made,) = [one for one in judged.orders(panel.store, PEOPLE) if one.context.labeler == "hal"]
    task = tasks.holdings(panel.store, [made.context.assignment_id])[made.context.assignment_id].task_id
    filing.repeat(panel.store, task, name="again-2", group="heldout", overlap=1, now=later(100))
    hand_in(panel, "hal", "again-2", order=[[2], [0], [1]], at=200)
    (line,) = agreement.of(panel.store, PEOPLE).oneself()
    assert line.names == ("hal",) and line.agreement.tie_half is not None
    assert line.agreement.tie_half.mean == pytest.approx(2 / 3)
    assert tasks.get(panel.store, "again-2").purpose == "repeat"
    # Against the others the first time counts.
    (hal,) = [one for one in agreement.of(panel.store, PEOPLE).labelers() if one.names == ("hal",)]
    assert hal.agreement.tie_half is not None and hal.agreement.tie_half.mean == pytest.approx(1.5 / 6)


def test_disagreements_are_sorted_and_can_be_narrowed(panel: Desk) -> None:
    first, second = disagreements.find(panel.store, PEOPLE, group="training")
    assert (first.prompt_id, first.order, first.flags) == ("p", 0.5, ("violent",))
    assert first.quality == pytest.approx(4 / 3)
    assert (second.prompt_id, second.order, second.size) == ("q", 0.0, 0.0)
    everybody = disagreements.find(panel.store, PEOPLE)
    assert everybody[0].order == pytest.approx(1 - 3 / 9) and everybody[0].labelers == 3
    assert disagreements.find(panel.store, PEOPLE, flag="sexual") == []
    narrowed = Looked(task="comparison", kind="human", use_case="rewrite")
    assert [one.prompt_id for one in disagreements.find(panel.store, narrowed)] == ["q"]


def test_a_case_shows_everybodys_order_under_letters_that_tell_nothing(panel: Desk) -> None:
    case = disagreements.open_case(panel.store, Looked(task="comparison", kind="human", prompt_id="p"))
    assert [output.letter for output in case.outputs] == ["A", "B", "C"]
    letters = {output.completion.id: output.letter for output in case.outputs}
    by = {side.context.labeler: side for side in case.sides}
    assert by["anna"].groups == tuple((letters[f"p-sft-{n}"],) for n in range(3))
    assert by["ben"].ratings[letters["p-sft-0"]].quality == 6
    assert {side.context.labeler for side in case.farthest} == {"anna", "hal"}
    with pytest.raises(MissingError, match="Nobody judged this prompt"):
        disagreements.open_case(panel.store, Looked(task="comparison", kind="human", prompt_id="none"))


def test_labelers_by_what_the_reader_asks_for(panel: Desk) -> None:
    people = labelers.lines(panel.store, PEOPLE, sort="labels", is_down=True)
    assert [line.pace.labeler for line in people[:2]] == ["anna", "ben"] and people[0].pace.labels == 2
    assert {line.pace.kind for line in people} == {"human"}
    ben = next(line for line in people if line.pace.labeler == "ben")
    # Ben flagged outputs of p as violent; he, Anna and Hal opened one task about it each.
    assert (ben.exposed, people[0].exposed) == (1, 1)
    assert ben.hours is None and ben.per_hour is None and ben.gold_share is None
    with pytest.raises(MissingError, match="no such labeler"):
        labelers.of_one(panel.store, "nobody", "comparison")
    unknown_last = labelers.lines(panel.store, PEOPLE, sort="agreement")
    assert unknown_last[-1].agreement is None and unknown_last[0].agreement is not None


def test_gold_items_are_compared_with_the_researchers_order(desk: Desk) -> None:
    desk.labelers("ruth", group="researcher")
    desk.task("g", k=3, purpose="gold", group="researcher")
    hand_in(desk, "ruth", "t-g", order=[[0], [1], [2]])
    for_labelers = work.Task(
        id="t-g2",
        kind="rank",
        purpose="gold",
        prompt_id="g",
        instruction_version="comparison-1",
        completion_ids=tasks.get(desk.store, "t-g").completion_ids,
    )
    work.file_tasks(desk.store, [for_labelers], now=NOW)
    hand_in(desk, "anna", "t-g2", order=[[1], [0], [2]], active_ms=1_800_000)
    line = labelers.of_one(desk.store, "anna", "comparison")
    assert line.gold_share == pytest.approx(2 / 3) and line.gold_items == 1
    assert (line.hours, line.per_hour) == (0.5, 2.0)


def imported(desk: Desk, draw: Callable[[np.random.Generator, tuple[str, ...]], list[str]]) -> None:
    """Add orders of three outputs by ten labelers, five each."""
    rng = np.random.default_rng(1)
    people = [Labeler(id=f"l{n}", group="training", kind="human") for n in range(10)]
    stored.add(desk.store, people, now=NOW)
    made = []
    for n in range(50):
        outputs = desk.outputs(desk.prompt(f"i{n}"), 3)
        shown = tuple(outputs[i] for i in rng.permutation(3))
        groups = tuple((one,) for one in draw(rng, shown))
        made.append(
            Ranking(
                id=f"r{n}",
                prompt_id=f"i{n}",
                labeler=f"l{n % 10}",
                kind="human",
                instruction_version="comparison-1",
                purpose="train",
                groups=groups,
                presented=shown,
            )
        )
    labels.add(desk.store, Judgements(rankings=made), now=NOW)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("is_biased", "sign"), [(True, "more"), (False, "even")])
def test_a_position_bias_that_was_put_in_is_found(desk: Desk, is_biased: bool, sign: str) -> None:
    def draw(rng: np.random.Generator, shown: tuple[str, ...]) -> list[str]:
        return list(shown) if is_biased and rng.random() < 0.6 else [shown[i] for i in rng.permutation(3)]

    imported(desk, draw)
    found = monitors.position(desk.store, PEOPLE, "training")
    assert found.all is not None and (found.sign, found.prompts, found.all.n) == (sign, 50, 50)
    assert len(found.by_labeler) == 10
    assert monitors.position(desk.store, PEOPLE, "heldout").sign == "none"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_length_is_compared_where_it_differs(desk: Desk) -> None:
    """All outputs have the same length here, so that there is nothing to compare."""
    imported(desk, lambda rng, shown: list(shown))
    assert monitors.length(desk.store, PEOPLE, "training").all is None


def test_the_longer_output_wins_by_hand(desk: Desk) -> None:
    desk.prompt("w")
    texts = {"w-0": "a 0", "w-1": "aaaa 1", "w-2": "aaaaaa 2"}
    made = [
        Completion(id=name, prompt_id="w", text=text, policy="sft", finish_reason="stop")
        for name, text in texts.items()
    ]
    completions.add(desk.store, made, now=NOW)
    task = work.Task(
        id="t-w",
        kind="rank",
        purpose="train",
        prompt_id="w",
        instruction_version="comparison-1",
        completion_ids=tuple(texts),
    )
    work.file_tasks(desk.store, [task], now=NOW)
    hand_in(desk, "anna", "t-w", order=[[2], [0, 1]])
    found = monitors.length(desk.store, PEOPLE, "training")
    # 2 beats 0 and 1, which are tied: (1 + 1 + 1/2) / 3.
    assert found.all is not None and found.all.mean == pytest.approx(2.5 / 3)
    assert found.sign == "none"


def test_haste_and_revisions_of_those_who_handed_something_in(desk: Desk) -> None:
    desk.task("p", k=2, prompt={"text": "x" * 4000})
    hand_in(desk, "anna", "t-p", order=[[0], [1]], active_ms=5_000)
    (anna,) = monitors.haste(desk.store, "human", "training")
    assert anna.pace.labeler == "anna" and anna.hurried is not None and anna.hurried.mean == 1.0
    assert anna.revised is not None and anna.revised.mean == 0.0
    assert monitors.haste(desk.store, "simulated", "training") == []
