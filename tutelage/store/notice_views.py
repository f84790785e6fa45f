"""Who read which version of the notice on data, and what each wants done with what they send from then on."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from tutelage.errors import ConflictError
from tutelage.store.application_forms import DataUse
from tutelage.store.database import Store
from tutelage.store.request_tables import notices
from tutelage.store.vote_tables import notice_views


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Somebody read a version of the notice and chose what may be done with what that person sends."""

    person: str
    notice_version: str
    data_use: DataUse
    created: datetime


def add(store: Store, view: View) -> None:
    """Keep that somebody read the newest notice; one that was replaced meanwhile is refused."""
    with store.write() as connection:
        newest = select(notices.c.version).order_by(notices.c.created.desc(), notices.c.version.desc()).limit(1)
        if connection.scalar(newest) != view.notice_version:
            raise ConflictError("The notice changed meanwhile; read the new one.")
        row = {name: getattr(view, name) for name in View.__slots__}
        connection.execute(notice_views.insert(), row)


def last(store: Store, person: str) -> View | None:
    """Return what somebody read and chose last, None for who never did."""
    query = select(notice_views).where(notice_views.c.person == person).order_by(notice_views.c.number.desc()).limit(1)
    with store.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return View(**{name: getattr(row, name) for name in View.__slots__})
