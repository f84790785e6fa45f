"""Row 7: templates come from the operator's models alone, run in a sandbox, and no pattern of ours runs away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.safety.filters import policy
from tests.security.test_row15_filter_bypass import WAYS, Writer
from tests.serve.scripted import ask, running
from tutelage.errors import UserError
from tutelage.safety.rules import Rules
from tutelage.store import Store

FOREIGN = ("chat_template", "chat_template_kwargs", "generation_config", "tools", "documents", "continue_final_message")
HOSTILE = "{% for a in range(10**9) %}{{ ''.__class__.__mro__ }}{% endfor %}"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_request_brings_no_template_or_settings_of_its_own(store: Store) -> None:
    async def run() -> None:
        engine = Writer(text="fine")
        async with running(store, engine=engine, is_private=True) as app:
            for path, body in (WAYS[0], WAYS[7]):
                for name in FOREIGN:
                    answer = await ask(app, path, {**body, name: HOSTILE})
                    assert (answer.status, answer.json["error"]["param"]) == (400, name)
            assert engine.asked == []
            told = {"messages": [{"role": "user", "content": HOSTILE}]}
            assert (await ask(app, WAYS[7][0], told)).status == 200
            assert engine.asked[0].messages == (("user", HOSTILE),), "a template in a message is text"

    asyncio.run(run())


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__class__.__init__.__globals__ }}",
        "{% set x = cycler.__init__.__globals__.os.system('true') %}",
        "{{ lipsum.__globals__['os'].popen('true').read() }}",
    ],
)
def test_a_model_template_that_reaches_for_python_is_refused(template: str) -> None:
    from tests.generate.tiny import make
    from tutelage.models.tokens import Renderer

    _, tokenizer = make()
    tokenizer.chat_template = template + "{% for message in messages %}{{ message.content }}{% endfor %}"
    with pytest.raises(UserError):
        Renderer(tokenizer, "chat")


ADVERSARIAL = [
    "a" * 20_000,
    "a@" * 10_000,
    "1 " * 10_000,
    "+" * 10_000 + "1" * 10_000,
    "\u0301" * 20_000,
    "\u200b" * 20_000,
    "password=" * 2_000,
    ":" * 20_000,
    "eyJ" * 7_000,
    "a b " * 5_000,
]


@pytest.mark.parametrize("text", ADVERSARIAL, ids=range(len(ADVERSARIAL)))
def test_no_pattern_of_ours_runs_away(tmp_path: Path, text: str) -> None:
    """A pattern that backtracks would go on for hours with these."""
    assert {hit.category for hit in Rules(policy(tmp_path, personal_data=1)).find(text, "completion")} <= {"secrets"}
