"""Customers ask a released model through the API: a server of its own process, firms with keys, the `openai` client.

Nothing here goes around what real customers meet: applications are reviewed, keys are made, the notice is agreed to,
calls are metered, filtered and logged, and who withdraws withdraws. What was asked stands in no file of the stage, only
the numbers of the calls that were answered: so a stage that was killed goes on with the others.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tutelage.errors import MissingError, UnavailableError
from tutelage.files import append_jsonl, keep_jsonl, read_jsonl
from tutelage.govern import consent, retention
from tutelage.store import Store, applications, jobs, keys, notices, organisations, requests
from tutelage.store.application_forms import Conditions, Form, Limits
from tutelage.store.applications import State
from tutelage.store.keys import NewKey
from tutelage.village.callers import FIRMS, Call

if TYPE_CHECKING:
    from openai import OpenAI

#: In the directory of a stage: the numbers of the calls that were answered, with the ids of their requests.
JOURNAL = "answered.jsonl"
#: Calls under way at once, seconds that one may take, and how often the client asks again when the server is busy.
AT_ONCE, SECONDS, RETRIES = 8, 120.0, 8
#: Seconds that a server gets to end by itself: it answers what it took and writes its log.
GRACE = 60.0
#: The states through which an application becomes live.
STEPS: tuple[State, ...] = ("draft", "sandbox", "in_review", "live")
FORM = Form(
    use_case="chat",
    purpose="Answers what the customers of a firm in the village ask.",
    audience="public",
    end_users=1000,
    is_read_first=False,
    answer_tokens=200,
    requests_per_day=100_000,
)
#: The village asks as fast as the machine answers; who lets people in leaves the limits as they are.
CONDITIONS = Conditions(
    limits=Limits(requests_per_minute=1_000_000, tokens_per_minute=1_000_000_000, tokens_per_day=1_000_000_000)
)
_ANSWERS = re.compile(r" at (https?://\S+/v1)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Firm:
    """A firm's organisation and application."""

    organisation: str
    application: str


def open_firms(store: Store, mark: str) -> dict[str, Firm]:
    """Let every firm of the village in, by its name; `mark` tells those of one round and run from all others.

    Each application goes through review, and the firms that do so agree to the notice. Given again, it does what is
    not done.
    """
    now = datetime.now(UTC)
    found = {}
    for name, agrees in FIRMS.items():
        title = f"{name}, {mark}"
        try:
            organisation = organisations.get(store, title)
        except MissingError:
            organisation = organisations.create(store, title, by="", now=now)
        known = applications.find(store, organisation=organisation.id)
        one = known[0] if known else applications.create(store, organisation.id, title, FORM, by="", now=now)
        for state in STEPS[STEPS.index(one.state) + 1 :]:
            conditions = CONDITIONS if state == "live" else None
            reason = "Questions of a small world." if state == "live" else ""
            applications.move(store, one.id, state, by="", reason=reason, conditions=conditions, now=now)
        if agrees:
            notices.agree(store, one.id, consent.notice(store, now=now).version, by="", now=now)
        found[name] = Firm(organisation=organisation.id, application=one.id)
    return found


@contextmanager
def keys_of(store: Store, firms: Mapping[str, Firm]) -> Iterator[dict[str, str]]:
    """Give every firm a key for as long as the block runs; those of a stage that was killed are revoked first."""
    revoke_keys(store, firms)
    secret, new = keys.pepper(store), NewKey(name="a round", scopes=("complete",), days=1)
    made = {
        name: keys.create(store, firm.application, new, secret, by="", now=datetime.now(UTC)).text
        for name, firm in firms.items()
    }
    try:
        yield made
    finally:
        revoke_keys(store, firms)


def revoke_keys(store: Store, firms: Mapping[str, Firm]) -> None:
    """End the keys of firms."""
    now = datetime.now(UTC)
    for firm in firms.values():
        for key in keys.of(store, firm.application):
            if key.is_live(now):
                keys.revoke(store, key.id, by="", reason="The round is over.", now=now)


@contextmanager
def serving(database: str, model: str, threads: int, log: Path) -> Iterator[str]:
    """Serve a model version in a process of its own, and yield its address; it dies with this process."""
    leash = [sys.executable, "-m", "tutelage.generate.leash"]
    serve = [sys.executable, "-m", "tutelage.cli", "serve", "--port", "0", "--model", model]
    command = [*leash, *serve, "--database", database, "--threads", str(threads)]
    with (
        log.open("ab") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdin and process.stdout
        found = _ANSWERS.search(process.stdout.readline())
        try:
            if found is None:
                process.wait(GRACE)
                said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise UnavailableError(f"The API did not start: {said[-1] if said else 'it said nothing'}")
            yield found[1]
            process.terminate()
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            raise UnavailableError(
                f"The API did not end within {GRACE:.0f} seconds; give the same command again, and it goes on."
            ) from None
        finally:
            process.stdin.close()  # what is left of it dies on its leash


def forget_lost(store: Store, journal: Path) -> None:
    """Drop from the journal what is not in the log of calls: a server that was killed had not written it yet."""
    if journal.is_file():
        keep_jsonl(journal, lambda row: not row["request"] or requests.get(store, row["request"]) is not None)


class Asking(NamedTuple):
    """Which model is asked with which firm's client, and for how many tokens at most."""

    model: str
    clients: Mapping[str, OpenAI]
    max_tokens: int


def send(calls: Sequence[Call], how: Asking, journal: Path, tell: Callable[[int], None]) -> None:
    """Make the calls that were not answered yet, some at a time; the journal says which were, and how.

    A call that was answered just before a kill and not noted is made again: intake drops what repeats.
    """
    import openai

    done = {row["call"] for row in read_jsonl(journal)} if journal.is_file() else set()
    left = [number for number in range(len(calls)) if number not in done]

    def ask(number: int) -> dict[str, Any]:
        call = calls[number]
        try:
            answer = how.clients[call.caller.firm].completions.create(
                model=how.model, prompt=f"{call.text}\n", max_tokens=how.max_tokens, user=call.caller.name
            )
        except openai.BadRequestError as error:  # it is too long, or the content filter stops it
            return {"call": number, "request": "", "refused": str(error.code)}
        return {"call": number, "request": answer.id, "refused": ""}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked: list[Future[dict[str, Any]]] = [pool.submit(ask, number) for number in left]
        try:
            for made, one in enumerate(as_completed(asked), start=1):
                append_jsonl(journal, [one.result()])
                tell(len(done) + made)
        except openai.OpenAIError as error:
            raise UnavailableError(
                f"The API did not answer a customer ({error}); give the same command again, and it goes on."
            ) from error
        finally:
            for one in asked:
                one.cancel()


def clients(address: str, texts: Mapping[str, str]) -> dict[str, OpenAI]:
    """Return a client for each firm's key."""
    openai = library()
    return {
        name: openai.OpenAI(base_url=address, api_key=key, timeout=SECONDS, max_retries=RETRIES)
        for name, key in texts.items()
    }


def library() -> Any:
    """Return the package that customers call with; it is an extra, because serving needs none of it."""
    try:
        import openai
    except ImportError:
        raise MissingError(
            "Customers call with the package openai, which is not installed; run `pip install 'tutelage[rounds]'`."
        ) from None
    return openai


def withdraw(store: Store, calls: Sequence[Call], firms: Mapping[str, Firm]) -> int:
    """Take out of use what those callers sent who withdraw, and delete their words; return how many callers.

    The deletion is the job that the withdrawals hasten, done as `tutelage work` does it.
    """
    now = datetime.now(UTC)
    gone = sorted({call.caller for call in calls if call.caller.withdraws})
    for caller in gone:
        consent.withdraw_end_user(store, firms[caller.firm].organisation, caller.name, by="", now=now)
    job = jobs.claim(store, [retention.KIND], worker="rounds", now=now, until=now + timedelta(minutes=1))
    if job is not None:
        found = retention.delete(store, job.arguments, lambda *_: None)
        jobs.finish(store, job, found, now=datetime.now(UTC))
    return len(gone)
