"""Writing prompts, looking for personal data and judging toxicity: through the queue, on both databases."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.feedback.conftest import NOW, Desk, later
from tutelage.errors import DataError
from tutelage.feedback import export, filing, people, work
from tutelage.feedback.filing import Filing
from tutelage.feedback.submissions import Continuations, Review, Submission, Toxicity, Written
from tutelage.pipeline import written as taking
from tutelage.prompts.intake import IntakeSettings, Shares
from tutelage.records import Labeler, Redaction
from tutelage.store import labels, privacy, prompts, toxicity, users, written
from tutelage.store.labels import Which

TRAIN = IntakeSettings(shares=Shares(train=1.0, validation=0.0, test=0.0))


def file(desk: Desk, what: Any, count: int = 1, **changes: Any) -> None:
    filing.file(desk.store, [Filing(what=what, count=count, **changes)], name=uuid4().hex, now=NOW)


def hand_in(desk: Desk, held: work.Assignment, name: str = "s1", at: float = 1, **parts: Any) -> int:
    return desk.submit(Submission(id=name, assignment_id=held.id, labeler=held.labeler, **parts), at=at)


def take_in(desk: Desk, at: float = 10) -> Any:
    return taking.take_in(desk.store, TRAIN, stage="sft", now=later(at))


# Writing.


def test_a_plain_prompt_is_written_taken_in_once_and_answered(desk: Desk) -> None:
    file(desk, "plain", 2)
    held, _ = desk.lease("anna")
    assert (held.kind, held.form, held.outputs) == ("write", "plain", ())
    hand_in(desk, held, written=Written(use_case="chat", text="  Good morning!\n"))
    (made,) = [one for one, _ in written.current_ones(desk.store)]
    assert (made.labeler, made.form, made.use_case, made.purpose) == ("anna", "plain", "chat", "train")
    report = take_in(desk)
    assert report.rows == 1
    prompt = prompts.get(desk.store, ["s1"])["s1"]
    assert (prompt.text, prompt.source, prompt.use_case, prompt.stage) == ("Good morning!", "labeler", "chat", "sft")
    assert (prompt.user, prompt.split) == (desk.store.user_hash("anna"), "train")
    assert take_in(desk) is None
    assert filing.possible(desk.store)["demonstrate"] == 1


def test_a_few_shot_prompt_becomes_one_for_each_pair_with_its_demonstration(desk: Desk) -> None:
    file(desk, "few_shot")
    (held,) = desk.lease("anna")
    pairs = (("lemon", "sour"), ("honey", "sweet"), ("crisps", "salty"))
    hand_in(desk, held, written=Written(use_case="classification", text="Name the taste.", pairs=pairs))
    take_in(desk)
    rows = {row.prompt_id: row for row in list(export.sft(desk.store, kind="human"))}
    assert rows["s1/2"].prompt == (
        "Name the taste.\n\nQuery: crisps\nResponse: salty\n\nQuery: lemon\nResponse: sour\n\nQuery: honey\nResponse:"
    )
    assert {name: row.completion for name, row in rows.items()} == {"s1/1": "sour", "s1/2": "sweet", "s1/3": "salty"}
    assert {prompts.get(desk.store, rows)[name].form for name in rows} == {"few_shot"}


def test_a_prompt_for_a_use_waits_for_a_look_when_the_use_names_somebody(desk: Desk) -> None:
    file(desk, "user_based", uses=("An app that plans sleep.", "Letters for ada@example.org"))
    (held,) = desk.lease("anna")
    assert (held.form, held.prompt) == ("user_based", "An app that plans sleep.")
    assert filing.possible(desk.store)["review"] == 2
    file(desk, "review")
    (looked,) = desk.lease("ben", kind="review")
    assert looked.prompt == "Letters for ada@example.org"
    (place,) = [Redaction(start=12, end=27, kind="contact")]
    hand_in(desk, looked, review=Review(before=prompts.text_hash(looked.prompt), redactions=[place]))
    assert [one.prompt for one in desk.lease("cleo", kind="write")] == ["Letters for [contact]"]


def test_near_duplicates_and_personal_data_in_written_prompts_meet_the_rules_of_intake(desk: Desk) -> None:
    file(desk, "plain", 3)
    texts = ("a long question about bridges " * 4, "a long question about bridges " * 4 + "!", "Mail ada@example.org")
    for number, held in enumerate(desk.lease("anna")):
        hand_in(desk, held, f"s{number}", written=Written(use_case="other", text=texts[number]))
    dropped = {rule.name: rule.dropped for rule in take_in(desk).rules}
    assert (dropped["dedupe"], dropped["pii"]) == (("s1",), ("s2",))


def test_a_correction_takes_the_earlier_prompt_out_of_use(desk: Desk) -> None:
    file(desk, "plain")
    (held,) = desk.lease("anna")
    hand_in(desk, held, written=Written(use_case="other", text="first try"))
    take_in(desk)
    hand_in(desk, held, "s2", 2, written=Written(use_case="other", text="first try, mended"), supersedes="s1")
    take_in(desk)
    assert [one.id for one in prompts.usable(desk.store)] == ["s2"]


@pytest.mark.parametrize(
    ("form", "given", "told"),
    [
        ("plain", Written(use_case="poetry", text="x"), "use case 'poetry'"),
        ("plain", Written(use_case="chat", text=" \n"), "is empty"),
        ("plain", Written(use_case="chat", text="x", pairs=(("a", "b"),)), "1 examples; it needs 0 to 0"),
        ("few_shot", Written(use_case="chat", text="x", pairs=(("a", "b"),)), "1 examples; it needs 2 to 20"),
        ("few_shot", Written(use_case="chat", text="x", pairs=(("a", "b"), ("c", " "))), "without query or response"),
        ("plain", None, "has no prompt"),
    ],
)
def test_a_prompt_that_does_not_fit_is_refused(desk: Desk, form: str, given: Written | None, told: str) -> None:
    file(desk, form)
    (held,) = desk.lease("anna")
    with pytest.raises(DataError, match=told):
        hand_in(desk, held, written=given)
    assert written.current_ones(desk.store) == []


def test_briefs_follow_the_shares_of_the_paper_and_are_no_prompts(desk: Desk) -> None:
    file(desk, "plain", 200)
    cases = [held.use_case for held in desk.lease("anna", limit=200)]
    # Generation has 45.6 % of Table 1: 200 draws lie within four standard deviations.
    assert 63 <= cases.count("generation") <= 119 and len(set(cases)) > 5
    assert prompts.usable(desk.store) == [] and prompts.unchecked(desk.store) == 0
    file(desk, "plain", 5)
    assert {(one.kind, one.tasks) for one in work.progress(desk.store)} == {("write", 205)}


# Looking for personal data.

TEXT = "Mail Ada 😀 at ada@example.org\r\nor call."


@pytest.fixture
def soiled(desk: Desk) -> work.Assignment:
    desk.prompt("p", text=TEXT, stage="sft", pii="quarantined")
    file(desk, "review")
    (held,) = desk.lease("anna")
    return held


def looked(*places: Redaction, **changes: Any) -> Review:
    return Review(**{"before": prompts.text_hash(TEXT), "redactions": places, **changes})


NAME, MAIL = Redaction(start=5, end=8, kind="name"), Redaction(start=14, end=29, kind="contact")


def test_what_is_taken_out_is_gone_and_the_prompt_may_be_trained_on(desk: Desk, soiled: work.Assignment) -> None:
    assert list(export.ppo(desk.store, stage="sft")) == []
    before = users.prompt_hashes(desk.store, desk.store.user_hash("u-p"))
    hand_in(desk, soiled, review=looked(MAIL, NAME))
    (row,) = list(export.ppo(desk.store, stage="sft"))
    assert row.prompt == "Mail [name] 😀 at [contact]\r\nor call."
    hashes = users.prompt_hashes(desk.store, desk.store.user_hash("u-p"))
    assert hashes == {*before, prompts.text_hash(row.prompt)}
    with desk.store.read() as connection:
        from sqlalchemy import text

        kept = [str(connection.execute(text(f"SELECT * FROM {table}")).all()) for table in
                ("prompts", "privacy_reviews", "submissions", "pii_findings", "drafts")]  # fmt: skip
    assert not any("ada@example.org" in rows for rows in kept)
    # The answer to the first hand-in was lost: the same again counts once, though the text is another now.
    assert hand_in(desk, soiled, review=looked(MAIL, NAME), at=5) == 0


def test_a_text_that_cannot_be_used_stays_out_of_use(desk: Desk, soiled: work.Assignment) -> None:
    hand_in(desk, soiled, review=looked(is_usable=False))
    assert list(export.ppo(desk.store, stage="sft")) == []
    assert [one.is_usable for one in privacy.reviews(desk.store)] == [False]
    hand_in(desk, soiled, "s2", 2, review=looked(NAME, MAIL), supersedes="s1")
    assert [one.prompt for one in list(export.ppo(desk.store, stage="sft"))] == [
        "Mail [name] 😀 at [contact]\r\nor call."
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (looked(Redaction(start=5, end=5, kind="name")), "characters 5 to 5"),
        (looked(NAME, Redaction(start=7, end=9, kind="name")), "another redaction"),
        (looked(Redaction(start=0, end=99, kind="name")), "more than the text has"),
        (looked(Redaction(start=0, end=2, kind="hat")), "a 'hat'"),  # type: ignore[arg-type]
        (looked(before="0" * 64), "Somebody else changed this text"),
        (None, "does not say what it found"),
    ],
)
def test_a_review_that_does_not_fit_changes_nothing(
    desk: Desk, soiled: work.Assignment, given: Review | None, told: str
) -> None:
    with pytest.raises(DataError, match=told):
        hand_in(desk, soiled, review=given)
    assert prompts.get(desk.store, ["p"])["p"].text == TEXT
    assert privacy.reviews(desk.store) == []


def test_training_waits_for_a_look_when_the_store_says_so(desk: Desk) -> None:
    desk.task("d", "demonstrate", prompt={"stage": "sft"})
    (held,) = desk.lease("anna")
    hand_in(desk, held, text="answer")
    assert len(list(export.sft(desk.store, kind="human"))) == 1
    privacy.require(desk.store, True)
    assert privacy.is_required(desk.store)
    assert list(export.sft(desk.store, kind="human")) == []
    assert list(export.ppo(desk.store, stage="sft")) == []
    file(desk, "review")
    (looked_at,) = desk.lease("ben", at=2)
    hand_in(desk, looked_at, "s2", 3, review=Review(before=prompts.text_hash("Prompt d")))
    assert len(list(export.sft(desk.store, kind="human"))) == 1
    desk.prompt("new", stage="sft")
    assert [row.prompt_id for row in list(export.ppo(desk.store, stage="sft"))] == ["d"]
    privacy.require(desk.store, False)
    assert len(list(export.ppo(desk.store, stage="sft"))) == 2


# Toxicity.


@pytest.fixture
def begun(desk: Desk) -> work.Assignment:
    desk.prompt("p", split="test")
    desk.outputs("p", 3)
    people.register(desk.store, [Labeler(id="hera", group="heldout", kind="human")], now=NOW)
    file(desk, "toxicity", group="heldout")
    (held,) = desk.lease("hera")
    return held


def judged(held: work.Assignment, **changes: Any) -> dict[str, Any]:
    first, second, third = (one.id for one in held.outputs)
    outputs = {first: Toxicity(toxicity=2, relative=1, continuity=7), second: Toxicity(), third: Toxicity(continuity=1)}
    given = {"toxicity": Continuations(beginning=1, outputs=outputs), "groups": [[second, third], [first]]}
    return {**given, **changes}


def test_judgements_of_toxicity_are_records_of_their_own_and_train_nothing(desk: Desk, begun: work.Assignment) -> None:
    assert (begun.kind, begun.purpose, begun.instruction_version) == ("toxicity", "evaluation", "toxicity-1")
    hand_in(desk, begun, **judged(begun))
    by_place = {one.id: one for one in toxicity.ratings(desk.store)}
    first, second, third = (by_place[f"s1:{place}"] for place in range(3))
    assert (first.beginning, first.toxicity, first.relative, first.continuity, first.rank) == (1, 2, 1, 7, 1)
    assert (second.toxicity, second.relative, second.continuity, second.rank) == (None, None, None, 0)
    assert (third.continuity, third.rank) == (1, 0)
    assert labels.rankings_of(desk.store, Which()) == labels.ratings_of(desk.store, Which()) == []
    hand_in(desk, begun, "s2", 2, **judged(begun), supersedes="s1")
    assert {one.supersedes for one in toxicity.ratings(desk.store)} == {"s1:0", "s1:1", "s1:2"}


def test_judgements_of_toxicity_beyond_their_scales_are_refused(desk: Desk, begun: work.Assignment) -> None:
    first, second, third = (one.id for one in begun.outputs)
    rest = {second: Toxicity(), third: Toxicity()}
    for wrong, told in (
        ({"toxicity": Continuations(outputs={first: Toxicity(toxicity=3), **rest})}, "toxicity 3; give 0 to 2"),
        ({"toxicity": Continuations(outputs={first: Toxicity(relative=-2), **rest})}, "relative -2; give -1 to 1"),
        ({"toxicity": Continuations(outputs={first: Toxicity(continuity=0), **rest})}, "continuity 0; give 1 to 7"),
        ({"toxicity": Continuations(outputs={first: Toxicity(), **rest}, beginning=7)}, "beginning 7"),
        ({"toxicity": Continuations(outputs=rest)}, "not exactly the 3 shown"),
        ({"groups": [[first]]}, "is not ranked"),
        ({"toxicity": None, "groups": []}, "judges no continuation"),
    ):
        with pytest.raises(DataError, match=told):
            hand_in(desk, begun, **judged(begun, **wrong))
    assert toxicity.ratings(desk.store) == []


def test_each_kind_of_work_needs_its_own_instructions_and_purpose(desk: Desk) -> None:
    desk.prompt("p")
    outputs = desk.outputs("p", 2)
    wrong: tuple[dict[str, Any], ...] = (
        {"kind": "toxicity", "purpose": "train", "instruction_version": "toxicity-1", "completion_ids": outputs},
        {"kind": "toxicity", "purpose": "evaluation", "instruction_version": "evaluation-1", "completion_ids": outputs},
        {"kind": "rank", "purpose": "evaluation", "instruction_version": "toxicity-1", "completion_ids": outputs},
        {"kind": "review", "purpose": "train", "instruction_version": "prompt-1"},
        {"kind": "write", "purpose": "evaluation", "instruction_version": "prompt-1"},
        {"kind": "review", "purpose": "train", "instruction_version": "privacy-1", "completion_ids": outputs},
    )
    for number, one in enumerate(wrong):
        with pytest.raises(DataError, match="cannot be done under|needs none"):
            work.file_tasks(desk.store, [work.Task(id=f"t{number}", prompt_id="p", **one)], now=NOW)
