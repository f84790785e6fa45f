"""Taking in the prompts that labelers wrote: by the same rules as everybody's (paper, 3.2 and A.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tutelage.prompts.intake import IntakeReport, IntakeSettings, intake
from tutelage.records import Demonstration, Prompt, Stage, WrittenPrompt
from tutelage.store import Store, labels, prompts, written
from tutelage.store.labels import Judgements


def take_in(store: Store, settings: IntakeSettings, *, stage: Stage, now: datetime) -> IntakeReport | None:
    """Take in what labelers wrote and intake has not seen; return its report, None when there is nothing.

    The labeler is the user: prompts of one labeler lie in one split, and the instructions under which they were written
    are the notice. A few-shot prompt with K pairs becomes K prompts, each with the other pairs as examples, and the
    response that its labeler gave is its demonstration. A prompt that was corrected after intake goes out of use.
    """
    written.retire_corrected(store)
    found = written.current_ones(store)
    known = prompts.get(store, (name for made, _ in found for name in written.prompt_ids(made)))
    new = [(made, assignment) for made, assignment in found if written.prompt_ids(made)[0] not in known]
    rows = [row for made, _ in new for row in _prompts(made, stage)]
    report = intake(store, rows, settings, now=now) if rows else None
    # All of them, not the new ones alone: a step that was killed between the two goes on here.
    answered = [(row, assignment) for made, assignment in found for row in _demonstrations(made)]
    assignments = {row.id: assignment for row, assignment in answered if assignment}
    labels.add(store, Judgements(demonstrations=[row for row, _ in answered], assignments=assignments), now=now)
    return report


def few_shot(instruction: str, examples: Sequence[tuple[str, str]], query: str) -> str:
    """Return the text of a few-shot prompt: the instruction, the solved examples, and the query that is left open."""
    solved = [f"Query: {asked}\nResponse: {answer}" for asked, answer in examples]
    return "\n\n".join([instruction.strip(), *solved, f"Query: {query}\nResponse:"])


def _prompts(made: WrittenPrompt, stage: Stage) -> list[Prompt]:
    row = Prompt(
        id=made.id,
        text=made.text.strip(),
        source="labeler",
        user=made.labeler,
        form=made.form,
        use_case=made.use_case,
        consent=made.instruction_version,
        stage=stage,
        meta={"brief": made.prompt_id},
    )
    if made.form != "few_shot":
        return [row]
    texts = []
    for number, (query, _) in enumerate(made.pairs):
        # The examples go round, so that two prompts of one instruction share no long beginning: intake would drop one.
        examples = [*made.pairs[number + 1 :], *made.pairs[:number]]
        texts.append(few_shot(made.text, examples, query))
    return [replace(row, id=name, text=text) for name, text in zip(written.prompt_ids(made), texts, strict=True)]


def _demonstrations(made: WrittenPrompt) -> list[Demonstration]:
    return [
        Demonstration(
            id=name,
            prompt_id=name,
            text=response,
            labeler=made.labeler,
            kind=made.kind,
            instruction_version=made.instruction_version,
        )
        for name, (_, response) in zip(written.prompt_ids(made), made.pairs, strict=False)
    ]
