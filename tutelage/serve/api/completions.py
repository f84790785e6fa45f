"""/v1/completions: continue texts as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tutelage.generate.wire import Ask
from tutelage.serve.api import bodies
from tutelage.serve.api.calls import Call, Caller, plain, streamed
from tutelage.serve.api.schema import CompletionParameters
from tutelage.serve.stream.pieces import Piece, Placed

KIND = "text_completion"


def router(caller: Caller) -> APIRouter:
    """Return the endpoint."""
    routes = APIRouter()

    @routes.post("/v1/completions")
    async def completions(request: Request) -> Response:
        parameters = await bodies.read(request, CompletionParameters)
        return await caller.repeats.once(request, parameters, lambda: answer(request, parameters))

    async def answer(request: Request, parameters: CompletionParameters) -> Response:
        asks = [_ask(prompt, parameters) for prompt in parameters.prompts]
        opened = caller.open(caller.wanted(request, parameters, asks, "cmpl", is_echo=parameters.echo))
        if parameters.stream:
            notice = caller.catalogue.notice(parameters.model)
            return await streamed(request, opened, lambda call: _chunks(call, parameters), notice)

        async def whole() -> dict[str, Any]:
            async with opened as call:
                choices = [_choice(index, piece, parameters) for index, piece in enumerate(await call.whole())]
                return {**call.head(KIND), "choices": choices, "usage": call.usage()}

        return await plain(request, whole(), caller.catalogue.notice(parameters.model))

    return routes


def _ask(prompt: str | tuple[int, ...], parameters: CompletionParameters) -> Ask:
    return Ask(
        text=prompt if isinstance(prompt, str) else None,
        ids=None if isinstance(prompt, str) else prompt,
        max_tokens=parameters.max_tokens,
        temperature=parameters.temperature,
        top_p=parameters.top_p,
        seed=parameters.seed,
        stop=parameters.stops,
        n=parameters.n,
        best_of=parameters.ranked,
        presence_penalty=parameters.presence_penalty,
        frequency_penalty=parameters.frequency_penalty,
        logit_bias=parameters.biases,
        top_logprobs=parameters.logprobs,
        scores_prompt=parameters.echo and parameters.logprobs is not None,
    )


async def _chunks(call: Call, parameters: CompletionParameters) -> AsyncIterator[dict[str, Any]]:
    usage = {"usage": None} if parameters.includes_usage else {}
    async for new in call.pieces():
        choice = _choice(new.choice, new.piece, parameters)
        yield {**call.head(KIND), "choices": [choice], **usage}
    if parameters.includes_usage:
        yield {**call.head(KIND), "choices": [], "usage": call.usage()}


def _choice(index: int, piece: Piece, parameters: CompletionParameters) -> dict[str, Any]:
    logprobs = None if parameters.logprobs is None else _logprobs(piece.tokens, parameters.logprobs)
    choice = {"index": index, "text": piece.text, "logprobs": logprobs, "finish_reason": piece.finish_reason}
    return {**choice, **piece.noted()}


def _logprobs(tokens: list[Placed], top: int) -> dict[str, Any]:
    likely = [
        {spelled(text): logprob for text, logprob in placed.token.top} if placed.token.logprob is not None else None
        for placed in tokens
    ]
    return {
        "tokens": [spelled(placed.token.spelling) for placed in tokens],
        "token_logprobs": [placed.token.logprob for placed in tokens],
        "top_logprobs": likely if top else None,
        "text_offset": [placed.offset for placed in tokens],
    }


def spelled(token: bytes) -> str:
    """Return a token as text; part of a character as OpenAI writes it, `bytes:` and the hexadecimal values."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token)
