"""What leads and researchers do through the Python client: figures, returns, letters, asking again, filing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.feedback.app.api.calling import Caller, key
from tests.feedback.conftest import Desk
from tests.feedback.panel import hand_in, rated
from tests.labeling import Clock
from tutelage.feedback import work
from tutelage.feedback.client import ApiRefusal, Client
from tutelage.feedback.wire.guidance import Example
from tutelage.feedback.wire.tasks import Filing
from tutelage.feedback.wire.work import HandedIn
from tutelage.store import audit, messages, tasks

Call = Callable[..., Caller]
# The queries behind these calls run on both databases elsewhere.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def two(call: Call, desk: Desk) -> tuple[Caller, Caller]:
    """Anna and Ben, who ordered the outputs of p the opposite way and agreed about q."""
    anna, ben = call("labeler", "Anna"), call("labeler", "Ben")
    for name in ("p", "q"):
        desk.task(name, k=3, overlap=2, prompt={"use_case": "chat"})
    first, second = anna.person.labeler, ben.person.labeler
    up, down = [[0], [1], [2]], [[2], [1], [0]]
    hand_in(desk, first, "t-p", name="s-anna", order=up, ratings=rated(7, 4, 1, violent=True), active_ms=1_800_000)
    hand_in(desk, second, "t-p", name="s-ben", order=down, ratings=rated(1, 4, 7, violent=False))
    hand_in(desk, first, "t-q", order=up)
    hand_in(desk, second, "t-q", order=up)
    return anna, ben


def refused(status: int) -> Any:
    return pytest.raises(ApiRefusal, check=lambda refusal: refusal.status == status)


def test_figures_say_whose_labels_they_count(two: tuple[Caller, Caller], call: Call) -> None:
    lead = call("lead").python
    (line,) = lead.progress()
    assert (line.kind, line.purpose, line.group, line.tasks, line.closed) == ("rank", "train", "training", 2, 2)
    assert (line.wanted, line.done, line.left) == (4, {"human": 4}, 0)
    assert [(one.kind, one.use_case) for one in lead.progress("use_case")] == [("rank", "chat")]
    assert [(one.kind, one.free, one.assignments) for one in lead.queue().kinds] == [("rank", 0, {"submitted": 4})]
    found = lead.agreement()
    (group,) = found.groups
    assert (group.names, group.prompts, group.labelers) == (["training"], 2, 2)
    # Three pairs of p are ordered the opposite way, three pairs of q alike.
    assert group.agreement.exact and (group.agreement.exact.mean, group.agreement.exact.n) == (0.5, 6)
    assert [(one.names, one.prompts) for one in found.use_cases] == [(["chat"], 2)]
    (flag,) = found.flags
    assert (flag.name, flag.answers, flag.yes) == ("violent", 6, 3)
    assert found.paper == {"training": 0.726, "heldout": 0.773}
    assert lead.agreement(kind="simulated").groups == []
    monitors = lead.monitors()
    assert (monitors.position.prompts, monitors.position.sign, monitors.enough) == (2, "none", 20)
    assert {one.labeler for one in monitors.haste} == {caller.person.labeler for caller in two}
    with refused(400):
        lead.agreement(task="taste")


def test_labelers_by_what_they_did(two: tuple[Caller, Caller], call: Call) -> None:
    lead, anna = call("researcher").python, two[0].person
    told = {one.labeler: one for one in lead.labelers()}
    assert told[anna.labeler] == lead.labeler(anna.labeler)
    line = told[anna.labeler]
    assert (line.name, line.labels, line.measured, line.hours, line.per_hour) == ("Anna", 2, 1, 0.5, 2.0)
    # Anna called outputs of p violent, which both had on the screen.
    assert line.exposed == 1 and line.agreement and line.agreement.mean == 0.5
    with refused(404):
        lead.labeler("nobody")


def test_disagreements_are_listed_in_parts_and_opened(two: tuple[Caller, Caller], call: Call) -> None:
    caller = call("lead")
    lead, (anna, ben) = caller.python, two
    first, second = lead.disagreements()
    # Every pair differs; the ratings are 6, 0 and 6 apart.
    assert (first.prompt_id, first.beginning, first.order, first.quality) == ("p", "Prompt p", 1.0, 4.0)
    assert (first.size, first.flags) == (1.0, ["violent"])
    assert (second.prompt_id, second.order, second.quality, second.size) == ("q", 0.0, None, 0.0)
    part = caller.get("/disagreements?limit=1")
    assert [one["prompt_id"] for one in part["items"]] == ["p"]
    rest = caller.get(f"/disagreements?limit=1&after={part['next']}")
    assert ([one["prompt_id"] for one in rest["items"]], rest["next"]) == (["q"], None)
    assert [one.prompt_id for one in lead.disagreements(flag="violent")] == ["p"]
    with refused(400):
        next(lead.disagreements(flag="boring"))
    for place in ("WyJ4IiwgInAiXQ==", "WyIxIl0=", "x"):
        caller.get(f"/disagreements?after={place}", status=400)
    case = lead.judgements("p")
    by = {side.labeler: side for side in case.sides}
    assert by[anna.person.labeler].groups == [["p-sft-0"], ["p-sft-1"], ["p-sft-2"]]
    assert by[ben.person.labeler].groups == [["p-sft-2"], ["p-sft-1"], ["p-sft-0"]]
    assert by[ben.person.labeler].ratings["p-sft-2"].quality == 7
    assert by[anna.person.labeler].submission == "s-anna"
    assert {one.id: one.text for one in case.outputs} == {f"p-sft-{n}": f"p answer {n}" for n in range(3)}
    with refused(404):
        lead.judgements("none")


def test_a_label_is_returned_and_answered(two: tuple[Caller, Caller], call: Call, desk: Desk, clock: Clock) -> None:
    clock.move(minutes=5)
    lead, anna = call("lead", "Lea").python, two[0].python
    for _ in range(2):
        lead.give_back("s-anna", "Is <b>A</b> true?", key=key())
    with refused(409):
        lead.give_back("s-anna", "Something else.", key=key())
    (waiting,) = anna.desk().returned
    assert (waiting.submission_id, waiting.returned_by, waiting.comment) == ("s-anna", "Lea", "Is <b>A</b> true?")
    for version in anna.versions():
        anna.acknowledge(version.version)
    held = anna.read(waiting.draft_id)
    assert held.returned == [waiting] and held.latest == "s-anna"
    with refused(400):
        lead.give_back("s-anna", "Once more.", key=key(1))
    better = HandedIn(groups=[[output.id] for output in held.outputs], supersedes="s-anna")
    made = anna.hand_in(waiting.draft_id, better, key=key(2))
    assert anna.desk().returned == [] and anna.read(waiting.draft_id).returned == []
    label = lead.label("s-anna")
    assert [one.id for one in label.submissions] == ["s-anna", made.id] and label.latest.id == made.id
    assert [one.answer for one in label.returned] == [made.id]
    for submission, comment, status in (("s-anna", "Late.", 400), ("s-ben", " ", 400), ("none", "x", 404)):
        with refused(status):
            lead.give_back(submission, comment, key=key(3))
    desk.labelers("sim", kind="simulated")
    desk.task("s", k=2)
    hand_in(desk, "sim", "t-s", name="s-sim", order=[[0], [1]])
    with refused(400):
        lead.give_back("s-sim", "Nobody reads this.", key=key(4))
    (entry,) = [one for one in audit.find(desk.store, subject="s-anna") if one.event.action == "label.return"]
    assert entry.event.details["token"] == lead.me().token.id


def test_a_letter_names_the_output_as_its_labeler_saw_it(two: tuple[Caller, Caller], call: Call, desk: Desk) -> None:
    (anna, ben), lead = two, call("lead").python
    letter = {"submission": "s-anna", "completion": "p-sft-1", "key": key()}
    thread = lead.write_to(anna.person.labeler, "Why second?", **letter)
    assert lead.write_to(anna.person.labeler, "Why second?", **letter) == thread
    assert (thread.person, thread.beginning) == (anna.person.id, "Why second?")
    (own,) = anna.python.threads()
    assert own.id == thread.id and own.is_unread and "sft" not in own.output
    anna.python.mark_read(own.id, 10)
    assert [one.is_unread for one in anna.python.threads()] == [False]
    held = work.shown(desk.store, messages.get(desk.store, thread.id).assignment_id, anna.person.labeler)
    seen = {output.id: output.text for output in held.outputs}
    assert seen[own.output] == "p answer 1"
    assert ben.python.threads() == []
    assert lead.write_to(ben.person.labeler, "Thank you.").output == ""
    for labeler, about in (("nobody", {}), (ben.person.labeler, letter), (anna.person.labeler, {"completion": "x"})):
        with refused(400):
            lead.write_to(labeler, "x", **{**about, "key": key(1)})
    with refused(404):
        lead.write_to(anna.person.labeler, "x", submission="none")


def test_a_question_of_ones_own_becomes_an_example_that_is_listed(two: tuple[Caller, Caller], call: Call) -> None:
    lead = call("lead").python
    thread = two[0].python.ask("Which comes first?").id
    example = Example(text="The shorter one is better.", about="order", reach="all", base="comparison-1")
    doubts = lead.doubts(thread, example)
    assert {one.judgement for one in doubts} >= {"s-anna", "s-ben"}
    made = lead.publish_example(thread, example)
    (taught,) = lead.examples(made.version)
    assert (taught.text, taught.thread, taught.doubts) == ("The shorter one is better.", thread, doubts)
    assert lead.examples("comparison-1") == []
    with refused(404):
        lead.examples("none")


def test_work_is_asked_for_again_and_by_target(two: tuple[Caller, Caller], call: Call, desk: Desk) -> None:
    lead = call("researcher").python
    for _ in range(2):
        assert lead.repeat("t-p", overlap=2, key=key()) == f"repeat-{key()}"
    made = tasks.get(desk.store, f"repeat-{key()}")
    assert (made.purpose, made.overlap, made.prompt_id) == ("repeat", 2, "p")
    with refused(404):
        lead.repeat("none")
    for name in ("a", "b"):
        desk.outputs(desk.prompt(name, stage="reward", use_case="chat"), 4)
    (line,) = [one for one in lead.unfiled() if one.stage == "reward"]
    assert (line.prompts, line.to_demonstrate, line.to_rank) == (2, 2, 2)
    asked = Filing(what="rank", count=5, outputs=4, stage="reward", overlap=2)
    found = lead.preview(asked)
    assert (found.prompts, found.version) == (2, "comparison-1")
    assert [lead.file(asked, key=key(1)) for _ in range(2)] == [2, 2]
    assert lead.preview(asked).prompts == 0
    for wrong in ({"outputs": 1}, {"group": "heldout"}, {"version": "evaluation-1"}):
        with refused(400):
            lead.file(asked.model_copy(update={**wrong, "stage": "ppo"}))
    with refused(403):
        lead.file_first()


def test_rules_of_the_queue_are_a_leads(call: Call, desk: Desk) -> None:
    lead: Client = call("lead").python
    for name in ("a", "b"):
        desk.outputs(desk.prompt(name), 2)
    assert lead.filing().possible == {"rate": 2, "rank": 2, "review": 2} and lead.filing().review_is_required is False
    assert [lead.file_first(key=key()) for _ in range(2)] == [2, 2]
    lead.require_review(True)
    assert lead.filing().review_is_required is True
    lead.limit_hard_reading(3)
    assert call("labeler").python.wellbeing().limit == 3
    lead.limit_hard_reading(None)
    events = {one.event.action: one.event for one in audit.find(desk.store)}
    for action in ("tasks.file", "privacy.require", "welfare.limit"):
        assert events[action].details["token"] == lead.me().token.id
