"""The log of calls: what is known of each without what was said in it. A row is written once, at the end of its call.

Writing the same rows again adds nothing, so a writer that does not know whether its transaction was committed repeats
it.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Row, Select, case, func, select

from tutelage.store import batches
from tutelage.store.application_forms import DataUse
from tutelage.store.database import Store
from tutelage.store.request_tables import request_contents, request_hits, requests

Action = Literal["served", "blocked_prompt", "cut", "refused", "cancelled", "failed"]
Endpoint = Literal["completions", "chat", "moderations"]
Role = Literal["prompt", "completion"]
#: Digits of a hash that stands for an address or a network.
_PLACE_DIGITS = 16


class Place(NamedTuple):
    """Where a call came from, as hashes: the address, and the network that it lies in."""

    ip_hash: str = ""
    network_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call as it ended. Severities are the worst of all its prompts and of all its completions."""

    id: str
    endpoint: Endpoint
    action: Action
    status: int
    created: datetime
    latency_ms: int
    first_token_ms: int | None = None
    key_id: str = ""
    application_id: str = ""
    organisation_id: str = ""
    end_user: str = ""
    ip_hash: str = ""
    network_hash: str = ""
    alias: str = ""
    model: str = ""
    prompts: int = 0
    n: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    temperature: float = 0.0
    is_stream: bool = False
    is_echo: bool = False
    has_logprobs: bool = False
    error_code: str = ""
    finish_reasons: tuple[str, ...] = ()
    prompt_severity: int = 0
    completion_severity: int = 0
    rule: str = ""
    policy_version: str = ""
    use_case: str = ""
    prompt_simhash: str = ""
    completion_simhash: str = ""
    urls: int = 0
    data_use: DataUse = "none"
    notice_version: str = ""

    @property
    def choices(self) -> int:
        """Return how many choices it has; those of the first prompt come first."""
        return self.prompts * self.n


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A category that the filter found in a request's prompts or completions."""

    role: Role
    category: str
    severity: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a model answered: to which prompt, how it ended, and how many tokens it has."""

    prompt: int
    text: str
    finish_reason: str
    tokens: int


#: A prompt: a text, or the messages of a conversation as pairs of role and text.
Said = str | tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What was said in a call, scrubbed; for training under the request's notice, or for review alone."""

    reason: Literal["training", "review"]
    prompts: tuple[Said, ...]
    choices: tuple[Choice, ...]
    sampling: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Everything that is written at the end of a call; most calls leave no content."""

    request: Request
    hits: tuple[Hit, ...] = ()
    content: Content | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """An application's calls in a window of time."""

    application_id: str
    requests: int
    blocked: int
    refused: int
    prompt_tokens: int
    completion_tokens: int


def place(store: Store, address: str) -> Place:
    """Return the salted hashes of an IP address and of its network, /24 or /48; nothing for what is no address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return Place()
    network = ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False)
    named = store.digest("address", str(ip)), store.digest("network", str(network))
    return Place(*(one[:_PLACE_DIGITS] for one in named))


def add(store: Store, ended: Sequence[Ended]) -> None:
    """Write calls down, all or none; those that are there already stay as they are."""
    with store.write() as connection:
        batches.insert_new(connection, requests, [asdict(one.request) for one in ended])
        batches.insert_new(connection, request_hits, [row for one in ended for row in _hits(one)])
        batches.insert_new(connection, request_contents, [row for one in ended for row in _content(one)])


def get(store: Store, id: str) -> Request | None:
    """Return a call, None where none of this id is known (any more)."""
    with store.read() as connection:
        row = connection.execute(select(requests).where(requests.c.id == id)).one_or_none()
    return None if row is None else request(row)


def find(
    store: Store, *, since: datetime, until: datetime, application_id: str = "", end_user: str = "", limit: int = 1000
) -> list[Request]:
    """Return the calls that came in from `since` on and before `until`, the newest first."""
    query = _within(select(requests), since, until).order_by(requests.c.created.desc(), requests.c.id).limit(limit)
    for column, wanted in ((requests.c.application_id, application_id), (requests.c.end_user, end_user)):
        if wanted:
            query = query.where(column == wanted)
    with store.read() as connection:
        return [request(row) for row in connection.execute(query)]


def answered_by(store: Store, model: str, *, limit: int = 10_000) -> list[Request]:
    """Return the newest calls that went to a model version (NAME@VERSION)."""
    query = select(requests).where(requests.c.model == model).order_by(requests.c.created.desc(), requests.c.id)
    with store.read() as connection:
        return [request(row) for row in connection.execute(query.limit(limit))]


def hits(store: Store, id: str) -> list[Hit]:
    """Return what the filter found in a call."""
    query = select(request_hits).where(request_hits.c.request_id == id)
    with store.read() as connection:
        return [
            Hit(role=row.role, category=row.category, severity=row.severity, score=row.score)
            for row in connection.execute(query.order_by(request_hits.c.role, request_hits.c.category))
        ]


def tallies(store: Store, *, since: datetime, until: datetime) -> dict[str, Tally]:
    """Count each application's calls that came in from `since` on and before `until`."""
    query = select(
        requests.c.application_id,
        func.count().label("requests"),
        _number_of("blocked_prompt", "cut").label("blocked"),
        _number_of("refused").label("refused"),
        func.sum(requests.c.prompt_tokens).label("prompt_tokens"),
        func.sum(requests.c.completion_tokens).label("completion_tokens"),
    )
    query = _within(query, since, until).group_by(requests.c.application_id)
    with store.read() as connection:
        return {row.application_id: Tally(**row._mapping) for row in connection.execute(query)}


def request(row: Row[Any]) -> Request:
    """Return the record of a row of the table `requests`."""
    return Request(**{**row._mapping, "finish_reasons": tuple(row.finish_reasons)})


def _within(query: Select[Any], since: datetime, until: datetime) -> Select[Any]:
    return query.where(requests.c.created >= since, requests.c.created < until)


def _number_of(*actions: Action) -> Any:
    return func.sum(case((requests.c.action.in_(actions), 1), else_=0))


def _hits(ended: Ended) -> list[dict[str, Any]]:
    return [{**asdict(hit), **_of(ended.request)} for hit in ended.hits]


def _content(ended: Ended) -> list[dict[str, Any]]:
    return [] if ended.content is None else [{**asdict(ended.content), **_of(ended.request)}]


def _of(request: Request) -> dict[str, Any]:
    return {"request_id": request.id, "application_id": request.application_id, "created": request.created}
