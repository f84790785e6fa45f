"""Draw the figures of a report: inline SVG, text kept as text, colours left to the page's light and dark tokens.

Every figure is 360 units wide with 14-unit text, so it reads on a phone at its natural size; on a wide page figures
stand side by side. A row carries its own label and numbers, so no figure needs a legend.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from tutelage.core.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, TEXT, SMALL = 360, 14, 12.5
ROW, MARGIN = 46, 12
#: From one line of a broken label to the next, and between a label and its numbers.
LINE, GAP = 18, 12
#: How wide a line of words may be.
ROOM = WIDTH - MARGIN - 2
#: Room around a drawing that is a file of its own.
EDGE = 18
#: Stands for infinity in drawings.
FAR = 1e6

#: Colours that stand for the page's tokens until the SVG is written: {token: placeholder}.
TOKENS = {
    "ink": "#000001",
    "quiet": "#000002",
    "line": "#000003",
    "paper": "#000004",
    "attention": "#000005",
    "arm-base": "#000011",
    "arm-base_more": "#000012",
    "arm-prompted_base": "#000013",
    "arm-sft": "#000014",
    "arm-sft_random": "#000015",
    "arm-ppo": "#000016",
    "arm-ppo_ptx": "#000017",
    "arm-start": "#000018",
    "arm-start_prompted": "#000019",
    "arm-start_self": "#00001a",
    "arm-released": "#00001b",
    **{f"likert-{quality}": f"#00002{quality}" for quality in range(1, 8)},
}
#: A shape for each arm, so that no arm is told by colour alone.
MARKERS = {
    "base": "o",
    "base_more": "v",
    "prompted_base": "D",
    "sft": "s",
    "sft_random": "P",
    "ppo": "^",
    "ppo_ptx": "o",
    "start": "o",
    "start_prompted": "D",
    "start_self": "v",
    "released": "^",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A label, an arm (or "") that gives colour and shape, a figure and the numbers printed beside it."""

    label: str
    figure: Estimate
    numbers: str
    model: str = ""
    heading: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The horizontal axis: its range (None: from the data), the reference line and how ticks are written."""

    reference: float
    unit: Literal["percent", "points", "number"] = "percent"
    low: float | None = None
    high: float | None = None
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of a curve: x, y, the arm that gives its colour, and half-widths of intervals where they are known.

    A half-width may be two, below and above. A thin line stands behind others, a plain one has no shapes at its points.
    """

    label: str
    model: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    spread: tuple[float, ...] | tuple[tuple[float, float], ...] = ()
    thin: bool = False
    plain: bool = False


def intervals(name: str, rows: Sequence[Row], scale: Scale, alt: str) -> str:
    """Draw figures as dots with 95 % whiskers, a row each, against a thin reference line.

    A label is broken where it is too long for a line, and the numbers stand below it where they do not fit beside it.
    """
    labels = [_label(row) for row in rows]
    caption = _lines(scale.caption, SMALL)
    headings = sum(bool(row.heading) for row in rows)
    more, below = sum(len(label) - 1 for label in labels) * LINE, (len(caption) - 1) * LINE
    figure, axes = _canvas(len(rows) * ROW + more + headings * 26 + 44 + below, bottom=40 + below)
    y = 0.0
    for row, label in zip(rows, labels, strict=True):
        if row.heading:
            y -= 26
            _say(axes, 0, y + 2, row.heading, bold=True)
        y -= ROW + LINE * (len(label) - 1)
        _row(axes, row, label, y + 14)
    low, high = _limits(rows, scale)
    axes.set_xlim(low, high)
    axes.set_ylim(y - 4, 6)
    axes.axvline(scale.reference, color=TOKENS["quiet"], linewidth=1, zorder=0)
    _ticks(axes, replace(scale, caption="\n".join(caption)))
    return _svg(figure, name, alt)


def _label(row: Row) -> list[str]:
    """Break a row's label into lines; the last one leaves room for the numbers."""
    lines = _lines(row.label, TEXT)
    if _width(lines[-1], TEXT) + GAP + _width(row.numbers, SMALL) > ROOM:
        lines.append("")
    return lines


def _lines(text: str, size: float) -> list[str]:
    """Break a text into lines that fit the drawing, after a mark between words where one is near, else anywhere."""
    lines = [""]
    # Pieces end with a mark; one that is a line by itself is cut into characters.
    for piece in re.findall(r"[^\s/@._-]*[\s/@._-]|.+$", text):
        for part in [piece] if _width(piece, size) <= ROOM else piece:
            if _width(lines[-1] + part.rstrip(), size) > ROOM:
                lines.append("")
            lines[-1] += part
    return [line.strip() for line in lines]


def _width(text: str, size: float) -> float:
    """Measure a text as wide as it is in the widest of the page's fonts."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0])


def _row(axes: Axes, row: Row, label: Sequence[str], y: float) -> None:
    """Write the lines of a row's label and its numbers over its dot and whisker."""
    for above, line in enumerate(reversed(label)):
        _say(axes, 0, y + 10 + LINE * above, line)
    _say(axes, 1, y + 10, row.numbers, quiet=True)
    color = TOKENS.get(f"arm-{row.model}", TOKENS["ink"])
    # An end that the data cannot bound runs out of the picture.
    low, high = max(row.figure.low, -FAR), min(row.figure.high, FAR)
    axes.plot([low, high], [y, y], color=color, linewidth=2.5, marker="|", markersize=12, markeredgewidth=2)
    axes.plot(
        [row.figure.mean], [y], marker=MARKERS.get(row.model, "o"), markersize=7.5, color=color,
        markeredgecolor=TOKENS["ink"], markeredgewidth=0.8, clip_on=False,
    )  # fmt: skip


def _limits(rows: Sequence[Row], scale: Scale) -> tuple[float, float]:
    """Take the given range, else the data's with the reference inside and a little air."""
    ends = [end for row in rows for end in row.figure[:3] if math.isfinite(end)]
    low, high = min([scale.reference, *ends]), max([scale.reference, *ends])
    air = 0.06 * (high - low) or 0.05
    return (low - air if scale.low is None else scale.low), (high + air if scale.high is None else scale.high)


def _ticks(axes: Axes, scale: Scale) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    suffix = {"percent": " %", "points": "", "number": ""}[scale.unit]
    times = 1 if scale.unit == "number" else 100
    sign = "+" if scale.unit == "points" else ""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))

    def label(value: float, _: int) -> str:
        text = f"{value * times:{sign}.3g}"
        return ("0" if float(text) == 0 else text.replace("-", "−")) + suffix

    axes.xaxis.set_major_formatter(FuncFormatter(label))
    axes.tick_params(axis="x", length=3)
    if scale.caption:
        axes.set_xlabel(scale.caption, color=TOKENS["quiet"], fontsize=SMALL)
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(True)


def stacked(name: str, rows: Sequence[tuple[str, str, Sequence[float]]], alt: str) -> str:
    """Draw (label, numbers, seven shares) as full-width bars from quality 1 (left) to 7 (right)."""
    figure, axes = _canvas(len(rows) * ROW + 44, bottom=2)
    for place, (label, numbers, shares) in enumerate(rows):
        y, left = -(place + 1) * ROW + 10.0, 0.0
        _say(axes, 0, y + 12, label)
        _say(axes, 1, y + 12, numbers, quiet=True)
        for quality, share in enumerate(shares, start=1):
            axes.barh(y, share, height=18, left=left, color=TOKENS[f"likert-{quality}"],
                      edgecolor=TOKENS["paper"], linewidth=0.8)  # fmt: skip
            left += share
    foot = -(len(rows) + 0.45) * ROW
    for quality in range(1, 8):
        axes.barh(foot, 1 / 7, height=18, left=(quality - 1) / 7, color=TOKENS[f"likert-{quality}"],
                  edgecolor=TOKENS["paper"], linewidth=0.8)  # fmt: skip
        word = {1: "1 worst", 7: "7 best"}.get(quality, str(quality))
        axes.text((quality - 0.5) / 7, foot - 14, word, ha="center", va="top", fontsize=SMALL, color=TOKENS["quiet"])
    axes.set_xlim(0, 1)
    axes.set_ylim(foot - 36, 4)
    axes.set_axis_off()
    return _svg(figure, name, alt)


def bars(name: str, rows: Sequence[tuple[str, float, float | None]], alt: str) -> str:
    """Draw (label, seconds, ceiling or None) as bars from zero; a short upright line marks the ceiling."""
    figure, axes = _canvas(len(rows) * ROW + 40)
    for place, (label, seconds, ceiling) in enumerate(rows):
        y = -(place + 1) * ROW + 12
        over = ceiling is not None and seconds > ceiling
        numbers = f"{seconds:,.0f} s" if ceiling is None else f"{seconds:,.0f} of {ceiling:,.0f} s"
        _say(axes, 0, y + 9, label)
        _say(axes, 1, y + 9, numbers + (", over" if over else ""), quiet=not over)
        axes.barh(y, seconds, height=10, color=TOKENS["attention" if over else "quiet"])
        if ceiling is not None:
            axes.plot([ceiling, ceiling], [y - 8, y + 8], color=TOKENS["ink"], linewidth=1.5)
    axes.set_xlim(0, max(max(seconds, ceiling or 0) for _, seconds, ceiling in rows) * 1.02 or 1)
    axes.set_ylim(-len(rows) * ROW - 4, 4)
    _ticks(axes, Scale(reference=0, unit="number", caption="seconds"))
    return _svg(figure, name, alt)


def curves(name: str, series: Sequence[Series], labels: tuple[str, str], alt: str, percent: bool = False) -> str:
    """Draw lines over an x-axis; thin lines are single seeds, labels stand at the ends of the thick ones."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    figure, axes = _canvas(280, left=46)
    for line in series:
        color = TOKENS.get(f"arm-{line.model}", TOKENS["ink"])
        if line.thin:
            axes.plot(line.x, line.y, color=color, linewidth=1, alpha=0.45)
            continue
        marker = "" if line.plain else MARKERS.get(line.model, "o")
        axes.plot(line.x, line.y, color=color, linewidth=2.2, marker=marker, markersize=4.5,
                  markeredgecolor=TOKENS["ink"], markeredgewidth=0.5)  # fmt: skip
        if line.spread:
            spread = list(zip(*line.spread, strict=True)) if isinstance(line.spread[0], tuple) else line.spread
            axes.errorbar(line.x, line.y, yerr=spread, fmt="none", ecolor=color, elinewidth=1.2)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    if percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.3g} %"))
    axes.grid(axis="y", color=TOKENS["line"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.04, y=0.14)
    axes.spines["bottom"].set_visible(True)
    axes.set_xlabel(labels[0], color=TOKENS["quiet"], fontsize=SMALL)
    axes.set_title(labels[1], loc="left", fontsize=SMALL, color=TOKENS["quiet"], x=-0.12)
    _end_labels(axes, [line for line in series if line.label])
    return _svg(figure, name, alt)


def _end_labels(axes: Axes, lines: Sequence[Series]) -> None:
    """Name each line at its last point, the highest above and the others below, so that the words never overlap."""
    ordered = sorted((line for line in lines if line.x), key=lambda line: -line.y[-1])
    farthest = max((line.x[-1] for line in ordered), default=0.0)
    for place, line in enumerate(ordered):
        above = place == 0
        # Below a line that ends early there is room to the right, where no point of it lies.
        beside = not above and line.x[-1] < 0.8 * farthest
        axes.annotate(
            line.label, (line.x[-1], line.y[-1]), xytext=(6 if beside else 0, 12 if above else -12),
            textcoords="offset points", ha="left" if beside else "right", va="bottom" if above else "top",
            fontweight="bold", fontsize=TEXT, color=TOKENS["ink"],
            bbox={"facecolor": TOKENS["paper"], "edgecolor": "none", "pad": 1},
        )  # fmt: skip


def _say(axes: Axes, side: int, y: float, text: str, *, quiet: bool = False, bold: bool = False) -> None:
    """Write at the left (0) or right (1) edge, on paper, so that no line runs through the words."""
    axes.text(
        side, y, text, transform=axes.get_yaxis_transform(), va="bottom", ha="right" if side else "left",
        fontsize=SMALL if quiet else TEXT, color=TOKENS["quiet" if quiet else "ink"],
        fontweight="bold" if bold else "normal", bbox={"facecolor": TOKENS["paper"], "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _canvas(height: float, left: float = 2, bottom: float = 40) -> tuple[Figure, Axes]:
    """Make an empty figure WIDTH units wide whose axes fill it, apart from room for ticks."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_style()):
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        bottom, top = (44, 24) if left > 2 else (bottom, 2)
        axes = figure.add_axes(
            (left / WIDTH, bottom / height, 1 - (left + MARGIN) / WIDTH, 1 - (bottom + top) / height)
        )
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure, axes


def _style() -> dict[Any, Any]:
    ink = TOKENS["ink"]
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "tutelage",
        "text.parse_math": False,
        "font.family": "DejaVu Sans",
        "font.size": TEXT,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.edgecolor": TOKENS["line"],
        "xtick.color": TOKENS["quiet"],
        "ytick.color": TOKENS["quiet"],
        "axes.facecolor": "none",
        "figure.facecolor": "none",
    }


def _svg(figure: Figure, name: str, alt: str) -> str:
    """Write a figure as an element of the page: no addresses, own names for its parts, tokens for its colours."""
    from html import escape

    from matplotlib import rc_context

    stream = io.StringIO()
    with rc_context(_style()):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = re.sub(r"(?s)<metadata>.*?</metadata>|<!--.*?-->", "", stream.getvalue())
    text = text[text.index("<svg") :]
    box = re.search(r'viewBox="([^"]+)"', text)
    assert box is not None, "matplotlib wrote no viewBox"
    body = text[text.index(">") + 1 :]
    body = body.replace("xlink:href", "href")
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = body.replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    body = re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", body).replace("weight: 700", "weight: 600")
    for token, placeholder in TOKENS.items():
        body = body.replace(placeholder, f"var(--{token})")
    body = re.sub(r"\s*\n\s*", "\n", body)
    return f'<svg viewBox="{box[1]}" role="img" aria-label="{escape(alt, quote=True)}">{body}'.strip()


def standalone(svg: str, css: str) -> str:
    """Make a drawing of a page a file of its own, with the page's colours for light and dark."""
    tokens = css[: css.index("* {")]
    head, _, body = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).partition(">")
    # On a page the words at the ends of the axis may stand beside the drawing; a file ends where its box does.
    left, top, width, height = (float(number) for number in re.findall(r'viewBox="([^"]+)"', head)[0].split())
    wider = f"{left - EDGE:g} {top - EDGE:g} {width + 2 * EDGE:g} {height + 2 * EDGE:g}"
    head = re.sub(r'viewBox="[^"]+"', f'viewBox="{wider}"', head)
    return f"{head}><style>{tokens}svg {{ background: var(--paper); }}</style>{body}\n"
