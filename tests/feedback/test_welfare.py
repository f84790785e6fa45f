"""What may trouble labelers: known from what was said, opted out of in the queue, and counted; on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.feedback.conftest import Desk, later
from tutelage.errors import DataError
from tutelage.feedback import work
from tutelage.feedback.work import Judgement, Submission
from tutelage.store import welfare
from tutelage.store.welfare import OptOuts


def rate(desk: Desk, labeler: str, name: str, **flags: bool | None) -> None:
    """File a rating of one output of the prompt NAME and let a labeler hand it in with these flags."""
    desk.task(name, "rate", k=1, overlap=2)
    (held,) = desk.lease(labeler, kind="rate")
    given = {one.id: Judgement(quality=4, flags=flags) for one in held.outputs}
    desk.submit(Submission(id=f"s-{name}", assignment_id=held.id, labeler=labeler, ratings=given))


def offered(desk: Desk, labeler: str, **chosen: Any) -> set[str]:
    """Return the prompts whose tasks a labeler is offered after these opt-outs, and give them back."""
    choice = OptOuts(**{name: frozenset(values) for name, values in chosen.items()})
    welfare.choose(desk.store, labeler, choice, now=later(2))
    assert welfare.opted_out(desk.store, labeler) == choice
    count = sum(work.available(desk.store, labeler, now=later(3)).values())
    taken = desk.lease(labeler, at=3, seconds=0.1)
    work.expire(desk.store, now=later(4))
    assert len(taken) == count
    return {one.prompt_id for one in taken}


@pytest.fixture
def flagged(desk: Desk) -> Desk:
    """Ratings by anna: one violent, one with an open flag, one that says no; and one that ben skipped as unsafe."""
    rate(desk, "anna", "fight", violent=True, sexual=None)
    rate(desk, "anna", "open", violent=None)
    rate(desk, "anna", "peace", violent=False)
    desk.task("grim", "rate", k=1, overlap=2, prompt={"use_case": "chat"})
    (held,) = [one for one in desk.lease("ben", at=2) if one.prompt_id == "grim"]
    work.skip(desk.store, held.id, "ben", reason="unsafe", now=later(2))
    work.expire(desk.store, now=later(9999))
    return desk


def test_a_prompt_is_sensitive_when_somebody_said_so_and_open_is_not_yes(flagged: Desk) -> None:
    found = welfare.sensitive(flagged.store, ["fight", "open", "peace", "grim", "none"])
    assert found == {"fight": {"violent"}, "grim": {"reported"}}


def test_the_queue_leaves_out_what_a_labeler_opted_out_of(flagged: Desk) -> None:
    everything = {"fight", "open", "peace", "grim"}
    assert offered(flagged, "cleo") == everything
    assert offered(flagged, "cleo", contents={"violent"}) == everything - {"fight"}
    assert offered(flagged, "cleo", contents={"sexual"}) == everything
    assert offered(flagged, "cleo", contents={"reported", "violent"}) == {"open", "peace"}
    assert offered(flagged, "cleo", use_cases={"chat", "extract"}) == everything - {"grim"}
    assert offered(flagged, "cleo") == everything


def test_judging_toxicity_can_be_left_altogether(desk: Desk) -> None:
    desk.task("t", "toxicity", k=1, purpose="evaluation", instruction_version="toxicity-1")
    assert offered(desk, "anna", contents={"toxicity"}) == set()
    assert offered(desk, "ben") == {"t"}


def test_what_somebody_opened_is_counted_by_content_and_time(flagged: Desk) -> None:
    assert welfare.exposure(flagged.store, "anna", since=later(0)) == (3, {"violent": 1})
    assert welfare.exposure(flagged.store, "anna", since=later(5)) == (0, {})
    assert welfare.exposure(flagged.store, "cleo", since=later(0)) == (0, {})


def given(desk: Desk, labeler: str, at: float) -> set[str]:
    """Let a labeler take all there is, check that it was announced, and give it back."""
    announced = work.available(desk.store, labeler, now=later(at))
    taken = desk.lease(labeler, at=at)
    for held in taken:
        work.release(desk.store, held.id, labeler, now=later(at))
    assert sum(announced.values()) == len(taken)
    return {held.prompt_id for held in taken}


def test_a_person_is_given_hard_reading_up_to_a_limit_within_24_hours(flagged: Desk) -> None:
    """Fight and grim are hard; fight was filed first."""
    flagged.labelers("sim", kind="simulated")
    at, day = 10_000, 24 * 3600
    everything = {"fight", "open", "peace", "grim"}
    assert welfare.limit(flagged.store) is None and given(flagged, "cleo", at) == everything
    welfare.set_limit(flagged.store, 0)
    assert given(flagged, "cleo", at) == {"open", "peace"}
    assert given(flagged, "sim", at) == everything, "no person"
    welfare.set_limit(flagged.store, 1)
    assert welfare.limit(flagged.store) == 1
    assert given(flagged, "cleo", at) == given(flagged, "cleo", at) == {"fight", "open", "peace"}, "unread is not read"
    (held,) = flagged.lease("cleo", at=at, limit=1)
    assert held.prompt_id == "fight" and given(flagged, "cleo", at) == {"open", "peace"}, "what is held counts"
    outputs = {one.id: Judgement(quality=4) for one in held.outputs}
    flagged.submit(Submission(id="s", assignment_id=held.id, labeler="cleo", ratings=outputs), at=at)
    assert given(flagged, "cleo", at + day - 1) == {"open", "peace"}
    assert given(flagged, "cleo", at + day) == {"open", "peace", "grim"}
    welfare.set_limit(flagged.store, None)
    assert welfare.limit(flagged.store) is None
    assert welfare.exposures(flagged.store) == {"anna": 1, "cleo": 1}


def test_a_limit_below_nothing_is_refused(desk: Desk) -> None:
    with pytest.raises(DataError, match="Nobody can be given -1 pieces"):
        welfare.set_limit(desk.store, -1)
    assert welfare.limit(desk.store) is None


@pytest.mark.parametrize("wrong", [{"use_cases": {"poetry"}}, {"contents": {"cats"}}])
def test_an_unknown_choice_is_refused(desk: Desk, wrong: dict[str, set[str]]) -> None:
    choice = OptOuts(**{name: frozenset(values) for name, values in wrong.items()})
    with pytest.raises(DataError, match="no such use case or content"):
        welfare.choose(desk.store, "anna", choice, now=later(1))
