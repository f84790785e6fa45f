"""The English words of the labeling app, one part per area; another language is another folder like this one."""

from tutelage.feedback.app.words import (
    entry,
    guidance,
    home,
    lead,
    people,
    screening,
    welfare,
    withdrawal,
    work,
)
from tutelage.web import words

#: Every text that the app's pages and scripts show, by name.
WORDS = words.Catalogue(
    words.WORDS,
    entry.WORDS,
    guidance.WORDS,
    home.WORDS,
    lead.WORDS,
    people.WORDS,
    screening.WORDS,
    welfare.WORDS,
    withdrawal.WORDS,
    work.WORDS,
)

__all__ = ["WORDS"]
