"""What labelers were asked to compare, and what they handed in: the rows of an evaluation by people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tutelage.evaluate.records import Arm, ArmRanking, ArmRating, LabelSource
from tutelage.evaluate.tables import title_of
from tutelage.records import Group, Kind

KINDS: dict[Kind, str] = {
    "human": "people",
    "simulated": "SIMULATED labelers",
    "model": "model judges",
    "customer": "customers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The judgements by one kind of labeler in one group."""

    kind: Kind
    group: Group
    rankings: tuple[ArmRanking, ...]
    ratings: tuple[ArmRating, ...]
    sources: tuple[LabelSource, ...]

    @property
    def name(self) -> str:
        """Say who judged, as people read it; intervals over one labeler's judgements are for new prompts alone."""
        labelers = {row.labeler for row in self.rankings} | {row.labeler for row in self.ratings}
        return f"{KINDS[self.kind]}, {title_of(self.group)}" + (", this labeler only" if len(labelers) == 1 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The arms that were compared, the one that the others are held against, and how far labeling is.

    `asked` counts judgements that were asked for, `missing` those still to come, `equal` the pairs of outputs with
    equal texts, `left_out` prompts that were too long for an arm. `traits` are what is known of prompts by their
    id, under the names `use_case` and `sent_to` (a model); `lengths` are those of outputs, in characters, by prompt and
    arm.
    """

    name: str
    arms: tuple[Arm, ...]
    baseline: str
    prompts: int
    asked: int
    missing: int
    equal: int = 0
    left_out: int = 0
    decoding: dict[str, Any]
    parts: tuple[Judged, ...]
    traits: dict[str, dict[str, str]] = field(default_factory=dict)
    lengths: dict[tuple[str, str], int] = field(default_factory=dict)

    def title(self, model: str) -> str:
        """Name an arm as people read it."""
        return next(arm.name for arm in self.arms if arm.model == model)

    @property
    def others(self) -> tuple[Arm, ...]:
        """List the arms without the baseline."""
        return tuple(arm for arm in self.arms if arm.model != self.baseline)
