"""Numbers that only grow: who keeps something of the store in memory reads one to learn that it is out of date."""

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from tutelage.store.application_tables import counters
from tutelage.store.database import Store

#: Raised by every change of applications, keys, organisations and aliases: what gateways must obey at once.
GOVERNANCE = "governance"


def add_one(connection: Connection, name: str = GOVERNANCE) -> None:
    """Raise a counter in the transaction of the change that it tells, before the event of the audit log.

    Others see it when the change is committed. Writers of one counter wait for each other until then; the audit log's
    lock is always the last one, so that no two of them wait for each other.
    """
    made = postgresql.insert(counters) if connection.dialect.name == "postgresql" else sqlite.insert(counters)
    raised = made.values(name=name, value=1).on_conflict_do_update(
        index_elements=[counters.c.name], set_={"value": counters.c.value + 1}
    )
    connection.execute(raised)


def value(store: Store, name: str = GOVERNANCE) -> int:
    """Return where a counter stands; one that was never raised is 0."""
    with store.read() as connection:
        return int(connection.scalar(select(counters.c.value).where(counters.c.name == name)) or 0)
