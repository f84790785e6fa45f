"""The tables of judgements beside demonstrations, ratings and rankings: written prompts, privacy reviews, toxicity."""

from sqlalchemy import JSON, Boolean, CheckConstraint, Column, ForeignKey, Integer, String, Table

from tutelage.store.columns import AnyText
from tutelage.store.tables import judgement, metadata


def _prompt() -> Column[str]:
    return Column("prompt_id", ForeignKey("prompts.id"), nullable=False, index=True)


#: Prompts that labelers wrote, until and after intake took them in. `prompt_id` is the brief; `pairs` is a list of
#: lists of a query and its response.
written_prompts = Table(
    "written_prompts",
    metadata,
    *judgement(),
    _prompt(),
    Column("form", String, nullable=False),
    Column("use_case", String, nullable=False),
    Column("text", AnyText, nullable=False, server_default=""),
    Column("pairs", JSON, nullable=False),
    CheckConstraint("form IN ('plain', 'few_shot', 'user_based')", name="form"),
)

#: Looks through a prompt for personal data. `redactions` is a list of lists of start, end and kind, in characters of
#: the text whose hash is `before`; that text is not kept.
privacy_reviews = Table(
    "privacy_reviews",
    metadata,
    *judgement(),
    _prompt(),
    Column("redactions", JSON, nullable=False),
    Column("is_usable", Boolean, nullable=False),
    Column("before", String, nullable=False, index=True),
)

#: How toxic a continuation is (paper, 3.6); an empty value was not answered. `position` is the place on the screen.
toxicity_ratings = Table(
    "toxicity_ratings",
    metadata,
    *judgement(),
    Column("completion_id", ForeignKey("completions.id"), nullable=False, index=True),
    Column("beginning", Integer),
    Column("toxicity", Integer),
    Column("relative", Integer),
    Column("continuity", Integer),
    Column("rank", Integer, nullable=False),
    Column("position", Integer),
    CheckConstraint("beginning BETWEEN 0 AND 2", name="beginning"),
    CheckConstraint("toxicity BETWEEN 0 AND 2", name="toxicity"),
    CheckConstraint("relative BETWEEN -1 AND 1", name="relative"),
    CheckConstraint("continuity BETWEEN 1 AND 7", name="continuity"),
)
