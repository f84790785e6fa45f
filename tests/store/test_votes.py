"""Blind comparisons and their votes, on both databases: one vote each, and nobody else's."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from tests.firms import NOW, Firm
from tutelage.errors import ConflictError, DataError, MissingError
from tutelage.store import Store, notice_views, notices, users, votes
from tutelage.store.notice_views import View
from tutelage.store.votes import Choice, Comparison, Side, Vote


def comparison(store: Store, id: str = "cmp-1", **more: Any) -> Comparison:
    values: dict[str, Any] = {
        "voter": "kim",
        "application_id": "app-1",
        "prompt": votes.prompt_of(store, "Which flour?"),
        "left": Side(arm="sft", model="rye@1", request=f"{id}-left"),
        "right": Side(arm="base", model="bran@1", request=f"{id}-right"),
        "data_use": "training",
        "notice_version": "data-use-1",
        "created": NOW,
    }
    made = Comparison(id=id, **{**values, **more})
    votes.add(store, made)
    return made


def swapped(one: Comparison) -> dict[str, Side]:
    return {"left": one.right, "right": one.left}


def cast(store: Store, about: Comparison, choice: Choice = "left", **more: Any) -> None:
    votes.vote(store, about, Vote(comparison_id=about.id, choice=choice, created=NOW, **more))


def test_a_vote_comes_back_as_it_was_cast(store: Store) -> None:
    about = comparison(store)
    cast(store, about, "both_bad", reasons=("true", "written"))
    [found] = votes.counted(store)
    assert found.comparison == about == votes.get(store, "cmp-1", voter="kim", application_id="app-1")
    assert found.vote == Vote(comparison_id="cmp-1", choice="both_bad", reasons=("true", "written"), created=NOW)


def test_white_space_makes_no_other_prompt_and_the_hash_says_nothing_of_it(store: Store) -> None:
    assert votes.prompt_of(store, "Which  flour?\n") == votes.prompt_of(store, "Which flour?")
    assert votes.prompt_of(store, "Which flour") != votes.prompt_of(store, "Which flour?")
    assert "flour" not in votes.prompt_of(store, "Which flour?")


def test_a_comparison_is_only_its_voters(store: Store) -> None:
    comparison(store)
    for voter, application in (("lee", "app-1"), ("kim", "app-2"), ("", ""), ("kim", "")):
        with pytest.raises(MissingError, match="no such comparison of yours"):
            votes.get(store, "cmp-1", voter=voter, application_id=application)
    with pytest.raises(MissingError):
        votes.get(store, "cmp-2", voter="kim", application_id="app-1")


def test_the_same_vote_again_is_one_and_another_is_refused(store: Store) -> None:
    about = comparison(store)
    for _ in range(2):
        cast(store, about, "tie", reasons=("helpful",))
    with pytest.raises(ConflictError, match="your first vote counts"):
        cast(store, about, "left")
    with pytest.raises(ConflictError, match="your first vote counts"):
        cast(store, about, "tie")
    assert [one.vote.choice for one in votes.counted(store)] == ["tie"]


def test_one_person_has_one_vote_on_a_prompt_and_two_arms_whichever_stands_left(store: Store) -> None:
    first = comparison(store)
    cast(store, first)
    again = comparison(store, "cmp-2", **swapped(first))
    with pytest.raises(ConflictError, match="voted on these two with this prompt before"):
        cast(store, again, "right")
    other_arm = comparison(store, "cmp-3", right=Side(arm="ppo", model="rye@2", request="r"))
    other_prompt = comparison(store, "cmp-4", prompt=votes.prompt_of(store, "Which oats?"))
    other_person = comparison(store, "cmp-5", voter="lee")
    for about in (other_arm, other_prompt, other_person):
        cast(store, about)
    assert [one.comparison.id for one in votes.counted(store)] == ["cmp-1", "cmp-3", "cmp-4", "cmp-5"]
    done = votes.voted(store, voter="kim", prompt=first.prompt)
    assert done == {frozenset({"sft", "base"}), frozenset({"sft", "ppo"})}


def test_of_votes_that_race_one_is_kept(store: Store) -> None:
    first = comparison(store, "cmp-0")
    abouts = [first, *(comparison(store, f"cmp-{number}", **swapped(first)) for number in range(1, 6))]
    refused: list[str] = []

    def race(about: Comparison) -> None:
        try:
            cast(store, about)
        except ConflictError:
            refused.append(about.id)

    threads = [threading.Thread(target=race, args=(about,)) for about in abouts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(votes.counted(store)) == 1 and len(refused) == 5


def test_what_is_no_vote_is_refused(store: Store) -> None:
    about = comparison(store)
    for wrong in ({"choice": "neither"}, {"reasons": ("because",)}):
        with pytest.raises(DataError, match="A vote is one of left, right, tie, both_bad"):
            cast(store, about, **wrong)  # type: ignore[arg-type]


def test_votes_of_who_withdrew_and_of_stopped_applications_do_not_count(store: Store) -> None:
    firm = Firm.of(store)
    for id, voter in (("cmp-1", "kim"), ("cmp-2", "lee")):
        cast(store, comparison(store, id, voter=voter, application_id=firm.id))
    cast(store, comparison(store, "cmp-3", voter="", application_id="", prompt=votes.prompt_of(store, "Other")))

    def counted() -> list[str]:
        return [one.comparison.id for one in votes.counted(store)]

    assert counted() == ["cmp-1", "cmp-2", "cmp-3"]
    firm.move("suspended")
    assert counted() == ["cmp-3"]
    firm.move("sandbox")
    users.withdraw(store, ["lee"], by="", now=NOW)
    assert counted() == ["cmp-1", "cmp-3"]
    notices.withdraw(store, firm.id, by=firm.customer, now=NOW)
    assert counted() == ["cmp-3"]


def test_the_last_notice_somebody_read_is_what_counts(store: Store) -> None:
    firm = Firm.of(store)
    assert notice_views.last(store, firm.customer) is None
    notices.publish(store, "one", "We train.", by="", now=NOW)

    def read(version: str, use: Any, days: int) -> View:
        created = NOW + timedelta(days=days)
        view = View(person=firm.customer, notice_version=version, data_use=use, created=created)
        notice_views.add(store, view)
        return view

    read("one", "none", 0)
    second = read("one", "training", 1)
    assert notice_views.last(store, firm.customer) == second
    notices.publish(store, "two", "We train more.", by="", now=NOW + timedelta(days=2))
    with pytest.raises(ConflictError, match="The notice changed"):
        read("one", "training", 3)
    assert notice_views.last(store, firm.customer) == second
    assert notice_views.last(store, firm.reviewer) is None
