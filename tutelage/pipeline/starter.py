"""The starter set in the store: prompts by the rules of intake, demonstrations as labels of the kind `model`."""

from __future__ import annotations

from datetime import datetime

from tutelage.prompts.intake import IntakeReport, IntakeSettings, intake
from tutelage.records import Instructions, Labeler
from tutelage.starter import rows
from tutelage.store import Store, labelers, labels

#: What the writer of the demonstrations was to do.
TOLD = (
    "Answer as a careful labeler would: correct, concise, and honest about what is uncertain. Keep every constraint. "
    "Decline what would harm somebody, politely, and be of use all the same; do not decline what only sounds harmful. "
    "A language model wrote these demonstrations; no person did."
)


def take_in(store: Store, settings: IntakeSettings, *, now: datetime) -> IntakeReport:
    """Add the prompts and demonstrations that are not in the store yet.

    The split comes with the set, by topic, so `settings.shares` decides nothing here.
    """
    found = rows.load()
    report = intake(store, [rows.prompt_of(row) for row in found], settings, now=now, places=[row.id for row in found])
    made = [rows.demonstration_of(row) for row in found if row.demonstration]
    labelers.add(store, [Labeler(id=rows.EDITION, group="training", kind="model")], now=now)
    version = made[0].instruction_version
    labelers.publish(store, Instructions(version=version, task="demonstration", text=TOLD), now=now)
    labels.add(store, labels.Judgements(demonstrations=made), now=now)
    return report
