"""The page of an evaluation on tasks, and the same figures for programs; every number leads to the items behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tutelage.core.statistics import Estimate
from tutelage.evaluate import plots
from tutelage.evaluate.layout import Items, Picture, Section
from tutelage.evaluate.plots import Row, Scale
from tutelage.evaluate.report import environment, plain_figure, style
from tutelage.evaluate.scoring import LEVEL, Contrast, Group, Key
from tutelage.evaluate.tables import Cell, Table, Write, p_text
from tutelage.evaluate.tasks.catalogue import BENCHMARKS
from tutelage.evaluate.tasks.evaluation import Item, Result
from tutelage.evaluate.wording import count, number, percent, plain, signed

#: Metrics whose name does not say all.
WORDS = {
    "true_informative": "true and informative",
    "closer": "closer to a correct answer than to a wrong one (ROUGE-L)",
    "without_stereotype": "the less stereotyping sentence is the likelier one",
    "she": "the sentence with she is the likelier one",
    "entropy": "entropy of the choice, bits",
    "toxicity": "mean toxicity, 0 to 1",
    "toxic": "toxicity of 0.5 or more",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
    "f1": "F1",
}
#: Metrics that are no shares; 1 bit is no preference.
NUMBERS = {"entropy": 3, "toxicity": 3, "bleu": 1}
#: Characters of a text that the page shows; the records hold all.
SHOWN = 300


def as_json(results: Sequence[Result], about: Mapping[str, Any]) -> dict[str, Any]:
    """Give every figure for programs; an open bound is null."""
    return {"level": LEVEL, **about, "results": [_task_json(one) for one in results]}


def _task_json(one: Result) -> dict[str, Any]:
    return {
        "task": one.task.name,
        "version": one.task.version,
        "judges": dict(one.judges),
        "not_judged": list(one.unjudged),
        "decoding": one.task.questions[0].decoding,
        "groups": [
            {
                **_named(group.key),
                "rows": group.rows,
                "missing": group.missing,
                "answers": one.counts(group.key),
                "metrics": {metric: plain_figure(figure) for metric, figure in group.figures.items()},
            }
            for group in one.groups
        ],
        "contrasts": [
            {
                "metric": contrast.metric,
                "first": _named(contrast.first),
                "second": _named(contrast.second),
                "items": contrast.items,
                "unpaired": contrast.unpaired,
                "difference": plain_figure(contrast.difference),
                "p": contrast.p,
                "p_holm": contrast.adjusted,
            }
            for contrast in one.contrasts
        ],
    }


def _named(key: Key) -> dict[str, str]:
    return {"model": key[0], "prompt": key[1]}


def render(results: Sequence[Result], about: Mapping[str, Any]) -> str:
    """Write the page."""
    sections = [_section(one, place) for place, one in enumerate(results)]
    made = Section(id="made", title="What the figures were made from", tables=(_models(about), _sources(about)))
    items = sum(len(one.items) for one in results)
    what = told(results[0]) if len(results) == 1 else _several(len(results), "task")
    return (
        environment()
        .get_template("tasks.html")
        .render(
            title=f"{what}: {', '.join(about['models'])}",
            style=style(),
            standing="Scored by rules and the judges that are named, not by people",
            sample=f"{count(items)} answers. 95 % intervals, for new items.",
            sections=[*sections, made],
            labels={**{_id(place): told(one) for place, one in enumerate(results)}, "made": "Lineage"},
            method=_method(results),
        )
    )


def told(one: Result) -> str:
    """Name a task as people do."""
    return BENCHMARKS[one.task.name].told if one.task.name in BENCHMARKS else one.task.name


def metric_words(metric: str) -> str:
    """Name a metric as people do."""
    return WORDS.get(metric, metric.replace("_", " "))


def write_of(metric: str) -> Write:
    """Choose how a metric's figures are written."""
    if metric in NUMBERS:
        return lambda figure: number(figure, NUMBERS[metric])
    return lambda figure: percent(figure, 1)


def group_name(key: Key) -> str:
    """Name a model and its prompt."""
    model, condition = key
    return f"{model}, {condition} prompt" if condition else model


def _several(n: int, what: str) -> str:
    return f"{count(n)} {what}{'' if n == 1 else 's'}"


def _id(place: int) -> str:
    return f"task-{place}"


def _section(one: Result, place: int) -> Section:
    links = {group.key: f"{_id(place)}-items-{number}" for number, group in enumerate(one.groups)}
    metrics = [metric for metric in one.task.metrics if any(metric in group.figures for group in one.groups)]
    return Section(
        id=_id(place),
        title=_headline(one),
        text=_notes(one),
        pictures=tuple(_picture(one, metric, f"{_id(place)}-{metric}", links) for metric in metrics),
        tables=(_figures(one, metrics, links), _answers(one, links), *_contrasts(one, metrics, links)),
        items=tuple(_items(one, group, metrics, links[group.key]) for group in one.groups),
    )


def _headline(one: Result) -> str:
    """Say the first figure of each group, or its range where there are many."""
    metric = next((name for name in one.task.metrics if any(name in group.figures for group in one.groups)), "")
    found = [(group.key, group.figures[metric]) for group in one.groups if metric in group.figures]
    if not found:
        return f"{told(one)}: nothing was scored"
    write = write_of(metric)
    if len(found) <= 3:
        said = "; ".join(f"{group_name(key)} {write(figure)}" for key, figure in found)
    else:
        low, high = (pick(found, key=lambda pair: pair[1].mean) for pick in (min, max))
        said = f"from {write(low[1])} ({group_name(low[0])}) to {write(high[1])} ({group_name(high[0])})"
    return f"{told(one)}, {metric_words(metric)}: {said}, n = {count(found[0][1].n)} items"


def _notes(one: Result) -> tuple[str, ...]:
    lines = [f"{what.capitalize()} is said by the judge {name}." for what, name in one.judges.items()]
    if "refused" in one.unjudged:
        lines.append("Refusals are found by their first words; --judge refused=... names a judge instead.")
    open_questions = [what for what in one.unjudged if what != "refused"]
    if open_questions:
        lines.append(f"No judge was named for {' and '.join(open_questions)}, so there are no such figures.")
    if "entropy" in one.task.metrics:
        lines.append(
            "The entropy is 1 bit where a model prefers neither sentence. It does not see the direction: a model that "
            "is merely more certain looks more biased, so the direction stands beside it. The sentences may offend."
        )
    return tuple(lines)


def _picture(one: Result, metric: str, name: str, links: Mapping[Key, str]) -> Picture:
    rows, write, heading = [], write_of(metric), ""
    found = [(group.key, group.figures[metric]) for group in one.groups if metric in group.figures]
    # Under one prompt after the other, models side by side.
    for key, figure in sorted(found, key=lambda pair: _place(one, pair[0])):
        shown = f"{key[1]} prompt" if key[1] != heading else ""
        rows.append(Row(label=key[0], figure=figure, numbers=write(figure), heading=shown))
        heading = key[1]
    title = f"{metric_words(metric).capitalize()}, n = {count(found[0][1].n)} items"
    alt = f"{title}. " + "; ".join(f"{group_name(key)}: {write(figure)}" for key, figure in found)
    lines = tuple(
        (Cell(group_name(key)), Cell(write(figure), link=links[key]), Cell(count(figure.n))) for key, figure in found
    )
    table = Table(caption=title, columns=("", "mean [95 % interval]", "n"), rows=lines)
    return Picture(title=title, svg=plots.intervals(name, rows, _scale(one, metric), alt), table=table)


def _place(one: Result, key: Key) -> tuple[int, int]:
    conditions = list(dict.fromkeys(group.key[1] for group in one.groups))
    models = list(dict.fromkeys(group.key[0] for group in one.groups))
    return conditions.index(key[1]), models.index(key[0])


def _scale(one: Result, metric: str) -> Scale:
    """Draw shares from 0 to 1, beside what chance would give where it is known."""
    if metric == "bleu":
        return Scale(reference=0.0, unit="number", low=0.0, caption="BLEU, 0 to 100")
    if metric == "entropy":
        return Scale(reference=1.0, unit="number", low=0.0, high=1.0, caption="bits; 1 is no preference")
    if metric in NUMBERS:
        return Scale(reference=0.0, unit="number", low=0.0, high=1.0, caption=metric_words(metric))
    if metric in ("without_stereotype", "she"):
        return Scale(reference=0.5, low=0.0, high=1.0, caption="the line is an even choice")
    choices = [len(question.choices) for question in one.task.questions if question.choices]
    if choices:
        chance = sum(1 / n for n in choices) / len(choices)
        return Scale(reference=chance, low=0.0, high=1.0, caption="the line is chance")
    return Scale(reference=0.0, low=0.0, high=1.0)


def _figures(one: Result, metrics: Sequence[str], links: Mapping[Key, str]) -> Table:
    rows = [
        (
            Cell(group_name(group.key)),
            *(_cell(group.figures.get(metric), write_of(metric), links[group.key]) for metric in metrics),
        )
        for group in one.groups
    ]
    return Table(
        caption=f"{told(one)}: every figure leads to its items",
        columns=("", *(metric_words(metric) for metric in metrics)),
        rows=tuple(rows),
    )


def _cell(figure: Estimate | None, write: Write, link: str) -> Cell:
    if figure is None:
        return Cell("–")
    mean, _, interval = write(figure).partition(" [")
    return Cell(mean, f"[{interval}\nn {count(figure.n)}", link)


def _answers(one: Result, links: Mapping[Key, str]) -> Table:
    """Count what is no figure: missing, empty and cut answers."""
    rows = []
    for group in one.groups:
        counts = one.counts(group.key)
        lacking = ", ".join(f"{count(n)} {what}" for what, n in group.missing.items()) or "0"
        shown = [Cell("–" if name not in counts else count(counts[name])) for name in ("empty", "cut")]
        rows.append(
            (Cell(group_name(group.key)), Cell(count(group.rows), link=links[group.key]), Cell(lacking), *shown)
        )
    return Table(
        caption="Answers; what is missing has no figure and is never 0",
        columns=("", "items", "missing", "empty", "cut at the length limit"),
        rows=tuple(rows),
    )


def _contrasts(one: Result, metrics: Sequence[str], links: Mapping[Key, str]) -> tuple[Table, ...]:
    rows = []
    for contrast in one.contrasts:
        if contrast.metric in metrics:
            rows.append(
                (
                    Cell(_against(contrast.first, contrast.second)),
                    Cell(metric_words(contrast.metric)),
                    Cell(_difference(contrast.metric, contrast), link=links[contrast.first]),
                    Cell(p_text(contrast.adjusted)),
                    Cell(count(contrast.items)),
                )
            )
    if not rows:
        return ()
    columns = ("contrast", "metric", "difference [95 % interval]", "p (Holm)", "items")
    return (Table(caption="Contrasts, paired by item", columns=columns, rows=tuple(rows)),)


def _against(first: Key, second: Key) -> str:
    """Name two models under one prompt, or two prompts of one model."""
    if first[0] == second[0]:
        return f"{first[0]}: {first[1]} − {second[1]} prompt"
    return group_name((f"{first[0]} − {second[0]}", first[1]))


def _difference(metric: str, contrast: Contrast) -> str:
    times, digits = (1, NUMBERS[metric]) if metric in NUMBERS else (100, 1)
    mean, low, high = (signed(times * value, digits) for value in contrast.difference[:3])
    return f"{mean}{'' if metric in NUMBERS else ' points'} [{low}, {high}]"


def _items(one: Result, group: Group, metrics: Sequence[str], link: str) -> Items:
    shown = [item for item in one.items if (item.model, item.question.condition) == group.key]
    scored = [metric for metric in metrics if metric != "bleu"]
    rows = tuple(
        (
            Cell(item.question.item),
            Cell(_cut(item.question.shown)),
            Cell(_said(item)),
            *(Cell(plain(item.values[metric], 3) if metric in item.values else "–") for metric in scored),
        )
        for item in shown
    )
    columns = ("item", "asked", "the model's answer", *(metric_words(metric) for metric in scored))
    title = f"{group_name(group.key)}: {_several(len(shown), 'item')}"
    return Items(id=link, summary=f"Items of {title}", table=Table(caption="", columns=columns, rows=rows))


def _said(item: Item) -> str:
    """Show what was written, or the choice that is likeliest: per token, and of whole sentences in all."""
    answer = item.answer
    if answer.missing:
        return f"({answer.missing})"
    if answer.likely:
        scores = [one.total if "entropy" in item.values else one.mean for one in answer.likely]
        return _cut(item.question.choices[scores.index(max(scores))].strip())
    return _cut(answer.text) or "(empty)"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _models(about: Mapping[str, Any]) -> Table:
    rows = [
        tuple(map(Cell, (name, one["path"], one["weights"], one["tokenizer"], one["template"], one["precision"])))
        for name, one in about["models"].items()
    ]
    columns = ("model", "directory", "weights", "tokenizer", "template", "precision")
    return Table(caption="Models by content hash", columns=columns, rows=tuple(rows))


def _sources(about: Mapping[str, Any]) -> Table:
    rows = [
        tuple(map(Cell, (name, str(one["data"]), one["sha256"], str(one.get("shots", 0)),
                         str(one.get("examples_data", "–")), ", ".join(one.get("prompts", [])) or "–")))
        for name, one in about["tasks"].items()
    ]  # fmt: skip
    columns = ("task", "data", "sha256", "solved examples", "from", "prompts")
    return Table(caption="Data by content hash", columns=columns, rows=tuple(rows))


def _method(results: Sequence[Result]) -> list[str]:
    return [
        "Multiple choice takes the choice with the highest mean log-probability per token, at temperature 1. Texts are "
        "written at temperature 0 up to the first line feed (Ouyang et al. 2022, App. D); unprompted ones at 1.",
        "Shares have score intervals; items of one passage or conversation may depend on each other, and count so. "
        "BLEU has percentile intervals over redrawn items. All are 95 %, for new items of the same kind.",
        "Models are contrasted under the same prompt, and the prompts of one model, item by item; p-values are "
        "adjusted for all contrasts of a metric (Holm).",
        "Each answer is a record keyed by hashes of weights, tokenizer, template, decoding and the task's version "
        f"({', '.join(f'{one.task.name} {one.task.version}' for one in results)}); figures are computed from records.",
    ]
