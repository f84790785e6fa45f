"""One's own account: who one is, what is stored and asking to withdraw it, labeling as a lead, wellbeing."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from tutelage.errors import DataError
from tutelage.feedback import staff, wellbeing, withdrawal
from tutelage.feedback.app.api.access import Asking, By, labelers, only
from tutelage.feedback.app.api.schema import refusals
from tutelage.feedback.wire.parts import Me
from tutelage.feedback.wire.staff import Joining, Stored
from tutelage.feedback.wire.work import OptOuts, Seen, Wellbeing
from tutelage.records import USE_CASE_SHARES
from tutelage.store import welfare, withdrawals
from tutelage.store.accounts import JOINING, Person
from tutelage.store.welfare import CONTENTS

TAG = "account"

router = APIRouter()
joining = APIRouter(dependencies=[Depends(only(*JOINING))], responses=refusals(403))
well = APIRouter(prefix="/wellbeing", dependencies=[Depends(labelers)], responses=refusals(403))


@router.get("/me")
def me(asking: By) -> Me:
    """Say who asks, and with which token."""
    return _me(asking, asking.person)


@router.get("/me/stored")
def read_stored(asking: By) -> Stored:
    """Count all that is stored about one's labels, and say when one asked to withdraw."""
    labeler = asking.person.labeler
    return Stored(
        counts=withdrawals.stored(asking.store, labeler) if labeler else {},
        asked=withdrawals.asked(asking.store).get(labeler),
        withdrawn=withdrawals.withdrawn(asking.store).get(labeler),
    )


@router.put("/me/withdrawal", status_code=204, responses=refusals(400))
def ask_withdrawal(asking: By) -> None:
    """Ask that one's own labels are used no more; a lead or administrator does it."""
    withdrawal.ask(asking.store, asking.actor, now=asking.now)


@joining.put("/me/group")
def join_group(asking: By, body: Joining) -> Me:
    """Label as well, as a lead or an administrator, in one group of labelers for ever."""
    return _me(asking, staff.join(asking.store, asking.actor, body.group, now=asking.now))


@well.get("")
def read_wellbeing(asking: By) -> Wellbeing:
    """Return what one opted out of, what one can opt out of, and how much of it one saw."""
    chosen = welfare.opted_out(asking.store, asking.person.labeler)
    seen = wellbeing.seen(asking.store, asking.person, now=asking.now)
    return Wellbeing(
        use_cases=sorted(chosen.use_cases),
        contents=sorted(chosen.contents),
        all_use_cases=list(USE_CASE_SHARES),
        all_contents=list(CONTENTS),
        limit=welfare.limit(asking.store),
        seen=[Seen(days=days, opened=opened, sensitive={**counts}) for days, (opened, counts) in seen.items()],
    )


@well.put("/opt-outs", status_code=204)
def choose_opt_outs(asking: By, body: OptOuts) -> None:
    """Say what one would rather not work on; it takes the place of the choice before."""
    contents = [one for one in CONTENTS if one in body.contents]
    if len(contents) < len(set(body.contents)):
        raise DataError(f"These are the contents that one can opt out of: {', '.join(CONTENTS)}.")
    chosen = welfare.OptOuts(use_cases=frozenset(body.use_cases), contents=frozenset(contents))
    wellbeing.choose(asking.store, asking.actor, chosen, now=asking.now)


for area in (joining, well):
    router.include_router(area)


def _me(asking: Asking, person: Person) -> Me:
    fields = {name: getattr(person, name) for name in ("id", "name", "role", "labeler", "group")}
    return Me.model_validate({**fields, "token": asking.token})
