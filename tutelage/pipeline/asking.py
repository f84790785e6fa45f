"""An evaluation by people: which arms, which prompts, which labelers; from the recipe to the preference table.

The first call draws the outputs and files the tasks, any later one collects what was handed in. What was chosen and
drawn stays in the run's directory, so that new prompts in the store change nothing; a changed recipe is refused there.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, model_validator

from tutelage.config import Settings
from tutelage.core.choosing import place
from tutelage.errors import DataError, MissingError
from tutelage.evaluate import people, preference
from tutelage.evaluate.comparison import Comparison, Judged
from tutelage.evaluate.people import Asking, ShownOnce
from tutelage.evaluate.records import Arm, JudgedPrompt, Output
from tutelage.feedback import instructions, work
from tutelage.feedback.instructions import EVALUATION
from tutelage.files import numbered_lines, read_json, read_records, sha256_of, write_json, write_records, write_text
from tutelage.models.load import HEAD_FILE
from tutelage.records import Group, Kind, Prompt, Split, Stage
from tutelage.runs import Run
from tutelage.sample import Decoding, Policy, Progress, SamplingSettings, completion_id, sample
from tutelage.store import Store, completions, labelers, prompts, registry

STAGE = "evaluate people"
#: What is chosen and drawn once: the prompts, the arms with their models, and the outputs, which are written last.
PROMPTS, ARMS, OUTPUTS = "prompts.jsonl", "models.json", "outputs.jsonl"
#: Outputs that labelers can hold against each other (paper, 3.3).
MOST_ARMS = 9


class ArmSettings(Settings):
    """One of the compared models."""

    model: str
    """The model: an alias or name of the registry, or a directory."""
    name: str = ""
    """How tables call it; by default by the arm's own name."""
    frame: str = ""
    """A text with {prompt} in it (solved examples before it, say) that the model continues to the end of a line."""


class PromptSettings(Settings):
    """Which prompts are answered."""

    split: Split = "test"
    """Only prompts of this split."""
    stage: Stage = "evaluation"
    """Only prompts set aside for this stage; empty takes all of the split."""
    file: str = ""
    """Instead, the prompts of the store that this file names: JSON lines with an id."""
    count: int = Field(200, ge=0)
    """How many, taken by chance; 0 takes all. 200 find a true win rate of 60 % with 80 % power."""


class LabelSettings(Settings):
    """Who judges, and how often."""

    groups: tuple[Group, ...] = Field(("heldout",), min_length=1)
    """Groups of labelers, each by itself: heldout, training, researcher. Held-out ones made no training data."""
    instructions: str = EVALUATION
    """The version of the instructions; those for evaluation put truth and harmlessness first (paper, B.2)."""
    overlap: int = Field(3, ge=1)
    """Labelers of a group who judge each prompt."""


class PeopleRecipe(Settings):
    """An evaluation by people."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """The evaluation's name, and its directory's."""
    baseline: str
    """The arm that all others are held against; the paper takes SFT (3.6)."""
    arms: dict[str, ArmSettings]
    """Two to nine arms, each a section [arms.NAME] with a model. Labelers rank one output of each together."""
    seed: int = 1
    """Chooses the prompts and draws the outputs."""
    prompts: PromptSettings = PromptSettings()
    """Which prompts are answered."""
    labels: LabelSettings = LabelSettings()
    """Who judges, and how often."""
    sampling: Decoding = Decoding()
    """How each arm draws its one output per prompt."""

    @model_validator(mode="after")
    def _fits(self) -> PeopleRecipe:
        if not 2 <= len(self.arms) <= MOST_ARMS:
            raise ValueError(f"arms has {len(self.arms)}; labelers rank 2 to {MOST_ARMS} outputs of a prompt")
        if self.baseline not in self.arms:
            raise ValueError(f"baseline is {self.baseline!r}; choose one of the arms {', '.join(self.arms)}")
        for name, arm in self.arms.items():
            if arm.frame and "{prompt}" not in arm.frame:
                raise ValueError(f"arms.{name}.frame does not hold {{prompt}}")
        return self


class Located(NamedTuple):
    """A model as records name it, its directory and the hash of its files."""

    name: str
    path: Path
    sha256: str


def evaluate(
    store: Store, recipe: PeopleRecipe, out: Path, watch: Progress, warn: Callable[[str], None], *, now: datetime
) -> Comparison:
    """Bring the evaluation as far as it can come now: draw, file, collect, and write the report into `out`.

    Once the outputs are drawn no model is needed any more: an alias may move, a directory may go.
    """
    if not (out / OUTPUTS).is_file():
        _prepare(store, recipe, out, watch, warn, now=now)
    run = Run.begun(out, **_origin(recipe, Run.open(out).parents))
    outputs = read_records(out / OUTPUTS, Output)
    shown = people.shown_once(outputs)
    for asking in askings(recipe):
        work.file_tasks(store, people.ask_about(store, shown.outputs, asking, now=now), now=now)
    found = compare(store, recipe, out, outputs, shown)
    write(found, out)
    if run is not None and not found.missing:
        run.finish({"report": "report.json"})
    return found


def _prepare(
    store: Store, recipe: PeopleRecipe, out: Path, watch: Progress, warn: Callable[[str], None], *, now: datetime
) -> None:
    """Choose and draw; whatever can be refused is refused before anything is computed or written."""
    models = {name: locate(store, arm.model) for name, arm in recipe.arms.items()}
    _check_different(recipe, models)
    origin = _origin(recipe, {name: model.sha256 for name, model in models.items()})
    Run.begun(out, **origin)
    instructions.publish_defaults(store, now=now)
    _check_labelers(store, recipe, warn)
    asked = _kept_prompts(store, out) if (out / PROMPTS).is_file() else prompts_of(store, recipe)
    _check_unseen(store, models, asked, warn)
    Run.begin(out, **origin)
    kept = [JudgedPrompt(seed=recipe.seed, prompt_id=prompt.id, text=prompt.text) for prompt in asked]
    write_records(out / PROMPTS, kept)
    arms = [Arm(model=name, name=arm.name or name, note=models[name].name) for name, arm in recipe.arms.items()]
    write_json(out / ARMS, [asdict(arm) for arm in arms])
    write_records(out / OUTPUTS, draw(store, recipe, models, asked, watch))


def _origin(recipe: PeopleRecipe, parents: Mapping[str, str]) -> dict[str, Any]:
    return {"stage": STAGE, "settings": recipe, "parents": parents, "seeds": {"evaluation": recipe.seed}}


def locate(store: Store, name: str) -> Located:
    """Find a policy by directory, or by alias or name in the registry."""
    if Path(name).is_dir():
        path = Path(name).resolve()
        sha256 = sha256_of(path)
        found = Located(f"{path.name}-{sha256[:12]}", path, sha256)
    else:
        try:
            model = registry.get(store, name)
        except MissingError as error:
            raise MissingError(f"There is no model directory {name}, and the registry does not help: {error}") from None
        found = Located(f"{model.name}@{model.version}", Path(model.path), model.sha256)
    if not found.path.is_dir():
        raise MissingError(f"The model {name!r} is not at {found.path} any more; add it with `tutelage models add`.")
    if (found.path / HEAD_FILE).is_file():
        raise DataError(f"The model {name!r} is a reward model and writes no text; name a policy.")
    return found


def prompts_of(store: Store, recipe: PeopleRecipe) -> list[Prompt]:
    """Choose the prompts by chance, the same for the same seed and store."""
    chosen = recipe.prompts
    if chosen.file:
        named = _ids(Path(chosen.file))
        found = prompts.usable_of(store, named)
        if missing := sorted(set(named) - {prompt.id for prompt in found}):
            raise DataError(
                f"{chosen.file} names {len(missing)} prompts that the store does not have or that may not be used, "
                f"{missing[0]!r} first; import them with `tutelage prompts import`, or take them out."
            )
        where = chosen.file
    else:
        found = prompts.usable(store, split=chosen.split, stage=chosen.stage or None)
        where = f"the split {chosen.split}" + (f" and the stage {chosen.stage}" if chosen.stage else "")
    if not found or len(found) < chosen.count:
        raise DataError(
            f"There are {len(found)} usable prompts of {where}, and prompts.count asks for {chosen.count or 'some'}; "
            "import more with `tutelage prompts import`, or ask for fewer."
        )
    ordered = sorted(found, key=lambda prompt: place("evaluation", recipe.seed, prompt.id))
    return ordered[: chosen.count or None]


def draw(
    store: Store, recipe: PeopleRecipe, models: Mapping[str, Located], asked: Sequence[Prompt], watch: Progress
) -> list[Output]:
    """Draw one output of every arm for every prompt, or take it from the store; leave out what is too long for one."""
    settings = SamplingSettings(per_prompt=1, seed=recipe.seed, **recipe.sampling.model_dump())
    policies = {arm: Policy(model.name, model.path, recipe.arms[arm].frame) for arm, model in models.items()}
    report = sample(store, asked, list(policies.values()), settings, progress=watch)
    too_long = {prompt for ids in report.too_long.values() for prompt in ids}
    whole = [prompt for prompt in asked if prompt.id not in too_long]
    if not whole:
        raise DataError("Every prompt is too long for one of the models; lower sampling.max_tokens, or name others.")
    ids = {
        (prompt.id, arm): completion_id(prompt, policy, settings, 0)
        for prompt, (arm, policy) in itertools.product(whole, policies.items())
    }
    made = completions.get(store, ids.values())
    return [
        Output(seed=recipe.seed, prompt_id=prompt, model=arm, text=made[id].text, finish_reason=made[id].finish_reason)
        for (prompt, arm), id in ids.items()
    ]


def askings(recipe: PeopleRecipe) -> list[Asking]:
    """Say who is asked: every group by itself."""
    how = recipe.labels
    return [
        Asking(instruction_version=how.instructions, group=group, overlap=how.overlap, name=recipe.name)
        for group in dict.fromkeys(how.groups)
    ]


def compare(store: Store, recipe: PeopleRecipe, out: Path, outputs: Sequence[Output], shown: ShownOnce) -> Comparison:
    """Collect what was handed in, by group and kind of labeler."""
    parts, missing = [], 0
    for asking in askings(recipe):
        everyone = people.collect(store, shown.outputs, asking)
        missing += everyone.missing
        kinds: list[Kind] = sorted({source.kind for source in everyone.sources})
        for kind in kinds:
            found = people.spread(people.collect(store, shown.outputs, asking, kind), shown)
            parts.append(
                Judged(
                    kind=kind,
                    group=asking.group,
                    rankings=found.rankings,
                    ratings=found.ratings,
                    sources=found.sources,
                )
            )
    asked = len({one.prompt_id for one in outputs})
    return Comparison(
        name=recipe.name,
        arms=tuple(Arm(**row) for row in read_json(out / ARMS)),
        baseline=recipe.baseline,
        prompts=asked,
        asked=asked * recipe.labels.overlap * len(askings(recipe)),
        missing=missing,
        equal=_equal_pairs(shown),
        left_out=len(read_records(out / PROMPTS, JudgedPrompt)) - asked,
        decoding=recipe.sampling.model_dump(),
        parts=tuple(parts),
        traits=_traits(store, outputs),
        lengths={(one.prompt_id, one.model): len(one.text) for one in outputs},
    )


def _traits(store: Store, outputs: Sequence[Output]) -> dict[str, dict[str, str]]:
    """Say what the store knows of the prompts: their use case, and the model that they were sent to."""
    asked = prompts.usable_of(store, sorted({one.prompt_id for one in outputs}))
    return {
        "use_case": {prompt.id: prompt.use_case for prompt in asked if prompt.use_case},
        "sent_to": {prompt.id: prompt.model for prompt in asked if prompt.model},
    }


def write(found: Comparison, out: Path) -> None:
    """Write the figures for programs, the page, and the picture when there is something to draw."""
    write_json(out / "report.json", preference.as_json(found))
    write_text(out / "report.html", preference.render(found))
    if drawn := preference.drawing(found):
        write_text(out / "preference.svg", drawn)


def _equal_pairs(shown: ShownOnce) -> int:
    """Count the pairs of outputs with equal texts."""
    shared: dict[tuple[str, str], int] = {}
    for (prompt, _), judged in shown.stands_for.items():
        shared[prompt, judged] = shared.get((prompt, judged), 0) + 1
    return sum(count * (count - 1) // 2 for count in shared.values())


def _check_different(recipe: PeopleRecipe, models: Mapping[str, Located]) -> None:
    for (one, a), (other, b) in itertools.combinations(models.items(), 2):
        if a.sha256 == b.sha256 and recipe.arms[one].frame == recipe.arms[other].frame:
            raise DataError(f"The arms {one} and {other} are the same model ({a.name}); leave one of them out.")


def _check_labelers(store: Store, recipe: PeopleRecipe, warn: Callable[[str], None]) -> None:
    """Refuse groups that nobody is in and instructions for something else; warn of groups that cannot be enough."""
    told = instructions.get(store, recipe.labels.instructions)
    if not work.fits("rank", "evaluation", told):
        raise DataError(f"The instructions {told.version!r} are for {told.task}; an evaluation needs its own.")
    for group in recipe.labels.groups:
        members = labelers.find(store, group=group)
        if not members:
            raise DataError(
                f"Nobody is in the group {group}; start `tutelage label` and invite labelers on the page People."
            )
        if len(members) < recipe.labels.overlap:
            warn(
                f"The group {group} has {len(members)} of the {recipe.labels.overlap} labelers that labels.overlap "
                "asks for; invite more."
            )


def _check_unseen(
    store: Store, models: Mapping[str, Located], asked: Sequence[Prompt], warn: Callable[[str], None]
) -> None:
    """Warn when a model was trained on prompts that it is now judged by."""
    hashes = {prompts.text_hash(prompt.text) for prompt in asked}
    for version, seen in registry.trained_on(store, hashes).items():
        for arm, model in models.items():
            if model.name == f"{version.name}@{version.version}":
                warn(f"The arm {arm} was trained on {len(seen)} of the {len(hashes)} prompts.")


def _kept_prompts(store: Store, out: Path) -> list[Prompt]:
    """Return the prompts that an evaluation chose before it was stopped; those that may not be used any more go."""
    kept = [row.prompt_id for row in read_records(out / PROMPTS, JudgedPrompt)]
    found = {prompt.id: prompt for prompt in prompts.usable_of(store, kept)}
    return [found[id] for id in kept if id in found]


def _ids(file: Path) -> list[str]:
    ids = []
    for number, line in numbered_lines(file):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{file}:{number}: {error}.") from None
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            raise DataError(f"{file}:{number}: the line has no id; write an object with the id of a prompt.")
        ids.append(row["id"])
    return ids
