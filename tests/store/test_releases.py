"""What aliases name: one writer wins, every step back has its target, callers stay with their canary."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from tutelage.errors import ConflictError, DataError, MissingError, SettingsError
from tutelage.records import Prompt, RegisteredModel
from tutelage.store import Store, audit, counters, prompts, registry, releases, results, shadows, users
from tutelage.store.registry import Version
from tutelage.store.releases import Decision
from tutelage.store.results import Figure, Results
from tutelage.store.shadows import Shadow

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
WHY = Decision(by="anna", reason="better")


def versions(store: Store, count: int) -> list[RegisteredModel]:
    made = [RegisteredModel(name="m", version=0, path=f"p{n}", sha256=f"{n:064}", run="r") for n in range(count)]
    return [registry.register(store, model, prompt_hashes=(), now=NOW) for model in made]


def promote(store: Store, model: RegisteredModel, expected: Version | None, decision: Decision = WHY) -> None:
    releases.promote(store, "default", model, expected=expected, decision=decision, now=NOW)


def named(store: Store) -> str:
    return str(registry.pointed(store)["default"])


def test_of_promotions_at_the_same_time_one_is_done(store: Store) -> None:
    first, *others = versions(store, 5)
    promote(store, first, None)
    done: list[str] = []
    told: list[str] = []
    at_once = threading.Barrier(len(others))

    def work(model: RegisteredModel) -> None:
        at_once.wait()
        try:
            promote(store, model, Version("m", 1))
            done.append(f"m@{model.version}")
        except ConflictError as error:
            told.append(str(error))

    threads = [threading.Thread(target=work, args=(model,)) for model in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), len(told)) == (1, 3) and named(store) == done[0]
    assert all(f"default was moved meanwhile and names {done[0]}" in sentence for sentence in told)
    assert [str(move.version) for move in releases.history(store, "default")] == ["m@1", done[0]]
    assert audit.verify(store).rows == counters.value(store) == 2


def test_every_step_is_in_the_history_and_the_log_and_raises_the_counter(store: Store) -> None:
    one, two, three = versions(store, 3)
    registry.point(store, "default", one, now=NOW)
    promote(store, two, Version("m", 1))
    releases.start_canary(store, "default", three, 0.1, decision=WHY, now=NOW)
    releases.start_canary(store, "default", three, 0.5, decision=WHY, now=NOW)
    releases.roll_back(store, "default", decision=WHY, now=NOW)
    releases.roll_back(store, "default", decision=Decision(reason="wrong language"), now=NOW)
    moves = releases.history(store, "default")
    assert [(move.action, str(move.version), move.share) for move in moves] == [
        ("pointed", "m@1", None),
        ("promoted", "m@2", None),
        ("canary", "m@3", 0.1),
        ("canary", "m@3", 0.5),
        ("canary_ended", "m@3", None),
        ("rolled_back", "m@1", None),
    ]
    assert counters.value(store) == 6
    newest = audit.find(store, subject="default")[0].event
    assert (newest.action, newest.actor, newest.details["reason"]) == ("alias.rolled_back", "", "wrong language")
    with pytest.raises(DataError, match="nothing to go back to"):
        releases.roll_back(store, "default", decision=WHY, now=NOW)
    # What a roll-back left is not gone back to.
    promote(store, three, Version("m", 1))
    releases.roll_back(store, "default", decision=WHY, now=NOW)
    assert named(store) == "m@1"


def test_what_cannot_be_is_refused_and_changes_nothing(store: Store) -> None:
    one, two, three = versions(store, 3)
    with pytest.raises(DataError, match="names nothing yet"):
        releases.start_canary(store, "default", one, 0.1, decision=WHY, now=NOW)
    with pytest.raises(DataError, match="name of a model"):
        releases.promote(store, "m", one, expected=None, decision=WHY, now=NOW)
    gone = RegisteredModel(name="m", version=9, path="p", sha256="s", run="r")
    with pytest.raises(MissingError, match="m@9 is not in the registry"):
        promote(store, gone, None)
    promote(store, one, None)
    for action in (lambda: promote(store, one, Version("m", 1)),
                   lambda: releases.start_canary(store, "default", one, 0.1, decision=WHY, now=NOW)):  # fmt: skip
        with pytest.raises(DataError, match="names m@1 already"):
            action()
    for share in (0.0, 1.0, -0.5, float("nan")):
        with pytest.raises(SettingsError, match="share of a canary"):
            releases.start_canary(store, "default", two, share, decision=WHY, now=NOW)
    releases.start_canary(store, "default", two, 0.1, decision=WHY, now=NOW)
    with pytest.raises(ConflictError, match="m@2 is the canary of default"):
        releases.start_canary(store, "default", three, 0.1, decision=WHY, now=NOW)
    assert len(releases.history(store, "default")) == counters.value(store) == 2


def test_a_kept_version_answers_until_its_day_or_until_it_is_named_again(store: Store) -> None:
    one, two = versions(store, 2)
    promote(store, one, None)
    promote(store, two, Version("m", 1), Decision(keep_until=LATER))
    (kept,) = releases.routes(store, ["default"], now=NOW)["default"].kept
    assert (kept.model, kept.since, kept.until) == (one, NOW, LATER)
    assert releases.routes(store, ["default"], now=LATER)["default"].kept == ()
    releases.roll_back(store, "default", decision=WHY, now=NOW)
    route = releases.routes(store, ["default", "m@2"], now=NOW)
    assert (route["default"].main, route["default"].kept, route["m@2"].main) == (one, (), two)
    with pytest.raises(MissingError, match="There is no model 'other'"):
        releases.routes(store, ["other"], now=NOW)


def test_a_promotion_ends_the_canary(store: Store) -> None:
    one, two = versions(store, 2)
    promote(store, one, None)
    releases.start_canary(store, "default", two, 0.25, decision=WHY, now=NOW)
    route = releases.routes(store, ["default"], now=NOW)["default"]
    assert (route.main, route.canary, route.share) == (one, two, 0.25)
    promote(store, two, Version("m", 1))
    assert releases.routes(store, ["default"], now=NOW)["default"].canary is None


def test_callers_stay_with_their_canary_and_shares_are_shares() -> None:
    version = Version("m", 2)
    callers = [f"app-{n % 7}/user-{n}" for n in range(4000)]
    share = {s: {c for c in callers if releases.takes("default", version, s, c)} for s in (0.05, 0.3, 0.9)}
    assert share[0.05] < share[0.3] < share[0.9]  # nobody leaves when it grows
    for wanted, found in share.items():  # four standard errors of a binomial share
        assert abs(len(found) / 4000 - wanted) < 4 * (wanted * (1 - wanted) / 4000) ** 0.5
    other = {c for c in callers if releases.takes("default", Version("m", 3), 0.3, c)}
    assert share[0.3] != other  # not always the same callers try what is new


def test_results_are_of_the_files_that_are_registered(store: Store) -> None:
    one, two = versions(store, 2)

    def made(model: RegisteredModel, sha256: str = "", **figures: Figure) -> Results:
        key = {"name": model.name, "version": model.version, "sha256": sha256 or model.sha256}
        return Results(**key, source="runs/x", source_sha256="f" * 64, figures=figures)

    first, second = Figure(0.6, 0.5, 0.7, 10), Figure(0.7, 0.65, 0.75, 100)
    results.record(store, made(one, a=first, b=first), by="", now=NOW)
    results.record(store, made(one, a=second), by="", now=NOW)
    assert results.newest(store, one) == {"a": second, "b": first}
    assert [found.figures for found in results.of(store, one)] == [{"a": first, "b": first}, {"a": second}]
    assert results.newest(store, two) == {}
    with pytest.raises(DataError, match=r"judged other files .* than those of m@1"):
        results.record(store, made(one, two.sha256, a=first), by="", now=NOW)
    for figure in (Figure(0.6, 0.7, 0.8, 5), Figure(float("nan"), 0, 1, 5), Figure(0.5, 0, float("inf"), 5),
                   Figure(0.5, 0.4, 0.6, 0)):  # fmt: skip
        with pytest.raises(DataError, match="no mean within its interval"):
            results.record(store, made(one, a=figure), by="", now=NOW)
    assert len(results.of(store, one)) == 2


def test_shadow_answers_are_of_consented_prompts_only_and_go_with_a_withdrawal(store: Store) -> None:
    (one,) = versions(store, 1)
    users.assign(store, ["anna", "ben"], shares={"train": 1}, now=NOW)
    consents = {"a": ("anna", "n1"), "b": ("ben", "n1"), "c": ("anna", "")}
    new = [
        Prompt(id=id, text=id, source="customer", user=user, consent=consent, split="train")
        for id, (user, consent) in consents.items()
    ]
    prompts.add(store, new, now=NOW)
    version = Version("m", 1)
    assert [prompt.id for prompt in shadows.chosen(store, 9, before=NOW)] == ["a", "b"]
    assert shadows.chosen(store, 9, before=NOW - timedelta(1)) == []
    said = Shadow("hello\0", "stop")
    assert [shadows.add(store, version, id, said, now=NOW) for id in "abc"] == [True, True, False]
    assert shadows.add(store, version, "a", Shadow("again", "length"), now=NOW)
    assert shadows.answers(store, version, list("abc")) == {"a": said, "b": said}
    users.withdraw(store, ["ben"], by="", now=NOW)
    assert shadows.answers(store, version, list("abc")) == {"a": said}
    assert [prompt.id for prompt in shadows.chosen(store, 9, before=NOW)] == ["a"]
