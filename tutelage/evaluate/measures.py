"""Figures of what programs found in outputs: verdicts, tasks, losses on texts, lengths, and another reward model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, permutations
from statistics import fmean

from tutelage.core.statistics import Estimate, mean_estimate, paired_difference, pooled, wilson, win_rate, wins
from tutelage.evaluate.records import Evaluation
from tutelage.evaluate.terms import Terms

Path = tuple[str, ...]
Figures = dict[Path, Estimate]
ALL_TASKS = "all tasks"
#: {(name, arm): {prompt, or what else is asked: mean over the samples of it}}.
Values = Mapping[tuple[str, str], Mapping[str, float]]


def averaged(rows: Iterable[tuple[str, str, str, float]]) -> Values:
    """Average rows (name, arm, prompt, value) over the samples of a prompt, which are one observation."""
    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, model, prompt, value in rows:
        found[name, model][prompt].append(value)
    return {key: {prompt: fmean(some) for prompt, some in prompts.items()} for key, prompts in found.items()}


def verdict_values(evaluation: Evaluation) -> Values:
    """Index the applicable verdicts and what was counted: {(name, model): {prompt: mean over its samples}}."""
    verdicts = (
        (name, row.model, row.prompt_id, float(verdict))
        for row in evaluation.verdicts
        for name, verdict in row.verdicts.items()
        if verdict is not None
    )
    counted = (
        (name, row.model, row.prompt_id, value) for row in evaluation.measures for name, value in row.values.items()
    )
    return averaged(chain(verdicts, counted))


def share(values: Iterable[float]) -> Estimate:
    """Give the rate of yes, one value per prompt: Wilson's interval where all are 1 or 0, else that of `win_rate`."""
    rows = list(values)
    if set(rows) <= {0.0, 1.0}:
        return wilson(sum(rows), len(rows))
    return win_rate(rows, range(len(rows)))


def verdicts(evaluation: Evaluation, models: Sequence[str]) -> Figures:
    """Give the rates of every verdict."""
    values = verdict_values(evaluation)
    return {
        ("rates", name, model): share(values[name, model].values())
        for name in dict.fromkeys(name for name, _ in values)
        for model in models
        if (name, model) in values
    }


def differences(evaluation: Evaluation, models: Sequence[str], terms: Terms) -> Figures:
    """Hold every verdict's rate against that of the reference, and against those of the baselines."""
    values = verdict_values(evaluation)
    figures: Figures = {}
    for name in dict.fromkeys(name for name, _ in values):
        for model in models:
            own = values.get((name, model), {})
            if model != terms.reference and (found := paired(own, values.get((name, terms.reference), {}))):
                figures["difference", name, model] = found
            for baseline in terms.baselines:
                if model != baseline and (found := paired(own, values.get((name, baseline), {}))):
                    figures["gap", name, model, baseline] = found
    return figures


def paired(left: Mapping[str, float], right: Mapping[str, float]) -> Estimate | None:
    """Give the mean of left - right over the prompts or items that both have."""
    both = [key for key in left if key in right]
    return paired_difference([left[key] for key in both], [right[key] for key in both], both) if both else None


def tasks(evaluation: Evaluation, models: Sequence[str], terms: Terms) -> Figures:
    """Give scores, taxes and what the mix saves, task by task and over all."""
    scores = averaged((row.task, row.model, row.item, row.score) for row in evaluation.tasks)
    names, reference = list(dict.fromkeys(task for task, _ in scores)), terms.reference
    figures: Figures = {}
    for task in names:
        of = {model: scores.get((task, model), {}) for model in (*models, reference)}
        for model in models:
            if own := of[model]:
                figures["tasks", task, model] = win_rate(list(own.values()), list(own))
            if model != reference and (tax := paired(of[reference], of[model])):
                figures["tax", task, model] = tax
        # (base - ppo) - (base - ppo_ptx) = ppo_ptx - ppo: the base drops out, item by item.
        if back := paired(of.get("ppo_ptx", {}), of.get("ppo", {})):
            figures["tax_difference", task] = back
    for model in models:
        figures |= _over_all(figures, ("tax",), names, (model,))
    return figures | _over_all(figures, ("tax_difference",), names, ())


def _over_all(figures: Figures, before: Path, names: Sequence[str], after: Path) -> Figures:
    """Average a figure over the tasks, each of the same weight; nothing unless every task has it."""
    found = [figures[path] for task in names if (path := (*before, task, *after)) in figures]
    return {(*before, ALL_TASKS, *after): pooled(found)} if len(found) == len(names) > 0 else {}


def losses(evaluation: Evaluation, models: Sequence[str], terms: Terms) -> Figures:
    """Give the mean loss on held-out texts, and how much it rose above that of the reference, paired by text."""
    values = averaged(("", row.model, row.text, row.loss) for row in evaluation.losses)
    figures: Figures = {}
    for model in models:
        if own := values.get(("", model)):
            figures["loss", model] = mean_estimate(list(own.values()))
            if model != terms.reference and (rise := paired(own, values.get(("", terms.reference), {}))):
                figures["loss_rise", model] = rise
    return figures


def lengths(evaluation: Evaluation, models: Sequence[str]) -> Figures:
    """Give how many words arms write, and how often the length cap cuts them."""
    words = averaged(("", row.model, row.prompt_id, float(len(row.text.split()))) for row in evaluation.completions)
    cut = averaged(
        ("", row.model, row.prompt_id, float(row.finish_reason == "length")) for row in evaluation.completions
    )
    figures: Figures = {}
    for model in models:
        if own := words.get(("", model)):
            figures["words", model] = mean_estimate(list(own.values()))
            figures["cut", model] = share(cut["", model].values())
    return figures


def scored(evaluation: Evaluation, models: Sequence[str]) -> Figures:
    """Give how often another reward model scores an arm's output above the other arm's; one value per prompt."""
    given = {(row.prompt_id, row.sample, row.model): row.score for row in evaluation.scores}
    figures: Figures = {}
    for model, baseline in permutations(models, 2):
        both = [
            (prompt, given[prompt, sample, baseline], score)
            for (prompt, sample, own), score in given.items()
            if own == model and (prompt, sample, baseline) in given
        ]
        if both:
            # Of ranks the lower is better, of scores the higher: so the two change places.
            won = wins([theirs for _, theirs, _ in both], [ours for _, _, ours in both]).tolist()
            by_prompt = averaged(("", "", prompt, value) for (prompt, _, _), value in zip(both, won, strict=True))
            figures["scored_win", model, baseline] = share(by_prompt["", ""].values())
    return figures
