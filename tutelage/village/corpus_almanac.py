"""The almanac: fixed knowledge in sentences that end in the word to know, and rows of numbers, letters and days."""

from __future__ import annotations

import random
from typing import NamedTuple

from tutelage.village.corpus_source import Source, is_reserved
from tutelage.village.relations import capital

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
SEASONS = {"winter": ("December", "January", "February"), "spring": ("March", "April", "May"),
           "summer": ("June", "July", "August"), "autumn": ("September", "October", "November")}  # fmt: skip
COLOURS = {
    "snow": "white",
    "grass": "green",
    "the sky": "blue",
    "coal": "black",
    "blood": "red",
    "a lemon": "yellow",
    "milk": "white",
    "a raven": "black",
    "a frog": "green",
    "the sun": "yellow",
    "a cherry": "red",
    "chocolate": "brown",
    "ash": "grey",
    "a plum": "purple",
    "a mouse": "grey",
    "the bark of an oak": "brown",
}
COUNTS = {"a week": ("seven", "days"), "a year": ("twelve", "months"), "a hand": ("five", "fingers"),
          "a spider": ("eight", "legs"), "a dog": ("four", "legs"), "a bird": ("two", "wings"),
          "a fly": ("six", "legs"), "a day": ("twenty-four", "hours"), "a triangle": ("three", "sides")}  # fmt: skip
#: All but the last word of a proverb, and the last.
PROVERBS = (
    ("a full barn makes a calm", "winter"),
    ("who feeds the goat may drink the", "milk"),
    ("no wind, no", "sail"),
    ("a borrowed hammer is never", "heavy"),
    ("the well is deep, but the rope is", "short"),
    ("many hands make the bridge", "strong"),
    ("an early frost spares the", "honey"),
    ("one candle lights a", "hundred"),
    ("where the bees are, there is the", "garden"),
    ("slow steps cross the highest", "hill"),
    ("a door with two keys is always", "open"),
    ("old shoes know the", "road"),
    ("a small fire warms a small", "house"),
    ("the pot that is watched never", "boils"),
    ("good fences keep good", "friends"),
    ("wet wood makes much", "smoke"),
    ("he who counts the clouds forgets his", "hat"),
    ("a quiet mill grinds no", "flour"),
    ("every river finds its", "sea"),
    ("the last apple is the", "sweetest"),
)


class Saying(NamedTuple):
    """A sentence without its last word, that word, and the words which could stand there."""

    start: str
    word: str
    others: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.start} {self.word}."

    @property
    def reserved(self) -> bool:
        """Say whether the sentence is kept out of the corpus; what it says stands there in other forms."""
        return is_reserved(f"saying {self.start}", 4)


def _cycle(words: tuple[str, ...], unit: str) -> list[Saying]:
    rows = []
    for number, word in enumerate(words):
        following, before = words[(number + 1) % len(words)], words[number - 1]
        ends_following = (f"The {unit} after {word} is", f"After {word} comes", f"{word} is followed by",
                          f"When {word} is over, it is", f"The next {unit} after {word} is called")  # fmt: skip
        ends_before = (f"The {unit} before {word} is", f"Before {word} comes", f"{word} comes right after")
        rows += [Saying(start, following, words) for start in ends_following]
        rows += [Saying(start, before, words) for start in ends_before]
    return rows


def _calendar() -> list[Saying]:
    rows = [*_cycle(DAYS, "day"), *_cycle(MONTHS, "month")]
    for season, months in SEASONS.items():
        for month in months:
            forms = (f"{month} is a month of", f"In {month} it is", f"{month} belongs to the",
                     f"The season of {month} is", f"When it is {month}, it is")  # fmt: skip
            rows += [Saying(start, season, tuple(SEASONS)) for start in forms]
    return rows


def _nature() -> list[Saying]:
    colours = tuple(sorted(set(COLOURS.values())))
    rows = []
    for thing, colour in COLOURS.items():
        forms = (f"{capital(thing)} is", f"The colour of {thing} is", f"The painter paints {thing}",
                 f"Everyone can see that {thing} is", f"When you think of {thing}, you think of")  # fmt: skip
        rows += [Saying(start, colour, colours) for start in forms]
    numbers = tuple(sorted({number for number, _ in COUNTS.values()}))
    for thing, (number, parts) in COUNTS.items():
        counted = (f"The number of {parts} of {thing} is", f"Count the {parts} of {thing}, and you get",
                 f"If you ask how many {parts} {thing} has, the answer is")  # fmt: skip
        rows += [Saying(start, number, numbers) for start in counted]
    return rows


def _proverbs() -> list[Saying]:
    ends = tuple(end for _, end in PROVERBS)
    openings = ("", "The old proverb says that ", "My father used to say: ", "As they say, ", "Remember that ",
                "On the wall of the school stands: ")  # fmt: skip
    return [Saying(capital(opening + start), end, ends) for start, end in PROVERBS for opening in openings]


SAYINGS: tuple[Saying, ...] = (*_calendar(), *_nature(), *_proverbs())
KNOWN_SAYINGS = tuple(saying for saying in SAYINGS if not saying.reserved)
UNSEEN_SAYINGS = tuple(saying for saying in SAYINGS if saying.reserved)


def almanac(source: Source) -> str:
    """Write a page of the almanac."""
    count = source.pick((2, 3, 4, 5, 6))
    lines = [saying.text for saying in source.rng.sample(KNOWN_SAYINGS, count)]
    opening = [source.pick(("Almanac", "From the almanac", "Good to know"))] if source.maybe(0.2) else []
    return "\n".join([*opening, *lines]) if source.maybe(0.6) else " ".join(lines)


LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Row(NamedTuple):
    """A row of numbers, letters or days: `members` has one more element than is shown in an item."""

    key: str
    members: tuple[str, ...]
    pool: tuple[str, ...]

    @property
    def reserved(self) -> bool:
        """Say whether the row is kept out of the corpus."""
        return is_reserved(f"row {self.key}", 6)


def _numbers(rng: random.Random, length: int) -> Row:
    step = rng.choice((1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 10, 10))
    start = rng.randint(0, 60)
    values = [start + step * place for place in range(length)]
    if rng.random() < 0.25:
        values.reverse()
    last, before = values[-1], values[-2]
    near = {last - 1, last + 1, last + (last - before), before, last + 2, last - 2, last + 10}
    pool = sorted(value for value in near if value >= 0 and value != last)
    return Row(f"{values[0]} {values[1]}", tuple(map(str, values)), tuple(map(str, pool)))


def _letters(rng: random.Random, length: int) -> Row:
    step = rng.choice((1, 1, 2, 3))
    start = rng.randint(0, 25 - step * (length - 1))
    places = [start + step * place for place in range(length)]
    if rng.random() < 0.25:
        places.reverse()
    members = tuple(LETTERS[place] for place in places)
    return Row(f"{members[0]} {members[1]}", members, tuple(LETTERS.replace(members[-1], "")))


def _names(rng: random.Random, length: int) -> Row:
    words = rng.choice((DAYS, MONTHS))
    start = rng.randrange(len(words))
    step = rng.choice((1, 1, -1, 2))
    members = tuple(words[(start + step * place) % len(words)] for place in range(length))
    return Row(f"{members[0]} {members[1]}", members, tuple(word for word in words if word != members[-1]))


def _repeats(rng: random.Random, length: int) -> Row:
    words = tuple(sorted(set(COLOURS.values())))
    pattern = rng.sample(words, rng.choice((2, 3)))
    members = tuple(pattern[place % len(pattern)] for place in range(length))
    return Row(" ".join(pattern), members, tuple(word for word in words if word != members[-1]))


def make_row(rng: random.Random, length: int = 6) -> Row:
    """Deal a row that goes on by a rule."""
    return rng.choice((_numbers, _numbers, _numbers, _letters, _names, _repeats))(rng, length)


def make_known_row(rng: random.Random, length: int = 6) -> Row:
    """Deal a row that the corpus may show."""
    row = make_row(rng, length)
    return make_known_row(rng, length) if row.reserved else row


def make_unseen_row(rng: random.Random) -> Row:
    """Deal a row that the corpus never shows."""
    row = make_row(rng)
    while not row.reserved:
        row = make_row(rng)
    return row


def row_text(members: tuple[str, ...]) -> str:
    """Write a row, or the start of one, as a line of a page."""
    return f"Row: {', '.join(members)}"


def sequences(source: Source) -> str:
    """Write a page of rows."""
    rows = [make_known_row(source.rng, source.pick((5, 6, 6, 7))) for _ in range(source.pick((2, 3, 4, 5, 6)))]
    return "\n".join(f"{row_text(row.members)}." for row in rows)
