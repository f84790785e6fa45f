"""Words tasks as customers would, and makes the prompts of every stage.

Nothing held out reaches a training prompt: neither a subject of `world.heldout`, nor a held-out phrasing, nor (before
PPO) a held-out combination of constraints. Test and validation prompts are held out by subject, by phrasing or by both.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from tutelage.records import USE_CASE_SHARES, Prompt, PromptForm, Split, Stage, UseCase
from tutelage.village import answers
from tutelage.village.duplicates import NearDuplicates
from tutelage.village.phrasings import Phrasing, PhrasingSplit, constraint_clauses, phrasings_of
from tutelage.village.sampling import Entities, heldout_subject, sample_kind, sample_task
from tutelage.village.slots import conditions, slots
from tutelage.village.tasks import Constraint, Task
from tutelage.village.wordings import NUMBER_WORDS
from tutelage.village.world import World

__all__ = ["Counts", "Wish", "make_prompt", "make_prompts", "render", "sample_task"]

#: Kinds short enough to be shown as solved examples, and the share of their prompts that come so: a tenth of all.
FEW_SHOT_KINDS = {("open_qa", "fact"), ("other", "opposite"), ("rewrite", "past"), ("rewrite", "polite"),
                  ("classification", "review"), ("classification", "kind"), ("classification", "tone"),
                  ("extract", "animals"), ("extract", "objects"), ("extract", "people")}  # fmt: skip
FEW_SHOT_SHARE, USER_SHARE = 0.56, 0.125
#: How a solved example and the open query are set: between query and answer, and between examples.
_LAYOUTS = ((" -> ", "\n"), ("\nAnswer: ", "\n"), (" = ", "\n"), ("\n", "\n"))


class Counts(NamedTuple):
    """How many prompts each stage gets; every text is distinct over all stages."""

    sft: int = 400
    reward: int = 1200
    ppo: int = 4000
    validation: int = 300
    test: int = 1000


class Wish(NamedTuple):
    """What kind of prompt is wanted; "train" phrasings go with "train" entities on the training side."""

    use_case: UseCase
    entities: Entities = "train"
    phrasings: PhrasingSplit = "train"
    combination: bool | None = False


class Drawn(NamedTuple):
    """A worded task."""

    task: Task
    text: str
    form: PromptForm
    phrasings: PhrasingSplit


def _clause(constraint: Constraint, clause: Phrasing) -> str:
    if constraint.kind == "sentences":
        n = int(constraint.value)
        return clause.text.format(n=NUMBER_WORDS[n], s="" if n == 1 else "s")
    return clause.text.format(w=constraint.value)


def _with_constraints(text: str, task: Task, rng: random.Random, split: PhrasingSplit) -> str:
    """Say the constraints: one perhaps within the sentence, at `{c}`, the rest in sentences after it."""
    clauses = [clause for clause in constraint_clauses() if clause.split == split]
    pending = list(task.constraints)
    rng.shuffle(pending)
    inside = ""
    if pending and "{c}" in text and rng.random() < 0.45:
        constraint = pending.pop(0)
        fitting = [c for c in clauses if "in" in c.tags and constraint.kind in c.kinds]
        inside = " " + _clause(constraint, rng.choice(fitting))
    parts = [text.replace("{c}", inside)]
    for constraint in pending:
        fitting = [c for c in clauses if "in" not in c.tags and constraint.kind in c.kinds]
        parts.append(_clause(constraint, rng.choice(fitting)))
    return " ".join(parts)


def _fill(phrasing: Phrasing, task: Task, world: World, rng: random.Random) -> str:
    filled = slots(task, world, rng)
    said = re.sub(r"\{(\w+)\}", lambda match: match[0] if match[1] == "c" else filled[match[1]], phrasing.text)
    said = _with_constraints(said, task, rng, phrasing.split)
    return said[:1].upper() + said[1:]


def _query(task: Task, world: World, rng: random.Random) -> str:
    """Return the bare query of a few-shot example."""
    filled = slots(task, world, rng)
    return next(filled[name] for name in ("question", "sentence", "command", "word", "text") if filled.get(name))


def _few_shot(task: Task, world: World, rng: random.Random, head: Phrasing) -> str:
    between, after = rng.choice(_LAYOUTS if task.kind != "fact" else _LAYOUTS[1:2] + _LAYOUTS[3:])
    lines = [_fill(head, task, world, rng)]
    last = _query(task, world, rng)
    queries = {last}
    while len(lines) < 3:
        shot = sample_kind(world, rng, task.use_case, task.kind)
        if "labels" in task.args:
            shot = Task(shot.use_case, shot.kind, shot.args | {"labels": task.args["labels"]})
        query = _query(shot, world, rng)
        same = shot.args.get("subject", "") == task.args.get("subject", "-")
        if query not in queries and not same:
            queries.add(query)
            lines.append(f"{query}{between}{answers.brief_answer(shot, world, world.value, rng)}")
    return after.join([*lines, f"{last}{between.rstrip()}"])


def fitting(task: Task, world: World, split: PhrasingSplit, form: PromptForm) -> list[Phrasing]:
    """Return the phrasings of a split that suit a task in one of the three forms."""
    rows = phrasings_of(task.use_case, task.kind, split)
    if form == "few_shot":
        return [row for row in rows if "few" in row.tags and (task.use_case, task.kind) in FEW_SHOT_KINDS]
    met = conditions(task, world)
    return [
        row
        for row in rows
        if "few" not in row.tags
        and ("user" in row.tags) == (form == "user_based")
        and row.conditions <= met
        and not (task.constraints and "{c}" not in row.text)
    ]


def render(
    task: Task,
    world: World,
    rng: random.Random,
    phrasings: PhrasingSplit = "train",
    form: PromptForm = "plain",
) -> str:
    """Word a task with a phrasing of one split.

    A form that the split has no phrasing for falls back on the plain one.
    """
    rows = fitting(task, world, phrasings, form)
    if form == "few_shot" and rows:
        return _few_shot(task, world, rng, rng.choice(rows))
    return _fill(rng.choice(rows or fitting(task, world, phrasings, "plain")), task, world, rng)


def draw(world: World, rng: random.Random, wish: Wish) -> Drawn:
    """Deal a task and word it in one of the three forms.

    A wish for a held-out subject is met by a held-out phrasing where the kind of task has no such subject.
    """
    task = sample_task(world, rng, wish.use_case, entities=wish.entities, combination=wish.combination)
    split = "heldout" if wish.entities == "heldout" and not heldout_subject(task, world) else wish.phrasings
    dice = rng.random()
    form: PromptForm = "plain"
    if dice < FEW_SHOT_SHARE and fitting(task, world, split, "few_shot"):
        form = "few_shot"
    elif dice > 1 - USER_SHARE and fitting(task, world, split, "user_based"):
        form = "user_based"
    return Drawn(task, render(task, world, rng, split, form), form, split)


def use_cases(n: int, rng: random.Random) -> list[UseCase]:
    """Return n use cases in the shares of the paper's Table 1, largest remainders first, shuffled."""
    total = sum(USE_CASE_SHARES.values())
    exact = {name: n * share / total for name, share in USE_CASE_SHARES.items()}
    counts = {name: int(value) for name, value in exact.items()}
    for name in sorted(exact, key=lambda name: counts[name] - exact[name])[: n - sum(counts.values())]:
        counts[name] += 1
    dealt = [name for name, count in counts.items() for _ in range(count)]
    rng.shuffle(dealt)
    return dealt


def mentions_heldout(text: str, world: World) -> bool:
    """Say whether a held-out person, craft, animal, food or place is named in a text, also in the plural."""
    words = set(re.findall(r"[A-Za-z]+", text))
    words |= {word.lower() for word in words}
    words |= {word.removesuffix("s") for word in words}
    return bool(words & world.heldout)


def _heldout_wish(use_case: UseCase, rng: random.Random) -> Wish:
    """Hold out by subject (40 %), by phrasing (40 %) or by both; a third of constrained ones combine anew."""
    dice = rng.random()
    entities: Entities = "heldout" if dice < 0.6 else "train"
    return Wish(use_case, entities, "train" if dice < 0.4 else "heldout", None)


class _Maker:
    """Draws prompts until each is new and on its right side of the held-out line."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.rng = random.Random(f"village prompts {world.seed} {seed}")
        self.texts: set[str] = set()
        self.training = NearDuplicates()

    def training_prompt(self, use_case: UseCase, *, combination: bool | None) -> Drawn:
        """Draw a prompt in which nothing held out occurs."""
        wish = Wish(use_case, combination=combination)
        drawn = self._until(lambda: wish, lambda text: not mentions_heldout(text, self.world))
        self.training.add(drawn.text)
        return drawn

    def heldout_prompt(self, use_case: UseCase) -> Drawn:
        """Draw a prompt that is held out and unlike every training prompt."""
        return self._until(lambda: _heldout_wish(use_case, self.rng), lambda text: not self.training.has_like(text))

    def _until(self, wish: Callable[[], Wish], fits: Callable[[str], bool]) -> Drawn:
        for _ in range(2000):
            drawn = draw(self.world, self.rng, wish())
            if drawn.text not in self.texts and fits(drawn.text):
                self.texts.add(drawn.text)
                return drawn
        raise AssertionError(f"no new prompt found in 2,000 draws; the last was {drawn}")


def make_prompt(number: int, drawn: Drawn, world: World, split: Split, stage: Stage) -> Prompt:
    """Make the record of a worded task; `meta` holds what only the judge and the reports read."""
    meta: dict[str, Any] = {
        "task": drawn.task.to_json(),
        "heldout_entity": heldout_subject(drawn.task, world),
        "heldout_phrasing": drawn.phrasings == "heldout",
        "combination": drawn.task.combines_heldout,
    }
    return Prompt(
        id=f"village-{number:05d}",
        text=drawn.text,
        source="village",
        user="village",
        form=drawn.form,
        use_case=drawn.task.use_case,
        split=split,
        stage=stage,
        meta=meta,
    )


DEFAULT_COUNTS = Counts()


def make_prompts(world: World, seed: int, counts: Counts = DEFAULT_COUNTS) -> list[Prompt]:
    """Make the prompts of every stage: training stages first, then validation and test, all texts distinct.

    Demonstrated ("sft") and ranked ("reward") prompts never combine held-out pairs of constraints; a third of the
    constrained PPO, validation and test prompts do. No test or validation prompt has a word 3-shingle Jaccard of 0.8
    or more with a training prompt.
    """
    maker = _Maker(world, seed)
    prompts: list[Prompt] = []
    training: tuple[tuple[Stage, int, bool | None], ...] = (
        ("sft", counts.sft, False),
        ("reward", counts.reward, False),
        ("ppo", counts.ppo, None),
    )
    for stage, n, combination in training:
        for use_case in use_cases(n, maker.rng):
            drawn = maker.training_prompt(use_case, combination=combination)
            prompts.append(make_prompt(len(prompts), drawn, world, "train", stage))
    held: tuple[tuple[Split, int], ...] = (("validation", counts.validation), ("test", counts.test))
    for split, n in held:
        for use_case in use_cases(n, maker.rng):
            prompts.append(make_prompt(len(prompts), maker.heldout_prompt(use_case), world, split, "evaluation"))
    return prompts
