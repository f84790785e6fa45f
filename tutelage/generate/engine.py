"""The engine: a batch that requests join and leave at any step, over any transformers causal language model.

Each step advances every running row by one token and prefills what has arrived: short prompts together, identical ones
once, a long prompt piece by piece. Rows are independent: a row whose logits are not finite fails alone. Shapes: B
rows, W columns, V vocabulary.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tutelage.errors import UserError
from tutelage.generate.cache import SlotCache
from tutelage.generate.capacity import bytes_per_token, context_of
from tutelage.generate.fused import network_of
from tutelage.generate.prefill import Prefill, Scores, Staged, chunks, is_scored, score
from tutelage.generate.request import LATE, Event, Request, RequestError, Result, Top, best, is_textual
from tutelage.generate.rows import Choice, Rows
from tutelage.generate.sampler import sample, top_tokens, uniforms
from tutelage.generate.scheduler import Load, Scheduler, columns
from tutelage.generate.text import PlainDecoder, TextStream
from tutelage.records import FinishReason

#: Prompt tokens, padding included, that run through the model together.
PREFILL_TOKENS = 4096
_REASONS: tuple[FinishReason | None, ...] = (None, "length", "stop", "error")
_NOT_FINITE = "The model's numbers are not finite for this text; the weights are damaged or overflow in this precision."


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """How busy an engine is and what it has done since it was made."""

    running: int
    waiting: int
    max_batch: int
    context: int
    steps: int
    prompt_tokens: int
    tokens: int


class Engine:
    """Continue prompts. Synchronous and not thread-safe: one thread submits, cancels and steps.

    `cache_bytes` bounds the stored keys and values; a request that alone exceeds it is refused.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any = None,
        *,
        max_batch: int = 512,
        context: int | None = None,
        cache_bytes: int = 2 << 30,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.decoder = None if tokenizer is None else PlainDecoder(tokenizer)
        self.max_batch = max_batch
        self.context = context_of(model) if context is None else min(context, context_of(model))
        self.vocabulary = cast(nn.Embedding, model.get_input_embeddings()).num_embeddings
        self._cells = cache_bytes // bytes_per_token(model)
        self._layers = model.config.get_text_config().num_hidden_layers
        self._network = network_of(model)
        end = None if tokenizer is None else tokenizer.eos_token_id
        self._end: tuple[int, ...] = () if end is None else (end,)
        self._next_id = 0
        self._steps = self._prompt_tokens = self._tokens = 0
        self.reset()

    def reset(self) -> None:
        """Forget every request, as if the engine were new (ids go on)."""
        self._scheduler = Scheduler(self.max_batch, self._cells)
        self._staged: Staged | None = None
        self._deadlines: dict[int, float] = {}  # by request id
        self._pending: list[Event] = []
        self._rows = Rows(self.model.device)
        self._cache = SlotCache(self._layers)

    def submit(self, request: Request) -> int:
        """Queue a request and return its id; refuse with a sentence what can never be answered."""
        self.check(request)
        id, self._next_id = self._next_id, self._next_id + 1
        seed = secrets.randbits(63) if request.seed is None else request.seed
        stop_ids = self._end if request.stop_ids is None else request.stop_ids
        choices = []
        for index in range(request.choices):
            text = TextStream(self.decoder, request.stop) if self.decoder and is_textual(request) else None
            draws = uniforms(seed, index, request.max_tokens)
            choices.append(Choice(id, index, request, draws, stop_ids, text))
        self._scheduler.add(choices)
        if request.deadline is not None:
            self._deadlines[id] = time.monotonic() + request.deadline
        return id

    def check(self, request: Request) -> None:
        """Raise RequestError when the request can never be answered."""
        request.check()
        request.check_fits(self.context)
        length, wanted = len(request.prompt_ids), request.max_tokens
        if length + wanted > self._cells:
            raise RequestError(f"{length + wanted} tokens exceed the engine's cache of {self._cells}; ask for fewer.")
        for what, ids in (("The prompt", request.prompt_ids), ("logit_bias", [id for id, _ in request.logit_bias])):
            if ids and not 0 <= min(ids) <= max(ids) < self.vocabulary:
                raise RequestError(f"{what} has a token id outside 0 to {self.vocabulary - 1}, the model's vocabulary.")
        if self.decoder is None and is_textual(request):
            raise RequestError("This engine has no tokenizer, so it can neither stream text nor stop at strings.")

    def cancel(self, id: int, reason: str = "") -> None:
        """End what is left of a request; the next step reports its choices as cancelled, with the reason."""
        gone = {row for row, choice in enumerate(self._rows.choices) if choice.id == id}
        ended = [self._rows.choices[row] for row in sorted(gone)]
        if self._staged is not None and self._staged.choices[0].id == id:
            ended += self._staged.choices
            self._staged = None
        ended += self._scheduler.withdraw(id)
        self._pending += [Event(id, choice.index, None, 0.0, "cancelled", error=reason) for choice in ended]
        with torch.inference_mode():
            self._remove(gone)

    def swap(self, state: dict[str, Tensor]) -> None:
        """Take other weights; only while nothing runs, because stored keys and values belong to the old ones."""
        if len(self._rows) or len(self._scheduler) or self._staged:
            raise UserError("The weights cannot be swapped while requests are running; finish or cancel them first.")
        self.model.load_state_dict(state)

    def stats(self) -> Stats:
        """Return the current load and the counters."""
        return Stats(
            running=len(self._rows),
            waiting=len(self._scheduler) + (len(self._staged.choices) if self._staged else 0),
            max_batch=self.max_batch,
            context=self.context,
            steps=self._steps,
            prompt_tokens=self._prompt_tokens,
            tokens=self._tokens,
        )

    def is_idle(self) -> bool:
        """Say whether a step would do nothing."""
        return not (len(self._rows) or len(self._scheduler) or self._staged or self._pending)

    def step(self) -> list[Event]:
        """Advance every running row by one token and admit what waits; return what happened."""
        if self._deadlines:
            self._expire()
        events, self._pending = self._pending, []
        self._steps += 1
        with torch.inference_mode():
            if len(self._rows):
                self._decode(events)
            elif self._staged is None:
                self._network.refresh()
            self._read_piece(events)
            self._admit(events)
        return events

    def _expire(self) -> None:
        """Cancel what is too late and forget the deadlines of what has ended."""
        staged = self._staged.choices if self._staged else []
        open_ids = {choice.id for choice in [*self._rows.choices, *staged]} | self._scheduler.ids()
        now = time.monotonic()
        for id in [id for id, deadline in self._deadlines.items() if deadline <= now and id in open_ids]:
            self.cancel(id, LATE)
            open_ids.remove(id)
        self._deadlines = {id: deadline for id, deadline in self._deadlines.items() if id in open_ids}

    def _decode(self, events: list[Event]) -> None:
        rows, count = self._rows, len(self._rows)
        lengths, width = rows.lengths[:count], rows.longest + 1
        logits = self._network.decode(rows.last[:count], lengths.clone(), width, self._cache)
        lengths += 1
        rows.longest = width
        self._advance(logits, 0, events, {})

    def _admit(self, events: list[Event]) -> None:
        admitted = self._scheduler.take(self._load())
        if admitted:
            widest = max(self._rows.widest(), *(choice.width for choice in admitted))
            self._reserve(len(self._rows) + len(admitted), widest)
            for prefill in chunks(admitted, self.vocabulary, PREFILL_TOKENS):
                self._prefill(prefill, events)
        if self._staged is None and (choices := self._scheduler.take_long(self._load())):
            self._staged = Staged(choices)

    def _load(self) -> Load:
        """Return what the batch holds, with the choices whose prompt is still being read."""
        rows, widest = len(self._rows), self._rows.widest()
        if self._staged is None:
            return Load(rows, widest)
        choices, length = self._staged.choices, len(self._staged.prompt)
        return Load(rows + len(choices), max(widest, choices[0].width), length)

    def _read_piece(self, events: list[Event]) -> None:
        """Read the next piece of the long prompt; after the last one its choices join the batch."""
        staged = self._staged
        if staged is None:
            return
        start, end = staged.piece(self.vocabulary)
        prompt, is_wanted = staged.prompt, is_scored(staged.choices[0])
        logits = self._network.piece(prompt[start:end], start, staged.cache, is_scored=is_wanted)
        staged.read = end
        self._prompt_tokens += end - start
        if is_wanted:
            staged.scores += score(logits, prompt[start + 1 : end + 1], staged.choices[0].request.top_logprobs)
        if staged.is_read:
            self._join(staged, logits[-1:], events)

    def _join(self, staged: Staged, logits: Tensor, events: list[Event]) -> None:
        """Let the choices of a prompt that has been read join the batch, each with its first token; `logits` [1, V]."""
        self._staged = None
        first, count = len(self._rows), len(staged.choices)
        self._reserve(first + count, max(self._rows.widest(), staged.choices[0].width))
        self._cache.adopt(staged.cache, first, count)
        self._rows.add(staged.choices, [len(staged.prompt)] * count)
        scores = {staged.choices[0].id: tuple(staged.scores)} if is_scored(staged.choices[0]) else {}
        self._advance(logits.expand(count, -1), first, events, scores)

    def _reserve(self, rows: int, width: int) -> None:
        """Grow the storage by half its rows at a time; where the budget ends, have as many rows as it holds.

        To allocate is to write it all, so nothing is allocated as long as what there is suffices.
        """
        have_rows, have_width = self._cache.place.capacity
        room = self._cells - (len(self._staged.prompt) if self._staged else 0)
        width = min(columns(width), room // rows)
        if rows <= have_rows and width <= have_width:
            return
        if rows > have_rows:
            rows = max(rows, min(self.max_batch, have_rows + have_rows // 2))
        wanted = (max(rows, have_rows), max(width, have_width))
        if wanted[0] * wanted[1] > room:
            wanted = (min(self.max_batch, room // width), width)
        self._cache.reserve(*wanted, keep_rows=len(self._rows), keep_width=self._rows.longest)

    def _prefill(self, prefill: Prefill, events: list[Event]) -> None:
        """Run a chunk of distinct prompts, give each choice its copy and its first token."""
        first, device = len(self._rows), self._rows.device
        ids, lengths = prefill.padded(device)
        logits = self._network.read(ids, lengths, first, self._cache, is_scored=prefill.is_scored)
        self._prompt_tokens += sum(len(prompt) for prompt in prefill.prompts)
        scores = prefill.scores(logits) if prefill.is_scored else {}
        if prefill.is_scored:
            logits = logits[torch.arange(len(ids), device=device), lengths - 1]
        self._share(prefill, first, ids.shape[1])
        self._rows.add(prefill.choices, [len(choice.request.prompt_ids) for choice in prefill.choices])
        self._advance(logits[torch.tensor(prefill.owners, device=device)], first, events, scores)

    def _share(self, prefill: Prefill, first: int, width: int) -> None:
        """Copy each prompt's keys and values to all choices that continue it."""
        pairs = [(first + owner, first + row) for row, owner in enumerate(prefill.owners) if owner != row]
        if pairs:
            source, target = torch.tensor(pairs, device=self._rows.device).T
            self._cache.move(source, target, width)

    def _advance(self, logits: Tensor, first: int, events: list[Event], scores: dict[int, Scores]) -> None:
        """Sample one token for the rows from `first` on, report it and let finished rows go."""
        rows, new = self._rows, slice(first, len(self._rows))
        draws = rows.draws[new].gather(1, rows.drawn[new, None])[:, 0]
        sampled = sample(logits, draws, rows.filters(new), rows.bias(first))
        rows.last[new] = sampled.tokens
        rows.drawn[new] += 1
        is_stop = (sampled.tokens[:, None] == rows.stop_ids[new]).any(1)
        code = (rows.drawn[new] >= rows.limits[new]).long()
        code = torch.where(sampled.is_ok, torch.where(is_stop, 2, code), 3)
        columns = torch.stack((sampled.tokens.double(), sampled.logprobs.double(), code.double())).tolist()
        gone: set[int] = set()
        for row, (token, logprob, reason) in enumerate(zip(*columns, strict=True)):
            choice = rows.choices[first + row]
            if choice.request.presence_penalty or choice.request.frequency_penalty:
                choice.counts[int(token)] += 1
            event = _event(choice, int(token), logprob, _REASONS[int(reason)])
            if choice.request.top_logprobs and event.token is not None:
                event = event._replace(top=tuple(map(Top, *top_tokens(sampled, row, choice.request.top_logprobs))))
            if scores and choice.index == 0 and choice.id in scores:
                event = event._replace(prompt=scores[choice.id])
            events.append(event)
            if event.finish_reason is not None:
                gone.add(first + row)
                if event.finish_reason == "error":
                    self._cache.clear(first + row)
        self._tokens += len(columns[0])
        self._remove(gone)

    def _remove(self, gone: set[int]) -> None:
        longest = self._rows.longest
        sources, targets = self._rows.remove(gone)
        if sources:
            device = self._rows.device
            self._cache.move(torch.tensor(sources, device=device), torch.tensor(targets, device=device), longest)


def _event(choice: Choice, token: int, logprob: float, reason: FinishReason | None) -> Event:
    """Return the event of a sampled token, with the text that it settles."""
    if reason == "error":
        return Event(choice.id, choice.index, None, 0.0, "error", error=_NOT_FINITE)
    if choice.request.max_tokens == 0:
        return Event(choice.id, choice.index, None, 0.0, "length")
    if choice.text is None:
        return Event(choice.id, choice.index, token, logprob, reason)
    # The token that ends a completion is no part of its text.
    text = "" if reason == "stop" else choice.text.push(token)
    if reason is not None and not choice.text.stopped:
        text += choice.text.finish()
    return Event(choice.id, choice.index, token, logprob, "stop" if choice.text.stopped else reason, text)


def complete(
    engine: Engine, requests: Sequence[Request], tell: Callable[[int, int], None] | None = None
) -> list[Result]:
    """Answer all requests; results in the order of requests, the n (best) choices of one side by side.

    The engine must be idle: this function takes all events. Those that need most room come first, so that rows of one
    width run together. `tell` is called with how much is done, in choices of which some are done in part, and how many
    there are.
    """
    if not engine.is_idle():
        raise UserError("The engine is busy with other requests; wait for them before completing a list.")
    results: dict[tuple[int, int], Result] = {}
    asked: dict[int, Request] = {}
    is_written: dict[tuple[int, int], bool] = {}  # the events bring the text
    ids: dict[int, int] = {}  # by place in the list
    for place in sorted(range(len(requests)), key=lambda at: -requests[at].room):
        request = requests[place]
        id = ids[place] = engine.submit(request)
        asked[id] = request
        for index in range(request.choices):
            results[id, index], is_written[id, index] = Result(), is_textual(request)
    steps, whole = 0, sum(request.max_tokens * request.choices for request in requests)
    while not engine.is_idle():
        for event in engine.step():
            result = results[event.id, event.choice]
            result.add(event)
            steps += event.token is not None
            if event.finish_reason is not None:  # what it might have written and did not is done as well
                steps += asked[event.id].max_tokens - len(result.ids)
        if tell:
            tell(len(results) * steps // max(1, whole), len(results))
    for key, result in results.items():
        if engine.decoder and not is_written[key]:
            result.text = engine.decoder.decode(result.ids[:-1] if result.finish_reason == "stop" else result.ids)
    return [
        results[ids[place], index]
        for place, request in enumerate(requests)
        for index in _kept(request, ids[place], results)
    ]


def _kept(request: Request, id: int, results: dict[tuple[int, int], Result]) -> Sequence[int]:
    """Return which choices are answered: the first n, or the best."""
    if request.best_of is None:
        return range(request.n)
    return best([results[id, index].logprobs for index in range(request.best_of)], request.n)
