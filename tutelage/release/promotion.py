"""Promote a version through its gates, as the default or as a canary of it; and go back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tutelage.errors import RefusedError, SettingsError
from tutelage.models import untrusted
from tutelage.records import RegisteredModel
from tutelage.release import gates as gate_rules
from tutelage.release.gates import Gate, Outcome
from tutelage.store import Store, registry, releases, results
from tutelage.store.registry import Version
from tutelage.store.releases import Decision, Move


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is wanted: which alias, through which gates, who says so and why.

    Without `gates` those of the alias's last promotion hold; `is_ungated` leaves them out, and then needs a reason.
    `share` makes it a canary. `keep_until` keeps the version before under its own name until then.
    """

    alias: str
    gates: Sequence[Gate] = ()
    is_ungated: bool = False
    share: float | None = None
    keep_until: datetime | None = None
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """What was done: the version, what the alias named before, and what each gate found."""

    model: RegisteredModel
    before: Version | None
    outcomes: Sequence[Outcome] = field(default_factory=list)


def promote(store: Store, name: str, order: Order, *, now: datetime) -> Promoted:
    """Let an alias name a version, or a share of its calls go there; refuse with the sentence of a gate that fails.

    The files must be those that were registered and hold nothing that could run. Of two promotions that decide at the
    same time one is refused.
    """
    _check(order, now)
    model = registry.get(store, name)
    before = registry.pointed(store).get(order.alias)
    untrusted.verify(model)
    outcomes = [] if order.is_ungated else gate_rules.judge(gates_of(store, order), results.newest(store, model))
    gate_rules.refuse_unless_passed(outcomes, f"{model.name}@{model.version}")
    found = [outcome.to_json() for outcome in outcomes]
    decision = Decision(by=order.by, reason=order.reason, gates=found, keep_until=order.keep_until)
    if order.share is not None:
        releases.start_canary(store, order.alias, model, order.share, decision=decision, now=now)
    else:
        releases.promote(store, order.alias, model, expected=before, decision=decision, now=now)
    return Promoted(model=model, before=before, outcomes=outcomes)


def roll_back(store: Store, alias: str, *, by: str, reason: str, now: datetime) -> Move:
    """End the canary of an alias, or let it name the version before, whose files must still be those registered."""
    moves = releases.history(store, alias)
    if alias not in releases.find_canaries(store) and (target := releases.previous(moves)) is not None:
        untrusted.verify(registry.get(store, str(target)))
    return releases.roll_back(store, alias, decision=Decision(by=by, reason=reason), now=now)


def gates_of(store: Store, order: Order) -> Sequence[Gate]:
    """Return the gates that hold for an order: its own, else those of the alias's last promotion."""
    if order.gates:
        return order.gates
    for move in reversed(releases.history(store, order.alias)):
        if move.action in ("promoted", "canary") and move.decision.gates:
            return [Gate.model_validate(found["gate"]) for found in move.decision.gates]
    raise RefusedError(
        f"Nothing was promoted to {order.alias} through gates yet, so none hold for it; name a file with --gates, or "
        "promote with --without-gates and a --reason."
    )


def _check(order: Order, now: datetime) -> None:
    if order.is_ungated and (order.gates or not order.reason.strip()):
        raise SettingsError("Without gates somebody must answer for it: say why with --reason, and name no gates.")
    if order.keep_until is not None and order.keep_until <= now:
        raise SettingsError(f"{order.keep_until.date()} is past; keep the version before until a day to come.")
    if order.keep_until is not None and order.share is not None:
        raise SettingsError("A canary replaces nothing, so no version is kept; leave one of the two options out.")
