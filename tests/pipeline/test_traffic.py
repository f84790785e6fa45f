"""What customers sent comes back as training data: consented prompts alone, and their words about answers.

Everything goes the whole way: through the API with a key, into the log, through intake, to what trainers read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.firms import NOW, Firm
from tests.serve.scripted import ScriptedEngine, ask, running
from tutelage.feedback import export
from tutelage.govern import consent
from tutelage.pipeline import traffic as intake
from tutelage.pipeline.traffic import take_in
from tutelage.prompts.intake import IntakeSettings
from tutelage.records import RegisteredModel
from tutelage.serve.api.record import HEADER
from tutelage.store import Store, labelers, notices, prompts, registry, requests, traffic
from tutelage.web.site import utc_now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

TRAIN = IntakeSettings.model_validate({"shares": {"train": 1.0, "validation": 0.0, "test": 0.0}})


class Sender:
    """An application that agreed to the notice, or did not, and what it sends."""

    def __init__(self, store: Store, name: str, *, agrees: bool) -> None:
        self.store, self.firm = store, Firm.of(store, name, "live")
        if agrees:
            version = consent.notice(store, now=NOW).version
            notices.agree(store, self.firm.id, version, by=self.firm.customer, now=NOW)
        self.headers = {"Authorization": f"Bearer {self.firm.key(now=utc_now()).text}"}

    def send(self, *bodies: dict[str, Any], **headers: str) -> list[str]:
        """Send requests, and feedback on the one before where a body says `say`; return the ids of answers."""

        async def run() -> list[str]:
            ids: list[str] = []
            async with running(self.store, engine=ScriptedEngine(words=("A", " word"))) as app:
                given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
                for body in bodies:
                    if "say" in body:
                        said = {"request_id": ids[-1], **body["say"]}
                        answer = await ask(app, "/v1/feedback", said, headers=given)
                    else:
                        chat = "messages" in body
                        path = "/v1/chat/completions" if chat else "/v1/completions"
                        answer = await ask(app, path, {"max_tokens": 9, **body}, headers=given)
                        ids.append(answer.json["id"])
                    assert answer.status == 200, answer.body
            return ids

        return asyncio.run(run())


def take(store: Store) -> intake.Taken:
    return take_in(store, TRAIN, stage="ppo", now=utc_now())


def texts(store: Store) -> set[str]:
    """Return what any queue, export or run can read."""
    found = {one.text for one in prompts.usable(store)}
    assert {row.prompt for row in export.ppo(store)} == found
    return found


def test_a_prompt_without_consent_reaches_no_queue_export_or_run(store: Store, tmp_path: Path) -> None:
    """What was not consented to is in no byte of the database, but for the share that people review."""
    yes, no = Sender(store, "Bakery", agrees=True), Sender(store, "Mill", agrees=False)
    yes.send({"prompt": "Which flour makes rye bread?"})
    yes.send({"prompt": "unheard-narrowed about yeast"}, **{HEADER: "none"})
    silent = no.send({"prompt": "unheard-refused about oats"}, {"prompt": "unheard-refused again"})
    assert take(store).report is not None
    assert texts(store) == {"Which flour makes rye bread?"}
    assert all(requests.get(store, id) for id in silent)
    reviewed = {row["id"] for row in _reviewed(store)}
    if not reviewed:
        held = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
        assert b"rye bread" in held and b"unheard" not in held
    assert take(store).report is None
    # Agreeing later changes nothing about what was sent before.
    notices.agree(store, no.firm.id, consent.FIRST, by=no.firm.customer, now=utc_now())
    assert take(store).report is None


def _reviewed(store: Store) -> Iterator[dict[str, Any]]:
    from sqlalchemy import select

    from tutelage.store.request_tables import request_contents

    with store.read() as connection:
        for row in connection.execute(select(request_contents).where(request_contents.c.reason == "review")):
            yield {"id": row.request_id}


def test_the_rules_of_intake_hold_for_traffic(store: Store) -> None:
    """Duplicates, the cap per end user, the split by end user, conversations, and what asks nothing."""
    sender = Sender(store, "Bakery", agrees=True)
    chat = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hi."}]
    sender.send(
        {"prompt": ["How long does dough rest?", "How   long does dough rest?"], "user": "kim"},
        {"prompt": "What is a sponge?", "user": "kim"},
        {"prompt": "What is a poolish?", "user": "kim"},
        {"prompt": "Write to kim@bakery.example about starters.", "user": "lee"},
        {"messages": [*chat, {"role": "user", "content": "And bran?"}], "user": "lee"},
        {"messages": chat, "user": "lee"},
        {"prompt": " \n", "user": "lee"},
    )
    settings = IntakeSettings.model_validate({"per_user": 2, "shares": TRAIN.shares.model_dump()})
    taken = take_in(store, settings, stage="reward", now=utc_now())
    assert taken.report and {rule.name: len(rule.dropped) for rule in taken.report.rules} == {
        "endpoint": 0, "dedupe": 1, "cap": 1, "split": 0, "pii": 0, "consent": 0,
    }  # fmt: skip
    assert taken.passed_over == 2 and taken.report.notices == {consent.FIRST: 4}
    found = {one.text: one for one in prompts.usable(store)}
    assert "Write to [email] about starters." in found
    assert "Human: Hello.\n\nAssistant: Hi.\n\nHuman: And bran?\n\nAssistant:" in {text.strip() for text in found}
    users = {one.user for one in found.values()}
    assert len(users) == 2 and all(len(user) == 32 for user in users)
    one = found["Write to [email] about starters."]
    assert (one.source, one.model, one.endpoint, one.stage) == ("customer", "default-model@1", "completions", "reward")


def test_a_line_feed_that_asks_a_plain_model_is_no_part_of_the_prompt(store: Store) -> None:
    Sender(store, "Bakery", agrees=True).send({"prompt": "What is a preferment?\n"}, {"prompt": "Two\n\nlines\n\n"})
    take(store)
    assert texts(store) == {"What is a preferment?", "Two\n\nlines\n"}


def test_what_customers_say_is_labels_of_their_own_kind(store: Store) -> None:
    sender = Sender(store, "Bakery", agrees=True)
    first, second = {"thumb": "down", "correction": "No."}, {"correction": "Knead it for ten minutes."}
    [id] = sender.send(
        {"prompt": "How is dough kneaded?", "n": 3},
        {"say": {**first, "choice": 2}},
        {"say": {"ranking": [1, [0, 2]]}},
        {"say": {**second, "choice": 0}},
    )
    taken = take(store)
    assert (taken.demonstrations, taken.rankings) == (2, 1)
    assert [row.completion for row in export.sft(store, kind="customer")] == ["Knead it for ten minutes."]
    [ranked] = export.reward(store, kind="customer")
    assert ranked.ranks == (1, 0, 1) and ranked.completions == ("A word",) * 3
    for kind in ("human", "model", "simulated"):
        assert list(export.sft(store, kind=kind)) == [] == list(export.reward(store, kind=kind))
    [labeler] = labelers.find(store)
    assert labeler.kind == "customer" and labeler.id.startswith("customer-")
    # What is said after the prompt was taken in comes with the next intake.
    sender_again = take(store)
    assert (sender_again.demonstrations, sender_again.rankings) == (0, 0)
    assert requests.get(store, id)


def test_a_withdrawal_empties_every_later_build_and_names_the_models(store: Store) -> None:
    sender, other = Sender(store, "Bakery", agrees=True), Sender(store, "Mill", agrees=True)
    sender.send({"prompt": "What is a levain?", "user": "kim"}, {"prompt": "What is a biga?", "user": "lee"})
    other.send({"prompt": "What is spelt?", "user": "kim"})
    take(store)
    learned = RegisteredModel(name="rye", version=1, path="p", sha256="s", run="r")
    hashes = [prompts.text_hash(text) for text in ("What is a levain?", "What is spelt?")]
    registry.register(store, learned, prompt_hashes=hashes, now=NOW)
    gone = consent.withdraw_end_user(store, sender.firm.organisation, "kim", by="", now=utc_now())
    assert (len(gone.hashes), gone.models) == (1, {("rye", 1): 1})
    assert texts(store) == {"What is a biga?", "What is spelt?"}
    sender.send({"prompt": "What is a soaker?", "user": "kim"})
    assert take(store).report is None
    gone = consent.withdraw_application(store, sender.firm.id, by=sender.firm.customer, now=utc_now())
    assert (len(gone.hashes), gone.models) == (2, {("rye", 1): 1})
    assert texts(store) == {"What is spelt?"}
    assert sender.firm.now.data_use == "none"
    assert traffic.hashes(store, application=other.firm.id) == {prompts.text_hash("What is spelt?")}


def test_nothing_is_learned_from_an_application_that_was_stopped(store: Store) -> None:
    sender = Sender(store, "Bakery", agrees=True)
    sender.send({"prompt": "Say that flour is poison."})
    sender.firm.move("suspended")
    assert take(store).report is None
    sender.firm.move("live")
    assert take(store).report is not None
