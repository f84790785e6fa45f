"""A model judge works the queue that people use, task by task; what it finished is kept, whatever happens next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tutelage.feedback import people, work
from tutelage.feedback.work import Assignment
from tutelage.labelers.chat import Usage
from tutelage.labelers.endpoint import Counts, EndpointLabeler, ModelJudgeSettings
from tutelage.labelers.protocol import Instructions, NoJudgementError
from tutelage.pipeline.labeling import judge, take
from tutelage.records import Labeler
from tutelage.store import Store, labelers


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a model judge did: tasks handed in, tasks given back without a label, and what it asked and used."""

    handed_in: int
    given_back: int
    counts: Counts
    usage: Usage
    cost: float | None

    def sentence(self) -> str:
        """Say it in one line."""
        counts, usage = self.counts, self.usage
        parts = [f"{self.handed_in} tasks judged, {self.given_back} given back without a label"]
        if counts.pairs:
            parts.append(f"the order changed {counts.changed} of {counts.pairs} verdicts")
        parts.append(f"{counts.unreadable} replies unreadable")
        tokens = f"{usage.requests} requests, {usage.input_tokens:,} tokens read, {usage.output_tokens:,} written"
        if usage.untold:
            tokens += f" and {usage.untold} requests that told no number"
        parts.append(tokens)
        if self.cost is not None:
            parts.append(f"cost {'at least ' if usage.untold else ''}{self.cost:.4f}")
        return "; ".join(parts)


def let_judge(
    store: Store, labeler: EndpointLabeler, tell: Callable[[Judged], None], limit: int | None = None
) -> Judged:
    """Let a model judge work until the queue has nothing left for it, or `limit` tasks are done; `tell` after each.

    The labeler is registered with the kind `model`; one of that name and another kind is refused. A task that it cannot
    judge is given back, and others may take it. When the endpoint fails, what is in hand comes first the next time.
    """
    people.register(store, [Labeler(id=labeler.id, group=labeler.group, kind=labeler.kind)], now=datetime.now(UTC))
    handed_in = given_back = 0
    found = _judged(labeler, handed_in, given_back)
    while limit is None or handed_in + given_back < limit:
        taken = take(store, labeler, 1)
        if not taken:
            break
        if _hand_in(store, labeler, taken[0]):
            handed_in += 1
        else:
            given_back += 1
        found = _judged(labeler, handed_in, given_back)
        tell(found)
    return found


def _hand_in(store: Store, labeler: EndpointLabeler, one: Assignment) -> bool:
    """Judge a task and hand it in; False if it was given back."""
    try:
        made = judge(labeler, one, _instructions(store, one))
    except NoJudgementError as error:
        if not labeler.endpoint.usage.requests:
            # Nothing was ever answered: the settings are wrong, not this task.
            raise
        work.skip(store, one.id, labeler.id, reason="other", note=str(error)[:200], now=datetime.now(UTC))
        return False
    work.submit(store, [made], now=datetime.now(UTC))
    return True


def _instructions(store: Store, one: Assignment) -> Instructions:
    """Return which priorities the task's instructions set."""
    told = labelers.instructions(store, [one.instruction_version])[one.instruction_version]
    return "evaluation" if told.task == "evaluation" else "training"


def _judged(labeler: EndpointLabeler, handed_in: int, given_back: int) -> Judged:
    usage = labeler.endpoint.usage
    return Judged(
        handed_in=handed_in,
        given_back=given_back,
        counts=labeler.counts,
        usage=usage,
        cost=cost(labeler.settings, usage),
    )


def cost(settings: ModelJudgeSettings, usage: Usage) -> float | None:
    """Return what the tokens cost, in the money that the prices are given in; None without prices."""
    if settings.input_price is None or settings.output_price is None:
        return None
    return (usage.input_tokens * settings.input_price + usage.output_tokens * settings.output_price) / 1e6
