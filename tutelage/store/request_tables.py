"""The tables of the request log: one row per call for long, what was said for short, and what customers said of it.

A row is written once and never changed (triggers refuse UPDATE); retention deletes it. What an application agreed to,
and which prompts came from which request, are facts for ever.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
)

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.tables import metadata

ACTIONS = ("served", "blocked_prompt", "cut", "refused", "cancelled", "failed")


def _word(name: str) -> Column[str]:
    return Column(name, String, nullable=False, server_default="")


def _number(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


#: What is known of a call without what was said in it: no column holds a client's own text. `alias` is the served name
#: that was asked for and `model` the version that answered, "" where there was none. People and places are salted
#: hashes; `urls` counts the addresses in the completions. `created` is when the call came in.
requests = Table(
    "requests",
    metadata,
    Column("id", String, primary_key=True),
    _word("key_id"),
    _word("application_id"),
    _word("organisation_id"),
    _word("end_user"),
    _word("ip_hash"),
    _word("network_hash"),
    Column("endpoint", String, nullable=False),
    _word("alias"),
    _word("model"),
    _number("prompts"),
    _number("n"),
    _number("prompt_tokens"),
    _number("completion_tokens"),
    Column("temperature", Float, nullable=False, server_default="0"),
    _flag("is_stream"),
    _flag("is_echo"),
    _flag("has_logprobs"),
    Column("action", String, nullable=False),
    Column("status", Integer, nullable=False),
    _word("error_code"),
    Column("finish_reasons", JSON, nullable=False),
    _number("prompt_severity"),
    _number("completion_severity"),
    _word("rule"),
    _word("policy_version"),
    _word("use_case"),
    _word("prompt_simhash"),
    _word("completion_simhash"),
    _number("urls"),
    Column("latency_ms", Integer, nullable=False),
    Column("first_token_ms", Integer),
    Column("data_use", String, nullable=False),
    _word("notice_version"),
    Column("created", UtcDateTime, nullable=False, index=True),
    CheckConstraint(f"action IN ({', '.join(repr(action) for action in ACTIONS)})", name="action"),
    CheckConstraint("data_use IN ('none', 'training')", name="data_use"),
    # The windows of the misuse monitor, from a minute to a week, of one application, key, end user or address.
    Index("ix_requests_application_id_created", "application_id", "created"),
    Index("ix_requests_key_id_created", "key_id", "created"),
    Index("ix_requests_end_user_created", "end_user", "created"),
    Index("ix_requests_ip_hash_created", "ip_hash", "created"),
)

#: What the filter found in a request: a category and how sure it was, in a prompt or a completion.
request_hits = Table(
    "request_hits",
    metadata,
    Column("request_id", ForeignKey("requests.id"), primary_key=True),
    Column("role", String, primary_key=True),
    Column("category", String, primary_key=True),
    Column("severity", Integer, nullable=False),
    Column("score", Float, nullable=False),
    _word("application_id"),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint("role IN ('prompt', 'completion')", name="role"),
    Index("ix_request_hits_application_id_created", "application_id", "created"),
    Index("ix_request_hits_category_created", "category", "created"),
)

#: What was said, without the personal data that was found: for training under a notice, or for review when the filter
#: found something. `prompts` is a list of texts, or one list of messages (role, content) for a conversation; `choices`
#: are texts with the prompt that they answer, how they ended and how many tokens they have.
request_contents = Table(
    "request_contents",
    metadata,
    Column("request_id", ForeignKey("requests.id"), primary_key=True),
    Column("reason", String, nullable=False),
    Column("application_id", String, nullable=False, index=True),
    Column("prompts", JSON, nullable=False),
    Column("choices", JSON, nullable=False),
    Column("sampling", JSON, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint("reason IN ('training', 'review')", name="reason"),
    Index("ix_request_contents_reason_created", "reason", "created"),
)

#: What a customer said of a request. `choice` is one of its choices, None for all; `ranking` is a list of lists of
#: choices, best first, those in one list are tied.
feedback = Table(
    "feedback",
    metadata,
    Column("id", String, primary_key=True),
    Column("request_id", ForeignKey("requests.id"), nullable=False, index=True),
    Column("application_id", String, nullable=False),
    _word("key_id"),
    _word("end_user"),
    Column("choice", Integer),
    _word("thumb"),
    Column("reasons", JSON, nullable=False),
    Column("ranking", JSON(none_as_null=True)),
    Column("data_use", String, nullable=False),
    _word("notice_version"),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint("thumb IN ('', 'up', 'down')", name="thumb"),
    CheckConstraint("data_use IN ('none', 'training')", name="data_use"),
    Index("ix_feedback_application_id_created", "application_id", "created"),
)

#: The words of feedback, which are kept as short as what was said in requests.
feedback_texts = Table(
    "feedback_texts",
    metadata,
    Column("feedback_id", ForeignKey("feedback.id"), primary_key=True),
    Column("comment", AnyText, nullable=False, server_default=""),
    Column("correction", AnyText, nullable=False, server_default=""),
    Column("created", UtcDateTime, nullable=False, index=True),
)

#: Versions of the notice that says what customers' traffic is used for.
notices = Table(
    "notices",
    metadata,
    Column("version", String, primary_key=True),
    Column("text", AnyText, nullable=False),
    Column("sha256", String, nullable=False),
    Column("by", String, nullable=False, server_default=""),
    Column("created", UtcDateTime, nullable=False),
)

#: What an application's traffic may be used for, from when on, who decided it and under which notice. One that
#: withdraws takes out of use all that the application sent before, too.
data_uses = Table(
    "data_uses",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("application_id", String, nullable=False),
    Column("data_use", String, nullable=False),
    _word("notice_version"),
    Column("withdraws", Boolean, nullable=False),
    Column("by", String, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint("data_use IN ('none', 'training')", name="data_use"),
    Index("ix_data_uses_application_id_created", "application_id", "created"),
)

#: Which request a prompt came from, and which model answered it; `sent` is when. It outlives the request's own row.
request_prompts = Table(
    "request_prompts",
    metadata,
    Column("prompt_id", ForeignKey("prompts.id"), primary_key=True),
    Column("request_id", String, nullable=False, index=True),
    Column("application_id", String, nullable=False, index=True),
    Column("model", String, nullable=False),
    Column("sent", UtcDateTime, nullable=False),
)

#: Calls that carry an idempotency key, as hashes: which key of whom, and what is asked. `holder` answers it until
#: `held_until`; `answer` is what was sent, whose words are kept as long as it may be asked for again.
repeats = Table(
    "repeats",
    metadata,
    Column("id", String, primary_key=True),
    Column("body", String, nullable=False),
    Column("holder", String, nullable=False),
    Column("held_until", UtcDateTime, nullable=False),
    Column("answer", AnyText),
    Column("created", UtcDateTime, nullable=False, index=True),
)

#: Tables whose rows are written once: triggers refuse UPDATE, and only retention deletes.
WRITTEN_ONCE = ("requests", "request_hits", "request_contents", "feedback", "feedback_texts")
