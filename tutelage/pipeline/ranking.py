"""New completions for ranking, as background jobs: choose prompts, draw from several policies, file ranking tasks.

Three kinds of jobs. `plan` stands: it looks whether labelers run short, chooses prompts (`core/choosing.py`), records
why, and files the others. `rank` draws and files tasks. `uncertainty` draws ahead and asks a reward model. What any of
them makes has a name that follows from its arguments, so doing a job again, after its worker was killed, adds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, model_validator

from tutelage.config import Settings, from_dict
from tutelage.core.choosing import Aims, Candidate, Tally, choose, is_set_aside, place, uncertainty
from tutelage.errors import DataError, MissingError
from tutelage.feedback import instructions, work
from tutelage.feedback.instructions import COMPARISON
from tutelage.feedback.work import Task
from tutelage.files import content_hash
from tutelage.generate.prompting import template_of
from tutelage.govern import retention
from tutelage.govern.retention import RetentionSettings
from tutelage.models.load import HEAD_FILE, load_tokenizer
from tutelage.models.scoring import Answer, Scorer
from tutelage.records import USE_CASE_SHARES, Completion, Prompt, Stage, UseCase
from tutelage.sample import Policy, Report, SamplingSettings, completion_id, sample
from tutelage.store import Store, choices, completions, jobs, prompts, registry
from tutelage.store.choices import Choice
from tutelage.store.jobs import NewJob

#: The kinds of jobs, those first that labelers wait for, and the name of the one that stands.
PLAN, RANK, UNCERTAINTY = "plan", "rank", "uncertainty"
STANDING = "ranking"
#: Seconds between two looks whether labelers run short.
EVERY = 5
#: Outputs that are ranked together (paper, 3.3).
FEWEST, MOST = 4, 9
#: Called with how much is done of how much; it raises when the job must be left.
Progress = Callable[[int, int], None]


class RankingSettings(Settings):
    """What is drawn for labelers to rank, and which prompts come next."""

    models: tuple[str, ...] = ()
    """Policies to draw from, by alias or registered name. Without any, nothing is drawn."""
    sampling: SamplingSettings = SamplingSettings(per_prompt=2)
    """Outputs per prompt and policy, and how they are drawn; all policies together give 4 to 9 (paper, 3.3)."""
    waiting: int = Field(20, ge=1)
    """Ranking tasks that are kept waiting for labelers."""
    batch: int = Field(8, ge=1, le=256)
    """Prompts of one job: fewer reach the queue sooner, more load the models less often."""
    split: Literal["train", "validation"] = "train"
    """Only prompts of this split; the test split is for evaluation."""
    stage: Stage = "reward"
    """Only prompts set aside for this stage; empty takes all of the split."""
    again: bool = False
    """Choose prompts again that were ranked with outputs of other policies or settings."""
    overlap: int = Field(1, ge=1)
    """Labelers who rank each prompt; the paper labels most comparisons once (5.3)."""
    instructions: str = COMPARISON
    """The instructions for labelers; the newest version of their line is taken."""
    random: float = Field(0.2, gt=0, le=1)
    """Share of tasks whose prompts chance alone chooses: a fair sample of all prompts."""
    uncertain: float = Field(0.4, ge=0, lt=1)
    """Share of tasks whose prompts are those on which the reward model is least sure which output is best."""
    shares: dict[UseCase, float] = USE_CASE_SHARES
    """Aimed share of each use case among all tasks, for the prompts left; by default those of the paper's Table 1."""
    reward: str = ""
    """The reward model that is asked, by alias or registered name; without one no prompt counts as uncertain."""
    pool: int = Field(4, ge=1)
    """Prompts that are drawn and scored ahead for each one that will be chosen as uncertain."""
    seed: int = 0
    """Another seed sets other prompts aside and gives another order."""

    @model_validator(mode="after")
    def _fits(self) -> RankingSettings:
        together = len(self.models) * self.sampling.per_prompt
        if self.models and not FEWEST <= together <= MOST:
            raise ValueError(
                f"{len(self.models)} models with sampling.per_prompt = {self.sampling.per_prompt} give {together} "
                f"outputs to rank; labelers rank {FEWEST} to {MOST} together"
            )
        if len(set(self.models)) < len(self.models):
            raise ValueError("models names the same model twice")
        if self.random + self.uncertain > 1:
            raise ValueError(f"random + uncertain is {self.random + self.uncertain:g}; it must be at most 1")
        if any(share < 0 for share in self.shares.values()) or not any(self.shares.values()):
            raise ValueError("shares must be 0 or more, and one of them above 0")
        return self


class WorkSettings(Settings):
    """What `tutelage work` does by itself, again and again."""

    ranking: RankingSettings = RankingSettings()
    """Keep labelers supplied with outputs to rank."""
    retention: RetentionSettings = RetentionSettings()
    """How long what customers sent is kept."""


def stand(store: Store, settings: WorkSettings, *, now: datetime) -> None:
    """Make these settings what all workers do from now on; models that are not there are refused."""
    ranking = settings.ranking
    if not ranking.models:
        jobs.end(store, STANDING)
        retention.stand(store, settings.retention, now=now)
        return
    for name in (*ranking.models, *([ranking.reward] if ranking.reward else [])):
        path = Path(registry.get(store, name).path)
        if not path.is_dir():
            raise MissingError(f"The model {name!r} is not at {path} any more; add it with `tutelage models add`.")
        if (path / HEAD_FILE).is_file() != (name == ranking.reward):
            kind = "is a reward model" if name != ranking.reward else "is no reward model"
            raise DataError(f"The model {name!r} {kind}; models are policies, and reward is a reward model.")
    instructions.publish_defaults(store, now=now)
    told = instructions.newest(store, ranking.instructions)
    if told.task != "comparison":
        raise DataError(f"The instructions {told.version!r} are for {told.task}; rankings need some for comparison.")
    arguments = ranking.model_dump(mode="json")
    jobs.stand(store, NewJob(id=STANDING, kind=PLAN, arguments=arguments), every=EVERY, now=now)
    retention.stand(store, settings.retention, now=now)


def plan(store: Store, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Choose as many prompts as labelers will soon lack, and file the jobs that draw for them."""
    settings = from_dict(RankingSettings, arguments, "the standing plan")
    drawn = _drawn(store, settings)
    open_jobs, tally = jobs.find(store, states=("queued", "running")), _tally(store)
    now = datetime.now(UTC)
    waiting = choices.waiting(store, purpose="train", group="training", now=now) + len(_prompts(open_jobs, RANK))
    shares = {str(use_case): share for use_case, share in settings.shares.items()}
    aims = Aims(random=settings.random, uncertain=settings.uncertain, shares=shares, seed=settings.seed)
    reward = _version(store, settings.reward) if settings.reward else ""
    unsure = choices.uncertainties_of(store, reward, drawn["key"]) if reward else {}
    candidates = _candidates(store, settings, drawn["key"], unsure)
    chosen = choose(candidates, max(0, settings.waiting - waiting), aims, tally)
    new = [
        Choice(
            task_id=task_id(drawn["key"], one.candidate.id),
            prompt_id=one.candidate.id,
            reason=one.reason,
            uncertainty=one.candidate.uncertainty,
        )
        for one in chosen
    ]
    told = instructions.newest(store, settings.instructions).version
    filing = {**drawn, "overlap": settings.overlap, "instructions": told}
    filed = _jobs(RANK, [choice.prompt_id for choice in new], filing, settings.batch)
    to_score: list[str] = []
    if reward:
        under_way = _prompts(open_jobs, UNCERTAINTY)
        wanted = settings.pool * (tally.reasons.get("uncertain", 0) + settings.uncertain * settings.waiting)
        passed_over = {*under_way, *(one.candidate.id for one in chosen)}
        unscored = [one for one in candidates if one.uncertainty is None and one.id not in passed_over]
        to_score = _unscored(unscored, math.ceil(wanted) - len(unsure) - len(under_way), aims)
        filed += _jobs(UNCERTAINTY, to_score, {**drawn, "reward": reward}, settings.batch)
    choices.record(store, new, filed, now=now)
    return {"chosen": len(new), "to_score": len(to_score)}


def rank(store: Store, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Draw the outputs of some prompts and file a ranking task of each.

    Equal texts are shown once, and where all are equal there is nothing to rank: the prompt gets no task. Nor does one
    whose outputs a person filed meanwhile.
    """
    asked = prompts.usable_of(store, arguments["prompts"])
    drawn, report = _draw(store, asked, arguments, progress)
    tasks = []
    for prompt, outputs in drawn:
        distinct = {output.text: output.id for output in reversed(outputs)}
        shown = [output.id for output in outputs if distinct[output.text] == output.id]
        if len(shown) > 1:
            tasks.append(
                Task(
                    id=task_id(arguments["key"], prompt.id),
                    kind="rank",
                    purpose="train",
                    prompt_id=prompt.id,
                    instruction_version=arguments["instructions"],
                    completion_ids=tuple(shown),
                    overlap=arguments["overlap"],
                )
            )
    filed = work.file_unasked(store, tasks, now=datetime.now(UTC))
    return {
        "tasks": filed,
        "asked_already": len(tasks) - filed,
        "completions": report.made,
        "no_longer_usable": len(set(arguments["prompts"])) - len(asked),
        "too_long": len(asked) - len(drawn),
        "all_alike": len(drawn) - len(tasks),
    }


def score(store: Store, arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Draw the outputs of some prompts and keep how unsure the reward model is which of them is best.

    A prompt whose outputs cannot be compared (too long, all alike) has the uncertainty 0.
    """
    asked = prompts.usable_of(store, arguments["prompts"])
    drawn, report = _draw(store, asked, arguments, progress)
    reward = Path(registry.get(store, arguments["reward"]).path)
    scorer = Scorer(reward, template_of(reward, load_tokenizer(reward)))
    found = dict.fromkeys((prompt.id for prompt in asked), 0.0)
    for prompt, outputs in drawn:
        distinct = {output.text: output for output in outputs}
        answers = [Answer(prompt.text, one.text, one.finish_reason == "stop") for one in distinct.values()]
        found[prompt.id] = uncertainty(scorer.score(answers))
    choices.set_uncertainties(store, arguments["reward"], arguments["key"], found, now=datetime.now(UTC))
    return {"scored": len(found), "completions": report.made}


class Drawn(NamedTuple):
    """A prompt and the outputs that all policies wrote for it."""

    prompt: Prompt
    outputs: list[Completion]


def task_id(key: str, prompt: str) -> str:
    """Name the ranking task of a prompt: one per set of policies and sampling settings."""
    return f"ranking-{key}/{prompt}"


def _version(store: Store, name: str) -> str:
    """Name the model version that an alias or name stands for now: it never changes."""
    model = registry.get(store, name)
    return f"{model.name}@{model.version}"


def _drawn(store: Store, settings: RankingSettings) -> dict[str, Any]:
    """Say what is drawn and how; `key` names it."""
    models = [_version(store, name) for name in settings.models]
    if len(set(models)) < len(models):
        raise DataError(f"Two names of ranking.models are the same model: {', '.join(models)}; leave one of them out.")
    sampling = settings.sampling.model_dump(mode="json")
    return {"models": models, "sampling": sampling, "key": content_hash([models, sampling])[:12]}


def _candidates(store: Store, settings: RankingSettings, key: str, unsure: Mapping[str, float]) -> list[Candidate]:
    """Return the prompts that may be chosen, with what the reward model said of them."""
    taken = choices.taken(store, tasks_like=task_id(key, "") if settings.again else "")
    return [
        Candidate(prompt.id, prompt.use_case, unsure.get(prompt.id))
        for prompt in prompts.usable(store, split=settings.split, stage=settings.stage or None)
        if prompt.id not in taken
    ]


def _unscored(candidates: Sequence[Candidate], lacking: int, aims: Aims) -> list[str]:
    """Take by chance prompts for the reward model to score, none of those that chance alone may choose."""
    asked = [one.id for one in candidates if not is_set_aside(one.id, aims)]
    return sorted(asked, key=lambda id: place("pool", aims.seed, id))[: max(0, lacking)]


def _tally(store: Store) -> Tally:
    """Count what was chosen so far."""
    reasons: dict[str, int] = {}
    use_cases: dict[str, int] = {}
    for row in choices.counts(store):
        reasons[row.reason] = reasons.get(row.reason, 0) + row.chosen
        use_cases[row.use_case] = use_cases.get(row.use_case, 0) + row.chosen
    return Tally(reasons=reasons, use_cases=use_cases)


def _prompts(open_jobs: Sequence[jobs.Job], kind: str) -> list[str]:
    """List the prompts that jobs of a kind are at, or will be."""
    return [prompt for job in open_jobs if job.kind == kind for prompt in job.arguments["prompts"]]


def _jobs(kind: str, chosen: Sequence[str], arguments: Mapping[str, Any], size: int) -> list[NewJob]:
    parts = [list(chosen[start : start + size]) for start in range(0, len(chosen), size)]
    return [NewJob(kind=kind, arguments={**arguments, "prompts": part}) for part in parts]


def _draw(
    store: Store, asked: Sequence[Prompt], arguments: Mapping[str, Any], progress: Progress
) -> tuple[list[Drawn], Report]:
    """Draw what is not in the store yet; return the outputs of each prompt that fits all policies."""
    settings = from_dict(SamplingSettings, arguments["sampling"], "the job")
    policies = [Policy(name, Path(registry.get(store, name).path)) for name in arguments["models"]]
    progress(0, len(asked) * len(policies) * settings.per_prompt)
    report = sample(store, asked, policies, settings, progress=progress)
    left_out = {prompt for too_long in report.too_long.values() for prompt in too_long}
    ids = {
        prompt.id: [
            completion_id(prompt, policy, settings, choice)
            for policy in policies
            for choice in range(settings.per_prompt)
        ]
        for prompt in asked
        if prompt.id not in left_out
    }
    texts = completions.get(store, [id for of_prompt in ids.values() for id in of_prompt])
    drawn = [Drawn(prompt, [texts[id] for id in ids[prompt.id]]) for prompt in asked if prompt.id in ids]
    return drawn, report
