"""Training exports: the rows that a trainer may learn from, one after the other.

What is left out is decided by the queries of `tutelage.store.training`; `tutelage.feedback.dataset` writes files.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar, get_args

from tutelage.core import rankings
from tutelage.errors import DataError
from tutelage.records import FLAGS, Kind, RankedGroup, Rating, Split, Stage
from tutelage.store import Store, training

Row = TypeVar("Row")
#: Which training the rows are for: demonstrations, rankings, or prompts without answers.
What = Literal["sft", "reward", "ppo"]
#: The test split belongs to evaluation and is never exported.
ExportSplit = Literal["train", "validation"]
#: A flag by its name: yes, no, or None for not answered, which is never "no".
Flags = dict[str, bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which rows to export. Prompts (`ppo`) have no kind, and only they have a stage.

    With `tasks`, only rankings of tasks whose ids begin so are taken, such as those of one batch of samples.
    """

    what: What
    kind: Kind = "human"
    split: ExportSplit = "train"
    stage: Stage = "ppo"
    tasks: str = ""

    def __post_init__(self) -> None:
        if self.what not in get_args(What):
            raise DataError(f"There is no export {self.what!r}; choose one of {', '.join(get_args(What))}.")
        _exported(self.split)

    def settings(self) -> dict[str, str]:
        """Return what was chosen, as far as this export asks for it."""
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


#: The record of each export's rows.
ROWS: Mapping[What, type[SFTRow] | type[RewardRow] | type[PPORow]] = {"sft": SFTRow, "reward": RewardRow, "ppo": PPORow}


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


def _flags(rating: Rating) -> Flags:
    """Return every flag by name, so that all rows have the same fields."""
    return {name: rating.flags.get(name) for name in FLAGS}


def _of_label(found: training.Demonstrated | training.Ranked) -> dict[str, str]:
    label = found.label
    return _of_prompt(found.prompt) | {
        "kind": label.kind,
        "group": found.group,
        "purpose": label.purpose,
        "labeler": label.labeler,
        "instruction_version": label.instruction_version,
    }


def _of_prompt(prompt: training.PromptText) -> dict[str, str]:
    return {"use_case": prompt.use_case, "source": prompt.source}


def _exported(split: str) -> Split:
    if split not in ("train", "validation"):
        raise DataError(f"The split {split!r} is never exported for training; choose train or validation.")
    return split  # type: ignore[return-value]
