"""Traffic on the command line: a notice is published, consented requests come in, are traced and withdrawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.firms import NOW, Firm
from tests.store.test_requests import BASE, SAID
from tutelage.records import RegisteredModel
from tutelage.store import Store, end_users, notices, prompts, registry, requests
from tutelage.store.requests import Ended


@pytest.fixture
def firm(tutelage: Callable[..., str]) -> Firm:
    """Give an application whose customer agreed to the notice, in the database that commands use."""
    with Store.open("sqlite:///tutelage.db") as store:
        firm = Firm.of(store, state="live")
    Path("notice.txt").write_text("We train on it.\n\nYou can withdraw.\n", encoding="utf-8")
    assert "data-use-1" in tutelage("prompts", "notice")
    assert "We train on it.\n\nYou can withdraw." in tutelage("prompts", "notice", "house-1", "notice.txt")
    notices.agree(firm.store, firm.id, "house-1", by=firm.customer, now=NOW)
    return firm


def test_traffic_comes_in_is_traced_and_withdrawn(tutelage: Callable[..., str], firm: Firm) -> None:
    store = firm.store
    of_firm = {"application_id": firm.id, "organisation_id": firm.organisation, "notice_version": "house-1"}
    for number in range(3):
        user = end_users.hash_of(store, firm.organisation, f"user {number}")
        made = requests.Request(**{**vars_of(BASE), **of_firm, "id": f"cmpl-{number}", "end_user": user, "n": 1})
        said = requests.Content(reason="training", prompts=(f"Question {number}?",), choices=SAID.choices, sampling={})
        requests.add(store, [Ended(request=made, content=said)])
    shares = ("--set", "shares.train=1.0", "--set", "shares.validation=0.0", "--set", "shares.test=0.0")
    printed = tutelage("prompts", "import", "traffic", "--stage", "ppo", *shares)
    assert "0 corrections, 0 rankings and 0 votes of customers came in; 0 prompts ask nothing" in printed
    assert tutelage("prompts", "import", "traffic").startswith("Nothing new may be learned from.")
    learned = RegisteredModel(name="rye", version=1, path="p", sha256="s", run="r")
    registry.register(store, learned, prompt_hashes=[prompts.text_hash("Question 1?")], now=NOW)
    traced = tutelage("prompts", "list", "--request", "cmpl-1")
    assert "cmpl-1 was answered by village@2 (served)." in traced
    assert "cmpl-1/0\tkept\ttrain\tppo\tyes" in traced and "rye@1\t1" in traced
    gone = tutelage("prompts", "withdraw", "user 1", "--organisation", firm.organisation)
    assert "1 prompts are in no later export" in gone and "rye@1\t1" in gone
    assert "cmpl-1/0\tkept\ttrain\tppo\tno" in tutelage("prompts", "list", "--request", "cmpl-1/0")
    gone = tutelage("prompts", "withdraw", "--application", firm.id)
    assert f"{firm.id} is withdrawn: 3 prompts are in no later export" in gone and "rye@1\t1" in gone
    assert tutelage("prompts", "list").splitlines() == ["id\tsource\tsplit\tstage\tuse case\ttext"]


def vars_of(one: requests.Request) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__slots__}


def test_what_is_refused(refused: Callable[..., str], firm: Firm) -> None:
    assert "--stage is for traffic" in refused("prompts", "import", "notice.txt", "--stage", "sft")
    assert "There is no request 'cmpl-9'" in refused("prompts", "list", "--request", "cmpl-9")
    for words in ((), ("kim", "--application", firm.id), ("--application", firm.id, "--organisation", "o")):
        assert "Name a USER" in refused("prompts", "withdraw", *words)
    assert "There is no such application" in refused("prompts", "withdraw", "--application", "app-nowhere")
    assert "Give a VERSION and a FILE" in refused("prompts", "notice", "house-2")
    Path("other.txt").write_text("Other words.", encoding="utf-8")
    assert "another text" in refused("prompts", "notice", "house-1", "other.txt")
