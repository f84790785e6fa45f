"""The tables, as the newest migration leaves them (a test compares the two)."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

from tutelage.store.columns import AnyText, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str) -> Column[str]:
    return Column(name, AnyText, nullable=False, server_default="")


def _word(name: str, *, index: bool = False) -> Column[str]:
    return Column(name, String, nullable=False, server_default="", index=index)


def _created() -> Column:  # type: ignore[type-arg]
    return Column("created", UtcDateTime, nullable=False)


def _labeler(*, index: bool = True) -> Column[str]:
    return Column("labeler", ForeignKey("labelers.id"), nullable=False, index=index)


def _prompt() -> Column[str]:
    return Column("prompt_id", ForeignKey("prompts.id"), nullable=False, index=True)


def _instructions() -> Column[str]:
    return Column("instruction_version", ForeignKey("instruction_versions.version"), nullable=False)


#: Facts about the database itself: the salt of user hashes.
facts = Table("facts", metadata, Column("name", String, primary_key=True), Column("value", String, nullable=False))

#: Salted user hashes with the split each was given at first sight, for ever.
users = Table(
    "users", metadata, Column("user", String, primary_key=True), Column("split", String, nullable=False), _created()
)

#: Users who took their consent back.
withdrawals = Table("withdrawals", metadata, Column("user", String, primary_key=True), _created())

#: Every prompt that intake saw. `status`: kept, or why not. `pii`: "" (not looked for), clean or quarantined.
prompts = Table(
    "prompts",
    metadata,
    Column("id", String, primary_key=True),
    _text("text"),
    Column("text_hash", String, nullable=False, index=True),
    Column("source", String, nullable=False),
    Column("user", ForeignKey("users.user"), nullable=False, index=True),
    _word("use_case"),
    _word("form"),
    _word("model"),
    _word("endpoint"),
    _word("consent"),
    _word("split"),
    _word("stage"),
    _word("pii"),
    _word("status"),
    _word("dedupe_group"),
    Column("meta", JSON, nullable=False),
    _created(),
    Index("ix_prompts_split_stage", "split", "stage"),
)

pii_findings = Table(
    "pii_findings",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    _prompt(),
    Column("kind", String, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("detector", String, nullable=False),
    Column("action", String, nullable=False),
    _created(),
)

labelers = Table(
    "labelers",
    metadata,
    Column("id", String, primary_key=True),
    Column("group", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("screened", Boolean, nullable=False),
    _created(),
)

instruction_versions = Table(
    "instruction_versions",
    metadata,
    Column("version", String, primary_key=True),
    Column("task", String, nullable=False),
    _text("text"),
    Column("sha256", String, nullable=False),
    _created(),
)

#: Texts to be judged. `authored_by` names the labeler when a person wrote the text, else "".
completions = Table(
    "completions",
    metadata,
    Column("id", String, primary_key=True),
    _prompt(),
    _text("text"),
    Column("policy", String, nullable=False, index=True),
    Column("finish_reason", String, nullable=False),
    Column("sampling", JSON, nullable=False),
    _word("authored_by", index=True),
    _created(),
)

#: Work to be handed out. `number` is the order of filing; `closed` is the time at which the last label came in.
tasks = Table(
    "tasks",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("group", String, nullable=False),
    _prompt(),
    Column("k", Integer, nullable=False),
    _instructions(),
    Column("overlap", Integer, nullable=False),
    Column("closed", UtcDateTime),
    _created(),
    CheckConstraint("overlap >= 1", name="overlap"),
    Index("ix_tasks_closed_group_kind", "closed", "group", "kind", "number"),
)

task_completions = Table(
    "task_completions",
    metadata,
    Column("task_id", ForeignKey("tasks.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("completion_id", ForeignKey("completions.id"), nullable=False, index=True),
)

#: One task in one labeler's hands. Rows are never deleted: expired and skipped assignments stay as records.
assignments = Table(
    "assignments",
    metadata,
    Column("id", String, primary_key=True),
    Column("task_id", ForeignKey("tasks.id"), nullable=False, index=True),
    _labeler(index=False),
    Column("presented", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("lease_until", UtcDateTime, nullable=False),
    Column("heartbeat", UtcDateTime, nullable=False),
    _word("skip_reason"),
    _text("note"),
    _created(),
    CheckConstraint("state IN ('offered', 'open', 'submitted', 'skipped', 'expired')", name="state"),
    Index("ix_assignments_state_lease_until", "state", "lease_until"),
    Index("ix_assignments_labeler_state_heartbeat", "labeler", "state", "heartbeat"),
)

#: What came back for an assignment; its judgements are in the tables below and in `kind_tables`. Append-only.
#: `token` names the access token of a program that handed it in, "" for a page and for labelers that are no people.
submissions = Table(
    "submissions",
    metadata,
    Column("id", String, primary_key=True),
    Column("assignment_id", ForeignKey("assignments.id"), nullable=False, index=True),
    _labeler(),
    Column("sha256", String, nullable=False),
    Column("active_ms", BigInteger, nullable=False),
    Column("idle_ms", BigInteger, nullable=False),
    _text("note"),
    _word("supersedes"),
    _word("token"),
    _created(),
    Index("ix_submissions_created", "created", "id"),
)


def judgement() -> tuple[Column, ...]:  # type: ignore[type-arg]
    """Return the columns that every kind of judgement has."""
    return (
        Column("id", String, primary_key=True),
        _labeler(),
        Column("kind", String, nullable=False),
        _instructions(),
        Column("purpose", String, nullable=False),
        Column("assignment_id", ForeignKey("assignments.id"), index=True),
        _word("supersedes", index=True),
        _created(),
    )


demonstrations = Table("demonstrations", metadata, *judgement(), _prompt(), _text("text"))

#: `flags` maps a flag's name to true, false or null (asked, not answered). `position` is the place on the screen.
ratings = Table(
    "ratings",
    metadata,
    *judgement(),
    Column("completion_id", ForeignKey("completions.id"), nullable=False, index=True),
    Column("quality", Integer, nullable=False),
    Column("flags", JSON, nullable=False),
    Column("position", Integer),
    CheckConstraint("quality BETWEEN 1 AND 7", name="quality"),
)

#: `groups` is a list of lists of completion ids, best first, ids in one list are tied; `presented` the order on screen.
rankings = Table(
    "rankings",
    metadata,
    *judgement(),
    _prompt(),
    Column("groups", JSON, nullable=False),
    Column("presented", JSON, nullable=False),
    Column("seeded", Boolean, nullable=False),
)

#: Immutable model versions; `aliases` are the names that move.
models = Table(
    "models",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("path", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("run", String, nullable=False),
    Column("role", String, nullable=False),
    _created(),
)

#: Which prompts (by the hash of their normalised text) a model version was trained on.
model_prompts = Table(
    "model_prompts",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("text_hash", String, primary_key=True, index=True),
    ForeignKeyConstraint(["name", "version"], ["models.name", "models.version"]),
)

aliases = Table(
    "aliases",
    metadata,
    Column("alias", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["name", "version"], ["models.name", "models.version"]),
)

#: Tables whose rows are facts: triggers in the database refuse UPDATE and DELETE.
APPEND_ONLY = (
    "submissions",
    "demonstrations",
    "ratings",
    "rankings",
    "instruction_versions",
    "users",
    "withdrawals",
    "models",
    "model_prompts",
    "audit_log",
    "screening_items",
    "screening_answers",
    "screening_scores",
    "screening_decisions",
    "acknowledgements",
    "threads",
    "messages",
    "examples",
    "doubts",
    "choices",
    "returns",
    "withdrawal_requests",
    "labeler_withdrawals",
    "model_labels",
    "written_prompts",
    "privacy_reviews",
    "toxicity_ratings",
    "notices",
    "data_uses",
    "request_prompts",
    "model_results",
    "alias_moves",
    "comparisons",
    "votes",
    "notice_views",
)
