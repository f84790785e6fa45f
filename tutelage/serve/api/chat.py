"""/v1/chat/completions: answer a conversation, rendered as the model was trained to read one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tutelage.generate.wire import Ask
from tutelage.serve.api import bodies
from tutelage.serve.api.calls import Call, Caller, plain, streamed
from tutelage.serve.api.schema import ChatParameters
from tutelage.serve.stream.choices import New
from tutelage.serve.stream.pieces import Piece, Placed

WHOLE, CHUNK = "chat.completion", "chat.completion.chunk"


def router(caller: Caller) -> APIRouter:
    """Return the endpoint."""
    routes = APIRouter()

    @routes.post("/v1/chat/completions")
    async def chat_completions(request: Request) -> Response:
        parameters = await bodies.read(request, ChatParameters)
        return await caller.repeats.once(request, parameters, lambda: answer(request, parameters))

    async def answer(request: Request, parameters: ChatParameters) -> Response:
        opened = caller.open(caller.wanted(request, parameters, [_ask(parameters)], "chatcmpl"))
        if parameters.stream:
            notice = caller.catalogue.notice(parameters.model)
            return await streamed(request, opened, lambda call: _chunks(call, parameters), notice)

        async def whole() -> dict[str, Any]:
            async with opened as call:
                choices = [_choice(index, piece, parameters) for index, piece in enumerate(await call.whole())]
                return {**call.head(WHOLE), "choices": choices, "usage": call.usage()}

        return await plain(request, whole(), caller.catalogue.notice(parameters.model))

    return routes


def _ask(parameters: ChatParameters) -> Ask:
    return Ask(
        messages=tuple((message.role, message.text) for message in parameters.messages),
        max_tokens=parameters.most_tokens,
        temperature=parameters.temperature,
        top_p=parameters.top_p,
        seed=parameters.seed,
        stop=parameters.stops,
        n=parameters.n,
        presence_penalty=parameters.presence_penalty,
        frequency_penalty=parameters.frequency_penalty,
        logit_bias=parameters.biases,
        top_logprobs=(parameters.top_logprobs or 0) if parameters.logprobs else None,
    )


async def _chunks(call: Call, parameters: ChatParameters) -> AsyncIterator[dict[str, Any]]:
    usage = {"usage": None} if parameters.includes_usage else {}
    async for new in call.pieces():
        yield {**call.head(CHUNK), "choices": [_delta(new, parameters)], **usage}
    if parameters.includes_usage:
        yield {**call.head(CHUNK), "choices": [], "usage": call.usage()}


def _choice(index: int, piece: Piece, parameters: ChatParameters) -> dict[str, Any]:
    message = {"role": "assistant", "content": piece.text, "refusal": None}
    logprobs = _logprobs(piece.tokens, parameters)
    choice = {"index": index, "message": message, "logprobs": logprobs, "finish_reason": piece.finish_reason}
    return {**choice, **piece.noted()}


def _delta(new: New, parameters: ChatParameters) -> dict[str, Any]:
    delta = {"role": "assistant"} if new.is_first else {}
    logprobs = _logprobs(new.piece.tokens, parameters)
    reason = new.piece.finish_reason
    return {
        "index": new.choice,
        "delta": {**delta, "content": new.piece.text},
        "logprobs": logprobs,
        "finish_reason": reason,
        **new.piece.noted(),
    }


def _logprobs(tokens: list[Placed], parameters: ChatParameters) -> dict[str, Any] | None:
    if not parameters.logprobs:
        return None
    content = [
        {
            **_entry(placed.token.spelling, placed.token.logprob or 0.0),
            "top_logprobs": [_entry(text, logprob) for text, logprob in placed.token.top],
        }
        for placed in tokens
    ]
    return {"content": content, "refusal": None}


def _entry(token: bytes, logprob: float) -> dict[str, Any]:
    return {"token": token.decode("utf-8", "replace"), "bytes": list(token), "logprob": logprob}
