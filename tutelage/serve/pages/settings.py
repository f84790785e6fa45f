"""What an operator says about the pages: which arms people compare, and how often they read the notice."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, model_validator

from tutelage.config import Settings, load
from tutelage.errors import SettingsError

#: As many as labelers rank together (paper, 3.3).
MOST_ARMS = 9


class ArmSettings(Settings):
    """One of the compared models, and how it is asked."""

    model: str
    """The model, by an alias or name that is served (`tutelage serve --model`)."""
    name: str = ""
    """What people read after their vote; the section's name unless it is given."""
    frame: str = ""
    """Text around the prompt, with {prompt} where it stands: how a base model is asked (paper, 3.5). Without it the
    prompt is asked as a message is."""
    stop: tuple[str, ...] = ()
    """Up to four strings before which its answer ends."""


class CompareSettings(Settings):
    """The page Side by side. Every arm answers under the same sampling."""

    arms: dict[str, ArmSettings] = {}
    """The arms, each a section [compare.arms.NAME]. With fewer than two there is no page."""
    max_tokens: int = Field(default=256, ge=1)
    """Tokens of an answer at most."""
    temperature: float = Field(default=1.0, ge=0, le=2)
    """Temperature of sampling. Source: paper, B.4, for samples that labelers compare."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Share of the likeliest tokens that are drawn from."""

    @model_validator(mode="after")
    def _fits(self) -> CompareSettings:
        if len(self.arms) == 1 or len(self.arms) > MOST_ARMS:
            raise ValueError(f"arms has {len(self.arms)}; compare 2 to {MOST_ARMS}, or none")
        for name, arm in self.arms.items():
            if arm.frame and "{prompt}" not in arm.frame:
                raise ValueError(f"arms.{name}.frame does not hold {{prompt}}")
            if len(arm.stop) > 4 or not all(arm.stop):
                raise ValueError(f"arms.{name}.stop holds up to four strings that are not empty")
        asked = {(arm.model, arm.frame, arm.stop) for arm in self.arms.values()}
        if len(asked) < len(self.arms):
            raise ValueError("two arms are the same model, asked in the same way; leave one out")
        return self


class PageSettings(Settings):
    """The pages on which people ask the models (`tutelage serve --playground`)."""

    notice_days: float = Field(default=30, gt=0)
    """Days after which somebody reads the notice on data again before asking anything."""
    compare: CompareSettings = CompareSettings()
    """Two answers side by side."""

    def check_served(self, names: Sequence[str]) -> PageSettings:
        """Refuse arms whose models are not served, with a sentence that says how they are."""
        for name, arm in self.compare.arms.items():
            if arm.model not in names:
                raise SettingsError(
                    f"compare.arms.{name} is the model {arm.model!r}, which is not served; add --model {arm.model}, or "
                    "leave the arm out."
                )
        return self


def read(file: str) -> PageSettings:
    """Read a file of page settings; "" is the defaults, without the page Side by side."""
    return load(PageSettings, file or None)
