"""Exports: the rows that a trainer may learn from, or that measured models, one after the other.

What is left out is decided by the queries of `tutelage.store.training` and `tutelage.store.evaluated`, which have no
label in common; `tutelage.feedback.dataset` writes files.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar, get_args

from tutelage.core import rankings
from tutelage.errors import DataError
from tutelage.records import FLAGS, Kind, RankedGroup, Rating, Split, Stage, ToxicityRating
from tutelage.store import Store, evaluated, training
from tutelage.store.exported import Assessed, PromptText, Ranked

Row = TypeVar("Row")
#: What the rows are: demonstrations, rankings, prompts without answers, judgements of single outputs, or orders that
#: measured models.
What = Literal["sft", "reward", "ppo", "ratings", "toxicity", "comparisons"]
#: What measures models: nothing but that, or that as well.
_ONLY_MEASURES: tuple[What, ...] = ("toxicity", "comparisons")
_MEASURES: tuple[What, ...] = ("ratings", *_ONLY_MEASURES)
#: What the labels of an export were made for; no export holds both.
ExportPurpose = Literal["train", "evaluation"]
#: Whose labels are exported; those for training are of training labelers alone.
ExportGroup = Literal["training", "heldout"]
#: The test split belongs to evaluation and is never exported for training.
ExportSplit = Literal["train", "validation"]
AnyAssessed = Assessed[Rating] | Assessed[ToxicityRating]
#: A flag by its name: yes, no, or None for not answered, which is never "no".
Flags = dict[str, bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which rows to export. Prompts (`ppo`) have no kind, and only they have a stage.

    With `tasks`, only rankings of tasks whose ids begin so are taken, such as those of one batch of samples. Labels for
    evaluation are of one group and of all splits; those for training of the group `training` and of one split.
    """

    what: What
    kind: Kind = "human"
    split: ExportSplit = "train"
    stage: Stage = "ppo"
    tasks: str = ""
    purpose: ExportPurpose = "train"
    group: ExportGroup = "training"

    def __post_init__(self) -> None:
        if self.what not in get_args(What):
            raise DataError(f"There is no export {self.what!r}; choose one of {', '.join(get_args(What))}.")
        _exported(self.split)
        if self.purpose not in get_args(ExportPurpose) or self.group not in get_args(ExportGroup):
            raise DataError(
                f"There is no export of the group {self.group!r} for {self.purpose!r}; choose training or heldout, "
                "for train or evaluation."
            )
        if self.is_for_training and self.what in _ONLY_MEASURES:
            raise DataError(f"The export {self.what} measures models and trains none; choose the purpose evaluation.")
        if self.is_for_training and self.group != "training":
            raise DataError(
                "Labels of held-out labelers are never exported for training; choose the purpose evaluation."
            )
        if not self.is_for_training and self.what not in _MEASURES:
            raise DataError(f"The export {self.what} is for training; for evaluation there are {', '.join(_MEASURES)}.")

    @property
    def is_for_training(self) -> bool:
        return self.purpose == "train"

    def settings(self) -> dict[str, str]:
        """Return what was chosen, as far as this export asks for it."""
        if not self.is_for_training:
            return {"what": self.what, "purpose": self.purpose, "group": self.group, "kind": self.kind}
        chosen = {"what": self.what, "split": self.split}
        if self.what == "ppo":
            return chosen | {"stage": self.stage}
        return chosen | {"kind": self.kind} | ({"tasks": self.tasks} if self.what == "reward" else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class SFTRow:
    """A prompt and the answer that a labeler wrote: one example of supervised fine-tuning."""

    label_id: str = ""
    prompt_id: str = ""
    prompt: str
    completion: str
    labeler: str = ""
    instruction_version: str = ""
    use_case: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardRow:
    """All completions that one labeler ranked for one prompt, in the order of the screen, which says nothing of rank.

    `ranks[i]` is the rank of `completions[i]`, 0 is best, equal ranks are ties. `cut[i]` says that it was cut at the
    length cap. `ratings[i]` is its quality from 1 to 7 and `flags[i]` its flags; both are () if nothing was rated.
    """

    label_id: str = ""
    prompt_id: str = ""
    prompt: str
    completions: tuple[str, ...]
    ranks: tuple[int, ...]
    cut: tuple[bool, ...] = ()
    ratings: tuple[int, ...] = ()
    flags: tuple[Flags, ...] = ()
    labeler: str = ""
    instruction_version: str = ""
    use_case: str = ""
    source: str = ""

    def group(self) -> RankedGroup:
        """Return the row as the reward model learns from it."""
        return RankedGroup(
            prompt=self.prompt,
            completions=self.completions,
            ranks=self.ranks,
            prompt_id=self.prompt_id,
            labeler=self.labeler,
            cut=self.cut,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PPORow:
    """A prompt to sample from in PPO."""

    prompt_id: str = ""
    prompt: str
    use_case: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingRow:
    """One output as one labeler rated it: its quality from 1 to 7 and its flags.

    `policy` names the model that wrote it, which the labeler did not know; `cut` says that it was cut at the length
    cap. `work` is the task that the rating came in with: rate, rank, or "" for an imported one.
    """

    label_id: str
    prompt_id: str
    prompt: str
    completion: str
    policy: str
    cut: bool
    quality: int
    flags: Flags
    work: str
    labeler: str
    instruction_version: str
    use_case: str
    source: str
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToxicityRow:
    """One continuation as one labeler judged it on the scales of the paper's form (3.6); None was not answered.

    Toxicity of the beginning and of the continuation 0 to 2, -1 to 1 beside the beginning, continuity 1 to 7; `rank`
    among the continuations of the beginning, 0 is best, equals are ties.
    """

    label_id: str
    prompt_id: str
    prompt: str
    completion: str
    policy: str
    cut: bool
    beginning: int | None
    toxicity: int | None
    relative: int | None
    continuity: int | None
    rank: int
    labeler: str
    instruction_version: str
    use_case: str
    source: str
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """Outputs of several models for one prompt as somebody ordered them blind, in the order of the screen.

    `policies[i]` names the model that wrote `completions[i]`, which the labeler did not know. `ranks[i]` is its rank, 0
    is best, equal ranks are ties. `cut[i]` says that it was cut at the length cap.
    """

    label_id: str
    prompt_id: str
    prompt: str
    completions: tuple[str, ...]
    policies: tuple[str, ...]
    ranks: tuple[int, ...]
    cut: tuple[bool, ...]
    labeler: str
    instruction_version: str
    use_case: str
    source: str
    split: str


#: The record of each export's rows.
ROWS: Mapping[What, type[Any]] = {
    "sft": SFTRow,
    "reward": RewardRow,
    "ppo": PPORow,
    "ratings": RatingRow,
    "toxicity": ToxicityRow,
    "comparisons": ComparisonRow,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Generic[Row]):
    """A row, when the newest fact in it was made, and what a manifest counts of it, by name."""

    row: Row
    created: datetime
    counted: Mapping[str, str]


def sft(store: Store, *, kind: Kind, split: ExportSplit = "train") -> Iterator[SFTRow]:
    """Yield demonstrations by labelers of one kind, by prompt and label id."""
    return (line.row for line in _sft(store, Query(what="sft", kind=kind, split=split)))


def reward(store: Store, *, kind: Kind, split: ExportSplit = "train", tasks: str = "") -> Iterator[RewardRow]:
    """Yield rankings by labelers of one kind, by prompt and label id."""
    return (line.row for line in _reward(store, Query(what="reward", kind=kind, split=split, tasks=tasks)))


def ppo(store: Store, *, stage: Stage = "ppo", split: ExportSplit = "train") -> Iterator[PPORow]:
    """Yield the prompts set aside for a stage, by id."""
    return (line.row for line in _ppo(store, Query(what="ppo", stage=stage, split=split)))


def lines(store: Store, query: Query) -> Generator[Line[Any], None, None]:
    """Yield the rows of a query with what a manifest needs to know of them; who stops early closes it."""
    make: dict[What, Callable[[Store, Query], Generator[Line[Any], None, None]]]
    make = {"sft": _sft, "reward": _reward, "ppo": _ppo}
    make |= {"ratings": _ratings, "toxicity": _toxicity, "comparisons": _comparisons}
    return make[query.what](store, query)


def _sft(store: Store, query: Query) -> Generator[Line[SFTRow], None, None]:
    for found in training.demonstrated(store, split=query.split, kind=query.kind):
        row = SFTRow(
            label_id=found.label.id,
            prompt_id=found.prompt.id,
            prompt=found.prompt.text,
            completion=found.label.text,
            labeler=found.label.labeler,
            instruction_version=found.label.instruction_version,
            use_case=found.prompt.use_case,
            source=found.prompt.source,
        )
        yield Line(row=row, created=found.created, counted=_of_label(found))


def _reward(store: Store, query: Query) -> Generator[Line[RewardRow], None, None]:
    for found in training.ranked(store, split=query.split, kind=query.kind, tasks=query.tasks):
        shown, judged = found.label.presented, found.ratings
        row = RewardRow(
            label_id=found.label.id,
            prompt_id=found.prompt.id,
            prompt=found.prompt.text,
            completions=tuple(found.texts[output] for output in shown),
            ranks=rankings.ranks(found.label.groups, shown),
            cut=tuple(output in found.cut for output in shown),
            ratings=tuple(judged[output].quality for output in shown) if judged else (),
            flags=tuple(_flags(judged[output]) for output in shown) if judged else (),
            labeler=found.label.labeler,
            instruction_version=found.label.instruction_version,
            use_case=found.prompt.use_case,
            source=found.prompt.source,
        )
        yield Line(row=row, created=found.created, counted=_of_label(found))


def _ppo(store: Store, query: Query) -> Generator[Line[PPORow], None, None]:
    for prompt in training.prompted(store, split=query.split, stage=query.stage):
        row = PPORow(prompt_id=prompt.id, prompt=prompt.text, use_case=prompt.use_case, source=prompt.source)
        yield Line(row=row, created=prompt.created, counted=_of_prompt(prompt))


def _ratings(store: Store, query: Query) -> Generator[Line[RatingRow], None, None]:
    if query.is_for_training:
        assessed = training.rated(store, split=query.split, kind=query.kind)
    else:
        assessed = evaluated.rated(store, kind=query.kind, group=query.group)
    for found in assessed:
        row = RatingRow(**_of_output(found), quality=found.label.quality, flags=_flags(found.label), work=found.work)
        yield Line(row=row, created=found.created, counted=_of_assessed(found) | {"work": found.work})


def _toxicity(store: Store, query: Query) -> Generator[Line[ToxicityRow], None, None]:
    for found in evaluated.toxicity(store, kind=query.kind, group=query.group):
        label = found.label
        row = ToxicityRow(
            **_of_output(found),
            beginning=label.beginning,
            toxicity=label.toxicity,
            relative=label.relative,
            continuity=label.continuity,
            rank=label.rank,
        )
        yield Line(row=row, created=found.created, counted=_of_assessed(found))


def _comparisons(store: Store, query: Query) -> Generator[Line[ComparisonRow], None, None]:
    for found in evaluated.compared(store, kind=query.kind, group=query.group):
        shown = found.label.presented
        row = ComparisonRow(
            label_id=found.label.id,
            prompt_id=found.prompt.id,
            prompt=found.prompt.text,
            completions=tuple(found.texts[output] for output in shown),
            policies=tuple(found.policies[output] for output in shown),
            ranks=rankings.ranks(found.label.groups, shown),
            cut=tuple(output in found.cut for output in shown),
            labeler=found.label.labeler,
            instruction_version=found.label.instruction_version,
            use_case=found.prompt.use_case,
            source=found.prompt.source,
            split=found.prompt.split,
        )
        yield Line(row=row, created=found.created, counted=_of_label(found) | {"split": found.prompt.split})


def _of_output(found: AnyAssessed) -> dict[str, Any]:
    """Return what every row about a single output has."""
    return {
        "label_id": found.label.id,
        "prompt_id": found.prompt.id,
        "prompt": found.prompt.text,
        "completion": found.output,
        "policy": found.policy,
        "cut": found.is_cut,
        "labeler": found.label.labeler,
        "instruction_version": found.label.instruction_version,
        "use_case": found.prompt.use_case,
        "source": found.prompt.source,
        "split": found.prompt.split,
    }


def _flags(rating: Rating) -> Flags:
    """Return every flag by name, so that all rows have the same fields."""
    return {name: rating.flags.get(name) for name in FLAGS}


def _of_assessed(found: AnyAssessed) -> dict[str, str]:
    return _of_label(found) | {"policy": found.policy, "split": found.prompt.split}


def _of_label(found: training.Demonstrated | Ranked | AnyAssessed) -> dict[str, str]:
    label = found.label
    return _of_prompt(found.prompt) | {
        "kind": label.kind,
        "group": found.group,
        "purpose": label.purpose,
        "labeler": label.labeler,
        "instruction_version": label.instruction_version,
    }


def _of_prompt(prompt: PromptText) -> dict[str, str]:
    return {"use_case": prompt.use_case, "source": prompt.source}


def _exported(split: str) -> Split:
    if split not in ("train", "validation"):
        raise DataError(f"The split {split!r} is never exported for training; choose train or validation.")
    return split  # type: ignore[return-value]
