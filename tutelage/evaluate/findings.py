"""Put the figures into words: the titles of the report, each computed from its figures with their intervals."""

from __future__ import annotations

from tutelage.evaluate import witnesses
from tutelage.evaluate.measures import ALL_TASKS
from tutelage.evaluate.score import Analysis
from tutelage.evaluate.wording import change, count, flipped, number, percent, points, points_bare, preference


def headline(analysis: Analysis) -> str:
    """Say in one sentence what people preferred, and whether a witness that nothing was trained on contradicts it."""
    model = analysis.name("ppo_ptx")
    parts = []
    for baseline in analysis.terms.baselines:
        figure = analysis.find("win_rate", "ppo_ptx", baseline)
        parts.append(preference(model, analysis.name(baseline), figure))
    against = witnesses.against(analysis)
    return "; ".join(parts) + (f"; this does not count, because {against}." if against else ".")


def sample(analysis: Analysis) -> str:
    """Say on what the preferences rest."""
    rows = [row for evaluation in analysis.evaluations for row in evaluation.rankings if row.group == "heldout"]
    labelers = {(row.seed, row.labeler) for row in rows}
    prompts = {(row.seed, row.prompt_id) for row in rows}
    seeds = len(analysis.evaluations)
    runs = "one run" if seeds == 1 else f"{seeds} runs with different seeds"
    return (
        f"{count(len(rows))} rankings of {count(len(prompts))} held-out prompts by {count(len(labelers))} held-out "
        f"labelers, in {runs}"
    )


def truth_title(analysis: Analysis) -> str:
    """Say how truth, toxicity and instruction following changed against base."""
    follow, truth, toxic = (analysis.find("difference", name, "ppo_ptx") for name in ("followed", "truthful", "toxic"))
    return (
        f"Against base, PPO-ptx: instruction following {change(follow, up='rises', down='falls')}; "
        f"truthfulness {change(truth, up='rises', down='falls')}; toxicity {change(toxic, up='rises', down='falls')}"
    )


def tax_title(analysis: Analysis) -> str:
    """Say what PPO costs on the tasks and whether the mix pays it back."""
    ppo, ptx = analysis.find("tax", ALL_TASKS, "ppo"), analysis.find("tax", ALL_TASKS, "ppo_ptx")
    gap = analysis.find("tax_difference", ALL_TASKS)
    if ppo is None or ptx is None or gap is None:
        return "The tax on the tasks was not measured"
    cost = (
        f"PPO alone costs {points_bare(ppo)} on the tasks"
        if ppo.low > 0
        else f"PPO alone gains {points_bare(flipped(ppo))} on the tasks"
        if ppo.high < 0
        else f"PPO alone shows no clear tax on the tasks ({points(ppo)})"
    )
    back = (
        f"the mix lowers it by {points_bare(gap)}"
        if gap.low > 0
        else f"the mix raises it by {points_bare(flipped(gap))}"
        if gap.high < 0
        else f"the mix makes no clear difference ({points(gap)})"
    )
    return f"{cost}; {back}; n = {count(ppo.n)} items"


def rates_title(analysis: Analysis) -> str:
    """Say how often the judge passes the main arms."""
    parts = [
        f"{analysis.name(model)} {percent(figure)}"
        for model in analysis.terms.told
        if (figure := analysis.find("rates", "passed", model)) is not None
    ]
    if not parts:
        return "Every rate, with what it applies to"
    return f"The {analysis.terms.checker} passes: {', '.join(parts)}"


def parts_title(analysis: Analysis) -> str:
    """Say whether the preference holds on new entities as on new phrasings."""
    entity, phrasing = (
        analysis.find("slice_win", f"held out by {what}", "ppo_ptx", "sft") for what in ("entity", "phrasing")
    )
    if entity is None or phrasing is None:
        return "Parts of the held-out prompts"
    return f"PPO-ptx against SFT: {percent(entity)} on new entities, {percent(phrasing)} on new phrasings only"


def groups_title(analysis: Analysis) -> str:
    """Say whether the opposed control group shows the drop it must show."""
    drop = analysis.find("drop", "ppo_ptx", "sft")
    if drop is None:
        return "No opposed control group was asked"
    if drop.low > 0:
        return f"The opposed control group prefers PPO-ptx to SFT less often: {points(drop)} lower"
    return f"The opposed control group does not show the drop it should: {points(drop)}"


def likert_title(analysis: Analysis) -> str:
    """Say the mean quality of the main arms."""
    parts = [
        f"{analysis.name(model)} {number(figure)}"
        for model in analysis.terms.told
        if (figure := analysis.find("likert", model)) is not None
    ]
    return "Mean quality from 1 to 7: " + ", ".join(parts) if parts else "Quality was not rated"


def provenance(analysis: Analysis) -> str:
    """Say first of all who judged: people, or labelers that are none."""
    kinds = {
        source.kind
        for evaluation in analysis.evaluations
        for source in evaluation.facts.labels
        if source.group in ("heldout", "opposed")
    }
    words = {
        "simulated": "SIMULATED labelers",
        "human": "people",
        "customer": "customers",
        "model": "model judges",
    }
    if not kinds:
        return "Who judged was not recorded"
    known = " and, apart from them, ".join(words[kind] for kind in sorted(kinds, reverse=True))
    alone = "; no person took part" if kinds <= {"simulated", "model"} else ""
    written = f"; {analysis.terms.written}" if analysis.terms.written else ""
    return f"Judged by {known}{alone}{written}"


def method(analysis: Analysis) -> list[str]:
    """Say how figures were made, in the words of the statistics that made them."""
    decoding = analysis.evaluations[0].facts.decoding
    lines = [
        "Win rates count the share of rankings in which an arm stands above another, a tie as one half. Their "
        "intervals, and those of quality and of the labelers' flags, are for new prompts and new labelers, clustered "
        f"by both. Verdicts of the {analysis.terms.checker} are one per prompt, with Wilson's interval; where an arm "
        "wrote several samples, a prompt counts with their mean. Differences are paired by prompt or item. All "
        "intervals are 95 %.",
        "Labelers saw the outputs of a prompt without the names of the arms, in an order of their own.",
        "Several seeds are separate runs. "
        + (
            "They ask the same prompts, so their rows are put together and clustered by prompt, not by run; the "
            "interval speaks of these runs, not of the spread over other seeds."
            if analysis.terms.same_prompts
            else "The pooled figure is the mean of theirs, and its interval speaks of these runs, not of the spread "
            "over other seeds."
        ),
        "Rates count only outputs a question applies to; n is their number. What was not answered or could not be "
        "judged is missing, never no.",
    ]
    if decoding:
        lines.append(
            "Decoding: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in decoding.items()) + "."
        )
    return lines
