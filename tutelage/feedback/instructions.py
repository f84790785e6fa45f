"""What labelers are told: versions that never change, and the three that ship with the program."""

from datetime import datetime
from importlib import resources

from tutelage.errors import DataError
from tutelage.records import Instructions
from tutelage.store import Store, labelers

#: The shipped versions. A changed text is a new file with a new number: old labels keep what they were made under.
DEMONSTRATION, COMPARISON, EVALUATION = "demonstration-1", "comparison-1", "evaluation-1"


def defaults() -> list[Instructions]:
    """Return the shipped versions: demonstration, comparison (helpfulness first), evaluation (truthfulness first)."""
    return [
        Instructions(version=DEMONSTRATION, task="demonstration", text=_text(DEMONSTRATION)),
        Instructions(version=COMPARISON, task="comparison", text=_text(COMPARISON)),
        Instructions(version=EVALUATION, task="evaluation", text=_text(EVALUATION)),
    ]


def publish(store: Store, instructions: Instructions, *, now: datetime) -> None:
    """Publish a version for ever; publishing the same text again changes nothing."""
    if not instructions.version.strip() or not instructions.text.strip():
        raise DataError("Instructions need a version and a text that are not empty.")
    labelers.publish(store, instructions, now=now)


def publish_defaults(store: Store, *, now: datetime) -> None:
    """Publish the shipped instructions."""
    for instructions in defaults():
        publish(store, instructions, now=now)


def published(store: Store) -> dict[str, Instructions]:
    """Return all published instructions by version."""
    return labelers.instructions(store)


def _text(version: str) -> str:
    return resources.files("tutelage.feedback").joinpath("texts", f"{version}.md").read_text(encoding="utf-8")
