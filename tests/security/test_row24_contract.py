"""Row 24: the API keeps what its page and OpenAI's promise, whatever is sent, and the real client reads its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import openai
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from openai.types import Completion, CompletionUsage
from openai.types import Model as SdkModel
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.firms import Firm
from tests.fuzzing import load
from tests.security.listening import listening
from tests.security.test_row15_filter_bypass import Writer
from tests.serve.scripted import ScriptedCatalogue
from tutelage.serve.api import openapi, shapes
from tutelage.serve.app import ServeOptions, create_app
from tutelage.store import Store, applications
from tutelage.store.application_forms import Conditions, Limits
from tutelage.web.site import utc_now

FILE = Path(__file__).parents[2] / "docs" / "reference" / "model-api.json"
PAGE: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
SLICE: dict[str, Any] = json.loads((Path(__file__).parent / "openai_slice.json").read_text(encoding="utf-8"))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
#: How many requests by chance are made for each operation.
SHORT, LONG = 12, 150
CALM = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]
TEXT = "The goat eats grass. It is happy."
PLENTY = Limits(requests_per_minute=10**6, tokens_per_minute=10**9, tokens_per_day=10**9)


@dataclass
class World:
    """A server on a real port, with the key of a live application and of one whose quota is one call."""

    app: FastAPI
    address: str
    key: str
    poor: str

    def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.key}", **headers}
        return httpx2.post(f"{self.address}{path}", json=body, headers=headers)

    def client(self, key: str = "") -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.address}/v1", api_key=key or self.key, max_retries=0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Store.open(str(tmp_path_factory.mktemp("world") / "store.db")) as store:
        app = create_app(ScriptedCatalogue(store, engine=Writer(text=TEXT)), ServeOptions(is_private=False))
        keys = [
            live(store, name, limits)
            for name, limits in (("Rich", PLENTY), ("Poor", replace(PLENTY, requests_per_minute=1)))
        ]
        with listening(app, lifespan="on") as address:
            yield World(app, address, *keys)


def live(store: Store, name: str, limits: Limits) -> str:
    """Return the key of a live application with these limits."""
    firm = Firm.of(store, name)
    firm.review(Conditions(limits=limits))
    assert applications.get(store, firm.id).state == "live"
    return firm.key(now=utc_now()).text


def kept(name: str, value: Any) -> None:
    """Hold an answer against our own shape, and our page's."""
    getattr(shapes, name).model_validate_json(json.dumps(value))
    whole = {"$ref": f"#/components/schemas/{name}", "components": PAGE["components"]}
    jsonschema_rs.Draft202012Validator(whole).validate(value)


def promised(name: str, value: Any) -> None:
    """Hold an answer against what OpenAI's clients rely on."""
    jsonschema_rs.Draft202012Validator({"$ref": f"#/$defs/{name}", **SLICE}).validate(value)


# The page.


def test_the_file_is_what_the_code_says() -> None:
    """`make fix` writes it again."""
    assert openapi.text() == FILE.read_text(encoding="utf-8")


def test_the_page_lists_every_route_and_no_other(world: World) -> None:
    found = set(operations(world.app))
    told = {(method.upper(), path) for path, methods in PAGE["paths"].items() for method in methods}
    assert told == {one for one in found if one[1].startswith(("/v1/", "/healthz", "/readyz"))}


def operations(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Name method and path of every route of the API."""
    waiting = list(app.routes)
    while waiting:
        route = waiting.pop()
        if hasattr(route, "original_router"):
            waiting += route.original_router.routes
        elif getattr(route, "methods", None):
            yield from ((method, route.path) for method in route.methods - {"HEAD"})


def test_every_operation_is_told() -> None:
    for path, methods in PAGE["paths"].items():
        for told in methods.values():
            is_open = path in ("/healthz", "/readyz")
            assert told.get("security") == (None if is_open else [{"key": []}])
            assert told["operationId"].isidentifier() and len(told["summary"].split()) > 2
            assert is_open or {"401", "403", "503"} <= told["responses"].keys()
            assert ({"400", "413", "415"} <= told["responses"].keys()) == ("requestBody" in told)
    assert {
        name for name, told in PAGE["components"]["schemas"].items() if told.get("additionalProperties", False)
    } == set()


# Answers.

MESSAGES = [{"role": "user", "content": "hello"}]
COMPLETIONS: list[dict[str, Any]] = [
    {"prompt": "a", "max_tokens": 50},
    {"prompt": ["a", "b"], "n": 2, "best_of": 3, "logprobs": 2, "max_tokens": 50},
    {"prompt": [104, 105], "echo": True, "logprobs": 0, "max_tokens": 50, "user": "kim", "seed": 1, "stop": ["x"]},
    {"prompt": "a", "n": None, "temperature": None, "stop": None, "logit_bias": None, "stream": False},
]
CHATS: list[dict[str, Any]] = [
    {"messages": MESSAGES},
    {"messages": MESSAGES, "n": 3, "logprobs": True, "top_logprobs": 1, "max_tokens": 9},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}], "max_completion_tokens": 9},
]


@pytest.mark.parametrize("body", COMPLETIONS, ids=str)
def test_completions(world: World, body: dict[str, Any]) -> None:
    answer = world.post("/v1/completions", body)
    assert answer.status_code == 200, answer.text
    kept("Completion", answer.json())
    promised("CreateCompletionResponse", answer.json())
    Completion.model_validate(answer.json(), strict=True)
    CompletionUsage.model_validate(answer.json()["usage"], strict=True)


@pytest.mark.parametrize("body", CHATS, ids=str)
def test_chats(world: World, body: dict[str, Any]) -> None:
    answer = world.post("/v1/chat/completions", body)
    assert answer.status_code == 200, answer.text
    kept("Chat", answer.json())
    promised("CreateChatCompletionResponse", answer.json())
    ChatCompletion.model_validate_json(answer.content, strict=True)


@pytest.mark.parametrize("wrong", [True, False, "1", [1], 10**400])
def test_a_number_is_a_number(world: World, wrong: Any) -> None:
    """Not a word that could be read as one, and not yes or no, which some languages count as 1 and 0."""
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "n", "seed", "max_tokens"):
        answer = world.post("/v1/completions", {"prompt": "a", name: wrong})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, name), name
    assert world.post("/v1/completions", {"prompt": "a", "temperature": 1, "top_p": 1}).status_code == 200


def events(answer: httpx2.Response) -> list[Any]:
    """Return the events of a stream, which must end as clients expect."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def test_streams(world: World) -> None:
    more = {"stream": True, "stream_options": {"include_usage": True}}
    for path, body, ours, theirs in (
        ("/v1/completions", COMPLETIONS[2], "Completion", "CreateCompletionResponse"),
        ("/v1/chat/completions", CHATS[1], "ChatChunk", "CreateChatCompletionStreamResponse"),
    ):
        found = events(world.post(path, {**body, **more}))
        assert len(found) > 1 and found[-1]["choices"] == [] and found[-1]["usage"]["completion_tokens"] > 0
        assert all(one["usage"] is None for one in found[:-1])
        for event in found:
            kept(ours, event)
            promised(theirs, event)
            if ours == "ChatChunk":
                ChatCompletionChunk.model_validate_json(json.dumps(event), strict=True)


def test_models_moderations_feedback_and_health(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.key}"}
    listed = httpx2.get(f"{world.address}/v1/models", headers=headers).json()
    kept("Models", listed)
    promised("ListModelsResponse", listed)
    for model in listed["data"]:
        SdkModel.model_validate(model, strict=True)
    kept("Model", httpx2.get(f"{world.address}/v1/models/default", headers=headers).json())
    verdicts = world.post("/v1/moderations", {"input": ["hello", "my key is sk-1234"]}).json()
    kept("Moderations", verdicts)
    promised("CreateModerationResponse", verdicts)
    asked = world.post("/v1/completions", COMPLETIONS[0]).json()["id"]
    kept("Kept", world.post("/v1/feedback", {"request_id": asked, "thumb": "up"}).json())
    for path in ("/healthz", "/readyz"):
        kept("Health", httpx2.get(f"{world.address}{path}").json())


# The real client.


def test_the_client_reads_answers(world: World) -> None:
    with world.client() as client:
        assert [one.id for one in client.models.list()] == ["default", "default-model@1"]
        whole = client.completions.create(model="default", prompt="a", max_tokens=50, logprobs=1)
        assert whole.choices[0].text == TEXT and whole.usage and whole.usage.completion_tokens == 11
        assert whole.choices[0].logprobs and whole.choices[0].logprobs.tokens
        chunks = client.completions.create(model="default", prompt="a", max_tokens=50, stream=True)
        assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == TEXT
        chat = client.chat.completions.create(model="default", messages=MESSAGES, logprobs=True)  # type: ignore[call-overload]
        assert chat.choices[0].message.content == TEXT and chat.choices[0].message.role == "assistant"
        with client.chat.completions.stream(model="default", messages=MESSAGES) as stream:  # type: ignore[arg-type]
            assert stream.get_final_completion().choices[0].message.content == TEXT
        verdict = client.moderations.create(model="any", input="hello").results[0]
        assert verdict.flagged is False and verdict.categories.model_extra is not None


def test_the_client_knows_our_errors(world: World) -> None:
    def complete(client: openai.OpenAI, **changes: Any) -> Any:
        return client.completions.create(**{"model": "default", "prompt": "a", "max_tokens": 5, **changes})

    with world.client() as client, world.client("tut_wrong") as stranger, world.client(world.poor) as poor:
        with pytest.raises(openai.AuthenticationError) as unknown:
            complete(stranger)
        assert unknown.value.code == "invalid_api_key"
        with pytest.raises(openai.NotFoundError) as missing:
            complete(client, model="/etc/passwd")
        with pytest.raises(openai.BadRequestError) as bad:
            complete(client, temperature=9)
        assert bad.value.param == "temperature"
        complete(poor)
        with pytest.raises(openai.RateLimitError) as limited:
            complete(poor)
        assert limited.value.code == "rate_limit_exceeded" and limited.value.response.headers["retry-after"].isdecimal()
        for told in (unknown, missing, bad, limited):
            assert isinstance(told.value, openai.APIStatusError)
            kept("Error", told.value.response.json())
            promised("ErrorResponse", told.value.response.json())


# Whatever is sent.


FEW, ALL = load(FILE, coverage=False, examples=True), load(FILE, coverage=True, examples=True)


def check(case: Any, world: World) -> None:
    """Send a request with a key and, unless everybody may ask, again without one."""
    if isinstance(case.body, dict) and "model" in case.body and case.meta.generation.mode.is_positive:
        case.body["model"] = "default"  # names by chance find nothing
    case.call_and_validate(
        base_url=world.address, headers={"Authorization": f"Bearer {world.key}"}, checks=CHECKS, timeout=20
    )
    if case.path not in ("/healthz", "/readyz"):
        assert case.call(base_url=world.address, headers={"Authorization": "Bearer tut_no"}).status_code == 401


@FEW.parametrize()
@settings(max_examples=SHORT, deadline=None, derandomize=True, database=None, suppress_health_check=CALM)
def test_a_few_requests_of_each_kind_get_answers_that_are_listed(case: Any, world: World) -> None:
    check(case, world)


@pytest.mark.soak
@ALL.parametrize()
@settings(max_examples=LONG, deadline=None, suppress_health_check=CALM)
def test_very_many_requests_get_answers_that_are_listed(case: Any, world: World) -> None:
    check(case, world)
