"""Whose things a customer sees: those of the own organisation; all others are as if they were not there."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from tutelage.errors import MissingError
from tutelage.store import applications
from tutelage.store.applications import Application
from tutelage.web.access import Current, require
from tutelage.web.site import Here

#: The dependency of every router here.
CUSTOMERS = [Depends(require("customer"))]


def _own(here: Here, person: Current, application: str) -> Application:
    # "" would be everybody's.
    if not person.organisation:
        raise MissingError("There is no such application; reload the list.")
    return applications.get(here.store, application, organisation=person.organisation)


#: A handler's parameter `own: Own` is the application of its address, which is the customer's.
Own = Annotated[Application, Depends(_own)]
