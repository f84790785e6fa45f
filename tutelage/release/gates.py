"""Gates: what a model's figures must show before it is served. Pure functions of figures with their intervals.

A figure is named as it is stored with the version, such as `win_rate/sft` (`pipeline.releasing` says how). A gate gives
the range and says which part of the 95 % interval must lie in it, because "shown to be better" and "not shown to be
worse" are different demands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from tutelage.config import Settings, load
from tutelage.errors import RefusedError
from tutelage.store.results import Figure

State = Literal["passed", "failed", "undecided", "unmeasured"]


class Gate(Settings):
    """What one figure must show."""

    figure: str = Field(min_length=1)
    """Name of the figure, such as win_rate/sft or tax/all tasks."""
    at_least: float | None = None
    """Lower end of the range; shares are from 0 to 1, differences of shares from -1 to 1."""
    at_most: float | None = None
    """Upper end of the range."""
    part: Literal["whole", "mean", "any"] = "whole"
    """What must lie in the range: the whole 95 % interval (shown), the mean, or any part of it (not disproved)."""
    least_n: int = Field(1, ge=1)
    """Fewest rows that the figure must rest on."""

    @model_validator(mode="after")
    def _has_a_range(self) -> Gate:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"the gate on {self.figure} has no range; set at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"the gate on {self.figure} wants at least {self.at_least} and at most {self.at_most}")
        return self

    @property
    def wants(self) -> str:
        """Say what the gate asks for."""
        bounds = [f"at least {self.at_least:g}" if self.at_least is not None else ""]
        bounds += [f"at most {self.at_most:g}" if self.at_most is not None else ""]
        part = {"whole": "its whole interval", "mean": "its mean", "any": "some part of its interval"}[self.part]
        return f"{part} must be {' and '.join(filter(None, bounds))}"


class Gates(Settings):
    """What a version must show before an alias may name it. A figure that was not measured fails its gate."""

    gates: tuple[Gate, ...] = ()
    """One [[gates]] table for each figure: figure names it (win_rate/sft), at_least and at_most are its range, part
    says what must lie in it (whole, mean or any of the 95 % interval), and least_n is the fewest rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A gate and what was found; `figure` is None where nothing was measured."""

    gate: Gate
    figure: Figure | None
    state: State

    @property
    def sentence(self) -> str:
        """Say in one sentence what the gate wants and what was found."""
        name = self.gate.figure
        if self.figure is None:
            return f"The gate {name} has nothing to judge by: {self.gate.wants}; evaluate the model and hand that in."
        mean, low, high, n = self.figure
        found = f"{name} is {mean:.3f} [{low:.3f}, {high:.3f}], n = {n}"
        if self.state == "unmeasured":
            return f"The gate {name} wants n = {self.gate.least_n} or more: {found}; evaluate the model on more."
        if self.state == "passed":
            return f"The gate {name} passes: {found}."
        remedy = "; the interval is too wide to tell, so evaluate on more." if self.state == "undecided" else "."
        return f"The gate {name} fails: {found}, and {self.gate.wants}{remedy}"

    def to_json(self) -> dict[str, Any]:
        """Return what the history keeps."""
        figure = None if self.figure is None else list(self.figure)
        return {"gate": self.gate.model_dump(mode="json"), "figure": figure, "state": self.state}


def read(path: Path) -> tuple[Gate, ...]:
    """Read a file of gates; one without any is refused, for it would let everything pass."""
    found = load(Gates, path).gates
    if not found:
        raise RefusedError(f"{path} holds no gate; write at least one [[gates]] table with figure and at_least.")
    return found


def judge(gates: Iterable[Gate], figures: Mapping[str, Figure]) -> list[Outcome]:
    """Hold figures against gates, in the gates' order."""
    found = [(gate, figures.get(gate.figure)) for gate in gates]
    return [Outcome(gate=gate, figure=figure, state=_state(gate, figure)) for gate, figure in found]


def refuse_unless_passed(outcomes: Sequence[Outcome], title: str) -> None:
    """Raise RefusedError with the sentence of the first gate that does not pass; more are counted."""
    missed = [outcome for outcome in outcomes if outcome.state != "passed"]
    if missed:
        more = f" {len(missed) - 1} more of {len(outcomes)} gates do not pass." if len(missed) > 1 else ""
        raise RefusedError(f"{title} is not promoted. {missed[0].sentence}{more}")


def _state(gate: Gate, figure: Figure | None) -> State:
    if figure is None or figure.n < gate.least_n:
        return "unmeasured"
    lowest = float("-inf") if gate.at_least is None else gate.at_least
    highest = float("inf") if gate.at_most is None else gate.at_most
    if figure.high < lowest or figure.low > highest:
        return "failed"
    held = {
        "whole": lowest <= figure.low and figure.high <= highest,
        "mean": lowest <= figure.mean <= highest,
        "any": lowest <= figure.high and figure.low <= highest,
    }[gate.part]
    return "passed" if held else "failed" if gate.part == "mean" else "undecided"
