"""What is attacked: our own servers, started for it on this machine over a store of their own, and ended after it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tutelage.files import sha256_of
from tutelage.records import RegisteredModel
from tutelage.store import Store, accounts, applications, keys, organisations, registry
from tutelage.store.accounts import Offer
from tutelage.store.application_forms import Conditions, Form, Limits
from tutelage.web.site import utc_now

#: Texts of which a tiny model's tokenizer is made.
TEXTS = ("the goat eats the hat", "one two three four")
#: Long enough for the longest probe, byte by byte.
CONTEXT = 8192
PLENTY = Limits(requests_per_minute=10**6, tokens_per_minute=10**9, tokens_per_day=10**9)
PASSWORD = "four words for a scan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A running server, and what lets a tool in: the key of an application, or the cookie of a session."""

    address: str
    secret: str = ""


def tiny(folder: Path) -> Path:
    """Make a tiny model with random weights: what is attacked is what stands around it."""
    from tutelage.models.load import Shape, fresh, save
    from tutelage.models.tokenizer import train_tokenizer

    tokenizer = train_tokenizer(list(TEXTS), 300)
    model = fresh(Shape(hidden=32, layers=2, heads=4, feedforward=48, context=CONTEXT), tokenizer, 0)
    return save(model, tokenizer, folder)


@contextmanager
def api(folder: Path, model: Path, *, needs_key: bool = False) -> Iterator[Target]:
    """Serve a model directory; with `needs_key` a live application asks for its key."""
    url = f"sqlite:///{folder / 'api.db'}"
    with Store.open(url) as store:
        new = RegisteredModel(name="target", version=0, path=str(model), sha256=sha256_of(model), run="security")
        registry.point(store, "default", registry.register(store, new, prompt_hashes=(), now=utc_now()), now=utc_now())
        key = _live_key(store) if needs_key else ""
    with _running(["serve", "--database", url], r"at (http://\S+)/v1", folder / "api.log") as address:
        yield Target(address=address, secret=key)


@contextmanager
def labeling(folder: Path) -> Iterator[Target]:
    """Serve the labeling app to its first administrator, who labels too."""
    url = f"sqlite:///{folder / 'labeling.db'}"
    with _running(["label", "--database", url], r"Labeling at (http://\S+)", folder / "labeling.log") as address:
        with Store.open(url) as store:
            link = accounts.invite_first_admin(store, now=utc_now())
        with httpx2.Client(base_url=address) as client:
            client.post(f"/enter/{link}", data={"name": "Ada", "password": PASSWORD})
            found = re.search(r'<meta name="csrf" content="(\w+)">', client.get("/account").text)
            if not found:
                raise RuntimeError(f"nobody can come in at {address}")
            client.post("/join", data={"csrf": found[1], "group": "training"})
            yield Target(address=address, secret=client.cookies["tutelage"])


def _live_key(store: Store) -> str:
    """Return the key of a live application that may ask as often as a scan needs."""
    form = Form(
        use_case="chat",
        purpose="Scans by tools that look for weaknesses.",
        audience="own",
        end_users=1,
        is_read_first=True,
        answer_tokens=200,
        requests_per_day=10**6,
    )
    now = utc_now()
    firm = organisations.create(store, "Scanners", by="", now=now).id
    customer, reviewer = (
        accounts.enter(store, accounts.invite(store, offer, by="", now=now), name, "no hash", now=now).id
        for name, offer in (("Sam", Offer(role="customer", organisation=firm)), ("Rita", Offer(role="reviewer")))
    )
    made = applications.create(store, firm, "scan", form, by=customer, now=now).id
    for state, by in (("sandbox", customer), ("in_review", customer)):
        applications.move(store, made, state, by=by, reason="scan", now=now)  # type: ignore[arg-type]
    conditions = Conditions(limits=PLENTY)
    applications.move(store, made, "live", by=reviewer, reason="scan", conditions=conditions, now=now)
    new = keys.NewKey(name="scan")
    return keys.create(store, made, new, keys.pepper(store), by=customer, now=now).text


@contextmanager
def _running(command: Sequence[str], pattern: str, log: Path) -> Iterator[str]:
    """Run one of our servers on a free port of this machine until the end of the block; yield its address."""
    whole = [sys.executable, "-m", "tutelage.cli", *command, "--host", "127.0.0.1", "--port", "0"]
    with log.open("w") as errors, subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            found = re.search(pattern, line)
            if not found:
                raise RuntimeError(f"{' '.join(whole)} did not start; {log} may say why: {line}")
            yield found[1]
        finally:
            process.terminate()
