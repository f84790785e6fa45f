"""Row 21: in a comparison nobody knows what stands on which side, chance alone decides it, and each votes once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from scipy.stats import binomtest

from tests.firms import NOW, Firm, staff
from tests.serve.askers import Asker, asking
from tests.serve.scripted import Exchange, ScriptedEngine
from tutelage.serve.pages import pairs, tally
from tutelage.store import Store, applications, notices, requests, votes
from tutelage.store.vote_tables import comparisons

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

ARMS = ("base", "sft", "ppo")
ASK = {"prompt": "Which flour makes rye bread?"}


def rows(store: Store) -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(comparisons.select()))


def live(store: Store) -> Firm:
    firm = Firm.of(store, state="live")
    applications.throttle(store, firm.id, 1, by=firm.reviewer, reason="all", now=NOW)
    return firm


def test_nothing_that_is_sent_before_the_vote_tells_the_sides_apart(store: Store) -> None:
    """Not names, versions, weights, request ids, nor anything that differs between two arms but their texts."""
    firm = live(store)

    async def run() -> tuple[Exchange, Exchange]:
        async with asking(store) as app:
            kim = Asker.of(app, firm)
            shown = await kim.post(f"/compare/{firm.id}/answers", ASK)
            page = await kim.get("/compare", html=True)
            return shown, page

    shown, page = asyncio.run(run())
    assert shown.status == 200, shown.body
    assert set(shown.json) == {"id", "left", "right"}
    for side in ("left", "right"):
        assert shown.json[side] == {"text": "one two three", "finish_reason": "stop"}
    [row] = rows(store)
    secrets = {row.left_arm, row.right_arm, row.left_model, row.right_model, row.left_request, row.right_request}
    secrets |= {"Supervised", "fp_abab"}
    told = " ".join(f"{name}: {value}" for name, value in shown.headers.items() if name != "content-security-policy")
    for secret in secrets:
        assert secret.encode() not in shown.body, secret
        assert secret not in told, secret
    assert page.status == 200
    for arm in ("Supervised", "sft-model", "ppo"):
        assert arm.encode() not in page.body


def test_answers_leave_together_so_that_the_faster_arm_is_not_seen(store: Store) -> None:
    firm, engine = live(store), ScriptedEngine(pause_after=1)

    async def run() -> None:
        async with asking(store, engine=engine) as app:
            exchange = Exchange()
            kim = Asker.of(app, firm)
            waiting = asyncio.create_task(kim.post(f"/compare/{firm.id}/answers", ASK, exchange=exchange))
            while len(engine.asked) < 2:
                await asyncio.sleep(0.001)
            assert exchange.body == b"" and not rows(store)
            engine.go_on.set()
            assert (await waiting).status == 200

    asyncio.run(run())


def test_both_are_asked_the_same_under_the_same_sampling(store: Store) -> None:
    firm, engine = live(store), ScriptedEngine()

    async def run() -> None:
        async with asking(store, engine=engine) as app:
            assert (await Asker.of(app, firm).post(f"/compare/{firm.id}/answers", ASK)).status == 200

    asyncio.run(run())
    # When the call must be over differs by microseconds.
    one, other = (replace(asked, deadline=None) for asked in engine.asked)
    assert one == other and one.messages == (("user", ASK["prompt"]),) and one.max_tokens == 9


def test_chance_alone_draws_arms_and_sides(store: Store) -> None:
    """6,000 draws of the real source: every one of the six ordered pairs as often as the others.

    A fair source fails this once in more than a million runs: six two-sided binomial tests at 1e-7.
    """
    chance = random.SystemRandom()
    drawn = Counter(pairs.draw(ARMS, (), chance) for _ in range(6000))
    assert set(drawn) == {(a, b) for a in ARMS for b in ARMS if a != b}
    for number in drawn.values():
        assert binomtest(number, 6000, 1 / 6).pvalue > 1e-7


def test_what_was_voted_on_is_not_drawn_again(store: Store) -> None:
    chance = random.Random(1)
    done = {frozenset({"base", "sft"}), frozenset({"base", "ppo"})}
    assert {pairs.draw(ARMS, done, chance) for _ in range(50)} == {("sft", "ppo"), ("ppo", "sft")}
    assert pairs.draw(ARMS, done | {frozenset({"sft", "ppo"})}, chance) is None
    assert pairs.draw(("base",), (), chance) is None


def test_the_sides_are_kept_and_named_after_the_vote_alone(store: Store) -> None:
    firm = live(store)

    async def run() -> tuple[Exchange, Exchange]:
        async with asking(store) as app:
            kim = Asker.of(app, firm)
            shown = await kim.post(f"/compare/{firm.id}/answers", ASK)
            said = {"id": shown.json["id"], "choice": "right", "reasons": ["true"]}
            return shown, await kim.post(f"/compare/{firm.id}/votes", said)

    shown, named = asyncio.run(run())
    [row] = rows(store)
    names = {"base": "base", "sft": "Supervised", "ppo": "ppo"}
    assert named.json == {
        "left": {"arm": names[row.left_arm], "model": row.left_model},
        "right": {"arm": names[row.right_arm], "model": row.right_model},
    }
    assert row.id == shown.json["id"] and row.left_arm != row.right_arm
    for side in (row.left_request, row.right_request):
        call = requests.get(store, side)
        assert call and call.action == "served" and call.end_user == row.voter
    [cast] = votes.counted(store)
    assert (cast.vote.choice, cast.vote.reasons) == ("right", ("true",))


def test_each_person_votes_once_on_a_pair_and_nobody_for_another(store: Store) -> None:
    firm, stranger = live(store), Firm.of(store, "Dairy", "live")

    async def run() -> None:
        async with asking(store) as app:
            kim, lee = Asker.of(app, firm), Asker.of(app, stranger)

            async def vote(who: Asker, id: str, choice: str = "left") -> int:
                return (await who.post(f"/compare/{who.application}/votes", {"id": id, "choice": choice})).status

            # Three arms are three pairs; a fourth comparison of the prompt has nothing left to compare.
            ids = []
            for _ in range(3):
                shown = await kim.post(f"/compare/{firm.id}/answers", ASK)
                ids.append(shown.json["id"])
                assert await vote(kim, ids[-1]) == 200
            last = await kim.post(f"/compare/{firm.id}/answers", ASK)
            assert (last.status, last.json["error"]["code"]) == (409, "all_compared")
            assert await vote(kim, ids[0]) == 200, "the same again changes nothing"
            assert await vote(kim, ids[0], "right") == 409
            assert await vote(lee, ids[1]) == 404
            assert (await kim.post(f"/compare/{stranger.id}/votes", {"id": ids[1], "choice": "left"})).status == 404
            for wrong in ({"choice": "up"}, {"choice": "left", "reasons": ["x"]}, {"choice": "left", "arm": "sft"}):
                answer = await kim.post(f"/compare/{firm.id}/votes", {"id": ids[1], **wrong})
                assert answer.status == 400

    asyncio.run(run())
    cast = votes.counted(store)
    assert len(cast) == 3 and {one.vote.choice for one in cast} == {"left"}
    assert len({frozenset((one.comparison.left.arm, one.comparison.right.arm)) for one in cast}) == 3


def test_two_comparisons_of_one_pair_that_were_open_at_once_are_one_vote(store: Store) -> None:
    firm = live(store)

    async def run() -> list[int]:
        async with asking(store) as app:
            kim = Asker.of(app, firm)
            shown = [await kim.post(f"/compare/{firm.id}/answers", ASK) for _ in range(7)]
            votes_of = [
                kim.post(f"/compare/{firm.id}/votes", {"id": one.json["id"], "choice": "left"}) for one in shown
            ]
            return [answer.status for answer in await asyncio.gather(*votes_of)]

    statuses = asyncio.run(run())
    pairs_shown = {frozenset((row.left_arm, row.right_arm)) for row in rows(store)}
    assert statuses.count(200) == len(pairs_shown) == len(votes.counted(store))
    assert statuses.count(409) == 7 - len(pairs_shown)


def test_who_may_not_ask_may_not_compare(store: Store) -> None:
    """Without a session, without the notice, for another's application, from another site, or while suspended."""
    firm, stranger = live(store), Firm.of(store, "Dairy", "live")
    notices.publish(store, "data-use-1", "We train.", by="", now=NOW)

    async def run() -> None:
        async with asking(store) as app:
            path = f"/compare/{firm.id}/answers"
            nobody = Asker(app, store, "", firm.id)
            assert (await nobody.post(path, ASK)).status == 401
            assert (await nobody.post("/compare/local/answers", ASK)).status == 401
            unread = Asker.of(app, firm, data_use=None)
            answer = await unread.post(path, ASK)
            assert (answer.status, answer.json["error"]["code"]) == (403, "notice")
            kim = Asker.of(app, firm)
            for headers in (
                {"sec-fetch-site": "cross-site"},
                {"origin": "https://evil.example"},
                {"x-csrf-token": "no"},
            ):
                assert (await kim.post(path, ASK, headers=headers)).status == 403
            assert (await kim.post(f"/compare/{stranger.id}/answers", ASK)).status == 404
            assert (await kim.post("/compare/local/answers", ASK)).status == 404
            reviewer = Asker.of(app, firm, person=firm.reviewer)
            assert (await reviewer.post(path, ASK)).status == 404
            assert (await kim.get("/compare/tally")).status == 403
            assert (await reviewer.get("/compare/tally", html=True)).status == 200
            lead = Asker.of(app, firm, person=staff(store, "Lea", "lead"))
            assert (await lead.get("/compare/tally")).status == 403
            firm.move("suspended")
            await app.noticed()
            assert (await kim.post(path, ASK)).status == 403
            assert app.api.state.caller.catalogue.engine.asked == []

    asyncio.run(run())


def test_a_favoured_side_is_seen_in_the_tally(store: Store) -> None:
    """Eight of ten votes for the left, whatever stood there: 80 %, and by hand for each arm what it won.

    Wilson's interval for 8 of 10 is [0.490, 0.943]; few voters make it wider.
    """
    from tests.store.test_votes import cast, comparison, swapped

    for number in range(10):
        about = comparison(store, f"cmp-{number}", prompt=f"prompt {number}", voter=f"voter {number}")
        if number % 2:
            about = comparison(store, f"swp-{number}", prompt=f"other {number}", **swapped(about), voter=about.voter)
        cast(store, about, "left" if number < 8 else "right")
    counted = tally.count(votes.counted(store))
    assert counted.left is not None and counted.left.mean == pytest.approx(0.8)
    assert counted.left.low < 0.490 and counted.left.high > 0.943
    assert (counted.votes, counted.people, counted.usable) == (10, 10, 10)
    [pair] = counted.pairs
    assert (pair.first.arm, pair.wins, pair.losses, pair.ties, pair.both_bad) == ("base", 5, 5, 0, 0)
    assert pair.rate.mean == pytest.approx(0.5)
