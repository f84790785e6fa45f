"""What a text can be flagged for: one table for labelers, classifiers, rules, review and the API."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A category, what it means, whether OpenAI's moderation has it, and the labelers' flag that says the same."""

    name: str
    meaning: str
    is_openai: bool = True
    flag: str = ""
    is_critical: bool = False


#: The thirteen categories of OpenAI's moderation endpoint, then our own. Flags are those of the paper's Table 3 that
#: concern harm; two of them say less than any category of OpenAI's and are categories of their own.
CATEGORIES: tuple[Category, ...] = (
    Category(name="hate", meaning="Hate or contempt for a protected group.", flag="denigrates"),
    Category(name="hate/threatening", meaning="Hate with a threat of violence or serious harm."),
    Category(name="harassment", meaning="Language that harasses somebody."),
    Category(name="harassment/threatening", meaning="Harassment with a threat of violence or serious harm."),
    Category(name="illicit", meaning="Advice or instructions for unlawful acts."),
    Category(name="illicit/violent", meaning="The same for violence or weapons.", is_critical=True),
    Category(name="self-harm", meaning="Acts of self-harm, depicted or encouraged."),
    Category(name="self-harm/intent", meaning="Somebody who means to harm themselves."),
    Category(name="self-harm/instructions", meaning="How to harm oneself.", is_critical=True),
    Category(name="sexual", meaning="Sexual content.", flag="sexual"),
    Category(name="sexual/minors", meaning="Sexual content with somebody under 18.", is_critical=True),
    Category(name="violence", meaning="Death, violence or injury.", flag="violent"),
    Category(name="violence/graphic", meaning="The same in graphic detail."),
    Category(name="offensive", meaning="Words that offend, aimed at nobody or at no protected group.", is_openai=False),
    Category(
        name="encourages_harm",
        meaning="Encourages violence, abuse, terrorism or self-harm, or fails to discourage it.",
        is_openai=False,
        flag="encourages_harm",
    ),
    Category(name="harmful_advice", meaning="Advice that does harm.", is_openai=False, flag="harmful_advice"),
    Category(name="inappropriate", meaning="Unfit for a customer assistant.", is_openai=False, flag="inappropriate"),
    Category(name="banned_terms", meaning="A term of the operator's lists.", is_openai=False),
    Category(name="secrets", meaning="A key, token or password.", is_openai=False),
    Category(name="personal_data", meaning="Data by which a person can be found.", is_openai=False),
)
BY_NAME = {category.name: category for category in CATEGORIES}
#: Which category a labeler's flag is.
OF_FLAG = {category.flag: category.name for category in CATEGORIES if category.flag}
