"""What one evaluation run leaves on disk: plain rows, each keyed by its seed, written whole or not at all.

A directory holds `models.json`, `facts.json` and one JSON Lines file per kind of row (`FILES`). Everything a report
says is a pure function of these files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from tutelage.core.statistics import Estimate
from tutelage.errors import DataError, MissingError
from tutelage.files import read_json, read_records, write_json, write_records
from tutelage.records import FinishReason, Group, Kind

#: The arms by name, in the order of every table and figure, with the names people read.
ARM_NAMES: dict[str, str] = {
    "base": "base",
    "base_more": "base, trained on",
    "prompted_base": "prompted base",
    "sft": "SFT",
    "sft_random": "SFT, one of 4",
    "ppo": "PPO",
    "ppo_ptx": "PPO-ptx",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One of the compared models: its name in the rows and the name that people read."""

    model: str
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPrompt:
    """A held-out prompt; `tags` say what it tests (`use_case`, `heldout_entity`, `combination`, `rumour`, ...)."""

    seed: int
    prompt_id: str
    text: str
    tags: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRanking:
    """One labeler's order of the arms' outputs for a prompt: the lowest rank is best, equal ranks are ties.

    `sample` numbers the outputs that an arm wrote for a prompt; those of one number are held against each other.
    """

    seed: int
    prompt_id: str
    labeler: str
    group: Group
    ranks: dict[str, int]
    sample: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRating:
    """One labeler's quality (1-7) and flags for one arm's output; a flag that is None was not answered."""

    seed: int
    prompt_id: str
    labeler: str
    group: Group
    model: str
    quality: int
    flags: dict[str, bool | None] = field(default_factory=dict)
    sample: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputVerdicts:
    """What the judge says of one arm's output, by name; None where the question does not apply."""

    seed: int
    prompt_id: str
    model: str
    verdicts: dict[str, bool | None]
    sample: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputMeasures:
    """What was counted in one arm's output, by name, each a share from 0 to 1; what does not apply is left out."""

    seed: int
    prompt_id: str
    model: str
    values: dict[str, float]
    sample: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputScore:
    """What a reward model that no arm was trained with gives one arm's output; only its order means something."""

    seed: int
    prompt_id: str
    model: str
    score: float
    sample: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLoss:
    """The mean negative log-likelihood of a text's tokens under one arm, in nats."""

    seed: int
    text: str
    model: str
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """The score in [0, 1] of one arm on one item of a task."""

    seed: int
    task: str
    item: str
    model: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The text that one arm wrote for a prompt."""

    seed: int
    prompt_id: str
    model: str
    text: str
    finish_reason: FinishReason
    sample: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One step of a PPO run: KL to the reference in nats, mean proxy reward, and the share the judge passes.

    `judged` is the number of outputs behind `judge`, 0 when it was not kept; `score_error` is the standard error of
    `score`, None when it was not kept.
    """

    seed: int
    run: str
    step: int
    kl: float
    score: float
    judge: float
    judged: int = 0
    score_error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A figure that must lie in a range, such as one line of the headroom gate; a bound that is None is open.

    With the unit `%` or `points` the figure and its bounds are shares, 0.35 for 35 %.
    """

    name: str
    mean: float
    low: float
    high: float
    n: int
    at_least: float | None = None
    at_most: float | None = None
    unit: str = "%"

    @property
    def holds(self) -> bool:
        """Say whether the figure lies in its range."""
        above = self.at_least is None or self.mean >= self.at_least
        return above and (self.at_most is None or self.mean <= self.at_most)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSource:
    """Labels of one sort and who made them; the kinds are never added up."""

    what: str
    kind: Kind
    group: str
    count: int
    labelers: int
    instruction_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """One line of the compute ledger."""

    role: str
    flops: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the other stages say of a run: gate, overlap, samples of texts, times, compute, lineage, labels.

    `terms` names what is held against what (`terms.TERMS`). `greedy` is {verdict: {model: figure}} at temperature
    0; `ceilings` are the seconds allowed per stage; `lineage` is {name: sha256}; `tried` are sentences on what was
    tried where a claim failed, `notes` on data and models.
    """

    seed: int
    terms: str = "village"
    labels: tuple[LabelSource, ...] = ()
    gate: tuple[Check, ...] = ()
    agreement: tuple[Check, ...] = ()
    overlap: tuple[Check, ...] = ()
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    greedy: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    ceilings: dict[str, float] = field(default_factory=dict)
    ledger: tuple[Compute, ...] = ()
    lineage: dict[str, str] = field(default_factory=dict)
    decoding: dict[str, Any] = field(default_factory=dict)
    tried: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Everything that one evaluation run holds."""

    arms: tuple[Arm, ...]
    facts: Facts
    prompts: tuple[JudgedPrompt, ...] = ()
    rankings: tuple[ArmRanking, ...] = ()
    ratings: tuple[ArmRating, ...] = ()
    verdicts: tuple[OutputVerdicts, ...] = ()
    tasks: tuple[TaskScore, ...] = ()
    completions: tuple[Output, ...] = ()
    curves: tuple[CurvePoint, ...] = ()
    measures: tuple[OutputMeasures, ...] = ()
    scores: tuple[OutputScore, ...] = ()
    losses: tuple[TextLoss, ...] = ()

    @property
    def seed(self) -> int:
        """Name the seed that keys every row."""
        return self.facts.seed


#: The name of each file of rows and the record it holds.
FILES: dict[str, type] = {
    "prompts": JudgedPrompt,
    "rankings": ArmRanking,
    "ratings": ArmRating,
    "verdicts": OutputVerdicts,
    "tasks": TaskScore,
    "completions": Output,
    "curves": CurvePoint,
    "measures": OutputMeasures,
    "scores": OutputScore,
    "losses": TextLoss,
}
#: Without these a report has nothing to say; the others may be absent while an evaluation is under way.
REQUIRED = ("prompts", "rankings", "verdicts", "completions")

T = TypeVar("T")


def write_rows(directory: Path, name: str, rows: Iterable[Any]) -> Path:
    """Write the rows of one file of `FILES`, whole or not at all."""
    path = directory / f"{name}.jsonl"
    write_records(path, sorted(rows, key=lambda row: _key(name)(row)))
    return path


def write_models(directory: Path, arms: Sequence[Arm]) -> Path:
    """Write the arms, in the order they are shown."""
    path = directory / "models.json"
    write_json(path, [asdict(arm) for arm in arms])
    return path


def write_facts(directory: Path, facts: Facts) -> Path:
    """Write what the other stages say of the run."""
    path = directory / "facts.json"
    write_json(path, asdict(facts))
    return path


def write(directory: Path, evaluation: Evaluation) -> None:
    """Write a whole evaluation."""
    write_models(directory, evaluation.arms)
    write_facts(directory, evaluation.facts)
    for name in FILES:
        write_rows(directory, name, getattr(evaluation, name))


def read(directory: Path) -> Evaluation:
    """Read one evaluation directory and check that its rows belong together."""
    if not (directory / "models.json").is_file():
        raise MissingError(
            f"{directory} holds no evaluation (no models.json): run `tutelage run` to its end, or name another run."
        )
    arms = _read_json(directory / "models.json", tuple[Arm, ...])
    facts = _read_json(directory / "facts.json", Facts)
    rows: dict[str, tuple[Any, ...]] = {}
    for name, record in FILES.items():
        path = directory / f"{name}.jsonl"
        if path.is_file():
            rows[name] = tuple(read_records(path, record))
        elif name in REQUIRED:
            raise MissingError(f"{path} is missing: run the evaluation of this run again, it makes what is not there.")
    evaluation = Evaluation(arms=arms, facts=facts, **rows)
    check(evaluation, directory)
    return evaluation


def check(evaluation: Evaluation, where: Path) -> None:
    """Refuse rows of another seed, of an unknown arm or prompt, rows that occur twice and figures out of range."""
    models = {arm.model for arm in evaluation.arms}
    if len(models) < len(evaluation.arms) or len(models) < 2:
        raise DataError(f"{where / 'models.json'} must name at least two different arms, it names {sorted(models)}.")
    known = {prompt.prompt_id for prompt in evaluation.prompts}
    for name in FILES:
        path, seen = where / f"{name}.jsonl", set()
        for number, row in enumerate(getattr(evaluation, name), start=1):
            key = _key(name)(row)
            complaint = "occurs twice" if key in seen else _complaint(row, evaluation.seed, models, known)
            if complaint:
                raise DataError(f"{path}:{number}: the row {key} {complaint}; write the evaluation again.")
            seen.add(key)


def _complaint(row: Any, seed: int, models: set[str], prompts: set[str]) -> str:
    """Say what is wrong with a row, or nothing."""
    named = set(row.ranks) if isinstance(row, ArmRanking) else {row.model} if hasattr(row, "model") else set()
    if row.seed != seed:
        return f"has seed {row.seed} in an evaluation of seed {seed}"
    if named - models:
        return f"names the model {sorted(named - models)[0]!r}, which models.json does not list"
    if hasattr(row, "prompt_id") and row.prompt_id not in prompts:
        return f"names the prompt {row.prompt_id!r}, which prompts.jsonl does not hold"
    if isinstance(row, ArmRating) and not 1 <= row.quality <= 7:
        return f"has quality {row.quality}, which must be 1 to 7"
    if isinstance(row, TaskScore) and not 0.0 <= row.score <= 1.0:
        return f"has score {row.score}, which must lie in 0 to 1"
    return ""


_KEYS: dict[str, tuple[str, ...]] = {
    "prompts": ("prompt_id",),
    "rankings": ("prompt_id", "labeler", "sample"),
    "ratings": ("prompt_id", "labeler", "model", "sample"),
    "verdicts": ("prompt_id", "model", "sample"),
    "tasks": ("task", "item", "model"),
    "completions": ("prompt_id", "model", "sample"),
    "curves": ("run", "step"),
    "measures": ("prompt_id", "model", "sample"),
    "scores": ("prompt_id", "model", "sample"),
    "losses": ("text", "model"),
}


def _key(name: str) -> Callable[[Any], tuple[Any, ...]]:
    fields = ("seed", *_KEYS[name])
    return lambda row: tuple(getattr(row, name) for name in fields)


def _read_json(path: Path, kind: type[T]) -> T:
    value = read_json(path)
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {place or 'the file'}: {first['msg']}; write the evaluation again.") from None
