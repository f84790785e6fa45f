"""Follow PPO runs: the proxy reward against the judge as KL grows, and where more reward stopped being better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from tutelage.core.statistics import wilson
from tutelage.evaluate import plots
from tutelage.evaluate.layout import Picture, Section
from tutelage.evaluate.plots import Series
from tutelage.evaluate.records import CurvePoint
from tutelage.evaluate.score import Analysis
from tutelage.evaluate.tables import Cell, Table
from tutelage.evaluate.wording import SPACE, count, percent, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A PPO run in short, over its seeds: where reward and judge began and ended, and the judge's highest step."""

    run: str
    first: CurvePoint
    last: CurvePoint
    peak: CurvePoint


def averaged(points_: Iterable[CurvePoint], run: str) -> list[CurvePoint]:
    """Average the curves of a run over its seeds, step by step, where every seed has the step."""
    rows = [point for point in points_ if point.run == run]
    seeds = {point.seed for point in rows}
    steps: dict[int, list[CurvePoint]] = {}
    for point in rows:
        steps.setdefault(point.step, []).append(point)
    return [
        CurvePoint(
            seed=-1,
            run=run,
            step=step,
            kl=mean(point.kl for point in same),
            score=mean(point.score for point in same),
            judge=mean(point.judge for point in same),
            judged=sum(point.judged for point in same) if all(point.judged for point in same) else 0,
            score_error=_error_of_mean([point.score_error for point in same]),
        )
        for step, same in sorted(steps.items())
        if len(same) == len(seeds)
    ]


def _error_of_mean(errors: Sequence[float | None]) -> float | None:
    known = [error for error in errors if error is not None]
    return math.hypot(*known) / len(known) if len(known) == len(errors) else None


def courses(analysis: Analysis) -> list[Course]:
    """Sum up every PPO run."""
    rows = [point for evaluation in analysis.evaluations for point in evaluation.curves]
    found = []
    for run in dict.fromkeys(point.run for point in rows):
        line = averaged(rows, run)
        if line:
            peak = max(line, key=lambda point: point.judge)
            found.append(Course(run=run, first=line[0], last=line[-1], peak=peak))
    return found


def half_width(point: CurvePoint, *, judged: bool) -> float | None:
    """Give half the 95 % interval of the judge's rate (Wilson) or of the proxy reward; None where n was not kept."""
    if not judged:
        return None if point.score_error is None else 1.96 * point.score_error
    if not point.judged:
        return None
    known = wilson(point.judge * point.judged, point.judged)
    return (known.high - known.low) / 2


def over_optimised(course: Course) -> bool | None:
    """Say whether the judge ended below its best step by more than the noise of both; None where n was not kept."""
    best, end = half_width(course.peak, judged=True), half_width(course.last, judged=True)
    if best is None or end is None:
        return None
    return course.peak.judge - course.last.judge > math.hypot(best, end)


def courses_title(analysis: Analysis) -> str:
    """Say which runs were over-optimised, and which were not."""
    said = []
    for course in courses(analysis):
        name, over = analysis.name(course.run), over_optimised(course)
        if over:
            said.append(f"{name} was over-optimised after step {course.peak.step}")
        else:
            said.append(f"{name} {'shows no clear over-optimisation' if over is False else 'was judged without n'}")
    return "; ".join(said)


def course_sentence(course: Course, name: str, checker: str = "judge") -> str:
    """Say how proxy reward and pass rate moved, and whether the latter ended clearly below its best step."""
    first, last, peak = course.first, course.last, course.peak
    said = (
        f"{name}: the proxy reward went from {plain(first.score, 2)} to {plain(last.score, 2)} and the {checker}'s "
        f"pass rate from {percent_of(first)} to {percent_of(last)}, at a KL of {plain(last.kl, 1)} nats"
    )
    if over_optimised(course):
        said += (
            f"; the {checker} was highest at step {peak.step}, {percent_of(peak)}; after that, more reward was worse"
        )
    return said + "."


def percent_of(point: CurvePoint) -> str:
    """Write the judge's pass rate of a point, with its interval where its n was kept."""
    if not point.judged:
        return f"{plain(point.judge * 100, 0)}{SPACE}%"
    return percent(wilson(point.judge * point.judged, point.judged))


def overoptimisation(analysis: Analysis) -> Section:
    """Show proxy reward and judge over KL."""
    rows = [point for evaluation in analysis.evaluations for point in evaluation.curves]
    checker = analysis.terms.checker
    text = tuple(course_sentence(course, analysis.name(course.run), checker) for course in courses(analysis))
    pictures = []
    for name, title, axis in (
        ("proxy", "Proxy reward over KL", "mean proxy reward"),
        ("judged", f"{checker.capitalize()}'s pass rate over KL", f"outputs the {checker} passes"),
    ):
        series = _series(analysis, rows, name)
        if series:
            labels = ("KL to the reference, nats", axis)
            alt = f"{title}. " + " ".join(text)
            svg = plots.curves(name, series, labels, alt, percent=name == "judged")
            pictures.append(Picture(title=title, svg=svg, table=_curve_table(analysis, rows, title)))
    thin = " Thin lines are single seeds." if len(analysis.evaluations) > 1 else ""
    return Section(
        id="over-optimisation",
        title=courses_title(analysis),
        text=(*text, f"Whiskers are 95 % intervals where the numbers behind a point were kept.{thin}"),
        pictures=tuple(pictures),
    )


def _series(analysis: Analysis, rows: Sequence[CurvePoint], name: str) -> list[Series]:
    series = []
    for run in dict.fromkeys(point.run for point in rows):
        seeds = sorted({point.seed for point in rows if point.run == run})
        for seed in seeds if len(seeds) > 1 else []:
            own = sorted((p for p in rows if p.run == run and p.seed == seed), key=lambda p: p.step)
            series.append(_line(analysis, run, own, name, thin=True))
        series.append(_line(analysis, run, averaged(rows, run), name, thin=False))
    return [line for line in series if line.x]


def _line(analysis: Analysis, run: str, points_: Sequence[CurvePoint], name: str, thin: bool) -> Series:
    judged = name == "judged"
    spread = [half_width(point, judged=judged) for point in points_]
    return Series(
        label=analysis.name(run),
        model=run,
        x=tuple(point.kl for point in points_),
        y=tuple(point.judge if judged else point.score for point in points_),
        spread=tuple(width for width in spread if width is not None) if None not in spread else (),
        thin=thin,
    )


def _curve_table(analysis: Analysis, rows: Sequence[CurvePoint], title: str) -> Table:
    lines = []
    for run in dict.fromkeys(point.run for point in rows):
        for point in averaged(rows, run):
            reward, judge = (half_width(point, judged=judged) for judged in (False, True))
            cells = (
                analysis.name(run),
                str(point.step),
                f"{point.kl:.2f}",
                f"{point.score:.2f}" + ("" if reward is None else f" ± {reward:.2f}"),
                f"{point.judge:.1%}" + ("" if judge is None else f" ± {judge:.1%}"),
                count(point.judged) if point.judged else "–",
            )
            lines.append(tuple(map(Cell, cells)))
    heads = ("run", "step", "KL, nats", "proxy reward", "judge passes", "n judged")
    return Table(caption=f"{title}: mean over seeds, ± 95 %", columns=heads, rows=tuple(lines))
