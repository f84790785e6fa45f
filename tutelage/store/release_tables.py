"""The tables of what is served under which name: results, moves of aliases, canaries, kept versions, shadow answers."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    String,
    Table,
)

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.tables import metadata


def _version() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["name", "version"], ["models.name", "models.version"])


#: Figures of a model version with their intervals. `sha256` is the hash of the files that were judged, `source` says
#: what the figures were computed from and `source_sha256` is its hash. `number` is the order. Append-only.
model_results = Table(
    "model_results",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("name", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sha256", String, nullable=False),
    Column("source", String, nullable=False),
    Column("source_sha256", String, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("by", String, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    _version(),
    Index("ix_model_results_name_version", "name", "version"),
)

#: What happened to an alias, in order. `name` and `version` are those that it names from then on, or those of the
#: canary; `gates` are the gates with what each found. Append-only.
alias_moves = Table(
    "alias_moves",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("alias", String, nullable=False, index=True),
    Column("action", String, nullable=False),
    Column("name", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("share", Float),
    Column("by", String, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("gates", JSON, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint(
        "action IN ('pointed', 'promoted', 'rolled_back', 'canary', 'canary_ended')",
        name="action",
    ),
    _version(),
)

#: A version that answers a share of what is asked of an alias.
canaries = Table(
    "canaries",
    metadata,
    Column("alias", ForeignKey("aliases.alias"), primary_key=True),
    Column("name", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("share", Float, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint("share > 0 AND share < 1", name="share"),
    _version(),
)

#: Versions that an alias named and that still answer under their own names, until when.
kept_versions = Table(
    "kept_versions",
    metadata,
    Column("alias", ForeignKey("aliases.alias"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    _version(),
)

#: What a version would have answered to consented prompts. Nobody is sent these, nobody labels or trains on them.
shadow_answers = Table(
    "shadow_answers",
    metadata,
    Column("prompt_id", ForeignKey("prompts.id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("text", AnyText, nullable=False),
    Column("finish_reason", String, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    _version(),
)
