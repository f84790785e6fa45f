"""Row 20: nobody learns from how fast or what the server answers what another customer asked.

No computed prompt outlives its step, and inside a step equal prompts share their computation within a tenant alone, so
there is no time to be measured: what is counted here is the work itself.
"""

from __future__ import annotations

import asyncio

import pytest
from transformers import PreTrainedModel

from tests.firms import Firm
from tests.generate.models import make_model, prompt
from tests.serve.scripted import Exchange, ScriptedEngine, ask, running
from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Request
from tutelage.generate.scheduler import PIECE
from tutelage.generate.vllm import body_of
from tutelage.serve.api.repeats import HEADER
from tutelage.store import Store
from tutelage.web.site import utc_now

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SECRET = prompt(7, 30)
LENGTH = len(SECRET)


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return make_model("llama", context=PIECE + 120)


def wish(tenant: str, ids: tuple[int, ...] = SECRET) -> Request:
    return Request(prompt_ids=ids, max_tokens=3, temperature=0.0, stop_ids=(), tenant=tenant)


def work(engine: Engine, *requests: Request) -> int:
    """Answer requests that arrive together; return how many prompt tokens that took."""
    before = engine.stats().prompt_tokens
    complete(engine, requests)
    return engine.stats().prompt_tokens - before


def test_a_prompt_costs_the_same_whoever_asked_it_before(model: PreTrainedModel) -> None:
    engine = Engine(model)
    long = prompt(3, PIECE + 9)
    for tenant in ("a", "a", "b", "a"):
        assert work(engine, wish(tenant)) == LENGTH
        assert work(engine, wish(tenant, long)) == len(long)


def test_who_asks_at_the_same_moment_shares_with_itself_alone(model: PreTrainedModel) -> None:
    engine = Engine(model)
    assert work(engine, wish("a"), wish("a")) == LENGTH
    assert work(engine, wish("a"), wish("b")) == 2 * LENGTH
    assert work(engine, wish("b"), wish("a"), wish("b"), wish("c"), wish("a")) == 3 * LENGTH
    assert work(engine, wish("a"), wish("b", prompt(8, 30))) == 2 * LENGTH  # as much as if it asked anything else


def test_answers_do_not_depend_on_who_else_asks(model: PreTrainedModel) -> None:
    alone = complete(Engine(model), [wish("a")])[0]
    together = complete(Engine(model), [wish("b"), wish("a"), wish("a"), wish("c")])
    assert all(one.ids == alone.ids and one.logprobs == pytest.approx(alone.logprobs) for one in together)


def test_vllm_keeps_its_cache_apart_by_tenant() -> None:
    salts = [body_of(wish(tenant), None).get("cache_salt") for tenant in ("a", "b", "")]
    assert salts == ["a", "b", None]


@ON_SQLITE
def test_the_tenant_is_the_key_s_application_whatever_a_request_says(store: Store) -> None:
    one, two = Firm.of(store, "One", state="live"), Firm.of(store, "Two", state="live")
    engine = ScriptedEngine()

    async def run() -> None:
        async with running(store, engine=engine) as app:
            for firm in (one, two):
                key = firm.key(now=utc_now())
                headers = {"Authorization": f"Bearer {key.text}", "X-Tenant": one.id, "Cache-Salt": one.id}
                body = {"prompt": "a", "max_tokens": 3, "user": one.id}
                assert (await ask(app, "/v1/completions", body, headers=headers)).status == 200
                assert engine.asked[-1].share == (firm.id, key.key.id)
                for name in ("cache_salt", "tenant", "share"):
                    refused = await ask(app, "/v1/completions", {**body, name: one.id}, headers=headers)
                    assert refused.status == 400

    asyncio.run(run())


@ON_SQLITE
def test_an_idempotency_key_says_nothing_to_another_api_key(store: Store) -> None:
    """Neither the answer, nor that there is one, nor that there was another body; not even to the same application."""
    one, two = Firm.of(store, "One", state="live"), Firm.of(store, "Two", state="live")
    texts = [firm.key(now=utc_now()).text for firm in (one, two, one)]
    engine = ScriptedEngine(pause_after=1)
    body = {"prompt": "a", "max_tokens": 9}

    async def run() -> None:
        async with running(store, engine=engine) as app:

            def call(text: str, body: dict[str, object]) -> asyncio.Task[Exchange]:
                headers = {"Authorization": f"Bearer {text}", HEADER: "the-same-word"}
                return asyncio.create_task(ask(app, "/v1/completions", body, headers=headers))

            # All three run at once, and none is told that its key is in use.
            calls = [call(text, body) for text in texts]
            while engine.in_flight < 3:
                await asyncio.sleep(0.01)
            engine.go_on.set()
            answers = [await one for one in calls]
            assert [one.status for one in answers] == [200] * 3 and len({one.json["id"] for one in answers}) == 3
            for text, answer in zip(texts, answers, strict=True):
                assert (await call(text, body)).body == answer.body
            fresh = one.key(now=utc_now()).text
            assert (await call(fresh, {**body, "max_tokens": 8})).status == 200
            assert (await call(texts[1], {**body, "max_tokens": 8})).status == 409

    asyncio.run(run())
