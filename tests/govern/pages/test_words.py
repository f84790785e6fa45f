"""The words of the pages; without any database."""

from __future__ import annotations

import re
import string
from pathlib import Path

from tutelage import govern, web
from tutelage.govern import review
from tutelage.govern.pages.common import DONE
from tutelage.govern.pages.words import WORDS
from tutelage.store.applications import STATES
from tutelage.store.cases import CODES
from tutelage.web.words import WORDS as SHARED

FOLDER = Path(govern.__file__).parent / "pages"


def test_every_word_of_a_page_exists_and_every_word_is_used() -> None:
    sources = [one for one in FOLDER.rglob("*") if one.suffix in (".html", ".py") and "words" not in one.parts]
    sources += Path(web.__file__).parent.rglob("*.html")
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    named = set(re.findall(r"""(?:\bt|words|WORDS)[(\[]\s*["']([\w.]+)["']""", text))
    begun = {*re.findall(r"""["']([\w.]+\.)["']""", text), "done."}
    known = {*WORDS, *SHARED}
    assert {name for name in named - known if name not in begun} == set()
    unused = {
        one for one in WORDS if f'"{one}"' not in text and f"'{one}'" not in text and not one.startswith(tuple(begun))
    }
    assert unused == set()
    assert not WORDS.keys() & SHARED.keys()


def test_what_the_store_can_say_has_words() -> None:
    for prefix, names in (("done", DONE), ("state", STATES), ("overview.next", STATES), ("case_code", CODES)):
        assert {f"{prefix}.{name}" for name in names} <= WORDS.keys()
    assert {code: WORDS[f"code.{code}"] for code in review.CODES if code != "other"} == {
        code: sentence for code, sentence in review.SENTENCES.items() if sentence
    }


def test_every_place_to_fill_has_a_name() -> None:
    for name, text in WORDS.items():
        for _, place, _, _ in string.Formatter().parse(text):
            assert place is None or place.isidentifier(), name
