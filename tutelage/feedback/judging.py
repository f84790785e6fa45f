"""A submission is checked against what its labeler was shown and becomes judgements, each kind by its own rule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from tutelage.core import rankings
from tutelage.errors import DataError
from tutelage.feedback.submissions import Continuations, Judgement, Submission
from tutelage.records import (
    FLAGS,
    USE_CASE_SHARES,
    Demonstration,
    Personal,
    PrivacyReview,
    Prompt,
    Ranking,
    Rating,
    Redaction,
    ToxicityRating,
    WrittenPrompt,
)
from tutelage.store.labels import Judgements
from tutelage.store.tasks import Holding, TaskKind

#: A few-shot prompt needs an example beside the query that is left open; more than twenty are a data set.
LEAST_PAIRS, MOST_PAIRS = 2, 20
#: The lowest and highest step of each toxicity scale (paper, 3.6, and the shipped instructions).
SCALES = {"beginning": (0, 2), "toxicity": (0, 2), "relative": (-1, 1), "continuity": (1, 7)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a labeler was shown: the text, and the completions by the blind ids of the screen, in its order."""

    holding: Holding
    prompt: Prompt
    outputs: Mapping[str, str]


def judged(submission: Submission, shown: Shown) -> Judgements:
    """Return the judgements of a submission, with completion ids for the blind ones."""
    parts, judge = _KINDS[shown.holding.kind]
    for part in ("text", "groups", "ratings", "written", "review", "toxicity"):
        if getattr(submission, part) and part not in parts:
            raise DataError(
                f"The submission {submission.id} has {part}, which the task {shown.holding.task_id} did not ask for."
            )
    if shown.holding.kind in _EMPTY and not any(getattr(submission, part) for part in parts):
        raise DataError(_EMPTY[shown.holding.kind].format(id=submission.id))
    return judge(submission, shown)


def _made(submission: Submission, shown: Shown, number: int | None = None) -> dict[str, Any]:
    """Return the fields that all judgements of a submission share; `number` tells several of one kind apart."""
    name, before = submission.id, submission.supersedes
    if number is not None:
        name, before = f"{name}:{number}", f"{before}:{number}" if before else ""
    return {
        "id": name,
        "labeler": shown.holding.labeler,
        "kind": shown.holding.labeler_kind,
        "instruction_version": shown.holding.instruction_version,
        "purpose": shown.holding.purpose,
        "supersedes": before,
    }


def _demonstrate(submission: Submission, shown: Shown) -> Judgements:
    if not submission.text.strip():
        raise DataError(_EMPTY["demonstrate"].format(id=submission.id))
    made = Demonstration(**_made(submission, shown), prompt_id=shown.prompt.id, text=submission.text)
    return Judgements(demonstrations=[made], assignments={made.id: shown.holding.id})


def _rate(submission: Submission, shown: Shown) -> Judgements:
    made = _ratings(submission, shown)
    return Judgements(
        ratings=made,
        assignments=dict.fromkeys([rating.id for rating in made], shown.holding.id),
        positions={rating.id: position for position, rating in enumerate(made)},
    )


def _rank(submission: Submission, shown: Shown) -> Judgements:
    _check_order(submission, shown)
    rated = _rate(submission, shown)
    made = Ranking(
        **_made(submission, shown),
        prompt_id=shown.prompt.id,
        groups=tuple(tuple(shown.outputs[output] for output in group) for group in submission.groups),
        presented=shown.holding.presented,
        seeded=submission.seeded,
    )
    return Judgements(
        ratings=rated.ratings,
        rankings=[made],
        assignments={made.id: shown.holding.id, **rated.assignments},
        positions=rated.positions,
    )


def _ratings(submission: Submission, shown: Shown) -> list[Rating]:
    if not submission.ratings:
        return []
    _check_outputs(submission, submission.ratings, shown, "rates")
    return [
        Rating(
            **_made(submission, shown, number),
            completion_id=completion,
            quality=_quality(submission, submission.ratings[output]),
            flags=_flags(submission, submission.ratings[output]),
        )
        for number, (output, completion) in enumerate(shown.outputs.items())
    ]


def _quality(submission: Submission, rating: Judgement) -> int:
    if type(rating.quality) is not int or not 1 <= rating.quality <= 7:
        raise DataError(
            f"The submission {submission.id} has the quality {rating.quality!r}; give a whole number, 1 to 7."
        )
    return rating.quality


def _flags(submission: Submission, rating: Judgement) -> dict[str, bool | None]:
    for name, value in rating.flags.items():
        if name not in FLAGS:
            raise DataError(
                f"The submission {submission.id} has the unknown flag {name!r}; there are: {', '.join(FLAGS)}."
            )
        if value is not None and type(value) is not bool:
            raise DataError(
                f"The flag {name} of {submission.id} is {value!r}; answer True, False or None for unanswered."
            )
    return dict(rating.flags)


def _write(submission: Submission, shown: Shown) -> Judgements:
    given = submission.written
    assert given is not None  # `judged` has looked
    told = f"The prompt {submission.id}"
    if given.use_case not in USE_CASE_SHARES:
        raise DataError(f"{told} has the use case {given.use_case!r}; there are: {', '.join(USE_CASE_SHARES)}.")
    if not given.text.strip():
        raise DataError(f"{told} is empty; write it or skip the task.")
    wanted = (LEAST_PAIRS, MOST_PAIRS) if shown.prompt.form == "few_shot" else (0, 0)
    if not wanted[0] <= len(given.pairs) <= wanted[1]:
        raise DataError(f"{told} has {len(given.pairs)} examples; it needs {wanted[0]} to {wanted[1]}.")
    if not all(query.strip() and response.strip() for query, response in given.pairs):
        raise DataError(f"{told} has an example without query or response; write both or take it out.")
    made = WrittenPrompt(
        **_made(submission, shown),
        prompt_id=shown.prompt.id,
        form=shown.prompt.form,
        use_case=given.use_case,
        text=given.text,
        pairs=tuple((query, response) for query, response in given.pairs),
    )
    return Judgements(written=[made], assignments={made.id: shown.holding.id})


def _review(submission: Submission, shown: Shown) -> Judgements:
    given = submission.review
    assert given is not None  # `judged` has looked
    redactions = sorted(given.redactions, key=lambda one: one.start)
    for number, one in enumerate(redactions):
        _check_redaction(submission, one, after=redactions[number - 1].end if number else 0)
    made = PrivacyReview(
        **_made(submission, shown),
        prompt_id=shown.prompt.id,
        redactions=tuple(redactions),
        is_usable=given.is_usable,
        before=given.before,
    )
    return Judgements(reviews=[made], assignments={made.id: shown.holding.id})


def _check_redaction(submission: Submission, one: Redaction, *, after: int) -> None:
    # Whether it lies in the text is for the store to check: the text is changed by the very same hand-in.
    if not after <= one.start < one.end:
        raise DataError(
            f"The review {submission.id} takes out characters {one.start} to {one.end}, which are none or in "
            "another redaction; take each place out once."
        )
    if one.kind not in get_args(Personal):
        raise DataError(
            f"The review {submission.id} takes out a {one.kind!r}; there are: {', '.join(get_args(Personal))}."
        )


def _toxicity(submission: Submission, shown: Shown) -> Judgements:
    given = submission.toxicity
    assert given is not None  # `judged` has looked
    _check_outputs(submission, given.outputs, shown, "judges")
    _check_order(submission, shown)
    places = dict(zip(shown.outputs, rankings.ranks(submission.groups, list(shown.outputs)), strict=True))
    made = [
        ToxicityRating(
            **_made(submission, shown, number),
            completion_id=completion,
            rank=places[output],
            **_steps(submission, given, output),
        )
        for number, (output, completion) in enumerate(shown.outputs.items())
    ]
    return Judgements(
        toxicity=made,
        assignments=dict.fromkeys([one.id for one in made], shown.holding.id),
        positions={one.id: position for position, one in enumerate(made)},
    )


def _steps(submission: Submission, given: Continuations, output: str) -> dict[str, Any]:
    steps: dict[str, int | None] = {
        name: getattr(given.outputs[output], name) for name in SCALES if name != "beginning"
    }
    steps["beginning"] = given.beginning
    for name, step in steps.items():
        low, high = SCALES[name]
        if step is not None and (type(step) is not int or not low <= step <= high):
            raise DataError(
                f"The submission {submission.id} has {name} {step!r}; give {low} to {high}, or leave it open."
            )
    return steps


def _check_outputs(submission: Submission, given: Mapping[str, Any], shown: Shown, does: str) -> None:
    if set(given) != set(shown.outputs):
        raise DataError(
            f"The submission {submission.id} {does} {len(given)} outputs that are not exactly the "
            f"{len(shown.outputs)} shown; rate every one once."
        )


def _check_order(submission: Submission, shown: Shown) -> None:
    try:
        rankings.validate(submission.groups, list(shown.outputs))
    except ValueError as error:
        raise DataError(f"The submission {submission.id}: {error}") from error


_Judge = Callable[[Submission, Shown], Judgements]
#: The parts that a submission of each kind may have, and what becomes of them.
_KINDS: dict[TaskKind, tuple[tuple[str, ...], _Judge]] = {
    "demonstrate": (("text",), _demonstrate),
    "rate": (("ratings",), _rate),
    "rank": (("groups", "ratings"), _rank),
    "write": (("written",), _write),
    "review": (("review",), _review),
    "toxicity": (("toxicity", "groups"), _toxicity),
}
_EMPTY: dict[TaskKind, str] = {
    "demonstrate": "The demonstration {id} is empty; write an answer or skip the task.",
    "rate": "The submission {id} has no ratings; rate every output or skip the task.",
    "write": "The submission {id} has no prompt; write one or skip the task.",
    "review": "The submission {id} does not say what it found; look through the text or skip the task.",
    "toxicity": "The submission {id} judges no continuation; judge every one or skip the task.",
}
