"""Which prompts came from which requests: written when intake takes them in, and kept as long as the prompts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, union

from tutelage.store import batches
from tutelage.store.database import Store
from tutelage.store.kind_tables import privacy_reviews
from tutelage.store.request_tables import data_uses, request_prompts
from tutelage.store.tables import prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A prompt that came with a request: by which application, which model answered, and when."""

    prompt_id: str
    request_id: str
    application_id: str
    model: str
    sent: datetime


def add(store: Store, new: Sequence[Sent]) -> None:
    """Record where prompts came from."""
    with store.write() as connection:
        batches.insert_new(connection, request_prompts, [asdict(one) for one in new])


def of_request(store: Store, id: str) -> list[Sent]:
    """Return the prompts that came with a request, or the one that has this id itself; none for what was not taken."""
    either = or_(request_prompts.c.request_id == id, request_prompts.c.prompt_id == id)
    query = select(request_prompts).where(either).order_by(request_prompts.c.prompt_id)
    with store.read() as connection:
        return [Sent(**row._mapping) for row in connection.execute(query)]


def hashes(store: Store, *, application: str = "", request: str = "") -> set[str]:
    """Return the text hashes of the prompts of an application or a request, those before a redaction included."""
    if application:
        mine = request_prompts.c.application_id == application
    else:
        mine = or_(request_prompts.c.request_id == request, request_prompts.c.prompt_id == request)
    of_mine = select(request_prompts.c.prompt_id).where(mine)
    now = select(prompts.c.text_hash).where(prompts.c.id.in_(of_mine))
    before = select(privacy_reviews.c.before).where(privacy_reviews.c.prompt_id.in_(of_mine))
    with store.read() as connection:
        return set(connection.scalars(union(now, before)))


def withdrawn() -> Any:
    """Return the condition that a prompt came from an application that withdrew what it had sent until then."""
    gone = (
        select(request_prompts.c.prompt_id)
        .join(data_uses, data_uses.c.application_id == request_prompts.c.application_id)
        .where(
            request_prompts.c.prompt_id == prompts.c.id,
            data_uses.c.withdraws,
            data_uses.c.created >= request_prompts.c.sent,
        )
    )
    return gone.correlate(prompts).exists()
