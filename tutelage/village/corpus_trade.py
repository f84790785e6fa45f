"""Reviews of shops, shop signs and notices."""

from __future__ import annotations

from tutelage.village import lexicon
from tutelage.village.corpus_source import Source, the_thing
from tutelage.village.corpus_tales import DAYS
from tutelage.village.relations import capital

SHOP_THINGS = {
    "the bakery": ("bread", "pie", "cake"),
    "the inn": ("soup", "stew", "beer"),
    "the market stall": ("jam", "cheese", "salad"),
    "the tea house": ("tea", "cake", "cream"),
    "the mill shop": ("flour", "bread", "porridge"),
    "the dairy": ("milk", "cheese", "butter"),
}
FOOD_GOOD = ("lovely", "fresh", "perfect", "tasty", "wonderful")
FOOD_BAD = ("stale", "bitter", "burnt", "awful", "sour")
#: What an oven or a pot can burn.
BURNABLE = ("bread", "pie", "cake", "soup", "stew", "porridge")
HOST_GOOD = ("kind", "warm", "friendly", "lovely", "wonderful")
HOST_BAD = ("rude", "slow", "dull", "awful")
VISITS = ("I went to {shop} on {day}.", "We stopped at {shop} on {day}.", "On {day} I was at {shop}.",
          "{name} and I went to {shop} after work.", "Yesterday I tried {shop}.", "I have been to {shop} many times.",
          "My visit to {shop} was on {day}.")  # fmt: skip
GOOD_LINES = ("The {thing} was {food}.", "The owner was {host}.", "I found the {thing} {food} and the owner {host}.",
              "Everything was {food}.", "What {a_host} place!", "{Shop} is {host}, and the {thing} is {food}.",
              "The {thing} was {food} and not dear.")  # fmt: skip
BAD_LINES = ("The {thing} was {food}.", "The owner was {host}.", "I found the {thing} {food} and the owner {host}.",
             "Everything was {food}.", "What {a_host} place!", "{Shop} is {host}, and the {thing} is {food}.",
             "The {thing} was {food} and much too dear.")  # fmt: skip
GOOD_ENDS = ("I will come again.", "Go there!", "I was happy all day.", "Five stars.", "Nobody does it better.",
             "I tell all my friends about it.", "It is the best place in the village.")  # fmt: skip
BAD_ENDS = (
    "I will not come again.",
    "Do not go there.",
    "I want my money back.",
    "One star.",
    "Nobody should pay for that.",
    "I was sad all day.",
    "It is the worst place in the village.",
)


def review_text(source: Source, shop: str, good: bool, length: int) -> str:
    """Write a review of a shop with words of one side only, none of them twice in a row."""
    lines, ends = (GOOD_LINES, GOOD_ENDS) if good else (BAD_LINES, BAD_ENDS)
    foods, hosts = (FOOD_GOOD, HOST_GOOD) if good else (FOOD_BAD, HOST_BAD)
    food_words = source.rng.sample(foods, len(foods))
    host_words = source.rng.sample(hosts, len(hosts))
    sentences = []
    if source.maybe(0.7):
        visit = source.pick(VISITS)
        sentences.append(visit.format(shop=shop, day=source.pick(DAYS), name=source.person()))
    forms = source.rng.sample(lines, max(1, length - 1 - len(sentences)))
    for form in forms:
        thing = source.pick(SHOP_THINGS[shop])
        if thing not in BURNABLE and food_words[-1] == "burnt":
            food_words.insert(0, food_words.pop())
        words = {"shop": shop, "Shop": capital(shop), "thing": thing, "food": food_words[-1], "host": host_words[-1],
                 "a_host": lexicon.article(host_words[-1])}  # fmt: skip
        if "{food}" in form:
            food_words.insert(0, food_words.pop())
        if "host}" in form:
            host_words.insert(0, host_words.pop())
        sentences.append(form.format(**words))
    if length > 2 or len(sentences) < 2:
        sentences.append(source.pick(ends))
    return " ".join(sentences)


def reviews(source: Source) -> str:
    """Write a page of one to four reviews of one shop or of several."""
    one_shop = source.pick(lexicon.SHOPS) if source.maybe(0.5) else ""
    style = source.pick(("plain", "plain", "titled", "signed", "stars", "label"))
    lines = []
    for _ in range(source.pick((1, 1, 2, 3, 4))):
        shop, good = one_shop or source.pick(lexicon.SHOPS), source.maybe(0.5)
        text = review_text(source, shop, good, source.pick((2, 3, 3, 4)))
        if style == "titled":
            text = f"Review of {shop}\n{text}"
        elif style == "signed":
            text = f"{text} ({source.person()})"
        elif style == "stars":
            stars = source.pick(("four stars", "five stars") if good else ("one star", "two stars"))
            text = f"{capital(shop)}, {stars}. {text}"
        elif style == "label":
            text = f"{source.pick(('Good', 'Happy') if good else ('Bad', 'Unhappy'))} review: {text}"
        lines.append(text)
    return "\n".join(lines)


def _sign(source: Source) -> str:
    craft = source.pick(tuple(lexicon.CRAFTS))
    product, tool = lexicon.CRAFTS[craft]
    makers = [fact.subject for fact in source.world.facts if fact.relation == "craft" and fact.value == craft]
    maker = source.pick(makers) if makers else ""
    place = source.world.value(maker, "home") if maker else source.pick(lexicon.PLACES)
    forms = [
        f"Fresh from the {tool}: {product}! Come in!",
        f"{capital(product)} for sale. Ask the {craft}.",
        f"Good {product} at a fair price. The {craft} of {place}.",
        f"The {craft} makes {product} for every house. Open from {source.pick(DAYS[:3])} to {source.pick(DAYS[3:])}.",
        f"You need {product}? You have found the right door. Here works the {craft}.",
        f"The best {product} in the village! Knock twice for the {craft}.",
        f"{capital(lexicon.article(craft))} lives here. Come in and look at the {product}.",
    ]
    if maker:
        forms += [
            f"{maker} the {craft} sells {product} here in {place}.",
            f"{capital(product)} by {maker}. Visit the {craft} of {place}.",
            f"{maker}, {craft}. All kinds of {product}. Come in!",
        ]
    return source.pick(forms)


def _notice(source: Source) -> str:
    thing, spot, name = source.thing(), source.pick(lexicon.SPOTS), source.person()
    day = source.pick(DAYS)
    return source.pick(
        (
            f"Lost {spot}: {thing}. Please bring it to {name}.",
            f"Found {spot}: {thing}. Ask {name}.",
            f"For sale: {thing}. See {name} on {day}.",
            f"{name} is looking for {thing}. Who can help?",
            f"The market is closed on {day}.",
            f"Please keep the gate shut. The animals of {name} run away.",
            f"Dance {spot} on {day}. Everybody is welcome.",
            f"Please do not leave {thing} {spot}. Somebody fell over {the_thing(thing)} last week.",
            f"{name} thanks the kind neighbour who mended {thing}.",
            f"Wanted: {thing}. {name} pays a fair price.",
            f"On {day} the school is closed, because the roof is wet.",
            f"Would the person who took {thing} please bring it back to {name}?",
        )
    )


def notices(source: Source) -> str:
    """Write a board of signs and notices."""
    opening = [source.pick(("Notices", "On the board this week", "Signs of the village"))] if source.maybe(0.15) else []
    maker = source.pick((_sign, _notice, None))
    lines = [(maker or source.pick((_sign, _notice)))(source) for _ in range(source.pick((1, 2, 3, 4, 5)))]
    return "\n".join([*opening, *lines])
