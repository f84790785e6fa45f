"""vLLM as the engine: what is sent and read (always), and a real server behind the real API (`make vllm`)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openai
import pytest
import torch

from tests.generate.tiny import make, make_directory
from tutelage.errors import UnavailableError, UserError
from tutelage.generate.engine import Engine, complete
from tutelage.generate.process import EngineOptions, EngineProcess
from tutelage.generate.request import Event, Request, RequestError
from tutelage.generate.text import PlainDecoder
from tutelage.generate.vllm import Upstream, VllmRunner, VllmServer, _Answer, body_of, connect
from tutelage.generate.wire import Accepted, Ask, News
from tutelage.models.load import save

#: vLLM's attention on CPUs knows no heads of fewer than 32 numbers.
HIDDEN = 128
NOBODY = Upstream(url="http://127.0.0.1:9", context=96)


def chunk(tokens: list[int], reason: str | None = None, index: int = 0, likely: int = 0) -> dict[str, object]:
    """Make a chunk as vLLM streams it."""
    names = [f"token_id:{token}" for token in tokens]
    tops = [{name: -1.0} | {f"token_id:{i}": -2.0 - i for i in range(likely)} for name in names]
    logprobs = {"tokens": names, "token_logprobs": [-1.0] * len(names), "top_logprobs": tops}
    return {"choices": [{"index": index, "text": "", "logprobs": logprobs, "finish_reason": reason}]}


def test_a_request_says_what_it_means_in_vllms_words() -> None:
    request = Request(
        prompt_ids=(5, 6), max_tokens=7, temperature=0.5, top_k=3, seed=-1, stop_ids=(9,), n=2, best_of=4,
        logit_bias=((3, 1.5), (3, 2.0)), frequency_penalty=0.25, prompt_logprobs=True, stop=("x",),
    )  # fmt: skip
    body = body_of(request, end_id=1)
    assert body["prompt"] == [5, 6] and body["n"] == 4 and body["stop_token_ids"] == [9] and body["ignore_eos"]
    assert body["logit_bias"] == {"3": 3.5} and body["echo"] and body["frequency_penalty"] == 0.25
    assert 0 <= body["seed"] < 2**63 and "stop" not in body  # stop strings are found here, over several tokens
    assert body_of(Request(prompt_ids=(5,), max_tokens=1), end_id=1)["stop_token_ids"] == [1]


def test_chunks_become_events_with_text_and_scores() -> None:
    _, tokenizer = make()
    ids = tokenizer.encode("the goat eats the hat", add_special_tokens=False)
    request = Request(prompt_ids=tuple(ids[:2]), max_tokens=9, stream=True, prompt_logprobs=True, top_logprobs=2)
    answer = _Answer(request, PlainDecoder(tokenizer))
    events = (
        answer.read(chunk(ids[:2], likely=2)) + answer.read(chunk(ids[2:4])) + answer.read(chunk(ids[4:], "length"))
    )
    assert [event.token for event in events] == ids[2:]
    assert "".join(event.text for event in events) == tokenizer.decode(ids[2:])
    assert events[0].prompt is not None and len(events[0].prompt) == 1 and len(events[0].prompt[0][1]) >= 2
    assert events[-1].finish_reason == "length" and not answer.open


def test_a_stop_string_ends_a_choice_before_vllm_does() -> None:
    _, tokenizer = make()
    ids = tokenizer.encode("the goat eats the hat", add_special_tokens=False)
    answer = _Answer(Request(prompt_ids=(1,), max_tokens=50, stop=("eats",), n=2), PlainDecoder(tokenizer))
    events = answer.read(chunk(ids)) + answer.read(chunk(ids))
    assert "".join(event.text for event in events) == "the goat "
    assert events[-1].finish_reason == "stop" and answer.open == {1}


def test_an_error_in_the_stream_is_one() -> None:
    answer = _Answer(Request(prompt_ids=(1,), max_tokens=5), PlainDecoder(make()[1]))
    with pytest.raises(UnavailableError, match="vLLM failed while it answered: out of luck"):
        answer.read({"error": {"message": "out of luck"}})


def test_a_server_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    async def run() -> None:
        with pytest.raises(UnavailableError, match="No vLLM server answers at"):
            await connect(NOBODY.url)
        with pytest.raises(UserError, match="There is no Python at"):
            await VllmServer(tmp_path / "python", tmp_path).start()
        runner = VllmRunner(NOBODY, PlainDecoder(make()[1]), 0)
        with pytest.raises(RequestError, match="context is 96"):
            runner.check(Request(prompt_ids=(1,) * 90, max_tokens=9))
        with pytest.raises(UnavailableError, match="not reachable"):
            await drain(runner.generate(Request(prompt_ids=(1,), max_tokens=9)))
        await runner.close()

    asyncio.run(run())


def test_a_python_without_vllm_says_so(tmp_path: Path) -> None:
    model = make_directory(tmp_path / "tiny")

    async def run() -> None:
        process = EngineProcess(model, EngineOptions(vllm=sys.executable))
        with pytest.raises(UserError, match="vLLM ended while it started: .*Error.*vllm"):
            await process.start()
        await process.stop()

    asyncio.run(run())


def test_what_is_on_a_leash_dies_with_its_holder(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    leash = [sys.executable, "-m", "tutelage.generate.leash", sys.executable, "-c", program]
    holder = subprocess.Popen([sys.executable, "-c", f"import subprocess, time; p = subprocess.Popen({leash!r}, "
                                                     "stdin=subprocess.PIPE); time.sleep(600)"])  # fmt: skip
    while not (note.exists() and note.read_text()):
        time.sleep(0.02)
    pid = int(note.read_text())
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    deadline = time.monotonic() + 30
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_is_on_a_leash_is_told_to_end(tmp_path: Path) -> None:
    program = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print('up', flush=True)\n"
    )
    leash = [sys.executable, "-m", "tutelage.generate.leash", sys.executable, "-c", f"{program}time.sleep(600)"]
    with subprocess.Popen(leash, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(30) == 7


def is_running(pid: int) -> bool:
    """Say whether a process lives; one that waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the second when it ends between opening and reading
        return False
    return state != "Z"


async def drain(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


@pytest.fixture(scope="module")
def python() -> str:
    # It would reserve nearly all memory of a machine without a GPU, and compile for minutes.
    os.environ["TUTELAGE_VLLM_OPTIONS"] = "--gpu-memory-utilization 0.2 --enforce-eager"
    return os.path.abspath(os.environ["TUTELAGE_VLLM_PYTHON"])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network, tokenizer = make(hidden=HIDDEN, scale=2.0)
    return save(network, tokenizer, tmp_path_factory.mktemp("vllm") / "tiny")


async def answer(process: EngineProcess, ask: Ask) -> tuple[Accepted, list[News]]:
    messages = [message async for message in process.generate(ask)]
    assert isinstance(messages[0], Accepted)
    return messages[0], [message for message in messages[1:] if isinstance(message, News)]


@pytest.mark.vllm
def test_vllm_answers_like_our_engine(model: Path, python: str) -> None:
    network, tokenizer = make(hidden=HIDDEN, scale=2.0)
    ids = tuple(tokenizer.encode("the goat"))
    ours = complete(Engine(network, tokenizer), [Request(prompt_ids=ids, max_tokens=12, temperature=0)])[0]
    with torch.no_grad():
        prompt = network(torch.tensor([ids])).logits[0].log_softmax(-1)
    exact = [prompt[i, token].item() for i, token in enumerate(ids[1:])]

    async def run() -> None:
        process = EngineProcess(model, EngineOptions(vllm=python, max_batch=8))
        await process.start()
        try:
            greedy = Ask(text="the goat", max_tokens=12, temperature=0, top_logprobs=3, scores_prompt=True)
            accepted, news = await answer(process, greedy)
            assert accepted.prompt_tokens == len(ids)
            assert "".join(entry.text for entry in news) == ours.text
            assert [entry.token.logprob for entry in news if entry.token] == pytest.approx(ours.logprobs, abs=2e-3)
            assert news[0].prompt is not None
            assert [token.logprob for token in news[0].prompt][1:] == pytest.approx(exact, abs=2e-3)
            stop = ours.text[4:6]
            _, stopped = await answer(process, Ask(text="the goat", max_tokens=12, temperature=0, stop=(stop,)))
            assert "".join(entry.text for entry in stopped) == ours.text[: ours.text.index(stop)]
            _, several = await answer(process, Ask(text="the", max_tokens=6, n=2, best_of=5, seed=3))
            assert {entry.choice for entry in several} == {0, 1} and several[0].discarded > 0
            _, biased = await answer(process, Ask(text="the", max_tokens=4, logit_bias=((ids[0], 100.0),)))
            assert all(entry.finish_reason or entry.is_token for entry in biased)
            with pytest.raises(RequestError, match="context is 96"):
                await answer(process, Ask(text="the", max_tokens=500))
            _, late = await answer(process, Ask(text="the", max_tokens=80, deadline=0.001))
            assert late[-1].finish_reason == "cancelled" and "deadline" in late[-1].error
            assert (await process.stats())["running"] == 0
        finally:
            await process.stop()

    asyncio.run(run())


@pytest.fixture
def served(model: Path, python: str, tmp_path: Path) -> Iterator[str]:
    """Serve the model by the API with vLLM behind it."""
    database = f"sqlite:///{tmp_path / 'tutelage.db'}"
    cli = [sys.executable, "-m", "tutelage.cli"]
    add = ["models", "add", str(model), "--name", "tiny", "--database", database, "--models", str(tmp_path / "models")]
    subprocess.run([*cli, *add], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*cli, "serve", "--model", "tiny", "--database", database, "--port", str(port), "--vllm", python]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None and "Serving" in server.stdout.readline()
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
        assert server.stdout is not None
        server.stdout.close()


@pytest.mark.vllm
def test_the_api_serves_a_model_with_vllm(served: str) -> None:
    network, tokenizer = make(hidden=HIDDEN, scale=2.0)
    ids = tuple(tokenizer.encode("one two", add_special_tokens=False))
    ours = complete(Engine(network, tokenizer), [Request(prompt_ids=ids, max_tokens=10, temperature=0)])[0]
    with openai.OpenAI(base_url=served, api_key="none", max_retries=0) as client:
        plain = client.completions.create(model="tiny", prompt="one two", max_tokens=10, temperature=0)
        assert plain.choices[0].text == ours.text
        stream = client.completions.create(model="tiny", prompt="one two", max_tokens=10, temperature=0, stream=True)
        assert "".join(part.choices[0].text for part in stream) == ours.text
