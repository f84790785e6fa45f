"""The starter set: prompts, demonstrations and rubrics that a language model wrote, for a first loop in real English.

Every row has the kind `model`. `rows` reads them, `rubric` checks an answer, `splits` keeps related prompts together;
README.md is the data card.
"""
