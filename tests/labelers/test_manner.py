"""How an answer is written, by hand-written cases both ways; what is written well must not be called badly written."""

from __future__ import annotations

import pytest

from tutelage.labelers.manner import look, parts, reads
from tutelage.starter import rows

ASKED = "Why is the sky blue in the daytime?"
DIALOGUE = "Ola: I am new here.\nBot: Hello!\nOla: Where to go?\nBot:"
DEMONSTRATED = [row for row in rows.load() if row.demonstration]


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Sunlight is scattered by the air.", False),
        ("Sunlight is scattered by the air. Blue light is scattered more than", True),
        ("Sunlight is scattered by the air, and so the", True),
        ("1. Buy some fresh milk today.\n2. Walk the dog with", True),
        ("- milk\n- eggs\n- bread", False),
        ("Canberra", False),
        ("Dear Ben,\n\nThank you for the book, which I read in a day.\n\nYours, Ida", False),
        ("It will be there on Friday, and we are sorry.\n\nKind regards,\nthe shop team", False),
        ("The sea was calm that night and nobody slept.\n\nBut you", True),
        ("The sea was calm that night. We slept. They", True),
        ("A small red boat went out to sea\nand no one asked it where to be", False),
        ('{"name": "Noor", "date": ', True),
        ("```python\nprint(1)\n", True),
        ("```python\nprint(1)\n```", False),
        ("", False),
    ],
)
def test_a_text_that_stops_in_the_middle(text: str, cut: bool) -> None:
    assert look(ASKED, text).cut is cut


@pytest.mark.parametrize(
    ("sentence", "lists", "sound"),
    [
        ("Sunlight is scattered by the air, and blue light more than red.", False, True),
        ("sky blue sunlight scatter air molecules wavelength Rayleigh ocean colour", False, False),
        ("sky, blue, sunlight, scatter, air, molecules, wavelength, Rayleigh", False, False),
        ("lentils, rice, onions, tomatoes, garlic, cumin, lemons, bread", True, True),
        ("The the of is blue a to the and sky it of the a.", False, False),
        ("Sunlight scatter the is air of blue because the and because.", False, False),
        ("Canberra", False, True),
        ("SELECT name, email FROM customers WHERE city = 'Oslo';", False, True),
        ("It was so so cold that we said no, no, no.", False, True),
        ("Der Himmel erscheint tagsüber blau, weil kurzwelliges Licht stärker gestreut wird.", False, False),
        ("Brr zzkt hnng xqpl vfgh sky the of it.", False, False),
    ],
)
def test_a_sentence_reads_as_one(sentence: str, lists: bool, sound: bool) -> None:
    assert reads(sentence, lists) is sound


def test_a_heap_of_bits_is_no_text_and_a_list_is_one() -> None:
    heap = "The sky is blue at noon. Sky. Air. Light. Red. Blue. Noon. Dusk. Dawn."
    assert look(ASKED, heap).sound == "The sky is blue at noon."
    assert look(ASKED, heap, lists=True).sense == 1
    assert look(ASKED, "- clean air\n- low sun\n- red light\n- blue light\n- much dust").sense == 1
    assert look(ASKED, "Air. Yes, the air. It scatters blue light more than it does red.").sense == 1


def test_repetition_counts_runs_that_were_there_before() -> None:
    assert look(ASKED, "The air scatters blue light.").repeated == 0
    # Six words, said three times: of 16 runs of three words, 6 are different.
    assert look(ASKED, "The air scatters the blue light. " * 3).repeated == pytest.approx(1 - 6 / 16)
    # Counting goes round too: "cat 0", "0 the", ... 4 different runs of 4 * 5 - 2.
    counted = " ".join(f"Cat {number} sat down." for number in range(1, 6))
    assert look(ASKED, counted).repeated == pytest.approx(1 - 4 / 18)


def test_each_sentence_counts_once() -> None:
    manner = look(ASKED, "The air scatters blue light. The air scatters blue light. It is so.")
    assert manner.sound == "The air scatters blue light.\nIt is so."
    assert manner.sense == pytest.approx(8 / 13)


@pytest.mark.parametrize(
    ("prompt", "text", "sound"),
    [
        (ASKED, "The air scatters it.\nUser: And at night?\nAssistant: Then it is dark.", "The air scatters it."),
        (ASKED, "The air scatters it.<|im_end|>\n<|im_start|>user\nAnd at night?", "The air scatters it."),
        (DIALOGUE, "To the lake.\nOla: Thanks!\nBot: Bye.", "To the lake."),
        ("Q: 2 + 2\nA: 4\nQ: 3 + 3\nA:", "6\nQ: 4 + 4\nA: 8", "6"),
    ],
)  # fmt: skip
def test_another_turn_ends_the_answer(prompt: str, text: str, sound: str) -> None:
    manner = look(prompt, text)
    assert manner.turns
    assert manner.sound == sound


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (ASKED, "In short: the air scatters blue light.\nNote: at dusk it is red."),
        (DIALOGUE, "Bot: To the lake."),
        ("Write a song with a chorus.", "Verse: The sky is blue.\nChorus: And so are you."),
        ("Flyer text\nwho: Tess\nprice: 10 per hour\nlimit: 40 words", "Walks with Tess!\nPrice: 10 per hour"),
    ],
)
def test_a_heading_is_no_other_turn(prompt: str, text: str) -> None:
    assert not look(prompt, text).turns


def test_a_prompt_is_parted_into_request_and_text() -> None:
    pasted = "The ferry stayed in port on Sunday, since a net was found."
    assert parts(f"What happened?\n\n{pasted}") == ("What happened?", pasted)
    assert parts(f"Summarise in one sentence: {pasted}") == ("Summarise in one sentence", f" {pasted}")
    request, text = parts(f'Say it in plain words: "{pasted}" Please.')
    assert text == f'"{pasted}"' and "ferry" not in request and "plain words" in request
    assert parts(ASKED) == (ASKED, "")


def test_giving_the_request_back_is_no_answer() -> None:
    assert not look(ASKED, ASKED).answers
    assert not look(ASKED, f"{ASKED}\n{ASKED} {ASKED}").answers
    assert not look(ASKED, " \n ... ").answers
    assert look(ASKED, f"{ASKED} The air scatters blue light more than it scatters red light.").answers
    assert look(ASKED, "The sky is blue in the daytime as air scatters blue light.").answers


def test_a_piece_of_the_pasted_text_may_be_the_answer() -> None:
    prompt = "Copy the second sentence.\n\nThe ferry stayed in port. About 300 people waited for it on the pier."
    manner = look(prompt, "About 300 people waited for it on the pier.")
    assert manner.answers and manner.pasted == 1 and manner.copied == 0


def test_demonstrations_are_seldom_called_badly_written() -> None:
    """They are whole, in sentences and their own words; measures of haste may err on a few (poems, code, lists)."""
    for name, wrong in {
        "cut": [row.id for row in DEMONSTRATED if look(row.prompt, row.demonstration, True).cut],
        "turns": [row.id for row in DEMONSTRATED if look(row.prompt, row.demonstration, True).turns],
        "unread": [row.id for row in DEMONSTRATED if look(row.prompt, row.demonstration, True).sense < 0.8],
        "repeated": [row.id for row in DEMONSTRATED if look(row.prompt, row.demonstration, True).repeated > 0.3],
        "given back": [row.id for row in DEMONSTRATED if not look(row.prompt, row.demonstration, True).answers],
    }.items():
        assert len(wrong) <= 0.02 * len(DEMONSTRATED), (name, wrong)
