"""Answers that break a constraint by construction: made from the constraint alone, without its check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tutelage.starter.constraints import Constraint

COUNTED: Mapping[str, Callable[[int], str]] = {
    "words": lambda n: "word " * n,
    "sentences": lambda n: "A thing is here. " * n,
    "lines": lambda n: "a line\n" * n,
    "paragraphs": lambda n: "a part\n\n" * n,
    "items": lambda n: "- thing\n" * n,
    "characters": lambda n: "x" * n,
    "words_each": lambda n: "- " + "word " * n,
    "sentence_words": lambda n: "word " * n + ".",
}
FORMATS = {
    "json": "{no",
    "numbered": "- one\n- two",
    "bulleted": "1. one\n2. two",
    "table": "| a | b |\n| c | d |",
    "comma": "one",
    "plain": "- one\n- two",
}


def broken(one: Constraint, answer: str) -> Iterator[str]:
    """Yield answers that break a constraint; `answer` keeps it, or is empty."""
    if one.kind in COUNTED:
        if one.high is not None:
            yield COUNTED[one.kind](one.high + 1)
        if one.low is not None and one.low > 1:
            yield COUNTED[one.kind](one.low - 1)
        return
    answer, first = answer or "Some answer.", one.texts[0] if one.texts else ""
    yield {
        "starts": lambda: f"Zz {answer}",
        "ends": lambda: f"{answer} zz",
        "each_starts": lambda: f"{answer}\n- zz",
        "include": lambda: "zz",
        "exclude": lambda: f"{answer} {first}",
        "order": lambda: " ".join(reversed(one.texts)),
        "format": lambda: FORMATS[first],
        "keys": lambda: '{"zz": 1}',
        "case": lambda: "aB",
        "digits": lambda: f"{answer} x7",
        "without_letter": lambda: f"{answer} {first}",
        "initials": lambda: f"zz\n{answer}",
        "sorted": lambda: "- zebra\n- ape",
    }[one.kind]()
    if one.kind == "include" and one.high is not None:
        yield " ".join([*one.texts] * (one.high + 1)).replace("*", "")
