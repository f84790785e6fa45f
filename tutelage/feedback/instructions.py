"""What labelers are told: versions that never change, those that ship with the program, and how they grow.

A question about a piece of work becomes a worked example in the next version. What was labeled before keeps its
version; the labels that the example puts in doubt are listed, and nothing is changed.
"""

import difflib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Literal, NamedTuple

from tutelage.errors import DataError, MissingError
from tutelage.records import FLAGS, Instructions
from tutelage.store import Store, guidance, labelers
from tutelage.store.guidance import Doubt, Example, JudgementKind, Scope

#: The shipped versions. A changed text is a new file with a new number: old labels keep what they were made under.
DEMONSTRATION, COMPARISON, EVALUATION = "demonstration-1", "comparison-1", "evaluation-1"
TOXICITY, PROMPT, PRIVACY = "toxicity-1", "prompt-1", "privacy-1"
#: What an example can be about, and which labels it then puts in doubt.
ABOUT: dict[str, JudgementKind] = {
    "demonstration": "demonstration",
    "order": "ranking",
    "quality": "rating",
    **dict.fromkeys(FLAGS, "rating"),
}
Reach = Literal["prompt", "use_case", "all"]
_EXAMPLES = "## Worked examples"


class Change(NamedTuple):
    """A line of the difference between two versions."""

    kind: Literal["same", "added", "removed"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExample:
    """An example that a lead adds to the instructions `base`.

    `about` is one of ABOUT; `reach` says which earlier labels it puts in doubt: of the same prompt, of all prompts with
    its use case, or all. `thread` names the conversation that it came from.
    """

    base: str
    text: str
    about: str
    reach: Reach
    prompt_id: str = ""
    use_case: str = ""
    thread: str = ""


def defaults() -> list[Instructions]:
    """Return the shipped versions; comparison puts helpfulness first, evaluation truthfulness and harmlessness."""
    return [
        Instructions(version=DEMONSTRATION, task="demonstration", text=_text(DEMONSTRATION)),
        Instructions(version=COMPARISON, task="comparison", text=_text(COMPARISON)),
        Instructions(version=EVALUATION, task="evaluation", text=_text(EVALUATION)),
        Instructions(version=TOXICITY, task="toxicity", text=_text(TOXICITY)),
        Instructions(version=PROMPT, task="prompt", text=_text(PROMPT)),
        Instructions(version=PRIVACY, task="privacy", text=_text(PRIVACY)),
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
    """Return all published instructions by version, oldest first."""
    return labelers.instructions(store)


def get(store: Store, version: str) -> Instructions:
    """Return one version."""
    found = published(store).get(version)
    if found is None:
        raise MissingError(f"There are no instructions {version!r}; choose a version from the list.")
    return found


def before(store: Store, version: str) -> Instructions | None:
    """Return the version for the same task that was published before this one, None for the first."""
    this = get(store, version)
    earlier = None
    for one in published(store).values():
        if one.version == version:
            break
        earlier = one if one.task == this.task else earlier
    return earlier


def newest(store: Store, version: str) -> Instructions:
    """Return the last version of the line that a version belongs to: `house-1`, `house-2`, ..."""
    stem, last = _stem(version), get(store, version)
    for one in published(store).values():
        if one.task == last.task and _stem(one.version) == stem and _number(one.version) > _number(last.version):
            last = one
    return last


def next_version(store: Store, version: str) -> str:
    """Return the name of the next version: the number at the end counts up, past those that are taken."""
    stem = _stem(version)
    return f"{stem}-{max(_number(name) for name in published(store) if _stem(name) == stem) + 1}"


def difference(old: str, new: str) -> list[Change]:
    """Return the lines of the new text, with those that were added and removed told apart."""
    kinds: dict[str, Literal["same", "added", "removed"]] = {"  ": "same", "+ ": "added", "- ": "removed"}
    lines = difflib.ndiff(old.splitlines(), new.splitlines())
    return [Change(kinds[line[:2]], line[2:]) for line in lines if line[:2] in kinds]


def with_example(text: str, example: str) -> str:
    """Return instructions with one more worked example, at the end of that section, which is added where missing."""
    example = example.strip()
    head, found, rest = text.partition(f"{_EXAMPLES}\n")
    if not found:
        return f"{text.rstrip()}\n\n{_EXAMPLES}\n\n{example}\n"
    end = re.search(r"^## ", rest, re.MULTILINE)
    inside, after = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    return f"{head}{found}{inside.rstrip()}\n\n{example}\n" + (f"\n{after}" if after else "")


def scope_of(store: Store, new: NewExample) -> Scope:
    """Return which earlier labels an example puts in doubt."""
    if new.about not in ABOUT:
        raise DataError(f"{new.about!r} is nothing that instructions are about; choose one of {', '.join(ABOUT)}.")
    if (new.reach == "prompt" and not new.prompt_id) or (new.reach == "use_case" and not new.use_case):
        raise DataError("This question has no such prompt or use case; let the example concern all earlier labels.")
    return Scope(
        task=get(store, new.base).task,
        kind=ABOUT[new.about],
        prompt_id=new.prompt_id if new.reach == "prompt" else "",
        use_case=new.use_case if new.reach == "use_case" else "",
    )


def publish_example(store: Store, new: NewExample, *, by: str, now: datetime) -> tuple[Example, Sequence[Doubt]]:
    """Publish the next version with one more worked example; return it with the labels that it puts in doubt."""
    if not new.text.strip():
        raise DataError("The example is empty; write the prompt, the answer and why.")
    base, scope = get(store, new.base), scope_of(store, new)
    if (last := newest(store, new.base)) != base:
        raise DataError(f"The instructions {last.version} are newer than {new.base}; add the example to them.")
    version = next_version(store, new.base)
    grown = Instructions(version=version, task=base.task, text=with_example(base.text, new.text))
    example = Example(
        id=secrets.token_hex(8),
        version=version,
        author=by,
        about=new.about,
        text=new.text.strip(),
        thread=new.thread,
    )
    return example, guidance.publish_example(store, example, grown, scope, now=now)


def _stem(version: str) -> str:
    return re.sub(r"-\d+$", "", version)


def _number(version: str) -> int:
    found = re.search(r"-(\d+)$", version)
    return int(found[1]) if found else 1


def _text(version: str) -> str:
    return resources.files("tutelage.feedback").joinpath("texts", f"{version}.md").read_text(encoding="utf-8")
