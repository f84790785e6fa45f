"""Applications on both databases: the arrows between their states, who may follow them, and what stays of each step."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from tests.firms import FORM, NOW, Firm, staff
from tutelage.errors import ConflictError, DataError, MissingError, RefusedError, UserError
from tutelage.serve.admission.grants import Grant, grant_of
from tutelage.store import (
    Store,
    accounts,
    applications,
    audit,
    counters,
    end_users,
    keys,
    migrate,
    organisations,
    upgrade,
)
from tutelage.store.account_tables import people, sessions
from tutelage.store.accounts import Offer
from tutelage.store.application_forms import SANDBOX, Conditions, Form, Limits
from tutelage.store.application_tables import application_moves, members
from tutelage.store.application_tables import applications as table
from tutelage.store.applications import SERVES, STATES
from tutelage.store.database import connect

ONLY_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
DAY = timedelta(days=1)
#: Every arrow, written by hand: customer (c), staff (s), the monitor (m), the clock (k).
ARROWS = """
draft sandbox c / draft suspended s
sandbox in_review c / sandbox suspended sm / sandbox revoked s
in_review sandbox cs / in_review changes_requested s / in_review live s / in_review suspended sm / in_review revoked s
changes_requested in_review c / changes_requested sandbox c / changes_requested suspended sm
changes_requested revoked s
live live s / live sandbox sm / live suspended sm / live expired sk / live revoked s
suspended sandbox s / suspended live s / suspended revoked s
expired sandbox c / expired in_review c / expired suspended s / expired revoked s
"""
ALLOWED = {
    (before, to): set(who)
    for line in ARROWS.replace("\n", "/").split("/")
    if line.strip()
    for before, to, who in [line.split()]
}


def put(firm: Firm, **values: Any) -> None:
    """Put an application where a test begins, past its own rules."""
    with firm.store.write() as connection:
        connection.execute(update(table).where(table.c.id == firm.id).values(**values))


@ONLY_SQLITE
def test_nobody_takes_a_step_that_is_not_an_arrow_of_theirs(store: Store) -> None:
    firm, stranger = Firm.of(store), Firm.of(store, "Dairy").customer
    lead = staff(store, "Lea", "lead")
    actors = {"c": firm.customer, "s": firm.reviewer, "m": "monitor", "k": "clock", "x": stranger, "l": lead}
    conditions = {"limits": vars_of(Conditions().limits), "filter_mode": "block", "models": [], "data_use": "none"}
    for before, to, (letter, by) in product(STATES, STATES, actors.items()):
        put(firm, state=before, conditions=conditions, revocation_by=firm.other, expires=None)
        step = {"reason": "because", "by": by, "now": NOW}
        allowed = ALLOWED.get((before, to), set())
        if letter in allowed:
            assert applications.move(store, firm.id, to, **step).state == to
            continue
        kind = MissingError if letter in "xl" else RefusedError if allowed else ConflictError
        with pytest.raises(kind):
            applications.move(store, firm.id, to, **step)
        assert firm.now.state == before


def vars_of(limits: Limits) -> dict[str, int]:
    return {name: getattr(limits, name) for name in Limits.__slots__}


def test_a_life_from_draft_to_revoked_is_told_whole(store: Store) -> None:
    firm = Firm.of(store, state="draft")
    assert (firm.now.state, firm.now.limits, firm.now.form) == ("draft", SANDBOX, FORM)
    before = counters.value(store)
    firm.move("sandbox", by=firm.customer, reason="")
    firm.move("in_review", by=firm.customer, reason="")
    firm.move("changes_requested", reason="Say who reads the answers.")
    assert firm.now.reason == "Say who reads the answers."
    firm.move("in_review", by=firm.customer, reason="Our bakers do.")
    wanted = Conditions(
        limits=Limits(requests_per_minute=9, tokens_per_minute=900, tokens_per_day=9000),
        filter_mode="annotate",
        models=("default",),
        data_use="none",
        expires=NOW + DAY,
    )
    live = firm.move("live", conditions=wanted)
    assert (live.conditions, live.limits, live.state_at(NOW)) == (wanted, wanted.limits, "live")
    firm.move("suspended", by="monitor", reason="Three severe hits.")
    assert firm.now.limits == SANDBOX
    assert firm.move("live", reason="A false alarm.").conditions == wanted
    applications.ask_revocation(store, firm.id, by=firm.reviewer, reason="Spam.", now=NOW)
    with pytest.raises(RefusedError, match="another person confirms"):
        firm.move("revoked")
    firm.move("revoked", by=firm.other)
    steps = [(step.before, step.after, step.by, step.reason) for step in applications.history(store, firm.id)]
    assert steps[2:4] == [
        ("in_review", "changes_requested", firm.reviewer, "Say who reads the answers."),
        ("changes_requested", "in_review", firm.customer, "Our bakers do."),
    ]
    assert [after for _, after, _, _ in steps][-3:] == ["suspended", "live", "revoked"]
    assert counters.value(store) == before + 9
    told = audit.find(store, subject=firm.id)
    assert [one.event.action for one in told].count("application.move") == len(steps) == 8
    assert (told[0].event.actor, told[0].event.details["to"]) == (firm.other, "revoked")
    assert audit.verify(store).rows


def test_steps_are_never_changed(store: Store) -> None:
    Firm.of(store)
    with pytest.raises(Exception, match="never changed or deleted"), store.write() as connection:
        connection.execute(update(application_moves).values(reason="another"))


def test_revoking_takes_two_people(store: Store) -> None:
    firm = Firm.of(store, state="live")
    with pytest.raises(ConflictError, match="one asks for it"):
        firm.move("revoked")
    for by, kind in ((firm.customer, RefusedError), ("monitor", RefusedError)):
        with pytest.raises(kind):
            applications.ask_revocation(store, firm.id, by=by, reason="x", now=NOW)
    applications.ask_revocation(store, firm.id, by="", reason="x", now=NOW)
    with pytest.raises(ConflictError, match="already"):
        applications.ask_revocation(store, firm.id, by=firm.other, reason="x", now=NOW)
    with pytest.raises(RefusedError):
        firm.move("revoked", by="")
    applications.drop_revocation(store, firm.id, by=firm.other, now=NOW)
    assert firm.now.revocation_by is None
    with pytest.raises(ConflictError):
        firm.move("revoked")


def test_nobody_reviews_for_the_own_organisation(store: Store) -> None:
    firm = Firm.of(store)
    with store.write() as connection:
        connection.execute(
            members.insert(), {"person": firm.reviewer, "organisation": firm.organisation, "created": NOW}
        )
    firm.move("in_review", by=firm.customer)
    with pytest.raises(RefusedError):
        firm.move("live", by=firm.reviewer, conditions=Conditions())
    assert firm.move("live", by=firm.other, conditions=Conditions()).state == "live"
    accounts.set_active(store, firm.other, False, by="", now=NOW)
    with pytest.raises(MissingError):
        firm.move("suspended", by=firm.other)


def test_conditions_end_at_their_hour_and_the_clock_tells_it_once(store: Store) -> None:
    firm = Firm.of(store)
    firm.review(Conditions(expires=NOW + DAY))
    assert applications.expire(store, now=NOW) == []
    assert (firm.now.state_at(NOW + DAY), firm.now.state) == ("expired", "live")
    with pytest.raises(ConflictError, match="is expired"):
        firm.move("live", now=NOW + DAY)
    assert applications.expire(store, now=NOW + DAY) == [firm.id]
    assert applications.expire(store, now=NOW + DAY) == []
    firm.move("in_review", by=firm.customer)
    with pytest.raises(DataError, match="later day"):
        firm.move("live", conditions=Conditions(expires=NOW))
    with pytest.raises(ConflictError, match="never reviewed"):
        firm.move("live")


def test_a_suspension_before_any_review_leads_to_no_live_application(store: Store) -> None:
    firm = Firm.of(store)
    firm.move("suspended")
    with pytest.raises(ConflictError, match="never reviewed"):
        firm.move("live", conditions=Conditions())
    with pytest.raises(DataError, match="Only a live application"):
        firm.move("sandbox", conditions=Conditions())


def test_a_form_is_changed_while_nobody_relies_on_it(store: Store) -> None:
    firm = Firm.of(store)
    longer = Form(**{**{name: getattr(FORM, name) for name in Form.__slots__}, "end_users": 400, "risks": ("minors",)})
    changed = applications.edit(store, firm.id, " Bread  talk ", longer, by=firm.customer, now=NOW + DAY)
    assert (changed.name, changed.form, changed.changed) == ("Bread talk", longer, NOW + DAY)
    firm.move("in_review", by=firm.customer)
    with pytest.raises(ConflictError, match="in review"):
        applications.edit(store, firm.id, "x", FORM, by=firm.customer, now=NOW)


BAD_FORMS = [
    ({"purpose": "short"}, "20 to 4000"),
    ({"use_case": "poetry"}, "no use case"),
    ({"audience": "cats"}, "no audience"),
    ({"end_users": 0}, "end users is 0"),
    ({"answer_tokens": -1}, "answer tokens is -1"),
    ({"risks": ("fire",)}, "no risk"),
]


@ONLY_SQLITE
@pytest.mark.parametrize(("changes", "told"), BAD_FORMS)
def test_a_form_that_says_too_little_is_refused(store: Store, changes: dict[str, Any], told: str) -> None:
    firm = Firm.of(store)
    bad = Form(**{**{name: getattr(FORM, name) for name in Form.__slots__}, **changes})
    with pytest.raises(DataError, match=told):
        applications.edit(store, firm.id, "x", bad, by=firm.customer, now=NOW)


@ONLY_SQLITE
def test_a_draft_says_what_it_can_and_serves_nobody_until_it_says_enough(store: Store) -> None:
    firm = Firm.of(store, state="draft")
    empty = Form(**{**{name: getattr(FORM, name) for name in Form.__slots__}, "purpose": ""})
    assert applications.edit(store, firm.id, "x", empty, by=firm.customer, now=NOW).form == empty
    with pytest.raises(DataError, match="20 to 4000"):
        firm.move("sandbox", by=firm.customer)
    # Nor by way of what staff does.
    firm.move("suspended")
    with pytest.raises(DataError, match="20 to 4000"):
        firm.move("sandbox")
    assert firm.now.state == "suspended"


@ONLY_SQLITE
def test_what_cannot_be_meant_is_refused(store: Store) -> None:
    firm = Firm.of(store, state="live")
    none = Limits(requests_per_minute=0, tokens_per_minute=1, tokens_per_day=1)
    bad: list[dict[str, Any]] = [{"limits": none}, {"filter_mode": "off"}, {"data_use": "sale"}]
    for conditions in bad:
        with pytest.raises(DataError):
            firm.move("live", conditions=Conditions(**conditions))
    for reason in (" ", "x" * 2001):
        with pytest.raises(DataError):
            firm.move("suspended", reason=reason)
    for share in (0, -1, 1.5, float("nan")):
        with pytest.raises(DataError, match="share"):
            applications.throttle(store, firm.id, share, by=firm.reviewer, reason="x", now=NOW)
    with pytest.raises(DataError, match="1 to 80"):
        applications.create(store, firm.organisation, " ", FORM, by=firm.customer, now=NOW)
    with pytest.raises(MissingError):
        applications.create(store, "nothing", "x", FORM, by="", now=NOW)


def test_a_share_of_the_limits_is_a_share_of_each(store: Store) -> None:
    firm = Firm.of(store, state="live")
    throttled = applications.throttle(store, firm.id, 0.1, by="monitor", reason="A spike.", now=NOW)
    assert throttled.limits == Limits(requests_per_minute=6, tokens_per_minute=6000, tokens_per_day=200_000)
    assert applications.throttle(store, firm.id, 1, by=firm.reviewer, reason="Over.", now=NOW).share == 1


def test_applications_are_listed_by_organisation_and_state(store: Store) -> None:
    assert not applications.is_any(store)
    one, two = Firm.of(store), Firm.of(store, "Dairy", state="live")
    assert applications.is_any(store)
    assert {found.id for found in applications.find(store)} == {one.id, two.id}
    assert [found.id for found in applications.find(store, states=["live"])] == [two.id]
    assert [found.organisation_name for found in applications.find(store, organisation=one.organisation)] == ["Bakery"]
    with pytest.raises(MissingError):
        applications.get(store, one.id, organisation=two.organisation)


def test_organisations_have_people_and_can_be_kept_out(store: Store) -> None:
    firm = Firm.of(store)
    assert [person.id for person in organisations.people_of(store, firm.organisation)] == [firm.customer]
    assert organisations.get(store, "BAKERY") == organisations.get(store, firm.organisation)
    with pytest.raises(DataError, match="already"):
        organisations.create(store, " bakery", by="", now=NOW)
    with pytest.raises(MissingError):
        organisations.get(store, "nowhere")
    with pytest.raises(RefusedError):
        organisations.set_active(store, firm.organisation, False, by=firm.customer, reason="x", now=NOW)
    before = counters.value(store)
    organisations.set_active(store, firm.organisation, False, by="monitor", reason="x", now=NOW)
    assert counters.value(store) == before + 1 and not firm.now.is_organisation_active
    with pytest.raises(MissingError, match="suspended"):
        accounts.invite(store, Offer(role="customer", organisation=firm.organisation), by="", now=NOW)


def test_customers_belong_to_an_organisation_and_nobody_else_does(store: Store) -> None:
    firm = Firm.of(store)
    assert accounts.get(store, firm.customer).organisation == firm.organisation
    assert accounts.get(store, firm.reviewer).organisation == ""
    for offer in (Offer(role="customer"), Offer(role="reviewer", organisation=firm.organisation)):
        with pytest.raises(DataError, match="organisation"):
            accounts.invite(store, offer, by="", now=NOW)
    with pytest.raises(MissingError):
        accounts.invite(store, Offer(role="customer", organisation="nothing"), by="", now=NOW)
    for person, role in ((firm.customer, "admin"), (firm.reviewer, "customer")):
        with pytest.raises(DataError, match="never changes"):
            accounts.set_role(store, person, role, by="", now=NOW)  # type: ignore[arg-type]


def test_an_application_without_review_is_for_few_people(store: Store) -> None:
    firm = Firm.of(store)
    some = [end_users.hash_of(store, firm.organisation, f"user {n}") for n in range(6)]
    assert [end_users.admit(store, firm.id, one, most=5, now=NOW) for one in some] == [True] * 5 + [False]
    assert end_users.admit(store, firm.id, some[0], most=5, now=NOW)
    assert end_users.hash_of(store, "another", "user 0") != some[0]


def serves(store: Store, key: str) -> bool:
    bound = keys.bound(store, key)
    return bound is not None and isinstance(grant_of(bound, NOW), Grant)


STEPS = st.one_of(
    st.tuples(
        st.just("move"), st.sampled_from(STATES), st.sampled_from(["customer", "reviewer", "other", "", "monitor"])
    ),
    st.tuples(
        st.sampled_from(["ask", "drop", "edit", "throttle", "reinstate", "expire", "key", "rotate"]),
        st.just(""),
        st.sampled_from(["customer", "reviewer", "other", "", "monitor"]),
    ),
)


def take(firm: Firm, step: tuple[str, Any, str], key: str) -> None:
    """Take one step of any kind; refusals are answers too."""
    kind, to, who = step
    by = getattr(firm, who) if who in ("customer", "reviewer", "other") else who
    store, common = firm.store, {"by": by, "now": NOW}
    secret = keys.pepper(store)
    steps = {
        "move": lambda: firm.move(to, by=by, conditions=Conditions() if to == "live" else None),
        "ask": lambda: applications.ask_revocation(store, firm.id, reason="x", **common),
        "drop": lambda: applications.drop_revocation(store, firm.id, **common),
        "edit": lambda: applications.edit(store, firm.id, "x", FORM, **common),
        "throttle": lambda: applications.throttle(store, firm.id, 1, reason="x", **common),
        "reinstate": lambda: organisations.set_active(store, firm.organisation, True, reason="x", **common),
        "expire": lambda: applications.expire(store, now=NOW),
        "key": lambda: keys.create(store, firm.id, keys.NewKey(name="x"), secret, **common),
        "rotate": lambda: keys.rotate(store, key, secret, overlap=DAY, **common),
    }
    try:
        steps[kind]()
    except UserError:
        pass


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path: Path = tmp_path_factory.mktemp("shop") / "store.db"
    with Store.open(str(path)) as store:
        yield Firm.of(store)


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(before=st.lists(STEPS, max_size=8), after=st.lists(STEPS, min_size=1, max_size=10))
def test_no_path_leads_from_revoked_to_serving(shop: Firm, before: list[Any], after: list[Any]) -> None:
    """Whatever was done before, and whatever anybody tries after: no key of a revoked application gives anything."""
    application = applications.create(shop.store, shop.organisation, "One more", FORM, by=shop.customer, now=NOW)
    firm = Firm(shop.store, shop.organisation, shop.customer, shop.reviewer, shop.other, application.id)
    firm.move("sandbox", by=firm.customer)
    key = firm.key().key.id
    assert serves(firm.store, key)
    for step in before:
        take(firm, step, key)
    if firm.now.state != "revoked":
        if firm.now.state == "draft":
            firm.move("suspended")
        if firm.now.revocation_by is None:
            applications.ask_revocation(firm.store, firm.id, by=firm.reviewer, reason="x", now=NOW)
        second = firm.other if firm.now.revocation_by != firm.other else firm.reviewer
        firm.move("revoked", by=second)
    for step in after:
        take(firm, step, key)
        assert firm.now.state == "revoked"
        assert not any(serves(firm.store, one.id) for one in keys.of(firm.store, firm.id))


def test_people_of_an_older_database_stay_and_may_have_the_new_roles(database: str) -> None:
    engine = connect(database)
    with engine.connect().execution_options(tutelage_writes=True) as connection, connection.begin():
        config = migrate._config(migrate.MIGRATIONS)
        config.attributes["connection"] = connection
        command.upgrade(config, "0011")
        row = {"id": "p", "name": "Lea", "name_key": "lea", "role": "lead", "password": "x", "status": "active"}
        connection.execute(people.insert(), {**row, "failures": 0, "created": NOW})
        session = {"id": "s", "token_hash": "h", "person": "p", "agent": "", "created": NOW, "seen": NOW}
        connection.execute(sessions.insert(), session)
    engine.dispose()
    upgrade(database)
    with Store.open(database) as store:
        assert accounts.get(store, "p").role == "lead"
        assert Firm.of(store).now.state == "sandbox"
        with pytest.raises(IntegrityError), store.write() as connection:
            connection.execute(update(people).values(role="king"))
        if store.engine.dialect.name == "sqlite":
            with store.read() as connection:
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
                assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def test_nothing_leads_out_of_revoked_in_the_table_either() -> None:
    assert applications.MOVES["revoked"] == {} and "revoked" not in SERVES
