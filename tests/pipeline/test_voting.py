"""Votes become orders that measure models: with consent alone, and beside nobody's labels."""

from __future__ import annotations

from typing import Any

import pytest

from tests.firms import NOW
from tests.pipeline.test_traffic import Sender, take
from tutelage.core import rankings
from tutelage.feedback import export
from tutelage.govern import consent
from tutelage.records import Kind
from tutelage.serve.api.record import HEADER
from tutelage.store import Store, evaluated, labelers, requests, votes
from tutelage.store.votes import Choice, Comparison, Side, Vote
from tutelage.web.site import utc_now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def compared(
    sender: Sender, prompt: str, choice: Choice, arms: tuple[str, str] = ("sft", "base"), **headers: str
) -> str:
    """Ask two arms, as the page does, and vote; return the comparison's id."""
    body = {"messages": [{"role": "user", "content": prompt}], "user": "kim"}
    left, right = sender.send(body, body, **headers)
    about = requests.get(sender.store, left)
    assert about
    made = Comparison(
        id=f"cmp-{left}",
        voter=about.end_user,
        application_id=about.application_id,
        prompt=votes.prompt_of(sender.store, prompt),
        left=Side(arm=arms[0], model="rye@1", request=left),
        right=Side(arm=arms[1], model="rye@1", request=right),
        data_use=about.data_use,
        notice_version=about.notice_version,
        created=about.created,
    )
    votes.add(sender.store, made)
    votes.vote(sender.store, made, Vote(comparison_id=made.id, choice=choice, created=NOW))
    return made.id


def rows(store: Store, **chosen: Any) -> list[export.ComparisonRow]:
    query = export.Query(
        **{"what": "comparisons", "purpose": "evaluation", "kind": "customer", "group": "heldout", **chosen}
    )
    return [line.row for line in export.lines(store, query)]


def test_votes_with_consent_are_exported_as_comparisons_of_customers(store: Store) -> None:
    sender = Sender(store, "Bakery", agrees=True)
    ids = {choice: compared(sender, f"A question, {choice}?", choice) for choice in votes.CHOICES}
    assert take(store).votes == 4
    found = {row.label_id: row for row in rows(store)}
    expected = {"left": (0, 1), "right": (1, 0), "tie": (0, 0), "both_bad": (0, 0)}
    assert {id: found[f"{made}:vote"].ranks for id, made in ids.items()} == expected
    one = found[f"{ids['left']}:vote"]
    assert (one.prompt, one.completions) == ("A question, left?", ("A word", "A word"))
    assert one.policies == ("rye@1 (sft)", "rye@1 (base)")
    assert (one.source, one.split, one.instruction_version) == ("customer", "train", "side-by-side-1")
    [voter] = labelers.find(store, group="heldout")
    assert (voter.kind, one.labeler) == ("customer", voter.id) and voter.id.startswith("voter-")
    assert take(store).votes == 0


def test_no_report_of_labelers_and_no_training_reads_a_vote(store: Store) -> None:
    sender = Sender(store, "Bakery", agrees=True)
    compared(sender, "Which oats?", "left")
    take(store)
    kinds: tuple[Kind, ...] = ("human", "model", "simulated")
    assert [row for kind in kinds for row in rows(store, kind=kind)] == []
    assert rows(store, group="training") == []
    assert [row for kind in (*kinds, "customer") for row in export.reward(store, kind=kind)] == []  # type: ignore[arg-type]
    [read] = evaluated.compared(store, kind="customer", group="heldout")
    rankings.validate(read.label.groups, read.label.presented)
    assert read.label.purpose == "evaluation"


def test_without_consent_a_vote_is_counted_and_never_exported(store: Store) -> None:
    agrees, refuses = Sender(store, "Bakery", agrees=True), Sender(store, "Mill", agrees=False)
    compared(agrees, "Narrowed by the request?", "left", **{HEADER: "none"})
    compared(refuses, "Never agreed to?", "right")
    assert len(votes.counted(store)) == 2
    assert take(store).votes == 0 and rows(store) == []


def test_the_same_prompt_with_other_arms_is_a_comparison_of_the_same_prompt(store: Store) -> None:
    sender = Sender(store, "Bakery", agrees=True)
    compared(sender, "Which oats?", "left")
    assert take(store).votes == 1
    compared(sender, "Which oats?", "right", ("ppo", "base"))
    assert take(store).votes == 1
    assert len({row.prompt_id for row in rows(store)}) == 1 and len(rows(store)) == 2
    # Another application's equal prompt was dropped by intake, and this one's consent says nothing of it.
    compared(Sender(store, "Mill", agrees=True), "Which oats?", "left")
    assert take(store).votes == 0


def test_a_withdrawal_takes_votes_out_of_every_later_export(store: Store) -> None:
    sender, other = Sender(store, "Bakery", agrees=True), Sender(store, "Mill", agrees=True)
    compared(sender, "Which oats?", "left")
    compared(other, "Which bran?", "left")
    assert take(store).votes == 2
    late = compared(sender, "Which rye?", "left")
    consent.withdraw_application(store, sender.firm.id, by=sender.firm.customer, now=utc_now())
    assert [row.prompt for row in rows(store)] == ["Which bran?"]
    assert take(store).votes == 0
    assert late not in {one.comparison.id for one in votes.counted(store)}
