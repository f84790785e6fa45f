"""What testing claims left in a run's directory: for each claim the figures that it names, and how long they took.

Verdicts are not kept: they follow from the figures, of one seed or of several put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from tutelage.claims import figures
from tutelage.claims.claim import Claim
from tutelage.errors import DataError
from tutelage.evaluate.measures import Figures
from tutelage.files import read_json, write_json

FILE = "claims.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The claims that were tested on one run: {name: figures}, and the seconds that their own stages took."""

    seed: int
    made_from: str
    claims: Mapping[str, Figures] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path) -> Self:
        """Read what a run's directory, or the file itself, holds."""
        path = root / FILE if root.is_dir() else root
        return cls.from_json(read_json(path), path)

    @classmethod
    def from_json(cls, held: Any, where: Path) -> Self:
        """Read back what `to_json` gave."""
        try:
            return cls(
                seed=held["seed"],
                made_from=held["made_from"],
                claims={name: figures.from_json(rows) for name, rows in held["claims"].items()},
                seconds=held["seconds"],
            )
        except (KeyError, TypeError, AttributeError):
            raise DataError(f"{where} is no list of tested claims; write it anew with `tutelage claims`.") from None

    @classmethod
    def read_or_new(cls, root: Path, *, seed: int, made_from: str) -> Self:
        """Read what a directory holds; what was made with other settings is left behind."""
        if (root / FILE).is_file():
            found = cls.read(root)
            if found.made_from == made_from:
                return found
        return cls(seed=seed, made_from=made_from)

    def with_claim(self, claim: Claim, told: Figures, seconds: float) -> Self:
        """Put a claim's figures in the place of older ones."""
        own = {part.figure: told[part.figure] for part in claim.measured if part.figure in told}
        return replace(
            self, claims={**self.claims, claim.name: own}, seconds={**self.seconds, claim.name: round(seconds, 1)}
        )

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        claims = {name: figures.to_json(rows) for name, rows in self.claims.items()}
        return {"seed": self.seed, "made_from": self.made_from, "claims": claims, "seconds": dict(self.seconds)}

    def write(self, root: Path) -> None:
        """Write it into a run's directory."""
        write_json(root / FILE, self.to_json())


def tested(directories: Iterable[Path]) -> list[Found]:
    """Read the claims that were tested on some of these runs, by seed; runs without any are left out."""
    found = [Found.read(one) for one in directories if (one / FILE).is_file()]
    seeds = [one.seed for one in found]
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise DataError(f"Claims were tested on two runs with seed {seed}; leave one of them out.")
    return sorted(found, key=lambda one: one.seed)


def together(claim: Claim, seeds: Sequence[Found]) -> Figures:
    """Pool a claim's figures over the seeds that tested it."""
    return figures.pool([one.claims[claim.name] for one in seeds if claim.name in one.claims])
