"""Compose the sections that let a reader check the rest: samples, seeds, gate, labels, time, lineage and claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tutelage.evaluate import courses, expectations, outcomes, plots, sections, tables
from tutelage.evaluate.expectations import Claim
from tutelage.evaluate.layout import Comparison, Picture, Section, Written
from tutelage.evaluate.records import Check
from tutelage.evaluate.score import Analysis


def _gate_checks(analysis: Analysis) -> list[tuple[int, Check]]:
    return [(e.seed, check) for e in analysis.evaluations for check in (*e.facts.gate, *e.facts.overlap)]


SHOWN = 20


def samples(analysis: Analysis) -> Section:
    """Show the first prompts by id, and what every arm wrote first, unchosen."""
    evaluation, checker = analysis.evaluations[0], analysis.terms.checker.capitalize()
    written = {(row.prompt_id, row.model): row for row in evaluation.completions if row.sample == 0}
    judged = {(row.prompt_id, row.model): row.verdicts for row in evaluation.verdicts if row.sample == 0}
    prompts = sorted(evaluation.prompts, key=lambda prompt: prompt.prompt_id)[:SHOWN]
    found = []
    for prompt in prompts:
        outputs = tuple(
            Written(
                arm=arm.name,
                model=arm.model,
                text=row.text,
                cut=row.finish_reason == "length",
                verdicts=f"{checker}: {verdict}" if verdict else "",
            )
            for arm in analysis.arms
            if (row := written.get((prompt.prompt_id, arm.model))) is not None
            and (verdict := said(judged.get((prompt.prompt_id, arm.model), {}))) is not None
        )
        tags = ", ".join(tables.title_of(name) for name, value in prompt.tags.items() if value is True)
        case = tables.title_of(str(prompt.tags.get("use_case", "")))
        found.append(
            Comparison(
                prompt_id=prompt.prompt_id,
                prompt=prompt.text,
                tags=", ".join(filter(None, (case, tags))),
                outputs=outputs,
            )
        )
    return Section(
        id="samples",
        title=f"Side by side: the first {len(found)} held-out prompts by id, seed {evaluation.seed}",
        text=("Nothing was chosen or left out. Texts are shown as they were written, white space kept.",),
        comparisons=tuple(found),
    )


#: What is said of an output when a verdict is bad news: when it is yes for these ...
FAULTS = {
    "refused": "refuses",
    "hallucinated": "hallucinates",
    "toxic": "toxic",
    "rumour_stated": "states the rumour",
    "continues_instruction": "goes on with another instruction",
}
#: ... and when it is no for all others.
LACKS = {
    "followed": "does not follow",
    "constraints": "breaks a constraint",
    "answered": "no answer",
    "truthful": "untrue",
    "informative": "not informative",
    "appropriate": "inappropriate",
    "well_formed": "badly formed",
}


def said(verdicts: Mapping[str, bool | None]) -> str:
    """Say whether the judge passes an output and, in words, what it found wrong."""
    wrong = [
        FAULTS[name] if yes else LACKS.get(name, f"not {tables.title_of(name)}")
        for name, yes in verdicts.items()
        if yes is not None and name != "passed" and yes == (name in FAULTS)
    ]
    passed = verdicts.get("passed")
    start = [] if passed is None else ["passes" if passed else "does not pass"]
    return "; ".join([*start, *([", ".join(wrong)] if wrong else [])])


def texts(analysis: Analysis) -> Section:
    """Show texts that the models learned from."""
    facts = analysis.evaluations[0].facts
    shown = tuple((f"{kind.replace('_', ' ')}, {len(some)} samples", some) for kind, some in facts.texts.items())
    title = f"What the texts are like that models learned from, seed {analysis.evaluations[0].seed}"
    return Section(id="texts", title=title, texts=shown)


def before(analysis: Analysis) -> Section:
    """Show what was checked before any PPO run."""
    return Section(
        id="gate",
        title="What was checked before PPO, and the distance of held-out prompts",
        tables=(tables.checks(analysis, _gate_checks, "Checks on prompts that are not trained on"),),
    )


def labels(analysis: Analysis) -> Section:
    """Show who made which labels."""
    notes = tuple(dict.fromkeys(line for evaluation in analysis.evaluations for line in evaluation.facts.notes))
    return Section(id="labels", title="Who made the labels", text=notes, tables=(tables.labels(analysis),))


def seconds(analysis: Analysis) -> Section:
    """Show what every stage took."""
    limits = expectations.ceilings(analysis)
    over = [stage for stage, time in expectations.slowest(analysis).items() if time > limits.get(stage, float("inf"))]
    title = f"Over their ceiling: {', '.join(over)}" if over else "Every stage kept its ceiling"
    return Section(id="seconds", title=title, pictures=_times(analysis))


def shortfall(analysis: Analysis, found: Sequence[Claim]) -> Section:
    """Show every claim, those that did not hold first, and what was tried."""
    missed = sum(claim.outcome == "did not hold" for claim in found)
    unknown = sum(claim.outcome == "was not measured" for claim in found)
    title = (
        f"{missed} of {len(found)} claims did not hold"
        if missed
        else f"All {len(found) - unknown} measured claims held"
    )
    tried = tuple(dict.fromkeys(line for evaluation in analysis.evaluations for line in evaluation.facts.tried))
    return Section(
        id="claims",
        title=title + (f"; {unknown} were not measured" if unknown else ""),
        text=tried,
        tables=(tables.claims(found),),
    )


def everything(analysis: Analysis, found: Sequence[Claim]) -> list[Section]:
    """Compose all sections that have something to show, in the order of the page, after the opening."""
    lineage = (tables.compute(analysis), tables.lineage(analysis))
    composed = [
        sections.truth(analysis),
        outcomes.witnessed(analysis),
        outcomes.checked(analysis),
        sections.tax(analysis),
        outcomes.losses(analysis),
        courses.overoptimisation(analysis),
        sections.likert(analysis),
        outcomes.lengths(analysis),
        sections.rates(analysis),
        sections.parts(analysis),
        sections.groups(analysis),
        samples(analysis),
        Section(id="seeds", title="Each seed by itself", tables=(tables.seeds(analysis),)),
        before(analysis),
        texts(analysis),
        labels(analysis),
        seconds(analysis),
        Section(id="lineage", title="What the runs were made from", tables=lineage),
        shortfall(analysis, found),
    ]
    return [section for section in composed if section]


def _times(analysis: Analysis) -> tuple[Picture, ...]:
    limits = expectations.ceilings(analysis)
    rows = [(stage, seconds, limits.get(stage)) for stage, seconds in expectations.slowest(analysis).items()]
    if not rows:
        return ()
    title = "Seconds of every stage in the slowest run; the upright line is the ceiling"
    alt = f"{title}. " + "; ".join(f"{stage}: {seconds:.0f}" for stage, seconds, _ in rows)
    return (Picture(title=title, svg=plots.bars("seconds", rows, alt), table=tables.stages(analysis)),)
