"""The engine process: spoken to over its socket, killed, restarted."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.generate.tiny import make, make_directory
from tutelage.errors import MissingError, UnavailableError, UserError
from tutelage.generate.engine import Engine, complete
from tutelage.generate.process import EngineProcess
from tutelage.generate.request import Request, RequestError
from tutelage.generate.wire import Accepted, Ask, News


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_directory(tmp_path_factory.mktemp("models") / "tiny")


def with_engine(model: Path, use: Callable[[EngineProcess], Awaitable[None]]) -> None:
    async def run() -> None:
        engine = EngineProcess(model)
        await engine.start()
        try:
            await use(engine)
        finally:
            await engine.stop()

    asyncio.run(run())


async def answer(engine: EngineProcess, ask: Ask) -> tuple[Accepted, list[News]]:
    messages = [message async for message in engine.generate(ask)]
    assert isinstance(messages[0], Accepted)
    return messages[0], [message for message in messages[1:] if isinstance(message, News)]


def test_answers_refusals_and_cancellation(model: Path) -> None:
    network, tokenizer = make()
    ids = tuple(tokenizer.encode("the goat"))
    expected = complete(Engine(network, tokenizer), [Request(prompt_ids=ids, max_tokens=12, seed=4, n=2)])

    async def use(engine: EngineProcess) -> None:
        accepted, news = await answer(engine, Ask(text="the goat", max_tokens=12, seed=4, n=2, top_logprobs=2))
        assert (accepted.prompt_tokens, accepted.prompt_text) == (len(ids), "the goat")
        for choice, result in enumerate(expected):
            own = [entry for entry in news if entry.choice == choice]
            assert "".join(entry.text for entry in own) == result.text
            assert own[-1].finish_reason == result.finish_reason
            scores = [entry.token.logprob for entry in own if entry.token]
            assert scores == pytest.approx(result.logprobs, abs=1e-4)
            assert all(len(entry.token.top) == 2 for entry in own if entry.token)
        with pytest.raises(RequestError, match="context is 96"):
            await answer(engine, Ask(text="the goat", max_tokens=500))
        stream = engine.generate(Ask(text="x", max_tokens=90, seed=1))
        async for message in stream:
            if isinstance(message, News):
                break
        await stream.aclose()
        while (await engine.stats())["running"]:
            await asyncio.sleep(0.01)
        mode = stat.S_IMODE(os.stat(engine._directory).st_mode)
        assert mode == 0o700

    with_engine(model, use)


def test_a_killed_process_fails_its_requests_with_a_sentence_and_comes_back(model: Path) -> None:
    async def use(engine: EngineProcess) -> None:
        stream = engine.generate(Ask(text="the", max_tokens=90, n=32, seed=2))
        first = engine.pid
        with pytest.raises(UnavailableError, match="ended while it answered"):
            async for message in stream:
                if isinstance(message, News) and engine.pid is not None:
                    os.kill(engine.pid, signal.SIGKILL)
        while not engine.is_ready:
            await asyncio.sleep(0.05)
        assert engine.pid != first
        _, news = await answer(engine, Ask(text="the", max_tokens=3, seed=2))
        assert news[-1].finish_reason in ("length", "stop")

    with_engine(model, use)


def test_a_model_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    async def run() -> None:
        engine = EngineProcess(tmp_path / "nothing")
        with pytest.raises(UserError, match="no model directory"):
            await engine.start()
        await engine.stop()
        with pytest.raises(UnavailableError, match="not ready"):
            await answer(engine, Ask(text="a", max_tokens=1))

    asyncio.run(run())
    assert issubclass(MissingError, UserError)


def test_the_process_ends_with_its_parent(model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tutelage.generate.server", "--model", str(model), "--socket"]
    child = subprocess.Popen([*command, str(tmp_path / "s")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin and child.stdout
    with child.stdout, child.stdin:
        assert child.stdout.readline() == b"ready 96\n"
        child.stdin.close()
        assert child.wait(timeout=60) == 0


def test_a_gateway_needs_no_torch() -> None:
    program = "import sys, tutelage.generate.process; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
