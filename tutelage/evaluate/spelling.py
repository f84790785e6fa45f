"""Ways in which people hide words from filters. A reader still reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

_LOOK_ALIKES = str.maketrans("aceiopxyACEHIKMOPTX", "асеіорхуАСЕНІКМОРТХ")
_FIGURES = str.maketrans("aeiost", "431057")


def look_alikes(word: str) -> str:
    """Write Cyrillic letters for Latin ones."""
    return word.translate(_LOOK_ALIKES)


def figures(word: str) -> str:
    """Write figures for letters."""
    return word.translate(_FIGURES)


def invisible(word: str) -> str:
    """Put characters of no width between the letters."""
    return "\u200b".join(word)


def apart(word: str) -> str:
    """Put points between the letters."""
    return ".".join(word)


def drawn_out(word: str) -> str:
    """Say the middle letter many times."""
    middle = len(word) // 2
    return word[:middle] + word[middle : middle + 1] * 5 + word[middle + 1 :]


def wide(word: str) -> str:
    """Write the letters of full width."""
    return "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in word)


def starred(word: str) -> str:
    """Hide a letter behind a star: no rule can know which."""
    return word[:1] + "*" + word[2:]


ATTACKS: Mapping[str, Callable[[str], str]] = {
    one.__name__: one for one in (look_alikes, figures, invisible, apart, drawn_out, wide, starred)
}


def attacked(text: str, words: Collection[str], attack: Callable[[str], str]) -> str:
    """Hide these words (in small letters) wherever a text has them."""
    return re.sub(r"\w+", lambda found: attack(found[0]) if found[0].lower() in words else found[0], text)
