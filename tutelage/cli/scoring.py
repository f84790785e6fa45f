"""`tutelage evaluate score` and `power`: outputs that were made elsewhere, by group, and how large a study must be."""

# ruff: noqa: PLR0913 - one parameter per option

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutelage.cli.terminal import print_table

if TYPE_CHECKING:
    from tutelage.core.statistics import Estimate
    from tutelage.evaluate.scoring import Contrast, Report


def register(group: typer.Typer) -> None:
    group.command(
        "score",
        epilog="Example: tutelage evaluate score squad outputs.csv --by model --item question --reference answer "
        "--output completion",
    )(score)
    group.command(
        "power", epilog="Example: tutelage evaluate power win-rate --effect 0.05 --labelers 10 --labeler-spread 0.05"
    )(power)


def score(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="exact-match, squad, squad2, drop, rouge-l, bleu, choice, or score and rate for ready figures.",
            show_default=False,
        ),
    ],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="One output per row: .csv, .tsv or .jsonl.", show_default=False)
    ],
    by: Annotated[
        list[str],
        typer.Option("--by", metavar="COLUMN", help="A group column, such as the model; its groups are contrasted."),
    ] = [],  # noqa: B006 - typer copies it
    item: Annotated[
        list[str],
        typer.Option("--item", metavar="COLUMN", help="What names an item: its id, or the prompt. Groups pair by it."),
    ] = [],  # noqa: B006 - typer copies it
    cluster: Annotated[
        str, typer.Option("--cluster", metavar="COLUMN", help="What dependent items share, such as a passage.")
    ] = "",
    labeler: Annotated[
        str, typer.Option("--labeler", metavar="COLUMN", help="Who judged: intervals are for new labelers too.")
    ] = "",
    output: Annotated[str, typer.Option("--output", metavar="COLUMN", help="What a model wrote.")] = "",
    reference: Annotated[
        list[str], typer.Option("--reference", metavar="COLUMN", help="A right answer; may be given several times.")
    ] = [],  # noqa: B006 - typer copies it
    ready: Annotated[str, typer.Option("--score", metavar="COLUMN", help="A ready number, or yes and no.")] = "",
    separator: Annotated[
        str, typer.Option("--separator", metavar="TEXT", help="Divides references in a cell (of drop: spans).")
    ] = "",
    missing: Annotated[
        list[str], typer.Option("--missing", metavar="TEXT", help="A cell that says that its value is missing.")
    ] = [],  # noqa: B006 - typer copies it
    empty_counts: Annotated[
        bool, typer.Option("--empty-counts", help="An empty output is an output, and not missing.")
    ] = False,
    no_answer: Annotated[
        list[str], typer.Option("--no-answer", metavar="TEXT", help="Of squad2: an output that declines to answer.")
    ] = [],  # noqa: B006 - typer copies it
    baseline: Annotated[
        str, typer.Option("--baseline", metavar="GROUP", help="Contrast with this value of the first --by only.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> None:
    """Score the outputs of any model that are in a file, by group, and contrast groups over the items that both have.

    Intervals are 95 %: rows of an item (or --cluster) may depend on each other. Rows without an output, a reference or
    a score are missing: they are counted and have no figure. Groups that differ in the first --by alone are contrasted,
    paired by item, with p-values adjusted for their number (Holm).
    """
    from tutelage.evaluate import scoring
    from tutelage.evaluate.cells import Columns

    columns = Columns(
        by=tuple(by),
        item=tuple(item),
        cluster=cluster,
        labeler=labeler,
        output=output,
        references=tuple(reference),
        score=ready,
        separator=separator,
        missing=tuple(missing),
        empty_counts=empty_counts,
        no_answer=tuple(no_answer),
    )
    report = scoring.score(file, task, columns, baseline=baseline)
    if as_json:
        print(json.dumps(scoring.as_json(report), ensure_ascii=False, allow_nan=False, indent=2))
        return
    _print_groups(report)
    if report.contrasts:
        _print_contrasts(report.contrasts)
    elif len(report.groups) > 1:
        print("No groups are contrasted: they share no items; name what they share with --item.")


def _print_groups(report: Report) -> None:
    from tutelage.evaluate.wording import count

    rows = []
    for group in report.groups:
        lacking = ", ".join(f"{count(number)} {what}" for what, number in group.missing.items()) or "0"
        for metric, figure in group.figures.items() or [("", None)]:
            shown = _figure(metric, figure) if figure else "–"
            n = count(figure.n) if figure else "0"
            rows.append((*group.key, metric, shown, n, count(group.items), lacking, count(group.rows)))
    columns = (*report.by, "metric", "mean [95 % interval]", "n", "items", "missing", "rows")
    print_table(columns, rows, f"{report.task}: {report.path}")


def _print_contrasts(contrasts: tuple[Contrast, ...]) -> None:
    from tutelage.evaluate.tables import p_text
    from tutelage.evaluate.wording import count

    rows = [
        (
            one.metric,
            f"{' '.join(one.first)} − {one.second[0]}",
            _figure(one.metric, one.difference, sign=True),
            p_text(one.adjusted),
            count(one.items),
            count(one.unpaired),
        )
        for one in contrasts
    ]
    columns = ("metric", "contrast", "difference [95 % interval]", "p (Holm)", "items", "of one only")
    print_table(columns, rows, "Paired by item")


def _figure(metric: str, figure: Estimate, sign: bool = False) -> str:
    """Write BLEU, which is from 0 to 100, with two digits and all others with three."""
    from tutelage.evaluate.wording import plain, signed

    write = signed if sign else plain
    mean, low, high = (write(value, 2 if metric == "bleu" else 3) for value in (figure.mean, figure.low, figure.high))
    return f"{mean} [{low}, {high}]"


def power(
    measure: Annotated[
        str, typer.Argument(metavar="MEASURE", help="win-rate, accuracy or likert.", show_default=False)
    ],
    effect: Annotated[
        float | None, typer.Option("--effect", help="The difference to be found: 0.05 is 5 points.", show_default=False)
    ] = None,
    prompts: Annotated[int, typer.Option("--prompts", min=2, help="Prompts that are judged.")] = 200,
    labelers: Annotated[
        int | None, typer.Option("--labelers", min=2, help="Labelers who share the work.", show_default=False)
    ] = None,
    overlap: Annotated[int, typer.Option("--overlap", min=1, help="Labelers who judge a prompt.")] = 1,
    expected: Annotated[float, typer.Option("--expected", help="The rate that is expected.")] = 0.5,
    sd: Annotated[
        float | None, typer.Option("--sd", min=0, help="Spread of single ratings.", show_default=False)
    ] = None,
    prompt_spread: Annotated[
        float | None,
        typer.Option(
            "--prompt-spread",
            min=0,
            help="Spread of prompts' own means; of a rate 0.34, as where two labelers agree on 73 %.",
            show_default=False,
        ),
    ] = None,
    labeler_spread: Annotated[
        float, typer.Option("--labeler-spread", min=0, help="Spread of labelers' own means.")
    ] = 0.0,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Judgements to estimate spreads from.", show_default=False),
    ] = None,
    ready: Annotated[str, typer.Option("--score", metavar="COLUMN", help="In that file: the judgement.")] = "score",
    item: Annotated[str, typer.Option("--item", metavar="COLUMN", help="In that file: the prompt.")] = "prompt",
    labeler: Annotated[str, typer.Option("--labeler", metavar="COLUMN", help="In that file: who judged.")] = "labeler",
    wanted: Annotated[float, typer.Option("--power", min=0.5, max=0.999, help="How often it shall be found.")] = 0.8,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
) -> None:
    """Print the smallest effect that a study with people finds and, with --effect, the prompts or labelers it takes.

    A judgement is the sum of the mean, its prompt's part, its labeler's part and chance. The parts are given as spreads
    (standard deviations), or estimated from judgements. Labelers without a spread speak for themselves only.
    """
    from tutelage.core.power import Aim, Design
    from tutelage.errors import SettingsError
    from tutelage.evaluate import studies
    from tutelage.evaluate.cells import Columns

    if source is not None and (sd is not None or prompt_spread is not None or labeler_spread):
        raise SettingsError("--from estimates the spreads; leave --sd, --prompt-spread and --labeler-spread out.")
    if source is None:
        spreads = studies.Given(expected=expected, sd=sd, prompt_spread=prompt_spread, labeler_spread=labeler_spread)
        parts = studies.given(measure, spreads)
    else:
        parts = studies.estimated(measure, source, Columns(item=(item,), labeler=labeler, score=ready))
    made = studies.plan(measure, parts, Design(prompts, labelers, overlap), effect, Aim(power=wanted))
    print(json.dumps(made.as_json(), indent=2) if as_json else studies.told(made))
