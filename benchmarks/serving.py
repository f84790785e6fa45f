"""The API under load: streams at once against other servers with the same model, and what the gateway itself costs.

Every server has a process of its own and answers in turn; one that waits is stopped. All continue the same texts
greedily. The client is one process beside them, the same for all: its share of the machine is in every figure. What the
gateway costs is its answer's time less that of its own engine, asked by the engine's socket, turn by turn; with a model
of one small layer, since the cost is the same for every model and the time of a large one would hide it.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.measure import ROUNDS, Row, compare, turns
from benchmarks.servers import ROOT, Line, Server, Socket, engine_socket, gateway, transformers, vllm
from tutelage.files import read_json, sha256_of
from tutelage.generate.wire import Ask
from tutelage.records import RegisteredModel
from tutelage.store import Store, registry

WORDS = "the goat eats grass near a river while people from every village come to see how bread is made".split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured: streams at once, tokens of each, turns that count, and requests for the gateway's cost.

    `vllm` is the Python of an environment that has it, `classifier` the directory of a content filter ("" for rules
    alone); without `peers` our server is measured alone.
    """

    model: Path
    dtype: str = "bfloat16"
    streams: Sequence[int] = (1, 8, 32)
    prompt_words: int = 32
    new: int = 32
    rounds: int = ROUNDS
    requests: int = 200
    peers: bool = True
    vllm: str = ""
    classifier: str = ""


def rows(plan: Plan) -> Iterator[Row]:
    """Measure everything, one row each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stores = [_store(plan, folder / f"{name}.db") for name in ("open", "filtered")]
        policy = _policy(plan, folder)
        with ExitStack() as stack:
            servers = list(_sides(plan, stores, policy))
            for server in servers:
                stack.callback(server.end)
            for server in servers:
                server.wait()
            for count in plan.streams:
                yield from _streams(plan, servers, count)
        yield from _overheads(plan, folder, policy)


def _sides(plan: Plan, stores: list[str], policy: Path) -> Iterator[Server]:
    yield gateway("ours", stores[0], plan.dtype)
    yield gateway("ours, filtered", stores[1], plan.dtype, "--filter", str(policy))
    if plan.peers:
        yield transformers(plan.model, plan.dtype)
        yield transformers(
            plan.model, plan.dtype, "--continuous-batching", "--cb-block-size", "32", "--cb-num-blocks", "256",
            "--cb-max-batch-tokens", "1024",
        )  # fmt: skip
    if plan.vllm:
        yield vllm(plan.vllm, plan.model, plan.dtype)


def _streams(plan: Plan, servers: Sequence[Server], count: int) -> Iterator[Row]:
    """Measure so many streams at once: tokens a second, and milliseconds until the first token."""
    prompts = _prompts(count, plan.prompt_words)
    for server in servers:
        server.first.clear()
    sides = {server.name: lambda server=server: server.run(prompts, plan.new) for server in servers}
    seconds = turns(sides, plan.rounds)
    # The first turn warms up.
    first = {server.name: [1000 * value for value in server.first[1:]] for server in servers}
    amount = count * plan.new
    for ours, others in _pairs(servers):
        name = f"{count} streams, {ours}"
        chosen = {side: seconds[side] for side in (ours, *others)}
        row = compare(name, "tokens/s", amount, chosen, ours)
        rates = {side: amount / statistics.median(seconds[side]) for side in others if side != row.peer}
        yield replace(row, note=", ".join(f"{side} {rate:,.0f}" for side, rate in rates.items()))
        yield _waits(name, {side: first[side] for side in (ours, *others)}, ours)


def _pairs(servers: Sequence[Server]) -> Iterator[tuple[str, list[str]]]:
    """Yield what is held against what: ours against the peers, and ours with a filter against ours without one."""
    ours, filtered, *peers = (server.name for server in servers)
    if peers:
        yield ours, peers
    yield filtered, [ours]


def _waits(case: str, first: dict[str, list[float]], ours: str) -> Row:
    """Return the row of first tokens: the ratio says how many times sooner ours comes."""
    medians = {name: statistics.median(values) for name, values in first.items()}
    peer = min((name for name in medians if name != ours), key=lambda name: medians[name])
    ratios = [theirs / mine for mine, theirs in zip(first[ours], first[peer], strict=False)]
    others = ", ".join(f"{name} {value:,.0f}" for name, value in medians.items() if name not in (ours, peer))
    return Row(
        case=f"{case}, first token",
        unit="ms",
        ours=medians[ours],
        peer=peer,
        theirs=medians[peer],
        ratio=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        note=others,
    )


def _overheads(plan: Plan, folder: Path, policy: Path) -> Iterator[Row]:
    """Measure what the gateway adds to a request of one token, without a key, with one, and with a filter as well."""
    small = replace(plan, model=_small(plan.model, folder / "small"), dtype="float32")
    # A store each: a server that is put to sleep may hold the lock of its own.
    names = ("small", "keyed", "screened")
    database, keyed, filtered = (_store(small, folder / f"{name}.db") for name in names)
    cases = [
        ("no key", gateway("ours", database, small.dtype), {}),
        ("key and quota", gateway("ours", keyed, small.dtype), _bearer(keyed)),
        ("key, quota and filter", gateway("ours", filtered, small.dtype, "--filter", str(policy)), _bearer(filtered)),
    ]
    with ExitStack() as stack:
        for _, server, _ in cases:
            stack.callback(server.end)
        for name, server, given in cases:
            server.wait()
            server.wake()
            yield _overhead(name, *asyncio.run(_timed(plan, server, given)))
            server.sleep()


def _bearer(database: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {_key(database)}"}


def _overhead(case: str, through: list[float], direct: list[float]) -> Row:
    """Return the row of a cost: milliseconds through the gateway beside those of the engine's socket."""
    more = statistics.median(through) - statistics.median(direct)
    slowest = statistics.quantiles(through, n=10)[8] - statistics.quantiles(direct, n=10)[8]
    part = max(1, len(through) // 5)
    ratios = [
        statistics.median(direct[at : at + part]) / statistics.median(through[at : at + part])
        for at in range(0, len(through), part)
    ]
    return Row(
        case=f"one request of one token, {case}",
        unit="ms",
        ours=statistics.median(through),
        peer="the engine's socket",
        theirs=statistics.median(direct),
        ratio=statistics.median(direct) / statistics.median(through),
        low=min(ratios),
        high=max(ratios),
        note=f"the gateway adds {more:.2f} ms at p50, {slowest:.2f} at p90",
    )


async def _timed(plan: Plan, server: Server, headers: dict[str, str]) -> tuple[list[float], list[float]]:
    """Ask through the gateway and by the engine's socket, in turns; return the milliseconds of each."""
    [prompt] = _prompts(1, 8)
    ask = Ask(text=prompt, max_tokens=1, temperature=0.0)
    body = json.dumps({"model": "default", "prompt": prompt, "max_tokens": 1, "temperature": 0}).encode()
    through, direct = list[float](), list[float]()
    async with Line(server.port, headers) as line, Socket(engine_socket(server)) as engine:
        for number in range(plan.requests + 10):
            began = time.perf_counter()
            await engine.ask(ask)
            middle = time.perf_counter()
            await line.ask(body)
            ended = time.perf_counter()
            if number >= 10:  # the first ones warm up
                direct.append(1000 * (middle - began))
                through.append(1000 * (ended - middle))
    return through, direct


def _prompts(count: int, words: int) -> list[str]:
    """Return texts of so many words, all different."""
    draw = random.Random(0)
    return [" ".join(draw.choices(WORDS, k=words)) for _ in range(count)]


def _small(model: Path, folder: Path) -> Path:
    """Save a model of one small layer with random weights that has the tokenizer of another one."""
    about = read_json(model / "config.json")
    ends = {name: about.get(name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=about["vocab_size"], hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=True, **ends,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    for path in model.glob("*token*"):
        shutil.copy(path, folder)
    return folder


def _store(plan: Plan, path: Path) -> str:
    """Make a store whose alias `default` is the model."""
    now = datetime.now(UTC)
    with Store.open(f"sqlite:///{path}") as store:
        new = RegisteredModel(name="model", version=0, path=str(plan.model), sha256=sha256_of(plan.model), run="")
        registry.point(store, "default", registry.register(store, new, prompt_hashes=(), now=now), now=now)
    return f"sqlite:///{path}"


def _policy(plan: Plan, folder: Path) -> Path:
    """Write a policy that blocks by a list of terms, and by a classifier where there is one."""
    (folder / "terms.txt").write_text("glorp\nkrumwort*\n", encoding="utf-8")
    head = f"classifier = {json.dumps(plan.classifier)}\n" if plan.classifier else ""
    path = folder / "policy.toml"
    path.write_text(f'{head}block = 2\n\n[lists.house]\nfile = "terms.txt"\nseverity = 2\n', encoding="utf-8")
    return path


def _key(database: str) -> str:
    """Make a live application with room for everything, and return a key of it."""

    def tutelage(*words: str) -> str:
        command = [sys.executable, "-m", "tutelage.cli", *words, "--database", database]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    made = tutelage("apps", "create", "Bench", "Load", "--purpose", "Measures how fast the server is.", "--submit")
    application = re.findall(r"app-[0-9a-f]{12}", made)[0]
    most = ("--requests-per-minute", "1000000", "--tokens-per-minute", "1000000000", "--tokens-per-day", "1000000000")
    tutelage("apps", "review", application, "--approve", "--reason", "It is ours.", *most)
    return tutelage("keys", "create", application).split()[-1]
