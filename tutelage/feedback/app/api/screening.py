"""Screening: candidates answer, researchers score blind, leads decide."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from tutelage.core.screening import Outcome
from tutelage.errors import MissingError
from tutelage.feedback import screening
from tutelage.feedback.app.api.access import Asking, By, only
from tutelage.feedback.app.api.schema import refusals
from tutelage.feedback.wire import screening as wire
from tutelage.feedback.wire.parts import Name
from tutelage.store import screening as stored
from tutelage.store.screening import Screening

TAG = "screening"

own = APIRouter(prefix="/screening", dependencies=[Depends(only("candidate"))], responses=refusals(403))
scoring = APIRouter(prefix="/scoring", dependencies=[Depends(only("researcher"))], responses=refusals(403))
deciding = APIRouter(
    prefix="/candidates", dependencies=[Depends(only("lead", "researcher", "admin"))], responses=refusals(403)
)
router = APIRouter()


@own.get("")
def read_screening(asking: By) -> wire.Screening:
    """Return one's own screening: its items in their order, with the answers so far; nothing begins by looking."""
    return _screening(asking)


@own.put("", responses=refusals(404))
def begin_screening(asking: By) -> wire.Screening:
    """Begin with the set that is in force now, or go on."""
    labeler = asking.person.labeler
    audited = asking.actor.audited(asking.store, "screening.begin", labeler, now=asking.now)
    screening.begin(audited, labeler, now=asking.now)
    return _screening(asking)


@own.put("/items/{item}/answer", status_code=204, responses=refusals(404))
def answer_item(asking: By, item: Name, body: wire.Answered) -> None:
    """Answer an item; until the screening is handed in, the last answer counts."""
    labeler = asking.person.labeler
    audited = asking.actor.audited(asking.store, "screening.answer", labeler, now=asking.now, item=item)
    screening.answer(audited, labeler, item, body.answer, now=asking.now)


@own.post("/hand-in", responses=refusals(400, 404))
def hand_in_screening(asking: By) -> wire.Screening:
    """Hand the screening in; its answers stay as they are from then on."""
    labeler = asking.person.labeler
    audited = asking.actor.audited(asking.store, "screening.hand_in", labeler, now=asking.now)
    stored.hand_in(audited, labeler, now=asking.now)
    return _screening(asking)


@scoring.get("")
def list_texts_to_score(asking: By) -> list[wire.Text]:
    """List the demonstrations that wait for one's score, without their authors."""
    return [wire.Text.model_validate(one) for one in screening.to_score(asking.store, asking.person.labeler)]


@scoring.put("/{text}", status_code=204, responses=refusals(404))
def score_text(asking: By, text: Name, body: wire.Score) -> None:
    """Score a demonstration; the last score counts."""
    audited = asking.actor.audited(asking.store, "screening.score", text, now=asking.now)
    screening.score(audited, asking.person.labeler, text, body.score, now=asking.now)


@deciding.get("")
def list_candidates(asking: By) -> list[wire.Candidate]:
    """List everybody under screening by pseudonym, with results and decisions."""
    return [_candidate(asking, one) for one in stored.find(asking.store)]


@deciding.get("/{candidate}", responses=refusals(404))
def read_candidate(asking: By, candidate: Name) -> wire.Candidate:
    """Return one candidate's results and decision."""
    return _candidate(asking, _under(asking, candidate))


@deciding.get("/{candidate}/answers", responses=refusals(404))
def list_candidate_answers(asking: By, candidate: Name) -> list[wire.Marked]:
    """List a candidate's answers beside the keys; texts are hidden until all their scores are there."""
    items = stored.items(asking.store, _under(asking, candidate).set)
    answers = screening.readable(asking.store, candidate)
    return [
        wire.Marked(
            id=item.id,
            part=item.part,
            prompt=item.prompt,
            outputs=list(item.outputs),
            answer=answers.get(item.id),
            key=[list(group) for group in item.order] or item.sensitive,
            reason=item.reason,
        )
        for item in items
    ]


@deciding.post("/{candidate}/decision", status_code=201, responses=refusals(404))
def decide_candidate(asking: By, candidate: Name, body: wire.Decision) -> wire.Candidate:
    """Take a candidate or not, with a reason; the results that were seen are kept with it."""
    under = _under(asking, candidate)
    audited = asking.actor.audited(asking.store, "screening.decide", candidate, now=asking.now, decision=body.decision)
    passed, by = body.decision == "take", asking.person.id
    screening.decide(audited, candidate, passed, reason=body.reason, by=by, now=asking.now)
    return _candidate(asking, under)


for area in (own, scoring, deciding):
    router.include_router(area)


def _screening(asking: Asking) -> wire.Screening:
    labeler = asking.person.labeler
    under = stored.get(asking.store, labeler)
    decision = stored.decisions(asking.store).get(labeler)
    answers = stored.answers(asking.store, labeler) if under else {}
    items = [
        wire.Item(
            id=item.id,
            part=item.part,
            prompt=item.prompt,
            outputs=list(item.outputs),
            order=screening.shown(asking.store, labeler, item),
            answer=answers.get(item.id),
        )
        for item in (stored.items(asking.store, under.set) if under else ())
    ]
    return wire.Screening(
        begun=under.created if under else None,
        handed_in=under.handed_in if under else None,
        passed=decision.passed if decision else None,
        items=items,
    )


def _under(asking: Asking, candidate: str) -> Screening:
    under = stored.get(asking.store, candidate)
    if under is None:
        raise MissingError("There is no screening of this candidate; go back to the list.")
    return under


def _candidate(asking: Asking, under: Screening) -> wire.Candidate:
    result = screening.result(asking.store, under.candidate)
    decision = stored.decisions(asking.store).get(under.candidate)
    return wire.Candidate(
        candidate=under.candidate,
        begun=under.created,
        handed_in=under.handed_in,
        outcomes=[_outcome(one) for one in result.outcomes],
        topics=list(result.topics),
        decision=wire.Decided.model_validate(decision) if decision else None,
    )


def _outcome(one: Outcome) -> wire.Outcome:
    return wire.Outcome(part=one.part, value=one.value, cut_off=one.cutoff)
