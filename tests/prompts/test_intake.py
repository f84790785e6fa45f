from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from tutelage.config import load
from tutelage.errors import DataError, SettingsError
from tutelage.prompts import split
from tutelage.prompts.intake import IntakeReport, IntakeSettings, Rule, Shares, intake
from tutelage.records import Prompt
from tutelage.store import Store, prompts, users

NOW = datetime(2026, 11, 2, tzinfo=UTC)
ALL_TRAIN = Shares(train=1, validation=0, test=0)


def prompt(name: str, text: str = "", **changes: Any) -> Prompt:
    fields: dict[str, Any] = {
        "id": name,
        "text": text or f"{name} asks something of its own",
        "source": "customer",
        "user": f"user of {name}",
        "consent": "notice-1",
        "endpoint": "playground",
    }
    return Prompt(**fields | changes)


def take(store: Store, *rows: Prompt, **settings: Any) -> IntakeReport:
    return intake(store, rows, IntakeSettings(**{"shares": ALL_TRAIN} | settings), now=NOW)


def rule(report: IntakeReport, name: str) -> Rule:
    return next(one for one in report.rules if one.name == name)


def usable(store: Store) -> set[str]:
    return {one.id for one in prompts.usable(store)}


def test_prompts_keep_their_text_and_origin_and_lose_the_name_of_the_user(store: Store) -> None:
    sent = prompt(
        "a", " Two\n  lines\0 ", user="anna@example.org", model="m-1", use_case="chat", form="few_shot", meta={"n": [1]}
    )
    take(store, sent)
    (kept,) = prompts.usable(store)
    assert (kept.text, kept.model, kept.endpoint, kept.use_case) == (sent.text, "m-1", "playground", "chat")
    assert (kept.form, kept.meta, kept.consent, kept.split) == ("few_shot", {"n": [1]}, "notice-1", "train")
    assert kept.user == store.user_hash("anna@example.org") != "anna@example.org"


def test_equal_texts_and_long_common_prefixes_are_dropped(store: Store) -> None:
    start = "Write a letter to the baker of the village and ask whether the bread was rye"
    report = take(
        store,
        prompt("a", start + "."),
        prompt("b", start + "! Thank you."),
        prompt("c", "short"),
        prompt("d", " short "),
        prompt("e", "ﬁne"),  # a ligature
        prompt("f", "fine"),
        prompt("g", start[:40] + " something else altogether, in many more words than before"),
    )
    assert usable(store) == {"a", "c", "e", "g"}
    assert rule(report, "dedupe").dropped == ("b", "d", "f")
    assert rule(report, "dedupe").proof == {"neighbours_still_alike": 0}
    assert prompts.marks(store, ["b"])["b"].group == "a"


def test_a_duplicate_with_consent_stays_for_one_without(store: Store) -> None:
    take(store, prompt("a", "same", consent=""), prompt("b", "same"))
    assert usable(store) == {"b"}


def test_later_rows_are_compared_with_the_store(store: Store) -> None:
    take(store, prompt("a", "same", consent=""))
    report = take(store, prompt("b", "same"))
    assert rule(report, "dedupe").dropped == ("b",)


def test_at_most_so_many_prompts_of_one_user_also_over_several_intakes(store: Store) -> None:
    first = [prompt(f"a{n}", user="busy") for n in range(5)]
    report = take(store, *first, prompt("other"), per_user=3)
    cap = rule(report, "cap")
    assert (cap.before, cap.after, cap.proof) == (6, 4, {"most_of_one_user": 3})
    assert take(store, prompt("later", user="busy"), per_user=3).rules[2].dropped == ("later",)
    assert Counter(one.user for one in prompts.usable(store)) == {
        store.user_hash("busy"): 3,
        store.user_hash("user of other"): 1,
    }


def test_which_prompts_a_cap_keeps_does_not_depend_on_their_order(store: Store, tmp_path: Any) -> None:
    rows = [prompt(f"a{n}", user="busy") for n in range(9)]
    take(store, *rows, per_user=4)
    with Store.open(str(tmp_path / "other.db"), salt="salt of the tests") as other:
        take(other, *reversed(rows), per_user=4)
        assert usable(other) == usable(store) != {f"a{n}" for n in range(4)}


def test_users_are_split_by_hash_and_stay_where_they_are(store: Store) -> None:
    shares = Shares(train=0.6, validation=0.2, test=0.2)
    rows = [prompt(f"p{n}", user=f"u{n // 2}") for n in range(600)]
    report = take(store, *rows, shares=shares)
    assert rule(report, "split").proof == {"users_in_two_splits": 0}
    # 300 users: 180 expected with a standard deviation of 8.5, and 60 with 6.9.
    assert 145 <= report.users["train"] <= 215 and 32 <= report.users["test"] <= 88
    assert sum(report.users.values()) == 300
    of_user = {one.user: one.split for one in prompts.usable(store)}
    # Other shares move nobody who was seen before.
    take(store, *(prompt(f"q{n}", user=f"u{n}") for n in range(300)), shares=Shares(train=0, validation=0, test=1))
    assert {one.user: one.split for one in prompts.usable(store)} == of_user


def test_the_rule_of_the_split_is_known_before_intake(store: Store) -> None:
    told = split.rule(store)
    take(store, *(prompt(f"p{n}", user=f"u{n}") for n in range(60)), shares=Shares())
    found = {one.user: one.split for one in prompts.usable(store)}
    assert {store.user_hash(f"u{n}"): told(f"u{n}") for n in range(60)} == found
    assert set(found.values()) == {"train", "validation", "test"}


def test_a_prompt_may_state_its_split_but_a_user_has_one(store: Store) -> None:
    take(store, prompt("a", user="u", split="test"), prompt("b", user="u"))
    assert {one.split for one in prompts.usable(store)} == {"test"}
    with pytest.raises(DataError, match="put into the split 'test' when first seen"):
        take(store, prompt("c", user="u", split="train"))
    with pytest.raises(DataError, match="'train', another prompt of its user 'validation'"):
        take(store, prompt("d", user="v", split="validation"), prompt("e", user="v", split="train"))
    assert usable(store) == {"a", "b"}


def test_personal_data_on_the_training_split_is_quarantined_and_found_again(store: Store) -> None:
    report = take(
        store,
        prompt("a", "My e-mail is anna@example.org, answer there"),
        prompt("b", "I can be reached at anna@example.org", split="test"),
        prompt("c"),
    )
    assert usable(store) == {"b", "c"}
    assert rule(report, "pii").dropped == ("a",)
    assert rule(report, "pii").proof == {"usable_for_training_unchecked": 0}
    (found,) = prompts.findings(store)
    assert (found.prompt_id, found.kind, found.start, found.end, found.action) == ("a", "email", 13, 29, "quarantined")
    assert found.detector == "pattern-1"


def test_prompts_without_consent_are_used_for_nothing(store: Store) -> None:
    report = take(store, prompt("a", consent=""), prompt("b"), prompt("c", consent="notice-2"))
    assert usable(store) == {"b", "c"}
    assert rule(report, "consent").dropped == ("a",)
    assert rule(report, "consent").proof == {"usable_without_consent": 0}
    assert report.notices == {"notice-1": 1, "notice-2": 1}


def test_only_the_named_endpoints_are_taken(store: Store) -> None:
    rows = [prompt("a", "same text", endpoint="production"), prompt("b", "same text")]
    report = take(store, *rows, endpoints=("playground",))
    assert usable(store) == {"b"}
    assert rule(report, "endpoint").dropped == ("a",)
    assert rule(report, "endpoint").proof == {"usable_from_other_endpoints": 0}


def test_the_report_follows_the_rows_from_rule_to_rule(store: Store) -> None:
    rows = [prompt(f"p{n}", user="busy") for n in range(4)]
    rows += [prompt("twin", rows[0].text), prompt("mail", "write to a@example.org"), prompt("silent", consent="")]
    report = take(store, *rows, per_user=3)
    assert [(one.name, one.before, one.after) for one in report.rules] == [
        ("endpoint", 7, 7),
        ("dedupe", 7, 6),
        ("cap", 6, 5),
        ("split", 5, 5),
        ("pii", 5, 4),
        ("consent", 4, 3),
    ]
    assert report.usable == {"train": 3, "validation": 0, "test": 0}


def test_the_same_rows_again_change_nothing_and_give_the_same_report(store: Store) -> None:
    rows = [prompt("a", "same"), prompt("b", "same"), prompt("c", "a@example.org is my address")]
    assert take(store, *rows) == take(store, *rows)
    with pytest.raises(DataError, match="Row 1: the prompt a is in the store with another text"):
        take(store, prompt("a", "other"))


@pytest.mark.parametrize(
    "row, sentence",
    [
        (prompt("x", " \n\t "), "Row 2: the prompt 'x' is empty; take it out"),
        (prompt("x", "\u3000\u00a0"), "Row 2: the prompt 'x' is empty"),
        (prompt("good"), "Row 2: the id 'good' is empty or used twice"),
        (prompt(""), "Row 2: the id '' is empty"),
        (prompt("x", user=""), "Row 2: the prompt 'x' names no user"),
        (prompt("x", "half \ud83d"), "Row 2: the prompt 'x' is no valid Unicode"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_added(store: Store, row: Prompt, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        take(store, prompt("good"), row)
    assert prompts.seen(store) == []
    assert users.splits(store, [store.user_hash("user of good")]) == {}


def test_an_empty_intake_is_a_report_of_nothing(store: Store) -> None:
    report = take(store)
    assert report.rows == 0 and all(one.before == one.after == 0 for one in report.rules)


def test_shares_that_do_not_add_up_are_refused(store: Store) -> None:
    with pytest.raises(SettingsError, match="add up to 1"):
        take(store, prompt("a"), shares=Shares(train=0.8, validation=0.8))


def test_settings_are_read_like_all_others() -> None:
    settings = load(IntakeSettings, overrides=["per_user=10", "shares.train=0.5", "shares.test=0.4"])
    assert (settings.per_user, settings.shares.train, settings.min_prefix) == (10, 0.5, 64)
