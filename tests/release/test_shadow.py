"""A version answers consented prompts for nobody: what is asked, what is kept, and what a stop leaves to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.release.versions import NOW, register, write
from tests.serve.scripted import ScriptedEngine
from tutelage.records import Prompt
from tutelage.release import shadow
from tutelage.store import Store, completions, prompts, shadows, users
from tutelage.store.registry import Version
from tutelage.store.shadows import Shadow

VERSION = Version("m", 1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "s.db")) as opened:
        register(opened, write(tmp_path / "one", 1))
        users.assign(opened, ["anna", "ben"], shares={"train": 1}, now=NOW)
        new = [
            Prompt(id=f"p{n:02}", text=f"Goat {n}?", source="customer", user="ben" if n == 3 else "anna", split="train",
                   consent="notice-1" if n < 20 else "", endpoint="completions" if n % 2 else "chat")
            for n in range(24)
        ]  # fmt: skip
        prompts.add(opened, new, now=NOW)
        yield opened


class Stopped(Exception):
    """The worker was told to stop."""


def test_consented_prompts_are_asked_as_callers_ask_and_answers_go_nowhere_else(store: Store) -> None:
    asked = shadows.chosen(store, 100, before=NOW)
    assert len(asked) == 20
    engine, told = ScriptedEngine(words=("yes ", "or no")), list[int]()

    def tell(done: int) -> None:
        told.append(done)
        if done == 16:
            raise Stopped

    with pytest.raises(Stopped):
        asyncio.run(shadow.ask(store, VERSION, engine, asked, tell))  # type: ignore[arg-type]
    kept = shadows.answers(store, VERSION, [prompt.id for prompt in asked])
    assert told == [8, 16] and kept == {f"p{n:02}": Shadow("yes or no", "stop") for n in range(16)}
    by_text = {ask.text or (ask.messages or (("", ""),))[0][1]: ask for ask in engine.asked}
    assert by_text["Goat 1?"].text and by_text["Goat 2?"].messages == (("user", "Goat 2?"),)
    assert len({ask.seed for ask in engine.asked}) == 16
    # Nothing of it is a completion, which labelers, exports and trainings see.
    assert completions.of_policy(store, "m@1") == completions.of_policy(store, "m") == []
    assert all(not found for found in completions.of_prompts(store, [prompt.id for prompt in asked]).values())


def test_who_withdraws_while_the_version_answers_has_no_answer_kept(store: Store) -> None:
    asked = shadows.chosen(store, 100, before=NOW)
    users.withdraw(store, ["ben"], by="", now=NOW)
    asyncio.run(shadow.ask(store, VERSION, ScriptedEngine(), asked, lambda _: None))  # type: ignore[arg-type]
    kept = shadows.answers(store, VERSION, [prompt.id for prompt in asked])
    assert set(kept) == {prompt.id for prompt in asked} - {"p03"}
