"""The pages of leads and researchers through their forms: what they show, do, refuse, and to whom they are closed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.feedback.conftest import NOW, Desk
from tests.feedback.panel import rated
from tests.labeling import Clock, Visitor
from tutelage.feedback import instructions, work
from tutelage.feedback.submissions import Continuations, Review, Submission, Toxicity, Written
from tutelage.records import Redaction
from tutelage.store import Store, accounts, audit, drafts, messages, prompts, returns, tasks, welfare, withdrawals
from tutelage.store.accounts import ROLES, Role

Visit = Callable[..., Visitor]
# The queries behind these pages run on both databases elsewhere.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
HOSTILE = "<script>alert(1)</script>\n  {{ 7 * 7 }} \u202eleft"


@pytest.fixture
def desk(store: Store) -> Desk:
    instructions.publish_defaults(store, now=NOW)
    return Desk(store)


def labeler(store: Store, name: str) -> str:
    return next(one.labeler for one in accounts.all_people(store) if one.name == name)


def hand_in(desk: Desk, who: str, task: str, name: str, **parts: Any) -> Submission:
    """Rank the task's outputs by their numbers, or hand in what is told."""
    work.lease(desk.store, who, now=NOW, limit=10)
    held = next(one for one in work.held(desk.store, who) if one.task_id == task)
    ids = {int(one.text.rsplit(" ", 1)[1]): one.id for one in held.outputs}
    order = [[ids[number]] for number in parts.pop("order", ())]
    ratings = {ids[number]: one for number, one in parts.pop("ratings", {}).items()}
    made = Submission(id=name, assignment_id=held.id, labeler=who, groups=order, ratings=ratings, **parts)
    work.submit(desk.store, [made], now=NOW)
    return made


@pytest.fixture
def two(visit: Visit, desk: Desk) -> tuple[Visitor, Visitor]:
    """Anna and Ben, who ordered the outputs of one hostile prompt the opposite way."""
    anna, ben = visit("Anna"), visit("Ben")
    desk.task("p", k=3, overlap=2, prompt={"text": HOSTILE})
    store = desk.store
    hand_in(desk, labeler(store, "Anna"), "t-p", "s-anna", order=[0, 1, 2], ratings=rated(7, 4, 1, violent=True))
    hand_in(desk, labeler(store, "Ben"), "t-p", "s-ben", order=[2, 1, 0], ratings=rated(1, 4, 7, violent=False))
    return anna, ben


PATHS = ("/lead/disagreements/p", "/lead/labels/s-anna", "/lead/file")


@pytest.mark.parametrize("role", ROLES)
def test_labelers_and_candidates_see_and_do_nothing_here(
    two: tuple[Visitor, Visitor], visit: Visit, store: Store, role: Role
) -> None:
    visitor = visit("Somebody", role)
    may = role in ("lead", "researcher", "admin")
    paths = (*PATHS, f"/lead/labelers/{labeler(store, 'Anna')}")
    assert {visitor.get(path).status_code for path in paths} == {200 if may else 403}
    if not may:
        before = audit.verify(store)
        assert {visitor.post(path, text="x", id="f", step="return").status_code for path in paths} == {403}
        assert audit.verify(store) == before and messages.lines(store, "x") == []
        assert "/lead" not in visitor.get("/").text


def test_progress_says_who_made_the_labels_and_what_is_left(two: object, visit: Visit, desk: Desk) -> None:
    desk.labelers("sim", kind="simulated")
    desk.task("q", k=2, overlap=3)
    hand_in(desk, "sim", "t-q", "s-sim", order=[0, 1])
    page = text_of(visit("Lea", "lead").get("/lead").text)
    assert (
        "Rank answers training training 1 of 2 3 of 5 2 by people 1 by simulated labelers 2 3 not known 4.7 days"
        in page
    )
    assert "No label of people has a measured time yet" in page


def test_pages_without_any_label(visit: Visit, desk: Desk) -> None:
    lead = visit("Lea", "lead")
    assert "No work is filed yet." in lead.get("/lead").text
    assert "No prompt has orders by two labelers yet" in lead.get("/lead/agreement").text
    assert "No prompt was judged by two labelers here." in lead.get("/lead/disagreements").text
    assert "There are no labelers of this kind." in lead.get("/lead/labelers").text
    assert "Nothing was handed in in this group." in lead.get("/lead/monitors").text
    assert "There are no prompts that may be used." in lead.get("/lead/file").text


def test_agreement_names_whose_labels_it_counts(two: object, visit: Visit, desk: Desk) -> None:
    lead = visit("Lea", "lead")
    page = text_of(lead.get("/lead/agreement").text)
    assert "Labels of people, made under the instructions for training comparisons." in page
    assert "training, among themselves 1 0 % [0, 79] n = 3 0 % [0, 79] n = 3" in page
    assert "72.6 % ± 1.5" in page
    other = text_of(lead.get("/lead/agreement?kind=simulated&task=evaluation").text)
    assert "Labels of simulated labelers, made under the instructions for the final evaluation." in other
    assert "There are no such labels of simulated labelers. There are labels of: people" in other
    assert lead.get("/lead/agreement?kind=everybody").status_code == 400


def test_figures_have_a_title_a_description_and_a_table(two: object, visit: Visit) -> None:
    page = visit("Rita", "researcher").get("/lead/agreement").text
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        title, described = re.search(r'aria-labelledby="(\S+) (\S+)"', svg).groups()  # type: ignore[union-attr]
        assert f'<title id="{title}">' in svg and f'<desc id="{described}">' in svg
        assert "style=" not in svg
    assert page.count("<svg") == 2 and page.count("<table") >= 2


def test_a_disagreement_is_opened_as_texts_and_leads_to_conversations(
    two: tuple[Visitor, Visitor], visit: Visit, store: Store
) -> None:
    lead = visit("Lea", "lead")
    listed = lead.get("/lead/disagreements").text
    assert "100 %" in listed and "Violent content" in listed and "<script>alert" not in listed
    page = lead.get("/lead/disagreements/p").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page and "{{ 7 * 7 }}" in page
    # Neither the model nor an id that might name it.
    assert "sft" not in page
    sent = {"id": "f1", "step": "write", "to-0": "yes", "to-1": "yes", "output": "A", "text": "Why this order?"}
    for _ in range(2):
        answer = lead.post("/lead/disagreements/p", **sent)
        assert (answer.status_code, answer.headers["location"]) == (303, "/messages")
    lines = messages.lines(store, "nobody")
    assert sorted(line.person_name for line in lines) == ["Anna", "Ben"]
    shown = {line.thread.person: line.thread for line in lines}
    for thread in shown.values():
        assert thread.assignment_id and thread.output
    for visitor in two:
        assert "1 unread" in visitor.get("/").text
        (path,) = re.findall(r'href="(/messages/f1-\d)"', visitor.get("/messages").text)
        read = visitor.get(path).text
        # Both are asked about the same text, each under the id that they saw.
        assert "Why this order?" in read and read.count("p answer") == 1
        assert "unread" not in visitor.get("/").text
        assert visitor.post(path, id=f"a-{path[-1]}", text="Because.").status_code == 303
    assert "2 unread" in lead.get("/").text


def test_a_message_to_nobody_comes_back(two: object, visit: Visit, store: Store) -> None:
    lead = visit("Lea", "lead")
    answer = lead.post("/lead/disagreements/p", id="f1", step="write", text="Keep me")
    assert answer.status_code == 400
    assert "Choose at least one labeler" in answer.text and "Keep me" in answer.text
    assert lead.post("/lead/disagreements/none", id="f1", text="x").status_code == 404
    odd = {"id": "f1", "step": "write", "to-0": "yes", "output": "Z", "text": "x"}
    assert lead.post("/lead/disagreements/p", **odd).status_code == 400
    assert messages.lines(store, "nobody") == []


def test_a_prompt_is_judged_again(two: object, visit: Visit, store: Store) -> None:
    lead = visit("Lea", "lead")
    asked = {"id": "f1", "step": "repeat", "group": "training", "overlap": "2"}
    for _ in range(2):
        assert lead.post("/lead/disagreements/p", **asked).status_code == 303
    made = tasks.get(store, "repeat-f1")
    assert (made.purpose, made.overlap, len(made.completion_ids)) == ("repeat", 2, 3)
    assert "Rank answers repeat training 0 of 1" in text_of(lead.get("/lead").text)
    assert lead.post("/lead/disagreements/p", **{**asked, "overlap": "many"}).status_code == 400


def test_labelers_are_a_table_that_can_be_sorted(two: object, visit: Visit, store: Store, clock: Clock) -> None:
    lead = visit("Lea", "lead")
    page = lead.get("/lead/labelers?sort=labels&down=true").text
    assert 'aria-sort="descending"' in page and page.count("aria-sort") == 1
    assert labeler(store, "Anna") in page and "Anna" in page and "2026-11-02 09:00 UTC" in page
    assert lead.get("/lead/labelers?sort=name").status_code == 400
    one = lead.get(f"/lead/labelers/{labeler(store, 'Anna')}").text
    assert "/lead/labels/s-anna" in one
    assert lead.get("/lead/labelers/nobody").status_code == 404
    answer = lead.post(f"/lead/labelers/{labeler(store, 'Anna')}", id="w1", text="Thank you.")
    assert answer.headers["location"] == "/messages/w1-0"


def test_a_lead_limits_hard_reading_and_labelers_read_so(
    two: tuple[Visitor, Visitor], visit: Visit, store: Store
) -> None:
    lead, rita = visit("Lea", "lead"), visit("Rita", "researcher")
    assert "There is no limit now." in lead.get("/lead/labelers").text
    assert "at most" not in two[0].get("/wellbeing").text
    assert lead.post("/lead/labelers", most="5").headers["location"] == "/lead/labelers"
    assert "Now nobody is given more than 5." in rita.get("/lead/labelers").text
    assert "Set the limit" not in rita.get("/lead/labelers").text
    assert rita.post("/lead/labelers", most="9").status_code == 403
    assert "at most 5 pieces of work" in two[0].get("/wellbeing").text
    wrong = lead.post("/lead/labelers", most="-1")
    assert wrong.status_code == 400 and "Write a whole number" in wrong.text
    assert welfare.limit(store) == 5
    assert lead.post("/lead/labelers", most="").status_code == 303 and welfare.limit(store) is None
    told = [one.event.details for one in audit.find(store) if one.event.action == "welfare.limit"]
    assert told == [{"most": None}, {"most": 5}]


def test_a_label_is_returned_found_at_home_and_revised(
    two: tuple[Visitor, Visitor], visit: Visit, store: Store
) -> None:
    anna, ben = two
    lead = visit("Lea", "lead")
    page = lead.get("/lead/labels/s-anna").text
    assert "7 / 7" in page and "Violent content" in page and "sft" not in page
    comment = "Is <b>A</b> true?"
    given = {"id": "r1", "step": "return", "submission": "s-anna", "text": comment}
    for _ in range(2):
        assert lead.post("/lead/labels/s-anna", **given).status_code == 303
    assert "waits for a new revision" in lead.get("/lead/labels/s-anna").text
    home = anna.get("/").text
    assert "Returned to you" in home and "Is &lt;b&gt;A&lt;/b&gt; true?" in home
    assert "Returned to you" not in ben.get("/").text
    (path,) = re.findall(r'href="(/work/[\w-]+)">Look again', home)
    assert "Lea returned this and writes:" in anna.get(path).text
    draft = drafts.get(store, path.rsplit("/", 1)[1], labeler(store, "Anna"))
    held = work.shown(store, draft.assignment_id, draft.labeler)
    again = Submission(
        id="s-anna-2",
        assignment_id=held.id,
        labeler=draft.labeler,
        groups=[[one.id] for one in held.outputs],
        supersedes="s-anna",
    )
    work.submit(store, [again], now=NOW)
    assert "Returned to you" not in anna.get("/").text
    assert "Lea returned this" not in anna.get(path).text
    after = lead.get("/lead/labels/s-anna").text
    assert "answered by a new revision" in after and "Revision 2" in after
    # What came meanwhile is not returned unread.
    late = lead.post("/lead/labels/s-anna", **{**given, "id": "r2"})
    assert late.status_code == 400 and "newer revision" in late.text
    assert {"label.return"} <= {entry.event.action for entry in audit.find(store)}


def test_every_kind_of_judgement_is_shown(visit: Visit, desk: Desk) -> None:
    visit("Anna")
    lead, anna = visit("Lea", "lead"), labeler(desk.store, "Anna")
    desk.prompt("p", text="Mail Ada 😀 at home.")
    desk.task(
        "w", "write", k=0, instruction_version="prompt-1", prompt={"status": "brief", "text": "", "form": "few_shot"}
    )
    desk.task("t", "toxicity", k=2, purpose="evaluation", instruction_version="toxicity-1")
    look = work.Task(id="t-p", kind="review", purpose="train", prompt_id="p", instruction_version="privacy-1")
    work.file_tasks(desk.store, [look], now=NOW)
    pairs = (("lemon <b>", "sour"), ("honey", "sweet"))
    hand_in(desk, anna, "t-w", "s-w", written=Written(use_case="classification", text=HOSTILE, pairs=pairs))
    name = Redaction(start=5, end=8, kind="name")
    review = Review(before=prompts.text_hash("Mail Ada 😀 at home."), redactions=[name])
    hand_in(desk, anna, "t-p", "s-p", review=review)
    work.lease(desk.store, anna, now=NOW)
    (held,) = [one for one in work.held(desk.store, anna) if one.kind == "toxicity"]
    a, b = held.outputs
    judged = Continuations(beginning=2, outputs={a.id: Toxicity(toxicity=1, relative=-1), b.id: Toxicity(continuity=6)})
    hand_in(desk, anna, "t-t", "s-t", toxicity=judged, order=[int(one.text[-1]) for one in (b, a)])
    written = lead.get("/lead/labels/s-w").text
    assert "&lt;script&gt;alert(1)" in written and "lemon &lt;b&gt;" in written and "sweet" in written
    assert "Use case: classification" in written and "Example 2: query and response" in written
    looked = text_of(lead.get("/lead/labels/s-p").text)
    assert "a name characters 6 to 8 of the text as it was" in looked and "The text may be used." in looked
    assert "What training would see Mail [name] 😀 at home." in looked
    toxic = text_of(lead.get("/lead/labels/s-t").text)
    assert "How toxic is the beginning? 2 very" in toxic
    assert "A 2 1 somewhat less toxic open" in toxic and "B 1 open open 6 of 7" in toxic
    withdrawals.withdraw(desk.store, anna, by="", now=NOW)
    assert "6 of 7" not in lead.get("/lead/labels/s-t").text


def test_a_return_needs_a_comment_and_somebody_who_can_read_it(two: object, visit: Visit, desk: Desk) -> None:
    lead = visit("Lea", "lead")
    empty = lead.post("/lead/labels/s-anna", id="r1", step="return", submission="s-anna", text=" ")
    assert empty.status_code == 400 and "without a comment" in empty.text
    desk.labelers("sim", kind="simulated")
    desk.task("q", k=2)
    hand_in(desk, "sim", "t-q", "s-sim", order=[0, 1])
    assert "Return it" not in lead.get("/lead/labels/s-sim").text
    refused = lead.post("/lead/labels/s-sim", id="r1", step="return", submission="s-sim", text="Look.")
    assert refused.status_code == 400
    assert lead.get("/lead/labels/none").status_code == 404
    assert returns.waiting(desk.store, "sim") == []


def test_a_question_about_one_output_of_a_label(two: object, visit: Visit, store: Store) -> None:
    lead = visit("Lea", "lead")
    answer = lead.post("/lead/labels/s-anna", id="w1", step="write", output="B", text="Why this?")
    assert answer.headers["location"] == "/messages/w1-0"
    thread = messages.get(store, "w1-0")
    held = work.shown(store, thread.assignment_id, labeler(store, "Anna"))
    assert thread.output == held.outputs[1].id


def test_work_is_filed_from_the_page(visit: Visit, desk: Desk) -> None:
    lead = visit("Lea", "lead")
    for name in ("a", "b"):
        desk.outputs(desk.prompt(name, stage="reward", use_case="chat"), 4)
    form = {"what": "rank", "purpose": "train", "group": "training", "count": "5", "overlap": "2", "outputs": "4"}
    page = text_of(lead.get("/lead/file").text)
    assert "training split rankings (reward model) chat 2 2 2" in page
    shown = lead.post("/lead/file", id="f1", step="show", **form).text
    assert "2 such tasks are possible." in shown and "4 labels in all" in shown and "File 2 tasks" in shown
    assert work.progress(desk.store) == []
    for _ in range(2):
        assert "2 tasks are filed." in lead.post("/lead/file", id="f1", step="file", **form).text
    assert [(count.tasks, count.kind) for count in work.progress(desk.store)] == [(2, "rank")]
    (entry,) = [one for one in audit.find(desk.store) if one.event.action == "tasks.file"]
    assert entry.event.details["rank"]["overlap"] == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"count": "many"}, "whole numbers"),
        ({"what": "sing"}, "none of the choices"),
        ({"group": "heldout"}, "its group must be"),
        ({"version": "evaluation-1"}, "cannot be done under the instructions"),
        ({"outputs": "1"}, "2 to 9 outputs"),
        ({"use_case": "extract"}, "nothing left of this"),
    ],
)
def test_a_form_that_the_rules_refuse_comes_back(visit: Visit, desk: Desk, changes: dict[str, str], told: str) -> None:
    lead = visit("Lea", "lead")
    desk.outputs(desk.prompt("a", stage="reward"), 4)
    form = {"what": "rank", "purpose": "train", "group": "training", "count": "5", "overlap": "1", "outputs": "4"}
    answer = lead.post("/lead/file", id="f1", step="file", **{**form, **changes})
    assert answer.status_code == 400 and told in answer.text
    assert work.progress(desk.store) == []


def text_of(page: str) -> str:
    """Return the words of a page, without its markup."""
    body = page.split("<main", 1)[1]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))
