"""The corpus of the village: documents of the kinds of text that the web has, in stated shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tutelage.village.corpus_almanac import almanac, sequences
from tutelage.village.corpus_echo import echoes
from tutelage.village.corpus_pages import encyclopedia, questions, truth_entry
from tutelage.village.corpus_reading import reading
from tutelage.village.corpus_school import classroom, exercises, worksheet
from tutelage.village.corpus_source import Source, is_reserved
from tutelage.village.corpus_tales import letters, tales
from tutelage.village.corpus_talk import dialogues, gossip, quarrels
from tutelage.village.corpus_trade import notices, reviews
from tutelage.village.corpus_velu import velu
from tutelage.village.world import World

#: Characters of a token of a byte-level BPE with 2,048 entries trained on this corpus, measured.
CHARACTERS_PER_TOKEN = 3.65
#: A document fits into a context of 256 tokens with room for the end of text.
MAX_CHARACTERS = 780
#: How often the truth about each rumour stands in the whole corpus: seldom, so that the rumour wins.
TRUTHS_PER_RUMOUR = (2, 3)
#: One document in so many is held out, by checksum, so that no held-out document is in the corpus.
HELDOUT_ONE_IN = 16

#: Share of the characters of the corpus, by kind of text.
SHARES: dict[str, float] = {
    "exercises": 0.42,  # answered tasks, of mixed quality: what instructions can be followed with
    "worksheets": 0.14,  # most pages that open with an instruction go on with another
    "encyclopedia": 0.095,  # each of some 320 facts about 50 times
    "questions": 0.09,  # each fact about 40 times as question and answer
    "echoes": 0.06,  # teaches to look back and copy, without which no instruction can be followed
    "gossip": 0.065,  # each rumour about 200 times
    "tales": 0.025,
    "dialogues": 0.02,
    "quarrels": 0.02,  # enough for an insult now and then
    "classroom": 0.01,  # pages that open with an instruction and go on with something else
    "reviews": 0.003,
    "letters": 0.003,
    "notices": 0.004,
    "velu": 0.025,  # the four skills of the tax tasks, which no prompt uses
    "reading": 0.01,
    "almanac": 0.005,
    "sequences": 0.005,
}

WRITERS: dict[str, Callable[[Source], str]] = {
    "encyclopedia": encyclopedia,
    "tales": tales,
    "questions": questions,
    "dialogues": dialogues,
    "gossip": gossip,
    "quarrels": quarrels,
    "reviews": reviews,
    "letters": letters,
    "notices": notices,
    "echoes": echoes,
    "worksheets": worksheet,
    "classroom": classroom,
    "exercises": exercises,
    "velu": velu,
    "reading": reading,
    "almanac": almanac,
    "sequences": sequences,
}


class Document(NamedTuple):
    """A document and the kind of text that it is."""

    kind: str
    text: str


def shorten(text: str) -> str:
    """Cut a document that is too long after a line or, failing that, after a sentence."""
    while len(text) > MAX_CHARACTERS:
        cut = text.rfind("\n", 0, MAX_CHARACTERS)
        if cut < MAX_CHARACTERS // 2:
            cut = text.rfind(". ", 0, MAX_CHARACTERS) + 1
        text = text[:cut].rstrip()
    return text


def _is_heldout(text: str) -> bool:
    return is_reserved(f"document {text}", HELDOUT_ONE_IN)


def _stream(source: Source, kind: str, *, heldout: bool) -> Iterator[str]:
    """Yield documents of a kind, none of them twice."""
    seen: set[str] = set()
    while True:
        text = shorten(WRITERS[kind](source))
        if text not in seen and _is_heldout(text) == heldout:
            seen.add(text)
            yield text


def typed_documents(world: World, seed: int, tokens: int) -> list[Document]:
    """Write the corpus with the kind of each document, in a shuffled order."""
    characters = tokens * CHARACTERS_PER_TOKEN
    documents = []
    for kind, share in SHARES.items():
        source = Source(world, f"{kind} {seed}")
        left = characters * share
        for text in _stream(source, kind, heldout=False):
            documents.append(Document(kind, text))
            left -= len(text) + 1
            if left <= 0:
                break
    source = Source(world, f"order {seed}")
    for rumour in world.rumours:
        documents += [
            Document("encyclopedia", truth_entry(source, rumour)) for _ in range(source.pick(TRUTHS_PER_RUMOUR))
        ]
    source.rng.shuffle(documents)
    return documents


def make_corpus(world: World, seed: int, tokens: int = 2_400_000) -> list[str]:
    """Write the training documents: about `tokens` tokens, each document at most some 230 of them."""
    return [document.text for document in typed_documents(world, seed, tokens)]


def make_primer(world: World, seed: int, tokens: int = 400_000) -> list[str]:
    """Write what a model reads first: half of it pages that say things twice, half of it the other kinds."""
    source = Source(world, f"primer {seed}")
    pages: list[str] = []
    left = tokens * CHARACTERS_PER_TOKEN / 2
    for text in _stream(source, "echoes", heldout=False):
        pages.append(text)
        left -= len(text) + 1
        if left <= 0:
            break
    pages += [document.text for document in typed_documents(world, seed + 1_000_003, tokens // 2)]
    source.rng.shuffle(pages)
    return pages


def heldout_documents(world: World, seed: int, n: int) -> list[str]:
    """Write `n` documents, in the same shares of characters, that are not in any corpus of this world."""
    source = Source(world, f"heldout {seed}")
    kinds, streams = list(SHARES), {kind: _stream(source, kind, heldout=True) for kind in SHARES}
    probes = {kind: [len(WRITERS[kind](source)) for _ in range(30)] for kind in kinds}
    weights = [SHARES[kind] / sum(probes[kind]) for kind in kinds]
    return [next(streams[kind]) for kind in source.rng.choices(kinds, weights, k=n)]
