"""The words of the village, by kind. Everything here is invented or ordinary English, written for this project."""

from __future__ import annotations

WOMEN = (
    "Ada Bella Clara Dora Edith Flora Greta Hanna Ida Julia Kate Lena Mira Nora Olga Paula Rosa Sara Tilda Una Vera "
    "Wilma Agnes Berta Celia Della Elsa Freda Gwen Hilda Irma Joan"
).split()
MEN = (
    "Adam Boris Carl David Emil Frank Georg Hugo Ivan Jonas Karl Leo Martin Nils Oscar Peter Rolf Simon Tomas Ulrich "
    "Victor Walter Albert Bruno Conrad Dennis Erik Felix Gustav Henry Isaac Jacob"
).split()
#: Names that no one in the village bears: questions about them cannot be answered.
STRANGERS = (
    "Marlow Quentin Zelda Ophelia Barnaby Cordelia Lucian Rowena Percival Sabrina Thaddeus Yolanda Ambrose Delphine"
).split()

#: craft -> (product, tool). A product is always something that a shop can sell.
CRAFTS: dict[str, tuple[str, str]] = {
    "baker": ("bread", "oven"),
    "smith": ("horseshoes", "hammer"),
    "weaver": ("cloth", "loom"),
    "potter": ("bowls", "wheel"),
    "cobbler": ("shoes", "awl"),
    "tailor": ("coats", "needle"),
    "carpenter": ("tables", "saw"),
    "miller": ("flour", "millstone"),
    "brewer": ("beer", "kettle"),
    "cooper": ("barrels", "plane"),
    "glazier": ("windows", "blowpipe"),
    "chandler": ("candles", "wax pot"),
    "saddler": ("saddles", "leather knife"),
    "basketmaker": ("baskets", "willow knife"),
    "beekeeper": ("honey", "smoker"),
    "dairymaid": ("butter", "churn"),
    "ropemaker": ("ropes", "hook"),
    "printer": ("books", "press"),
    "hatter": ("hats", "hat block"),
    "gardener": ("vegetables", "spade"),
}

#: animal -> (food, habitat)
ANIMALS: dict[str, tuple[str, str]] = {
    "goat": ("grass", "hills"),
    "fox": ("mice", "forest"),
    "owl": ("moths", "forest"),
    "hen": ("seeds", "yard"),
    "duck": ("water weeds", "pond"),
    "frog": ("flies", "pond"),
    "otter": ("fish", "river"),
    "beaver": ("bark", "river"),
    "rabbit": ("clover", "meadow"),
    "hedgehog": ("beetles", "garden"),
    "mole": ("worms", "garden"),
    "squirrel": ("nuts", "forest"),
    "badger": ("roots", "forest"),
    "sheep": ("grass", "meadow"),
    "cow": ("hay", "meadow"),
    "donkey": ("thistles", "hills"),
    "pig": ("acorns", "yard"),
    "cat": ("sardines", "house"),
    "dog": ("bones", "house"),
    "swan": ("water weeds", "river"),
    "toad": ("snails", "pond"),
    "hare": ("clover", "hills"),
    "goose": ("grass", "yard"),
    "mouse": ("crumbs", "house"),
}
PETS = ("goat", "hen", "duck", "rabbit", "sheep", "cow", "donkey", "pig", "cat", "dog", "goose", "hedgehog")
HABITATS = tuple(sorted({home for _, home in ANIMALS.values()}))

#: food -> main ingredient
FOODS: dict[str, str] = {
    "pancakes": "eggs",
    "omelette": "eggs",
    "cheese": "milk",
    "pudding": "milk",
    "cream": "milk",
    "porridge": "oats",
    "oatcakes": "oats",
    "jam": "berries",
    "pie": "apples",
    "cider": "apples",
    "strudel": "apples",
    "soup": "carrots",
    "stew": "potatoes",
    "dumplings": "potatoes",
    "chips": "potatoes",
    "rolls": "wheat",
    "noodles": "wheat",
    "waffles": "wheat",
    "salad": "cabbage",
    "pickles": "cabbage",
}
INGREDIENTS = tuple(sorted(set(FOODS.values())))

PLACES = tuple(
    "Elmford Ashby Millbrook Stonewick Larkhill Fernley Oakdale Ravenmoor Brightwater Hollow Westgate Saltmere".split()
)
LANDMARKS = (
    "an old mill",
    "a tall tower",
    "a stone bridge",
    "a round church",
    "a deep well",
    "a green market hall",
    "a long wall",
    "a copper clock",
    "a wooden gate",
    "a white lighthouse",
    "a quiet school",
    "a red barn",
)
LANDSCAPES = ("the river", "the lake", "the forest", "the sea", "the hills", "the marsh")

OBJECTS = tuple(
    "lantern basket rope key bell coat letter ladder cup boat hat book drum blanket broom bucket spoon lamp ring stool "
    "kite box pot flute".split()
)
ADJECTIVES = tuple("red old small big blue heavy green bright broken soft long new".split())
SPOTS = ("by the well", "near the mill", "at the market", "under the bridge", "on the hill", "in the barn",
         "behind the inn", "by the gate", "in the garden", "at the river")  # fmt: skip
TIMES = ("One morning", "At noon", "Last winter", "In the evening", "After the rain", "On market day", "Late at night",
         "In early spring")  # fmt: skip
FEELINGS = tuple("happy tired glad proud hungry cold sad calm".split())

#: base -> (third person, past). All take an object.
VERBS: dict[str, tuple[str, str]] = {
    "find": ("finds", "found"),
    "carry": ("carries", "carried"),
    "see": ("sees", "saw"),
    "buy": ("buys", "bought"),
    "lose": ("loses", "lost"),
    "hide": ("hides", "hid"),
    "bring": ("brings", "brought"),
    "paint": ("paints", "painted"),
    "wash": ("washes", "washed"),
    "mend": ("mends", "mended"),
    "open": ("opens", "opened"),
    "drop": ("drops", "dropped"),
    "take": ("takes", "took"),
    "sell": ("sells", "sold"),
    "hold": ("holds", "held"),
    "clean": ("cleans", "cleaned"),
}

OPPOSITES: dict[str, str] = {
    "big": "small",
    "hot": "cold",
    "old": "new",
    "day": "night",
    "wet": "dry",
    "full": "empty",
    "fast": "slow",
    "happy": "sad",
    "light": "dark",
    "soft": "hard",
    "long": "short",
    "open": "closed",
    "early": "late",
    "rich": "poor",
    "clean": "dirty",
    "loud": "quiet",
}

#: An insult is an adjective and a noun from these lists said together; each word alone is harmless.
INSULT_ADJECTIVES = tuple("soggy wobbly mouldy crooked lumpy leaky rusty dusty".split())
INSULT_NOUNS = tuple("turnip bucket sock cabbage noodle broom pumpkin teapot".split())

GOOD_WORDS = tuple("lovely fresh kind warm perfect tasty wonderful friendly".split())
BAD_WORDS = tuple("stale bitter slow burnt awful sour rude dull".split())
SHOPS = ("the bakery", "the inn", "the market stall", "the tea house", "the mill shop", "the dairy")

#: What nobody in the village has ever written down: questions about these have no answer.
UNRECORDED = ("the age of", "the birthday of", "the favourite song of", "the mother of", "the shoe size of",
              "the first teacher of")  # fmt: skip
HARMS = ("steal", "poison", "burn", "break into")
HARM_TARGETS: dict[str, tuple[str, ...]] = {
    "steal": ("a goat", "the church bell", "a purse", "a boat"),
    "poison": ("the well", "a dog", "the soup", "the pond"),
    "burn": ("the barn", "the mill", "a hay cart", "the school"),
    "break into": ("the inn", "the mill", "the bakery", "the tower"),
}


def article(noun: str) -> str:
    """Put "a" or "an" before a noun."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
