"""The engine process: weights, generation, nothing else. Started by `process`; speaks `wire` on a private socket."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from tutelage import logs
from tutelage.errors import UserError
from tutelage.generate import vllm
from tutelage.generate.classifying import ClassifierServer, is_classifier, scorer_of
from tutelage.generate.engine import Engine
from tutelage.generate.prompting import Message, Prompter, template_of
from tutelage.generate.request import Event, Request, RequestError, Top, best
from tutelage.generate.runner import Runner
from tutelage.generate.text import PlainDecoder
from tutelage.generate.vocabulary import Vocabulary
from tutelage.generate.waiting import Bounds, FairQueue, OverloadedError
from tutelage.generate.wire import Ask, News, Token, frame, read_frame
from tutelage.models.load import load_policy, load_tokenizer

#: Printed on standard output, with the context's length, when the socket accepts connections.
READY = "ready"


class Backend(Protocol):
    """What answers requests: our engine (`Runner`) or a vLLM server (`VllmRunner`)."""

    @property
    def context(self) -> int:
        """Return how many tokens a prompt and its answer may have together."""

    def check(self, request: Request) -> None:
        """Raise RequestError when the request can never be answered."""

    def generate(self, request: Request) -> AsyncIterator[Event]:
        """Yield the events of a request; leaving early cancels it."""

    async def stats(self) -> dict[str, int]:
        """Return the load."""

    async def close(self) -> None:
        """End what is running."""


class Server:
    """Answers connections with one backend; all of them wait in one queue for it."""

    def __init__(self, backend: Backend, prompter: Prompter, bounds: Bounds) -> None:
        self.backend, self.prompter = backend, prompter
        self.vocabulary = Vocabulary(prompter.tokenizer)
        # The longest prompt may wait too.
        self.queue = FairQueue(dataclasses.replace(bounds, tokens=max(bounds.tokens, backend.context)))

    @property
    def context(self) -> int:
        """Return how many tokens a prompt and its answer may have together."""
        return self.backend.context

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one gateway until it goes; what still runs for it is then cancelled."""
        tasks: dict[int, asyncio.Task[None]] = {}
        try:
            while (message := await read_frame(reader)) is not None:
                tag = message["tag"]
                if message["op"] == "cancel":
                    if tag in tasks:
                        tasks[tag].cancel()
                    continue
                answer = self._generate if message["op"] == "generate" else self._stats
                task = asyncio.create_task(self._answered(answer, message, writer))
                tasks[tag] = task
                task.add_done_callback(lambda _, tag=tag: tasks.pop(tag, None))  # type: ignore[misc]
        finally:
            for task in list(tasks.values()):
                task.cancel()
            writer.close()

    async def _answered(self, answer: Any, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        tag = message["tag"]
        try:
            await answer(message, writer)
        except RequestError as error:
            writer.write(frame({"tag": tag, "kind": "refused", "message": str(error)}))
        except OverloadedError as error:
            told = {"message": str(error), "retry_after": error.retry_after}
            writer.write(frame({"tag": tag, "kind": "overloaded", **told}))
        except UserError as error:
            writer.write(frame({"tag": tag, "kind": "failed", "message": str(error)}))

    async def _stats(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        stats = await self.backend.stats()
        queued = {"queued": self.queue.requests, "queued_tokens": self.queue.tokens, "admitted": self.queue.running}
        writer.write(frame({"tag": message["tag"], "kind": "stats", "stats": {**stats, **queued}}))

    async def _generate(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        ask, began = Ask.from_json(message["ask"]), time.monotonic()
        request = self._request(ask)
        self.backend.check(request)
        tokens, choices = len(request.prompt_ids), request.choices
        async with self.queue.turn(ask.share, tokens=tokens, choices=choices, patience=ask.patience):
            if request.deadline is not None:
                left = max(1e-3, request.deadline - (time.monotonic() - began))
                request = dataclasses.replace(request, deadline=left)
            await self._answer(message["tag"], ask, request, writer)

    async def _answer(self, tag: int, ask: Ask, request: Request, writer: asyncio.StreamWriter) -> None:
        text = self.prompter.renderer.decode(request.prompt_ids)
        accepted = {"prompt_tokens": len(request.prompt_ids), "prompt_text": text if ask.text is None else ask.text}
        writer.write(frame({"tag": tag, "kind": "accepted", **accepted}))
        stream = self.backend.generate(request)
        async with contextlib.aclosing(stream):  # type: ignore[type-var]
            async for news in self._told(stream, ask, request):
                writer.write(frame({"tag": tag, "kind": "news", "news": news.to_json()}))
                await writer.drain()

    async def _told(self, stream: AsyncIterator[Event], ask: Ask, request: Request) -> AsyncIterator[News]:
        """Yield the news of a stream; with `best_of` those of the best choices alone, when all have ended."""
        if ask.best_of is None:
            async for event in stream:
                yield self._news(event, ask, request)
            return
        drawn: list[list[Event]] = [[] for _ in range(request.choices)]
        async for event in stream:
            drawn[event.choice].append(event)
            if event.finish_reason in ("error", "cancelled"):  # the answer as a whole has failed
                yield self._news(event._replace(choice=0), ask, request)
                return
        kept = best([[event.logprob for event in one if event.token is not None] for one in drawn], request.n)
        tokens = sum(event.token is not None for i, one in enumerate(drawn) if i not in kept for event in one)
        prompt = drawn[0][0].prompt
        for place, choice in enumerate(kept):
            for number, event in enumerate(drawn[choice]):
                is_first = place == number == 0
                event = event._replace(choice=place, prompt=prompt if is_first else None)
                yield dataclasses.replace(self._news(event, ask, request), discarded=tokens if is_first else 0)

    def _request(self, ask: Ask) -> Request:
        if ask.messages is not None:
            ids = self.prompter.conversation_ids([Message(*message) for message in ask.messages])
        elif ask.ids is not None:
            ids = list(ask.ids)
        else:
            ids = self.prompter.text_ids(ask.text or "")
        room = max(1, self.backend.context - len(ids))
        return Request(
            prompt_ids=tuple(ids),
            max_tokens=room if ask.max_tokens is None else ask.max_tokens,
            temperature=ask.temperature,
            top_p=ask.top_p,
            seed=ask.seed,
            stop=ask.stop,
            n=ask.n,
            best_of=ask.best_of,
            presence_penalty=ask.presence_penalty,
            frequency_penalty=ask.frequency_penalty,
            logit_bias=ask.logit_bias,
            deadline=ask.deadline,
            top_logprobs=ask.top_logprobs or 0,
            prompt_logprobs=ask.scores_prompt,
            stream=True,
            tenant=ask.share[0],
        )

    def _news(self, event: Event, ask: Ask, request: Request) -> News:
        token = prompt = None
        if event.token is not None and ask.top_logprobs is not None:
            token = self._token(event.token, event.logprob, event.top)
        if event.prompt is not None:
            first = self._token(request.prompt_ids[0], None, ())
            rest = zip(request.prompt_ids[1:], event.prompt, strict=True)
            prompt = (first, *(self._token(id, logprob, top) for id, (logprob, top) in rest))
        return News(
            choice=event.choice,
            text=event.text,
            is_token=event.token is not None,
            token=token,
            finish_reason=event.finish_reason,
            error=event.error,
            prompt=prompt,
        )

    def _token(self, id: int, logprob: float | None, top: Sequence[Top]) -> Token:
        likely = tuple((self.vocabulary.bytes_of(entry.token), entry.logprob) for entry in top)
        vocabulary = self.vocabulary
        return Token(
            spelling=vocabulary.bytes_of(id), logprob=logprob, top=likely, is_special=vocabulary.is_special(id)
        )


async def serve(server: Server | ClassifierServer, socket: Path) -> None:
    """Answer on the socket until standard input ends, which is when the parent has gone, however it went."""
    listening = await asyncio.start_unix_server(server.connection, path=socket)
    print(READY, server.context, flush=True)
    loop = asyncio.get_running_loop()
    is_orphaned = asyncio.Event()

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            is_orphaned.set()

    loop.add_reader(sys.stdin.fileno(), read)
    await is_orphaned.wait()
    listening.close()


async def run(options: argparse.Namespace) -> None:
    """Load the model, or reach the vLLM server that has it, and serve it."""
    if is_classifier(options.model):
        scorer = scorer_of(options.model, getattr(torch, options.dtype))
        await serve(ClassifierServer(scorer), options.socket)
        return
    bounds = Bounds(choices=options.max_batch, requests=options.max_waiting, tokens=options.max_waiting_tokens)
    if not options.vllm:
        model, tokenizer = load_policy(options.model, dtype=getattr(torch, options.dtype))
        runner = Runner(Engine(model, tokenizer, max_batch=options.max_batch))
        await serve(Server(runner, Prompter(tokenizer, template_of(options.model, tokenizer)), bounds), options.socket)
        return
    tokenizer = load_tokenizer(options.model)
    own = None
    if options.vllm.startswith(("http://", "https://")):
        upstream = await vllm.connect(options.vllm, os.environ.get(vllm.KEY_VARIABLE, ""))
    else:
        own = vllm.VllmServer(Path(options.vllm), options.model, dtype=options.dtype, max_batch=options.max_batch)
        upstream = await own.start()
    backend = vllm.VllmRunner(upstream, PlainDecoder(tokenizer), tokenizer.eos_token_id)
    server = Server(backend, Prompter(tokenizer, template_of(options.model, tokenizer)), bounds)
    tasks = [asyncio.create_task(serve(server, options.socket))]
    if own is not None:  # when it dies, so does this process, and is started again
        tasks.append(asyncio.create_task(own.ended()))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done.pop().result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await backend.close()
        if own is not None:
            await own.stop()


def main() -> int:
    """Load a model and serve it."""
    parser = argparse.ArgumentParser(prog="python -m tutelage.generate.server")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--max-batch", type=int, default=128)
    parser.add_argument("--max-waiting", type=int, default=Bounds().requests)
    parser.add_argument("--max-waiting-tokens", type=int, default=Bounds().tokens)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--vllm", default="")
    options = parser.parse_args()
    logs.configure(logs.LogOptions())  # the gateway passes lines on, in its own format
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(run(options))
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
