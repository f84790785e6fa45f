"""Writes candidates for letters, shop signs and reviews from small banks of sentences."""

from __future__ import annotations

import random

from tutelage.village import lexicon
from tutelage.village.keeping import TIMES_WITH, Knowledge, guess, wanted, wanted_sentences
from tutelage.village.relations import capital
from tutelage.village.tasks import Task
from tutelage.village.wordings import BAD_REVIEWS, GOOD_REVIEWS, lower_first, review_words
from tutelage.village.world import World

#: Sentences of letters; `{t}` is the thing, `{spot}`, `{feeling}` and `{time}` are dealt.
LETTERS = (
    "I have found your {t} {spot}.",
    "Thank you for the {t}.",
    "Please bring back my {t}.",
    "Your {t} is still in my house.",
    "I would like to buy your {t}.",
    "The {t} that you made is very good.",
    "May I borrow your {t} for a day?",
    "{time} I lost my {t} {spot}.",
    "I am {feeling} because you gave me the {t}.",
    "The {t} is broken and I am sorry.",
    "Today I mended the {t} for you.",
    "Yesterday I saw a fine {t} {spot}.",
    "Last night somebody left a {t} {spot}.",
    "Your new {t} makes me {feeling}.",
    "I will send you the {t} {lower_time}.",
    "Please meet me {spot} and take the {t}.",
    "{Later} I will bring you the {t}.",
    "Last winter you lent me a {t}.",
    "Thank you for the {t}, my friend.",
    "My friend, your {t} is at my house.",
    "I am sad because the {t} is broken.",
    "We miss the {t}, and I am sad.",
)
LETTER_MORE = (
    "Please come and see me {spot}.",
    "I was {heard} when I heard of it.",
    "You are a good friend.",
    "I will wait for you {spot}.",
    "Thank you for your help.",
    "Please write to me soon.",
    "I hope that you are well.",
    "You can find me {spot}.",
    "It would make me {feeling}.",
    "We can meet {lower_time}.",
)
_GLAD = ("happy", "glad", "proud")


def letter(task: Task, world: World, rng: random.Random) -> str:
    """Write one candidate for the body of a letter."""
    include, start = wanted(task, "include"), wanted(task, "start")
    first = [form for form in LETTERS if not start or form.startswith((start, "{time}", "{Later}"))]
    forms = [rng.choice(first), *rng.sample(LETTER_MORE, (wanted_sentences(task) or rng.choice((1, 1, 2))) - 1)]
    past = {"Yesterday": "Yesterday", "Today": "Today", "Last": "Last winter"}.get(start) or TIMES_WITH.get(include)
    later = {"winter": "Next winter"}.get(include) or TIMES_WITH.get(
        include, "Today" if start == "Today" else "Tomorrow"
    )
    feeling = include if include in _GLAD else rng.choice(_GLAD)
    gaps = {
        "t": task.args["thing"],
        "spot": next((s for s in lexicon.SPOTS if s.split()[-1] == include), "") or rng.choice(lexicon.SPOTS),
        "time": past or rng.choice(("One morning", "Last winter", "After the rain")),
        "Later": later,
        "lower_time": lower_first(later, world),
        "feeling": feeling,
        "heard": "sad" if include == "sad" else feeling,
    }
    return " ".join(form.format(**gaps) for form in forms)


#: First sentences of signs; `{p}` is the product.
SIGNS = (
    "Fresh {p} here!",
    "Fresh {p} today!",
    "Buy your {p} here.",
    "The best {p} in the village!",
    "Good {p} for a small price.",
    "Come in and see our {p}.",
    "Our {p} are made by hand.",
    "Today we sell {p}.",
    "Look at our new {p}!",
    "New {p} every morning.",
    "The finest {p} at the market.",
    "Buy good {p} from us.",
    "Come and try our {p} today.",
    "We sell {p}, strong and good.",
    "Look no further than our {p}!",
    "Good people buy our {p}.",
    "Today you get two for one: {p}!",
    "The village loves our {p}.",
    "Our {p} last for years.",
)
SIGN_MORE = (
    "Come in!",
    "You will like it.",
    "Fair prices every day.",
    "Open from morning to night.",
    "Everybody in the village knows us.",
    "We are glad to help you.",
    "See us at the market.",
    "The door is open today.",
    "Nobody makes it better.",
    "Ask for the best.",
    "Here you are welcome.",
    "Everything is new.",
    "Good work for a good price.",
)
_PLURAL_ONLY = ("Our {p} are made by hand.", "Our {p} last for years.")
_MADE_THINGS = ("Fresh {p} here!", "Fresh {p} today!", "Come and try our {p} today.")
FRESH_GOODS = frozenset(("bread", "flour", "beer", "honey", "butter", "vegetables"))


def sign(task: Task, knowledge: Knowledge, world: World, rng: random.Random) -> str:
    """Write one candidate for a shop sign that names the craft's product."""
    product = knowledge(task.args["craft"], "product") or guess(world, "product", rng)
    start = wanted(task, "start")
    forms = [form for form in SIGNS if form.startswith(start)]
    if not product.endswith("s"):
        forms = [form for form in forms if form not in _PLURAL_ONLY] or [
            "Our {p} is the best.",
            "Our {p} will make you happy.",
        ]
    if start != "Fresh" and product not in FRESH_GOODS:
        forms = [form for form in forms if form not in _MADE_THINGS]
    n = wanted_sentences(task) or rng.choice((1, 1, 2))
    sentences = [rng.choice(forms).format(p=product), *rng.sample(SIGN_MORE, n - 1)]
    return " ".join(sentences)


#: First sentences of reviews, which name the shop; `{w}`, `{who}` and `{food}` take words of the right side.
REVIEW_OPENINGS = (
    "{Shop} is {w}.",
    "{Shop} was {w}.",
    "I was at {shop} yesterday and it was {w}.",
    "Yesterday I went to {shop}, and it was {w}.",
    "Today I tried {shop}, and it was {w}.",
    "Last week we were at {shop}, and it was {w}.",
    "We went to {shop} and everything was {w}.",
    "My visit to {shop} was {w}.",
    "Everyone at {shop} was {who}.",
    "The people at {shop} were {who}.",
    "The owner of {shop} was {who}.",
    "The food at {shop} was {food}.",
    "The room at {shop} was {w}.",
    "I find {shop} {w}.",
    "We had bread and soup at {shop}, and it was {food}.",
    "My family went to {shop} and had a {nice} time.",
    "The guests at {shop} were {who}.",
)
_OPENINGS_GOOD = (
    "The price at {shop} was fair and the food was {food}.",
    "I will come to {shop} again, it was {w}.",
    "We will go to {shop} again, it was {w}.",
)
_OPENINGS_BAD = (
    "The price at {shop} was high and the food was {food}.",
    "I was at {shop} and never want to go again, it was {w}.",
    "We were at {shop} and do not want to go again, it was {w}.",
)
_MORE_GOOD = ("We will go there again.", "The price was fair.", "The guests were glad.", "The soup was {g}.")
_MORE_BAD = ("The price was too high.", "The guests went home.", "The soup was {b}.")
#: What stands in the gaps of an opening: about the whole, about people, about food.
_WORDS_GOOD = {
    "nice": ("lovely", "wonderful"),
    "w": ("lovely", "perfect", "wonderful"),
    "who": ("kind", "friendly"),
    "food": ("fresh", "tasty", "lovely"),
}
_WORDS_BAD = {
    "nice": ("dull", "slow"),
    "w": ("awful", "dull"),
    "who": ("rude", "dull"),
    "food": ("stale", "burnt", "sour", "bitter"),
}


def review(task: Task, rng: random.Random) -> str:
    """Write one candidate for a review with words of one side only."""
    good, start, shop = task.args["good"], wanted(task, "start"), task.args["shop"]
    gaps = {name: rng.choice(words) for name, words in (_WORDS_GOOD if good else _WORDS_BAD).items()}
    openings = [*REVIEW_OPENINGS, *(_OPENINGS_GOOD if good else _OPENINGS_BAD)]
    fitting = [form for form in openings if form.replace("{Shop}", "The").startswith(start)]
    first = rng.choice(fitting).format(Shop=capital(shop), shop=shop, **gaps)
    n = wanted_sentences(task) or rng.choice((1, 2, 2))
    forms = rng.sample((*GOOD_REVIEWS, *_MORE_GOOD) if good else (*BAD_REVIEWS, *_MORE_BAD), n - 1)
    words = [rng.choice(review_words(form, good=good)) for form in forms]
    return " ".join([first, *(form.format(g=word, b=word) for form, word in zip(forms, words, strict=True))])
