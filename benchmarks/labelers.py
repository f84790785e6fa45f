"""Simulated labelers who speak HTTP to `tutelage label` as its pages do, for tests of load and for the benchmark.

Each signs in, reads instructions, takes work, saves drafts, keeps the lease, hands in, corrects and skips. What is not
answered is sent again under the same key, as the page's outbox does (static/{draft,outbox,server}.js of the app). Each
keeps a journal of what it sent and what it was answered; nothing else knows what should be in the database.
"""

from __future__ import annotations

import asyncio
import html
import json
import random
import re
import ssl
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import httpx2
from httpx2 import Response

PASSWORD = "four words without sense"
#: Statuses that pass: the page waits and sends again (server.js), after signing in where it was signed out.
_PASSING = {401, 429}
#: Made once: every client would read the machine's certificates by itself.
_TLS = ssl.create_default_context()


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How labelers work: means in seconds, and how often of all pieces of work something special happens.

    `again`: before what was not answered is sent again; `twice`: an outbox sends while the page does; `lose`: after a
    submission without an answer the device is gone, and nobody learns what became of it.
    """

    pause: float
    saves: float
    again: float
    beat: float = 0.1
    twice: float = 0.0
    skip: float = 0.0
    leave: float = 0.0
    correct: float = 0.0
    lose: float = 0.0


class Timing(NamedTuple):
    """One answer: when it was asked for on the client's clock, and how long it took, in seconds."""

    what: str
    began: float
    seconds: float
    status: int


@dataclass(slots=True)
class Handed:
    """A submission as its labeler remembers it; `outputs` are the ids on the screen, from the left."""

    kind: str
    draft: str
    outputs: list[str]
    body: dict[str, Any]
    outcome: Literal["unknown", "acknowledged", "refused"] = "unknown"
    sent: int = 0


@dataclass(slots=True)
class Drafted:
    """A draft as its labeler remembers it: all contents that were sent, and the last that the server acknowledged."""

    sent: list[str] = field(default_factory=list)
    version: int = 0
    content: str = ""


@dataclass(slots=True)
class Journal:
    """What one labeler sent and was answered. `unanswered` counts requests; `refusals` holds sentences."""

    name: str
    handed: dict[str, Handed] = field(default_factory=dict)
    drafts: dict[str, Drafted] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    unanswered: int = 0


class SurprisedError(Exception):
    """The server answered what no page expects."""


@dataclass(slots=True)
class _Desk:
    """A piece of work on the screen."""

    draft: str
    kind: str
    state: str
    outputs: list[str]
    version: int
    content: dict[str, Any]
    supersedes: str


class Labeler:
    """One labeler's browser."""

    def __init__(self, address: str, name: str, habits: Habits, seed: int) -> None:
        self.journal = Journal(name)
        self._habits, self._random = habits, random.Random(seed)
        self._client = httpx2.AsyncClient(base_url=address, timeout=60, verify=_TLS)
        self._csrf = ""

    async def enter(self, link: str) -> None:
        """Come in by a one-time link, sign out and in again; the link's answer may be lost, then the name works."""
        given = {"name": self.journal.name, "password": PASSWORD}
        answer = await self._ask("enter", "POST", link, form=given)
        if answer.status_code not in (303, 404):
            raise SurprisedError(f"{link}: {answer.status_code} {answer.text[:500]}")
        if answer.status_code == 303:
            await self._see("home", "/")
            await self._ask("sign out", "POST", "/sign-out", form={})
        await self.sign_in()

    async def work(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, and finish what is in hand then."""
        there: str | None = None
        while not stop.is_set():
            there = there or await self._take()
            if there is None:
                await self._pause()
            else:
                there = await self._piece(there)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _piece(self, path: str) -> str | None:
        """Do one piece of work; return the address of the next, None when there is none."""
        desk = await self._open(path)
        if desk.state not in ("offered", "open", "expired"):
            return None
        if "submission" not in desk.content:
            await self._make(desk)
        if self._happens(self._habits.skip):
            return await self._skip(desk)
        if self._happens(self._habits.leave):
            return None
        following = await self._hand_in(desk)
        if following and self._happens(self._habits.correct):
            corrected = await self._open(f"/work/{desk.draft}")
            await self._make(corrected)
            await self._hand_in(corrected)
        return following

    async def _make(self, desk: _Desk) -> None:
        """Work on it, with pauses, saves and signs of life."""
        for number in range(1 + int(self._random.expovariate(1 / self._habits.saves))):
            await self._pause()
            desk.content["answer"] = self._answer(desk, number)
            await self._save(desk)
            if self._happens(self._habits.beat):
                await self._ask("beat", "POST", f"/work/{desk.draft}/lease", body={})

    async def _take(self) -> str | None:
        """Look at the home page and take one kind of work; return its address."""
        page = (await self._see("home", "/")).text
        kinds = re.findall(r'name="kind" value="(\w+)"', page)
        if not kinds:
            return None
        answer = await self._ask("take", "POST", "/work/next", form={"kind": self._random.choice(kinds)})
        return _where(answer)

    async def _open(self, path: str) -> _Desk:
        """Look at a piece of work, after reading its instructions where that is asked."""
        answer = await self._ask("page", "GET", path)
        if answer.status_code == 303:
            there = answer.headers["location"]
            await self._see("instructions", there)
            address = httpx2.URL(there)
            await self._ask("read", "POST", f"{address.path}/read", form={"next": address.params["next"]})
            answer = await self._see("page", path)
        task = json.loads(_found(r'data-task="([^"]*)"', answer.text))
        return _Desk(
            draft=task["draft"],
            kind=task["kind"],
            state=task["state"],
            outputs=task["outputs"],
            version=task["version"],
            content=_begun(task),
            supersedes=task["supersedes"],
        )

    async def _save(self, desk: _Desk) -> None:
        """Save the draft; over a newer one that an earlier save of ours left, as "keep mine" does."""
        content = json.dumps(desk.content)
        drafted = self.journal.drafts.setdefault(desk.draft, Drafted())
        drafted.sent.append(content)
        while True:
            body = {"base": desk.version, "content": content}
            answer = await self._ask("save", "PUT", f"/work/{desk.draft}/draft", body=body)
            if answer.status_code == 200:
                desk.version = drafted.version = answer.json()["version"]
                drafted.content = content
                return
            if answer.json()["error"]["code"] != "newer_draft":
                raise SurprisedError(f"saving {desk.draft}: {answer.text[:500]}")
            desk.version = (await self._see("draft", f"/work/{desk.draft}/draft")).json()["version"]

    async def _hand_in(self, desk: _Desk) -> str | None:
        """Hand in what the draft holds, under the key that the draft holds; return where to go on."""
        if "submission" not in desk.content:
            desk.content["submission"] = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
            desk.content["active_ms"] = self._random.randrange(1000, 100_000)
            await self._save(desk)
        body = {
            "id": desk.content["submission"],
            **desk.content["answer"],
            "note": "",
            "supersedes": desk.supersedes,
            "active_ms": desk.content["active_ms"],
            "idle_ms": 0,
        }
        handed = Handed(desk.kind, desk.draft, desk.outputs, body)
        handed = self.journal.handed.setdefault(body["id"], handed)
        if handed.body != body:
            raise SurprisedError(f"the draft {desk.draft} came back as something else")
        times = 2 if self._happens(self._habits.twice) else 1
        answers = await asyncio.gather(*[self._deliver(handed) for _ in range(times)])
        return next((answer for answer in answers if answer), None)

    async def _deliver(self, handed: Handed) -> str | None:
        """Send a submission until it is answered; return where to go on, None when refused or the device is lost."""
        while True:
            handed.sent += 1
            answer = await self._once("submit", "POST", f"/work/{handed.draft}/submission", body=handed.body)
            if answer is None and self._happens(self._habits.lose):
                return None
            if answer is None or _passes(answer):
                await self._recover(answer)
            elif answer.status_code == 200:
                handed.outcome = "acknowledged"
                there = str(answer.json()["next"]).partition("?")[0]
                return None if there == "/" else there
            else:
                self.journal.refusals.append(answer.json()["error"]["message"])
                handed.outcome = "refused" if handed.outcome == "unknown" else handed.outcome
                return None

    async def _skip(self, desk: _Desk) -> str | None:
        """Give the work back."""
        form = {"reason": self._random.choice(("unclear", "language", "other")), "note": "not for me"}
        answer = await self._ask("skip", "POST", f"/work/{desk.draft}/skip", form=form)
        if answer.status_code == 303:
            self.journal.skipped.add(desk.draft)
            return _where(answer)
        self.journal.refusals.append(html.unescape(_found(r"<main[^>]*>(.*?)</main>", answer.text)))
        return None

    def _answer(self, desk: _Desk, number: int) -> dict[str, Any]:
        """Make up an answer of the kind that is asked for; a demonstration grows with every save."""
        draw = self._random
        if desk.kind == "demonstrate":
            words = [draw.choice(_WORDS) for _ in range(20 * (number + 1))]
            return {"text": f"{self.journal.name}: {' '.join(words)}"}
        ratings = {
            output: {"quality": draw.randint(1, 7), "flags": {"hallucination": draw.choice((True, False, None))}}
            for output in desk.outputs
        }
        if desk.kind == "rate":
            return {"ratings": ratings}
        rows = [[output for output in desk.outputs if draw.random() < 0.5] for _ in range(2)]
        first, second = rows[0], [output for output in rows[1] if output not in rows[0]]
        rest = [output for output in desk.outputs if output not in (*first, *second)]
        groups = [group for group in (second, rest, first) if group]
        return {"groups": groups, "seeded": False, "ratings": ratings if draw.random() < 0.5 else {}}

    async def sign_in(self) -> None:
        """Sign in and read the proof that forms and scripts must bring."""
        form = {"name": self.journal.name, "password": PASSWORD, "next": "/"}
        while True:
            answer = await self._once("sign in", "POST", "/sign-in", form=form)
            if answer is not None and answer.status_code < 500:
                break
            await asyncio.sleep(self._habits.again)
        if answer.status_code != 303:
            raise SurprisedError(f"signing {self.journal.name} in: {answer.status_code} {answer.text[:500]}")
        await self._see("home", "/")

    async def _see(self, what: str, path: str) -> Response:
        """Return a page that is there; each brings the proof against forgery."""
        answer = await self._ask(what, "GET", path)
        if answer.status_code != 200:
            raise SurprisedError(f"{path}: {answer.status_code} {answer.text[:500]}")
        return answer

    async def _ask(self, what: str, method: str, path: str, **given: Any) -> Response:
        """Ask until there is an answer that a page would show."""
        while (answer := await self._once(what, method, path, **given)) is None or _passes(answer):
            await self._recover(answer)
        return answer

    async def _once(
        self, what: str, method: str, path: str, *, form: Mapping[str, str] | None = None, body: Any = None
    ) -> Response | None:
        """Ask once; None when no answer came."""
        headers = {"accept": "application/json" if body is not None else "text/html", "x-csrf-token": self._csrf}
        data = None if form is None else {"csrf": self._csrf, **form}
        began = time.perf_counter()
        try:
            answer = await self._client.request(method, path, data=data, json=body, headers=headers)
        except httpx2.TransportError:
            self.journal.unanswered += 1
            return None
        self.journal.timings.append(Timing(what, began, time.perf_counter() - began, answer.status_code))
        if proof := re.search(r'<meta name="csrf" content="(\w+)">', answer.text):
            self._csrf = proof[1]
        return answer

    async def _recover(self, answer: Response | None) -> None:
        await asyncio.sleep(self._habits.again)
        if answer is not None and answer.status_code in (401, 403):
            await self.sign_in()

    async def _pause(self) -> None:
        await asyncio.sleep(self._random.expovariate(1 / self._habits.pause) if self._habits.pause else 0)

    def _happens(self, share: float) -> bool:
        return self._random.random() < share


_WORDS = ("bread", "river", "lamp", "häuser", "stone", "日本語", "letter", "winter", "a\tb", "naïve", "😀", "quiet")


def _begun(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the draft holds; of what was handed in already, nothing: a correction is a new submission."""
    content: dict[str, Any] = json.loads(task["content"]) if task["content"] else {}
    return {} if content.get("submission") == task["supersedes"] else content


def _passes(answer: Response) -> bool:
    """Say whether another try may work, as the pages' scripts see it."""
    if answer.status_code == 403 and answer.headers["content-type"].startswith("application/json"):
        return bool(answer.json()["error"]["code"] == "stale_page")
    return answer.status_code >= 500 or answer.status_code in _PASSING


def _where(answer: Response) -> str | None:
    """Return where a form led to, None for the home page."""
    if answer.status_code != 303:
        raise SurprisedError(f"{answer.request.url}: {answer.status_code} {answer.text[:500]}")
    there = answer.headers["location"]
    return None if there == "/" else there


def _found(pattern: str, page: str) -> str:
    match = re.search(pattern, page, re.DOTALL)
    if match is None:
        raise SurprisedError(f"no {pattern} in {page[:500]}")
    return html.unescape(match[1])
