"""Turn the rows of evaluations into figures, each with its 95 % interval and its n.

A figure is found by its path, such as `("win_rate", "ppo_ptx", "sft")`; `FIGURES` names the paths. Every seed gives the
same paths, so pooling seeds is one line. What has no applicable item has no figure: it is left out, never 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from statistics import NormalDist
from typing import Any

import numpy as np

from tutelage.core.agreement import Tally, agreement, within
from tutelage.core.rankings import groups as rank_groups
from tutelage.core.statistics import Estimate, Resampling, bounded_mean, pooled, two_way, win_rate, wins
from tutelage.errors import DataError
from tutelage.evaluate import measures
from tutelage.evaluate.measures import Figures, Path, share, verdict_values
from tutelage.evaluate.records import Arm, ArmRanking, Evaluation
from tutelage.evaluate.terms import TERMS, Terms

#: The paths of figures and what they hold. M and B are arms, NAME is a verdict or flag, SLICE a part of the prompts.
FIGURES: dict[str, str] = {
    "win_rate": "M, B: share of held-out labelers' judgements that prefer M to B, a tie counts one half",
    "opposed": "M, B: the same by the opposed control group",
    "drop": "M, B: held-out minus opposed win rate, on the same prompts",
    "likert": "M: mean quality from 1 to 7",
    "likert_share": "M, QUALITY: share of ratings with this quality",
    "rates": "NAME, M: share of applicable outputs (judge) or answered ratings (labelers' flags)",
    "difference": "NAME, M: rate of M minus rate of the reference, paired by prompt",
    "gap": "NAME, M, B: rate of M minus rate of a baseline B, paired by prompt",
    "tasks": "TASK, M: mean score",
    "tax": "TASK, M: score of the reference minus score of M, paired by item; `all tasks` weighs tasks equally",
    "tax_difference": "TASK: tax of ppo minus tax of ppo_ptx, paired by item",
    "slice_win": "SLICE, M, B: win rate on a part of the prompts",
    "slice_rate": "SLICE, NAME, M: rate on a part of the prompts",
    "agreement": "GROUP, READING: share of output pairs that two labelers of a group order alike, by reading of ties",
    "greedy": "NAME, M: rate at temperature 0",
    "loss": "M: mean loss on held-out texts, nats a token",
    "loss_rise": "M: loss of M minus loss of the reference, paired by text",
    "words": "M: words an output has on average",
    "cut": "M: share of outputs that the length cap cut",
    "scored_win": "M, B: share of prompts whose output of M a reward model of other labels scores above that of B",
}
#: The ends of the scale of quality (paper, table 3).
QUALITY = (1.0, 7.0)
#: What the slices are asked besides preferences: does the judge pass it.
SLICED_VERDICTS = ("passed", "followed", "truthful")
#: Samples of a prompt that one seed has at most.
SAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The figures of several runs: pooled, and those of each seed."""

    arms: tuple[Arm, ...]
    evaluations: tuple[Evaluation, ...]
    pooled: Figures
    by_seed: dict[int, Figures]

    def find(self, *path: str) -> Estimate | None:
        """Look up a pooled figure; None where nothing was applicable."""
        return self.pooled.get(path)

    def under(self, *prefix: str) -> Figures:
        """Take the figures below a path, their names shortened by it."""
        size = len(prefix)
        return {path[size:]: figure for path, figure in self.pooled.items() if path[:size] == prefix}

    def name(self, model: str) -> str:
        """Name an arm as people read it."""
        return next((arm.name for arm in self.arms if arm.model == model), model)

    @property
    def terms(self) -> Terms:
        """Say what is held against what."""
        return terms_of(self.evaluations[0])

    @property
    def models(self) -> tuple[str, ...]:
        """List the arms by name, in order."""
        return tuple(arm.model for arm in self.arms)


def analyse(evaluations: Sequence[Evaluation]) -> Analysis:
    """Score every run by itself and pool the figures over the seeds."""
    if not evaluations:
        raise DataError("A report needs at least one evaluated run; name one, or run `tutelage run` first.")
    seeds = [evaluation.seed for evaluation in evaluations]
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise DataError(f"Two of the runs have seed {seed}: runs are pooled by seed, so leave one of them out.")
    if len({tuple(arm.model for arm in evaluation.arms) for evaluation in evaluations}) > 1:
        raise DataError("The runs compare different arms, so they cannot be pooled: report them one by one.")
    ordered = tuple(sorted(evaluations, key=lambda evaluation: evaluation.seed))
    by_seed = {evaluation.seed: figures_of(evaluation) for evaluation in ordered}
    return Analysis(arms=ordered[0].arms, evaluations=ordered, pooled=_pooled(ordered, by_seed), by_seed=by_seed)


def _pooled(evaluations: Sequence[Evaluation], by_seed: Mapping[int, Figures]) -> Figures:
    """Put seeds together: by their rows where they asked the same prompts, else by their independent figures."""
    if len(evaluations) == 1:
        return by_seed[evaluations[0].seed]
    if terms_of(evaluations[0]).same_prompts:
        return figures_of(joined(evaluations))
    paths = dict.fromkeys(path for figures in by_seed.values() for path in figures)
    return {path: pooled([figures[path] for figures in by_seed.values() if path in figures]) for path in paths}


def terms_of(evaluation: Evaluation) -> Terms:
    """Look up how an evaluation is read."""
    name = evaluation.facts.terms
    if name not in TERMS:
        raise DataError(f"The evaluation was made on the terms {name!r}; known are {', '.join(TERMS)}.")
    return TERMS[name]


def joined(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Put the rows of several seeds that asked the same prompts into one evaluation.

    What another seed wrote for a prompt is another sample of it, and the labelers of each seed are their own: so an
    interval knows that the prompts are the same.
    """
    first = evaluations[0]
    rows: defaultdict[str, list[Any]] = defaultdict(list)
    for place, evaluation in enumerate(evaluations):
        for name in ("rankings", "ratings", "verdicts", "measures", "completions", "scores"):
            for row in getattr(evaluation, name):
                new: dict[str, Any] = {"seed": first.seed, "sample": place * SAMPLES + row.sample}
                if hasattr(row, "labeler"):
                    new["labeler"] = f"{evaluation.seed}/{row.labeler}"
                rows[name].append(replace(row, **new))
        for name in ("tasks", "losses"):
            rows[name] += [replace(row, seed=first.seed) for row in getattr(evaluation, name)]
    asked = {prompt.prompt_id: prompt for evaluation in evaluations for prompt in evaluation.prompts}
    together: dict[str, Any] = {name: tuple(some) for name, some in rows.items()}
    return replace(first, prompts=tuple(asked.values()), **together)


def figures_of(evaluation: Evaluation) -> Figures:
    """Score one evaluation."""
    models, terms = [arm.model for arm in evaluation.arms], terms_of(evaluation)
    figures: Figures = {}
    for part in (_preferences, _likert, _flags):
        figures |= part(evaluation, models)
    _check_names(evaluation)
    figures |= measures.verdicts(evaluation, models) | measures.differences(evaluation, models, terms)
    figures |= measures.tasks(evaluation, models, terms) | measures.losses(evaluation, models, terms)
    figures |= measures.lengths(evaluation, models) | measures.scored(evaluation, models)
    figures |= _slices(evaluation, models, terms) | _agreement(evaluation)
    for name, row in evaluation.facts.greedy.items():
        figures |= {("greedy", name, model): figure for model, figure in row.items()}
    return figures


@dataclass(frozen=True, slots=True)
class Judgements:
    """Values of 0 to 1 (or 1 to 7), with the prompt and labeler of each: what a two-way interval needs."""

    values: Sequence[float]
    prompts: Sequence[str]
    labelers: Sequence[str]

    def __len__(self) -> int:
        return len(self.values)


def beaten(rankings: Iterable[ArmRanking], model: str, baseline: str) -> Judgements:
    """Give 1 | 0.5 | 0 for every ranking that holds both arms: 1 where `model` is better, 0.5 for a tie."""
    rows = [row for row in rankings if model in row.ranks and baseline in row.ranks]
    shares = wins([row.ranks[model] for row in rows], [row.ranks[baseline] for row in rows])
    return Judgements(shares.tolist(), [row.prompt_id for row in rows], [row.labeler for row in rows])


def gap(ours: Judgements, others: Judgements) -> Estimate:
    """Give the difference of two groups' means on the same prompts, with a two-way interval.

    The groups are other labelers, so rows cannot be paired. Each row becomes its influence on the difference,
    x = d + N / n_group * (value - mean_group), with the sign of its group; mean(x) = d, and its cluster-robust error is
    that of d.
    """
    total = len(ours) + len(others)
    first, second = np.asarray(ours.values), np.asarray(others.values)
    difference = first.mean() - second.mean()
    influence = np.concatenate(
        [
            difference + total / len(ours) * (first - first.mean()),
            difference - total / len(others) * (second - second.mean()),
        ]
    )
    return two_way(influence, [*ours.prompts, *others.prompts], [*ours.labelers, *others.labelers])


def _of_group(evaluation: Evaluation, group: str) -> list[ArmRanking]:
    return [row for row in evaluation.rankings if row.group == group]


def _rate(rows: Judgements) -> Estimate:
    return win_rate(rows.values, rows.prompts, rows.labelers)


def _preferences(evaluation: Evaluation, models: Sequence[str]) -> Figures:
    heldout, opposed = _of_group(evaluation, "heldout"), _of_group(evaluation, "opposed")
    asked = {row.prompt_id for row in heldout} & {row.prompt_id for row in opposed}
    shared = [row for row in heldout if row.prompt_id in asked], [row for row in opposed if row.prompt_id in asked]
    figures: Figures = {}
    for model, baseline in permutations(models, 2):
        if ours := beaten(heldout, model, baseline):
            figures["win_rate", model, baseline] = _rate(ours)
        if others := beaten(opposed, model, baseline):
            figures["opposed", model, baseline] = _rate(others)
        left, right = (beaten(rows, model, baseline) for rows in shared)
        if left and right:
            figures["drop", model, baseline] = gap(left, right)
    return figures


def _likert(evaluation: Evaluation, models: Sequence[str]) -> Figures:
    figures: Figures = {}
    for model in models:
        rows = [row for row in evaluation.ratings if row.group == "heldout" and row.model == model]
        if not rows:
            continue
        prompts, labelers = [row.prompt_id for row in rows], [row.labeler for row in rows]
        qualities = [float(row.quality) for row in rows]
        figures["likert", model] = bounded_mean(qualities, QUALITY, prompts, labelers)
        for quality in range(1, 8):
            shares = [float(row.quality == quality) for row in rows]
            figures["likert_share", model, str(quality)] = win_rate(shares, prompts, labelers)
    return figures


def _flags(evaluation: Evaluation, models: Sequence[str]) -> Figures:
    """Give the labelers' flags as rates over the ratings in which they were answered."""
    answers: dict[Path, list[tuple[float, str, str]]] = defaultdict(list)
    for row in evaluation.ratings:
        for name, answer in row.flags.items() if row.group == "heldout" else ():
            if answer is not None:
                answers["rates", name, row.model].append((float(answer), row.prompt_id, row.labeler))
    ordered = sorted(answers, key=lambda path: (path[1], models.index(path[2])))
    figures: Figures = {}
    for path in ordered:
        values, prompts, labelers = zip(*answers[path], strict=True)
        figures[path] = win_rate(values, prompts, labelers)
    return figures


def _check_names(evaluation: Evaluation) -> None:
    verdicts = {name for row in evaluation.verdicts for name in row.verdicts}
    verdicts |= {name for row in evaluation.measures for name in row.values}
    clash = verdicts & {name for row in evaluation.ratings for name in row.flags}
    if clash:
        raise DataError(f"{sorted(clash)[0]!r} names both a verdict and a labelers' flag: rename one of them.")


def slices(evaluation: Evaluation) -> dict[str, set[str]]:
    """Cut the prompts: held out by entity or only by phrasing, by use case, combined constraints, rumours."""
    parts: dict[str, set[str]] = defaultdict(set)
    for prompt in evaluation.prompts:
        tags = prompt.tags
        if tags.get("heldout_entity") is not None:
            parts["held out by entity" if tags["heldout_entity"] else "held out by phrasing"].add(prompt.prompt_id)
        if tags.get("use_case"):
            parts[f"use case: {tags['use_case']}"].add(prompt.prompt_id)
        for tag in ("combination", "rumour", "sensitive", "truthfulness", "constraints"):
            if tags.get(tag):
                parts[tag].add(prompt.prompt_id)
    return {name: parts[name] for name in sorted(parts, key=lambda name: (not name.startswith("held out"), name))}


def _slices(evaluation: Evaluation, models: Sequence[str], terms: Terms) -> Figures:
    heldout, values = _of_group(evaluation, "heldout"), verdict_values(evaluation)
    figures: Figures = {}
    for name, prompts in slices(evaluation).items():
        rankings = [row for row in heldout if row.prompt_id in prompts]
        for model, baseline in permutations(models, 2):
            rows = beaten(rankings, model, baseline) if baseline in terms.baselines else ()
            if rows:
                figures["slice_win", name, model, baseline] = _rate(rows)
        for verdict in SLICED_VERDICTS:
            for model in models:
                some = [v for prompt, v in values.get((verdict, model), {}).items() if prompt in prompts]
                if some:
                    figures["slice_rate", name, verdict, model] = share(some)
    return figures


def _agreement(evaluation: Evaluation) -> Figures:
    """Compare every two labelers of a group on every two outputs of a prompt, in the three readings of ties."""
    figures: Figures = {}
    for group in ("heldout", "opposed"):
        by_prompt: dict[tuple[str, int], list[tuple[tuple[str, ...], ...]]] = defaultdict(list)
        for row in _of_group(evaluation, group):
            by_prompt[row.prompt_id, row.sample].append(rank_groups(list(row.ranks.values()), list(row.ranks)))
        tallies: list[Tally] = [within(rankings) for rankings in by_prompt.values()]
        how = Resampling(np.random.default_rng(evaluation.seed))
        readings = agreement(tallies, how) if any(tally.pairs for tally in tallies) else ()
        for name, figure in zip(("ties excluded", "tie is half", "three verdicts"), readings, strict=False):
            if figure is not None:
                figures["agreement", group, name] = figure
    return figures


def p_value(figure: Estimate) -> float:
    """Give the two-sided p-value of a figure against 0, from its interval read as a normal one."""
    z = NormalDist().inv_cdf((1 + figure.level) / 2)
    error = (figure.high - figure.low) / (2 * z)
    if error == 0:
        return 0.0 if figure.mean else 1.0
    return 2 * NormalDist().cdf(-abs(figure.mean) / error)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust p-values for having looked at all of them (Holm 1979): the k-th smallest of m times m - k + 1.

    An adjusted value below 0.05 stands although m questions were asked; they never fall in the order of the raw ones.
    """
    adjusted, highest = {}, 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}
