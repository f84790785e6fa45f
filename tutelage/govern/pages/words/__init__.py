"""The English words of these pages; another language is another folder like this one."""

from tutelage.govern.pages.words import console, customer, shared

#: Every text that the pages show, by name.
WORDS = {**shared.WORDS, **customer.WORDS, **console.WORDS}
