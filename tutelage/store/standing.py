"""What somebody is to an organisation's applications: its customer, staff that decides about them, or a clock of ours.

Whoever is neither learns nothing: to them, another organisation's things are not there.
"""

from typing import Literal

from sqlalchemy import Connection, select

from tutelage.errors import MissingError, RefusedError
from tutelage.store.account_tables import people
from tutelage.store.accounts import STAFF
from tutelage.store.application_tables import members

Actor = Literal["customer", "staff", "monitor", "clock"]
#: Whoever is at the command line has the database itself: staff, and may do what a customer may.
OPERATOR = ""
#: Programs of ours that act by themselves; no person's id is a word like these.
PROGRAMS: dict[str, Actor] = {"monitor": "monitor", "clock": "clock"}


def of(connection: Connection, by: str, organisation: str) -> frozenset[Actor]:
    """Return what `by` (a person's id, "" on the command line, or a program) is to an organisation's things.

    Staff never decides about the own organisation. Nobody's business is MissingError, as if there were nothing.
    """
    if by == OPERATOR:
        return frozenset({"customer", "staff"})
    if by in PROGRAMS:
        return frozenset({PROGRAMS[by]})
    query = (
        select(people.c.role, members.c.organisation).select_from(people.outerjoin(members)).where(people.c.id == by)
    )
    row = connection.execute(query.where(people.c.status == "active")).one_or_none()
    if row is not None and row.organisation == organisation:
        return frozenset({"customer"})
    if row is not None and row.role in STAFF:
        return frozenset({"staff"})
    raise MissingError("There is no such application; reload the list.")


def check(connection: Connection, by: str, organisation: str, allowed: frozenset[Actor]) -> None:
    """Refuse who may see a thing of this organisation but not do this with it."""
    if not of(connection, by, organisation) & allowed:
        raise RefusedError("This is not yours to do; a reviewer or an administrator of another organisation can.")
