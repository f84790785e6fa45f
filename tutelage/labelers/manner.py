"""How an answer is written, whatever it says: measures that a labeler who reads quickly would take, from two texts.

They are coarse on purpose, and each is there because a policy that learns from labels would exploit its absence: texts
that end in the middle, go round in circles, heap words up, hand the prompt back, or go on with the other's turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from tutelage.starter import reading

_ARTICLES = frozenset("a an the".split())
_FUNCTION = _ARTICLES | frozenset(
    "this that these those my your his her its our their some any no every each all both of in on at by for from with "
    "to into onto over under about as after before between through without against during until around near off up "
    "down out and or but nor so yet if because while when where who whom whose which what how why than then though "
    "although since unless whether i you he she it we they me him us them myself yourself himself herself itself am is "
    "are was were be been being have has had do does did will would can could may might must shall should not don't "
    "isn't doesn't can't won't it's i'm you're there here only just also too very more most much many such own same "
    "let's that's i'll you'll we'll i've you've we're they're didn't wasn't aren't".split()
)
#: What cannot follow an article; words that may also be nouns (will, can, must) are left out.
_NOT_AFTER_ARTICLE = _ARTICLES | frozenset(
    "of is are was were and or but to in at from with by he she it they we you him them us me has had does been being "
    "if because this that these those my your his her its our their there".split()
)
#: What may be said twice in a row.
_DOUBLED = frozenset(
    "that had very so no ha bye really many far too long knock tick now there well yes go night".split()
)
#: A sentence does not end with these.
_OPEN = _ARTICLES | frozenset(
    "of and or but to with for from into my your his their our its because than as is are was were very if".split()
)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
#: Two words in a row, and a word that nobody could say.
_PAIR = re.compile(r"(?<![\w'’-])(?=([^\W\d_]+(?:['’-][^\W_]+)* [^\W\d_]+(?:['’-][^\W_]+)*)(?![\w'’-]))")
_UNSPOKEN = re.compile(r"\b[bcdfghjklmnpqrstvwxz]{3,}\b")
_CLOSED = re.compile(r"[.!?…:;\"'”’)\]}>*`_]\s*$|[\U0001F000-\U0001FAFF☀-➿]\s*$")
_CODE = re.compile(r"[{}<>=;]|\(\)|\w\(|\|")
_SPEAKER = re.compile(r"^\s*(?:\*\*|#+ )?([A-Z][\w’']*(?: [A-Z]?[\w’']+)?)(?:\*\*)?\s*:", re.MULTILINE)
#: Who speaks in the texts that models learn from, and the marks of chat templates.
_TURN = re.compile(
    r"^\s*(?:#+ )?(?:user|assistant|human|instruction|prompt|input|output|response|system)\s*:|<\|\w+\|>"
    r"|</?(?:s|bos|eos)>|\[/?INST\]",
    re.MULTILINE | re.IGNORECASE,
)
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”")
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+", re.MULTILINE)
_HEDGES = re.compile(r"\b(?:maybe|perhaps|I think|I believe|not sure|might|probably|possibly)\b", re.IGNORECASE)
_WARM = re.compile(r"\b(?:please|thank|thanks|glad|sorry|hope|welcome|happy to|good luck|of course)\b", re.IGNORECASE)
#: Words of a run that count as copied from the request and from the text that comes with it, and of such a text.
RUN, LONG_RUN, PASTED = 5, 8, 4
#: Words from which on a sentence must read as one, and from which on it needs more than small words.
SENTENCE, LONG = 6, 12
#: Words below which a sentence is a bit, bits that may stand for sentences, and items of a list that may be bits.
BIT, FEW_BITS, ITEMS = 4, 3, 12
#: The share of copied words from which on nothing is answered.
GIVEN_BACK = 0.8


class Manner(NamedTuple):
    """How an answer is written; shares are 0 to 1.

    `sound` is the text that reads as language: up to another's turn, each sentence once, heaps of words left out, and
    `sense` its share of all words. `copied` and `pasted` are shares of the answer that stand in the request itself and
    in the text that came with it. `repeated`: of its runs of three words, those that were there before.
    """

    words: int
    sound: str
    sense: float
    repeated: float
    copied: float
    pasted: float
    cut: bool
    turns: bool
    listed: bool
    hedged: bool
    warm: bool

    @property
    def answers(self) -> bool:
        """Say whether there is an answer at all: words, and more than the request given back."""
        return self.words > 0 and not (self.copied and self.copied + self.pasted >= GIVEN_BACK)


@lru_cache(maxsize=100_000)
def look(prompt: str, text: str, lists: bool = False) -> Manner:
    """Read one answer; `lists` says that the prompt asks for a list, so that bare words in a row are none's fault."""
    said, whole = words(text), sum(len(words(sentence)) for sentence in reading.sentences(text))
    own, turns = _own_turn(prompt, text)
    sound = _sound(own, lists)
    request, material = parts(prompt)
    copied = _in_runs(said, words(request), RUN)
    return Manner(
        words=len(said),
        sound=sound,
        sense=len(words(sound)) / max(1, whole),
        repeated=_repeated(said),
        copied=copied,
        pasted=_in_runs(said, words(material), LONG_RUN) if material else 0.0,
        cut=_cut(text),
        turns=turns,
        listed=len(_LIST_MARK.findall(text)) > 1,
        hedged=_HEDGES.search(text) is not None,
        warm=_WARM.search(text) is not None,
    )


def words(text: str) -> list[str]:
    """Return the words of a text in lower case; hyphens and apostrophes stay within."""
    return _WORD.findall(text.lower().replace("’", "'"))


def parts(prompt: str) -> tuple[str, str]:
    """Part a prompt into what is asked and the text that it comes with, "" if none.

    With it come texts in quotation marks, what follows a colon, and all paragraphs but the shortest.
    """
    blocks = reading.paragraphs(prompt)
    request = min(blocks, key=len, default="")
    material = [block for block in blocks if block is not request]
    material += [found for found in _QUOTED.findall(request) if len(words(found)) >= PASTED]
    request = _QUOTED.sub(lambda found: " " if len(words(found[0])) >= PASTED else found[0], request)
    before, colon, after = request.partition(":")
    if colon and len(words(after)) >= PASTED and len(words(before)) >= 2:
        request, material = before, [*material, after]
    return request, "\n".join(material)


def _own_turn(prompt: str, text: str) -> tuple[str, bool]:
    """Return the text up to the point where it goes on with another's turn, and whether it does.

    Who speaks is seen in the prompt: names at the head of several lines, or of any when it ends with such a name. The
    name that the prompt ends with may open the answer.
    """
    names = [found.lower() for found in _SPEAKER.findall(prompt)]
    open_end = prompt.rstrip().endswith(":")
    spoken = {name for name in names if names.count(name) > 1 or open_end}
    turns = [(found.start(), found[1].lower()) for found in _SPEAKER.finditer(text) if found[1].lower() in spoken]
    turns += [(found.start(), "") for found in _TURN.finditer(text)]
    others = [start for start, name in turns if text[:start].strip() or (open_end and name not in ("", names[-1]))]
    return (text[: min(others)], True) if others else (text, False)


def _sound(text: str, lists: bool) -> str:
    """Return the sentences that read as language, each once."""
    seen: set[str] = set()
    kept = []
    for sentence in reading.sentences(text):
        plain = " ".join(words(sentence))
        if plain not in seen and reads(sentence, lists):
            kept.append(sentence)
        seen.add(plain)
    # Keywords, each with a full stop, are a heap as well; a list of some items is none.
    bits = [] if lists else [sentence for sentence in kept if len(words(sentence)) < BIT]
    heap = len(bits) - min(ITEMS, len(_LIST_MARK.findall(text))) > FEW_BITS
    heap = heap and sum(len(words(bit)) for bit in bits) > sum(len(words(sentence)) for sentence in kept) / 2
    return "\n".join(sentence for sentence in kept if not heap or sentence not in bits)


def reads(sentence: str, lists: bool = False) -> bool:
    """Say whether a sentence reads as one, as far as small words tell: a heap of words has too few or misplaces them.

    Short ones always do. Where a list is asked for, so does a row of names; so does code.
    """
    said = [word for word in words(sentence) if not word[0].isdigit()]
    if _misplaced(sentence) > len(said) // 12:
        return False
    if len(said) < SENTENCE or _CODE.search(sentence):
        return True
    if any(len(word) > 24 for word in said) or len(_UNSPOKEN.findall(sentence)) > len(said) / 4:
        return False
    pieces = sentence.count(",") + sentence.count(";") + 1
    if pieces >= len(said) / 3:
        return lists or pieces < len(said) - 1
    share = sum(word in _FUNCTION for word in said) / len(said)
    return 0.1 <= share <= (1 if len(said) < LONG else 0.85)


def _misplaced(sentence: str) -> int:
    """Count small words that stand where none can, and words said twice, with nothing but a space between."""
    pairs = [tuple(pair.split()) for pair in _PAIR.findall(sentence.lower().replace("’", "'"))]
    return sum(
        second in _NOT_AFTER_ARTICLE if first in _ARTICLES else first == second and first not in _DOUBLED
        for first, second in pairs
    )


def _repeated(said: Sequence[str]) -> float:
    """Return the share of runs of three words that were there before; numbers are one word, so counting goes round."""
    plain = ["0" if word.isdigit() else word for word in said]
    runs = list(zip(plain, plain[1:], plain[2:], strict=False))
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def _in_runs(said: Sequence[str], source: Sequence[str], size: int) -> float:
    """Return the share of words that stand in runs which the source has too; a short source is a run itself."""
    size = min(size, len(source))
    if size < 3 or len(said) < size:
        return 0.0
    known = {tuple(source[start : start + size]) for start in range(len(source) - size + 1)}
    inside: set[int] = set()
    for start in range(len(said) - size + 1):
        if tuple(said[start : start + size]) in known:
            inside.update(range(start, start + size))
    return len(inside) / len(said)


def _cut(text: str) -> bool:
    """Say whether a text stops in the middle: an open bracket or fence, an open word, prose without its last mark."""
    bare = text.rstrip()
    if not bare:
        return False
    if bare.count("```") % 2 or bare.count("{") > bare.count("}") or bare.count("[") > bare.count("]"):
        return True
    *before, line = reading.lines(bare)
    last = _LIST_MARK.sub("", line)
    said = words(last)
    if bare[-1] in ",-–—" or said[-1:] and said[-1] in _OPEN and not _CLOSED.search(bare):
        return True
    signed = before[-1:] and before[-1].endswith(",") and len(said) < SENTENCE
    if _CLOSED.search(bare) or _CODE.search(last) or signed:
        return False
    if re.search(r"[.!?]\s", last):
        return not _signs(re.split(r"[.!?]\s", last)[-1])
    long = [one for one in before if len(words(one)) >= SENTENCE]
    if not long:
        return len(said) > LONG
    is_prose = sum(_CLOSED.search(one) is not None for one in long) > len(long) / 2
    return is_prose and not (_signs(last) or last.istitle() or (last != line and len(said) < SENTENCE))


def _signs(end: str) -> bool:
    """Say whether the end of a text without its mark is whole: a few words that greet and sign, or a field's value."""
    pieces = end.split()
    return len(pieces) < SENTENCE and any(piece[-1] in ",:" for piece in pieces[:-1])
