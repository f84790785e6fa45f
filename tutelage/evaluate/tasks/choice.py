"""Multiple choice: the answer is the choice with the highest mean log-probability per token."""

from __future__ import annotations

from tutelage.evaluate.tasks.question import Answer, Question, Values
from tutelage.evaluate.tasks.task import Verdicts

ACCURACY = ("accuracy",)


def score(question: Question, answer: Answer, _: Verdicts) -> Values:
    """Give 1 where the right choice alone is likeliest; m choices that tie with it share the point, 1 / (m + 1).

    `references` hold the right choice. The paper's "lowest average per-token log probability" (App. D) is read as the
    lowest *negative* one. Dividing by tokens keeps long choices from losing by their length alone.
    """
    likely = [one.mean for one in answer.likely]
    best = [choice for choice, value in zip(question.choices, likely, strict=True) if value == max(likely)]
    return {"accuracy": 1 / len(best) if question.references[0][0] in best else 0.0}
