"""Write figures as words: always with the interval, in per cent or points, and never as more than they say."""

from __future__ import annotations

import math

from tutelage.core.statistics import Estimate

NOT_MEASURED = "not measured"
SPACE = "\N{NO-BREAK SPACE}"


def percent(figure: Estimate | None, digits: int = 0) -> str:
    """Write a share as `61 % [57, 65]`."""
    if figure is None:
        return NOT_MEASURED
    mean, low, high = (plain(value * 100, digits) for value in (figure.mean, figure.low, figure.high))
    return f"{mean}{SPACE}% [{low}, {high}]"


def points(figure: Estimate | None) -> str:
    """Write a difference of shares as `+4.1 points [+2.0, +6.1]`."""
    if figure is None:
        return NOT_MEASURED
    mean, low, high = (signed(value * 100, 1) for value in (figure.mean, figure.low, figure.high))
    return f"{mean} points [{low}, {high}]"


def number(figure: Estimate | None, digits: int = 2) -> str:
    """Write a mean as `4.21 [4.10, 4.32]`."""
    if figure is None:
        return NOT_MEASURED
    mean, low, high = (plain(value, digits) for value in (figure.mean, figure.low, figure.high))
    return f"{mean} [{low}, {high}]"


def count(value: int) -> str:
    """Write a count with thousands separated."""
    return f"{value:,}"


def plain(value: float, digits: int) -> str:
    """Write a number with a true minus sign and without a negative zero."""
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    text = f"{value:.{digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "−")


def signed(value: float, digits: int) -> str:
    """Write a difference with its sign; zero has none."""
    text = plain(value, digits)
    return text if text.startswith("−") or not text.strip("0.") else f"+{text}"


def preference(model: str, baseline: str, figure: Estimate | None) -> str:
    """Say who is preferred, or that the interval does not tell: it holds 50 %."""
    if figure is None:
        return f"{model} was not compared with {baseline}"
    if figure.low > 0.5:
        return f"{model} is preferred to {baseline}: {percent(figure)}"
    if figure.high < 0.5:
        return f"{baseline} is preferred to {model}, which wins {percent(figure)}"
    return f"{model} and {baseline} are not told apart: {percent(figure)}"


def change(figure: Estimate | None, *, up: str, down: str) -> str:
    """Say `up` or `down` with the difference, or that it is not told from 0."""
    if figure is None:
        return f"is {NOT_MEASURED}"
    if figure.low > 0:
        return f"{up} by {points_bare(figure)}"
    if figure.high < 0:
        return f"{down} by {points_bare(flipped(figure))}"
    return f"shows no clear change ({points(figure)})"


def points_bare(figure: Estimate) -> str:
    """Write a positive difference without signs, after a word that says its direction."""
    mean, low, high = (plain(value * 100, 1) for value in (figure.mean, figure.low, figure.high))
    return f"{mean} points [{low}, {high}]"


def difference(figure: Estimate | None) -> str:
    """Write a difference where its unit stands elsewhere: `+4.1 [+2.0, +6.1]`."""
    return points(figure).replace(" points", "")


def flipped(figure: Estimate) -> Estimate:
    """Turn a difference round."""
    return figure._replace(mean=-figure.mean, low=-figure.high, high=-figure.low)
