"""The people for whom an application without review is used: salted hashes, and no more than its limit."""

from datetime import datetime

from sqlalchemy import func, select

from tutelage.store.application_tables import applications, end_users
from tutelage.store.database import Store


def hash_of(store: Store, organisation: str, user: str) -> str:
    """Return what stands for an end user of an organisation everywhere: two organisations' are never the same."""
    return store.digest("end_user", organisation, user)[:32]


def admit(store: Store, application: str, end_user: str, *, most: int, now: datetime) -> bool:
    """Say whether this end user may use the application: one that was seen, or one more of at most `most`."""
    mine = end_users.c.application == application
    with store.read() as connection:
        known = select(end_users.c.end_user).where(mine, end_users.c.end_user == end_user)
        if connection.scalar(known) is not None:
            return True
    with store.write() as connection:
        # The application's row is locked, so that two who come at once are counted one after the other.
        connection.execute(select(applications.c.id).where(applications.c.id == application).with_for_update())
        if connection.scalar(known) is not None:
            return True
        if (connection.scalar(select(func.count()).select_from(end_users).where(mine)) or 0) >= most:
            return False
        connection.execute(end_users.insert(), {"application": application, "end_user": end_user, "created": now})
        return True


def count(store: Store, application: str) -> int:
    """Count the end users for whom an application was used while it had no review."""
    query = select(func.count()).select_from(end_users).where(end_users.c.application == application)
    with store.read() as connection:
        return connection.scalar(query) or 0
