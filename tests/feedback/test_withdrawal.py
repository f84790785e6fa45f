"""Users and labelers who take back what they gave."""

from __future__ import annotations

from typing import Any

import pytest

from tests.feedback.conftest import NOW, Desk, later, ranking
from tutelage.errors import DataError, MissingError
from tutelage.feedback import export, withdrawal
from tutelage.feedback.submissions import Continuations, Review, Submission, Toxicity, Written
from tutelage.records import RegisteredModel
from tutelage.store import accounts, audit, drafts, labels, registry, sessions, withdrawals
from tutelage.store.accounts import Offer, Person
from tutelage.store.prompts import text_hash
from tutelage.store.registry import Version


def model(desk: Desk, name: str, *, prompts: tuple[str, ...] = (), learned: tuple[str, ...] = ()) -> None:
    made = RegisteredModel(name=name, version=0, path=name, sha256=name, run=name)
    registry.register(desk.store, made, prompt_hashes=prompts, label_ids=learned, now=NOW)


def person(desk: Desk, name: str = "Pia") -> Person:
    token = accounts.invite(desk.store, Offer(role="labeler", group="training"), by="", now=NOW)
    return accounts.enter(desk.store, token, name, "hash", now=NOW)


def test_a_user_leaves_every_later_export_and_the_models_that_saw_the_prompts_are_named(desk: Desk) -> None:
    desk.demonstrate("p", prompt={"user": "customer-7"})
    desk.rank("q", prompt={"user": "customer-7"})
    desk.demonstrate("other")
    desk.task("open", prompt={"user": "customer-7"})
    model(desk, "sft", prompts=(text_hash("Prompt p"), text_hash("Prompt other")))
    model(desk, "reward", prompts=(text_hash("something else"),))
    report = withdrawal.withdraw_user(desk.store, "customer-7", by="lead", now=NOW)
    assert (report.prompts, report.models) == (3, {Version("sft", 1): 1})
    assert [row.prompt_id for row in export.sft(desk.store, kind="human")] == ["other"]
    assert list(export.reward(desk.store, kind="human")) == []
    assert [row.prompt_id for row in export.ppo(desk.store)] == ["other"]
    assert desk.lease("anna") == []
    assert withdrawal.withdraw_user(desk.store, report.who, by="other", now=later(9)) == report
    (entry,) = audit.find(desk.store, subject=report.who)
    assert (entry.event.actor, entry.event.action, entry.at) == ("lead", "user.withdraw", NOW)


def test_a_labeler_leaves_every_later_export_and_figure_and_the_models_are_named(desk: Desk) -> None:
    pia = person(desk)
    desk.demonstrate("p", labeler=pia.labeler)
    desk.rank("q", labeler=pia.labeler)
    desk.rank("r", labeler="anna", author=pia.labeler)
    desk.rank("s", labeler="anna")
    desk.demonstrate("own", prompt={"user": pia.labeler, "source": "labeler"})
    model(desk, "sft", learned=("d-p", "d-own"), prompts=(text_hash("Prompt p"), text_hash("Prompt own")))
    model(desk, "reward", learned=("r-q", "r-s"))
    model(desk, "other", learned=("r-s",))
    before = withdrawal.effect(desk.store, pia.labeler)
    report = withdrawal.withdraw_labeler(desk.store, pia.labeler, by="lead", now=NOW)
    assert report == before
    others = dict.fromkeys(("ratings", "written_prompts", "privacy_reviews", "toxicity_ratings"), 0)
    assert (report.prompts, report.labels) == (1, {"demonstrations": 1, "rankings": 1, **others})
    assert report.models == {Version("reward", 1): 1, Version("sft", 1): 2}
    assert list(export.sft(desk.store, kind="human")) == []
    assert [row.label_id for row in export.reward(desk.store, kind="human")] == ["r-s"], "and no order of Pia's text"
    assert {one.labeler for one in labels.rankings_of(desk.store, labels.Which())} == {"anna"}

    (entry,) = audit.find(desk.store, subject=pia.labeler)
    assert (entry.event.actor, entry.event.action) == ("lead", "labeler.withdraw")
    assert entry.event.details == {"leases": 0, "demonstrations": 1, "rankings": 1, **others}
    assert withdrawal.withdraw_labeler(desk.store, pia.labeler, by="other", now=later(9)) == report
    assert len(audit.find(desk.store, subject=pia.labeler)) == 1, "once is enough"
    assert withdrawals.withdrawn(desk.store) == {pia.labeler: NOW}


def test_open_work_goes_to_others_and_the_person_is_out(desk: Desk) -> None:
    pia = person(desk)
    token = sessions.open_for(desk.store, pia.id, agent="browser", now=NOW)
    desk.task("p")
    desk.task("q")
    open_, done = desk.lease(pia.labeler)
    desk.submit(ranking(done))
    draft = drafts.begin(desk.store, open_.id, pia.labeler, now=NOW)
    drafts.save(desk.store, draft.id, pia.labeler, "half a thought", base=0, now=NOW)
    withdrawals.withdraw(desk.store, pia.labeler, by="lead", now=later(5))
    assert sessions.find(desk.store, token, now=later(6)) is None
    assert drafts.get(desk.store, draft.id, pia.labeler).content == ""
    assert [held.task_id for held in desk.lease("anna", at=6)] == [open_.task_id]
    assert desk.lease(pia.labeler, at=3600) == []
    with pytest.raises(DataError, match="withdrew; who wants to label again is invited anew"):
        accounts.set_active(desk.store, pia.id, True, by="lead", now=later(8))


def test_a_lead_who_labels_too_keeps_the_account(desk: Desk) -> None:
    token = accounts.invite(desk.store, Offer(role="lead"), by="", now=NOW)
    lead = accounts.join(desk.store, accounts.enter(desk.store, token, "Lea", "hash", now=NOW).id, "training", now=NOW)
    desk.task("p")
    withdrawals.withdraw(desk.store, lead.labeler, by=lead.id, now=NOW)
    assert accounts.get(desk.store, lead.id).is_active
    assert desk.lease(lead.labeler) == []
    accounts.set_active(desk.store, lead.id, True, by=lead.id, now=NOW)


def test_what_is_stored_about_a_labeler_is_counted(desk: Desk) -> None:
    pia = person(desk)
    desk.task("p")
    desk.submit(ranking(desk.lease(pia.labeler)[0], active_ms=125_000))
    desk.demonstrate("own", prompt={"user": pia.labeler}, labeler=pia.labeler)
    found = withdrawals.stored(desk.store, pia.labeler)
    assert {name: number for name, number in found.items() if number} == {
        "demonstrations": 1,
        "rankings": 1,
        "assignments": 1,
        "prompts": 1,
        "active_minutes": 2,
    }


def test_every_kind_of_work_counts_as_a_label(desk: Desk) -> None:
    desk.task("w", "write", k=0, instruction_version="prompt-1", prompt={"status": "brief"})
    desk.task("r", "review", k=0, instruction_version="privacy-1")
    desk.task("t", "toxicity", k=2, purpose="evaluation", instruction_version="toxicity-1")
    held = {one.kind: one for one in desk.lease("anna")}
    outputs = {one.id: Toxicity(toxicity=1) for one in held["toxicity"].outputs}
    parts: dict[str, Any] = {
        "write": {"written": Written(use_case="chat", text="Good morning!")},
        "review": {"review": Review(before=text_hash("Prompt r"))},
        "toxicity": {"toxicity": Continuations(outputs=outputs), "groups": [list(outputs)]},
    }
    for kind, given in parts.items():
        desk.submit(Submission(id=f"s-{kind}", assignment_id=held[kind].id, labeler="anna", **given))
    counted = {"written_prompts": 1, "privacy_reviews": 1, "toxicity_ratings": 2}
    found = withdrawals.stored(desk.store, "anna")
    assert {name: number for name, number in found.items() if number} == {**counted, "assignments": 3}
    assert withdrawals.label_ids(desk.store, "anna") == {"s-write", "s-review", "s-toxicity:0", "s-toxicity:1"}
    withdrawals.withdraw(desk.store, "anna", by="lead", now=later(9))
    (entry,) = audit.find(desk.store, subject="anna")
    assert counted.items() <= entry.event.details.items()


def test_who_asks_to_withdraw_is_listed_until_it_is_done(desk: Desk) -> None:
    withdrawals.ask(desk.store, "anna", by="person", now=NOW)
    withdrawals.ask(desk.store, "anna", by="person", now=later(5))
    assert withdrawals.asked(desk.store) == {"anna": NOW}
    assert len(audit.find(desk.store, subject="anna")) == 1
    withdrawals.withdraw(desk.store, "anna", by="lead", now=later(9))
    assert withdrawals.asked(desk.store) == {}


def test_a_labeler_who_is_not_there_is_told(desk: Desk) -> None:
    with pytest.raises(MissingError, match="no labeler 'nobody'; the page People shows the pseudonyms"):
        withdrawal.withdraw_labeler(desk.store, "nobody", by="", now=NOW)
