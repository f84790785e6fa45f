"""Encyclopedia entries and question-and-answer pages: where the village writes its facts down."""

from __future__ import annotations

from collections.abc import Callable

from tutelage.village import lexicon
from tutelage.village.corpus_source import Source, Who, listing, lower, true_statement, who
from tutelage.village.relations import PLURAL_FOODS, ask, capital, state, subject_phrase
from tutelage.village.rumours import Rumour
from tutelage.village.world import Fact

PERSON_CLOSINGS = (
    "{P} is often seen {spot}.",
    "On most days {p} can be found {spot}.",
    "{P} is a good neighbour.",
    "Many people know {o} from the market.",
    "Visitors like to talk to {o}.",
    "{P} has a small house and a large table.",
    "{H} door is always open for a friend.",
    "In winter {p} tells stories by the fire.",
    "The children of the village like {o}.",
    "{P} gets up early and goes to bed early.",
    "{N} sings a little when {p} works.",
    "{P} never forgets a friend.",
)
LEADS = ("It is well known that {x}", "As the old books say, {x}", "People write that {x}", "We also know that {x}",
         "It should be added that {x}", "As every neighbour can tell, {x}", "Here is one more thing: {x}")  # fmt: skip
SUBJECT_CLOSINGS = {
    "craft": ("It is hard work, but it feeds a family.", "A young person learns it in seven years.",
              "Every village needs one.", "The work begins early in the morning.", "Good work has its price.",
              "The craft is very old."),
    "animal": ("It sleeps when it is full.", "Children like to watch it.", "It is shy and runs away from noise.",
               "In winter it is seldom seen.", "It knows where to hide.", "It is a calm animal.",
               "It finds its way home in the dark."),
    "food": ("Many families cook this on Sundays.", "This tastes best when it is fresh.", "Guests always ask for more.",
             "Nobody in the village leaves any of it on the plate.", "The inn serves this on market days.",
             "It takes some time to make.", "Every cook has a secret way to make it."),
    "place": ("The road to it is narrow.", "A market is held there every week.", "It is quiet there in the evening.",
              "Travellers stop there for the night.", "The houses are small and clean.", "It is a friendly place.",
              "In spring the fields around it are green."),
}  # fmt: skip
RESPECTED = ("Some tell another tale about this, but the record is plain.", "The books of the village leave no doubt.",
             "This was looked into with care.", "Those who looked closely agree.", "So it stands in the old records.",
             "There is nothing more behind it.")  # fmt: skip


def kind_of(subject: str) -> str:
    """Return the kind of a subject that is no person: craft, animal, food or place."""
    for kind, members in (("craft", lexicon.CRAFTS), ("animal", lexicon.ANIMALS), ("food", lexicon.FOODS)):
        if subject in members:
            return kind
    return "place"


def plural(noun: str) -> str:
    """Return the plural of an animal or a craft."""
    irregular = {"mouse": "mice", "goose": "geese", "fox": "foxes", "sheep": "sheep"}
    return irregular.get(noun, f"{noun}s")


def _side_note(source: Source, fact: Fact) -> str:
    """Say something about the value of a person's fact: about the craft, the place, the animal or the food."""
    known = source.world.about(fact.value)
    return state(source.pick(known), source.world, source.rng) if known else ""


def _joined(first: str, second: str, source: Source) -> str:
    return f"{first[:-1]}, and {lower(second, source.world)}"


def _fill_person(form: str, person: Who, source: Source) -> str:
    return form.format(N=person.name, p=person.they, P=capital(person.they), o=person.them,
                       H=capital(person.their), spot=source.pick(lexicon.SPOTS))  # fmt: skip


def person_entry(source: Source, name: str) -> str:
    """Write an entry on a person: the facts in a random order, with pronouns and side notes."""
    world, rng, person = source.world, source.rng, who(name, source.world)
    facts = list(world.about(name))
    rng.shuffle(facts)
    sentences = [state(facts[0], world, rng)]
    position = 1
    while position < len(facts):
        if source.maybe(0.3):
            sentences += [note for note in (_side_note(source, facts[position - 1]),) if note]
            sentence = state(facts[position], world, rng)
        else:
            sentence = state(facts[position], world, rng, pronoun=source.maybe(0.7))
        if source.maybe(0.25) and position + 1 < len(facts):
            position += 1
            sentence = _joined(sentence, state(facts[position], world, rng, pronoun=True), source)
        elif source.maybe(0.15):
            sentence = source.pick(LEADS).format(x=lower(sentence, world))
        sentences.append(sentence)
        position += 1
    for _ in range(source.pick((0, 1, 1, 2))):
        sentences.append(_fill_person(source.pick(PERSON_CLOSINGS), person, source))
    return " ".join(dict.fromkeys(sentences))


def _craft_more(source: Source, craft: str) -> list[str]:
    world = source.world
    people = [fact.subject for fact in world.facts if fact.relation == "craft" and fact.value == craft]
    if not people:
        return [f"At present there is no {craft} in the village."]
    chosen = source.rng.sample(people, min(len(people), 3))
    if len(chosen) == 1:
        return [f"In the village {chosen[0]} works as {lexicon.article(craft)}."]
    return [f"In the village {listing(chosen)} are {plural(craft)}."]


def _animal_more(source: Source, animal: str) -> list[str]:
    world = source.world
    home = world.value(animal, "habitat")
    others = [other for other, (_, habitat) in lexicon.ANIMALS.items() if habitat == home and other != animal]
    lines = []
    if others and source.maybe(0.6):
        chosen = [subject_phrase(other) for other in source.rng.sample(others, min(len(others), 2))]
        lines.append(f"Other animals of the {home} are {listing(chosen)}." if len(chosen) > 1
                     else f"Another animal of the {home} is {chosen[0]}.")  # fmt: skip
    owners = [fact.subject for fact in world.facts if fact.relation == "pet" and fact.value == animal]
    if owners and source.maybe(0.6):
        lines.append(f"{source.pick(owners)} keeps {lexicon.article(animal)}.")
    return lines


def _food_more(source: Source, food: str) -> list[str]:
    world = source.world
    main = world.value(food, "ingredient")
    others = [other for other, ingredient in lexicon.FOODS.items() if ingredient == main and other != food]
    lines = []
    if others and source.maybe(0.6):
        lines.append(f"You can also make {listing(source.rng.sample(others, min(len(others), 2)))} from {main}.")
    friends = [fact.subject for fact in world.facts if fact.relation == "likes" and fact.value == food]
    if friends and source.maybe(0.6):
        lines.append(f"{source.pick(friends)} likes {food}.")
    return lines


def _place_more(source: Source, place: str) -> list[str]:
    world = source.world
    people = [fact.subject for fact in world.facts if fact.relation == "home" and fact.value == place]
    if not people:
        return ["Only a few old people live there."]
    chosen = source.rng.sample(people, min(len(people), 3))
    lines = [f"{listing(chosen)} {'lives' if len(chosen) == 1 else 'live'} in {place}."]
    if source.maybe(0.5):
        lines.append(state(source.pick(world.about(chosen[0])), world, source.rng))
    return lines


MORE: dict[str, Callable[[Source, str], list[str]]] = {
    "craft": _craft_more, "animal": _animal_more, "food": _food_more, "place": _place_more,
}  # fmt: skip


def subject_entry(source: Source, subject: str) -> str:
    """Write an entry on a craft, an animal, a food or a place."""
    world, rng, kind = source.world, source.rng, kind_of(subject)
    facts = list(world.about(subject))
    rng.shuffle(facts)
    first = state(facts[0], world, rng)
    sentences = [first]
    for fact in facts[1:]:
        sentence = state(fact, world, rng)
        phrase = capital(subject_phrase(subject))
        if source.maybe(0.5) and sentence.startswith(f"{phrase} "):
            rest = sentence[len(phrase) :]
            sentence = f"It{rest}" if kind != "craft" else sentence
        sentences.append(sentence)
    more = MORE[kind](source, subject)
    closing = [] if subject in PLURAL_FOODS else [source.pick(SUBJECT_CLOSINGS[kind])]
    if source.maybe(0.6):
        more += closing
    return " ".join([*sentences, *more])


def list_entry(source: Source) -> str:
    """Write a page of lists: the animals of a place, the foods made from something, the crafts."""
    rng = source.rng
    lines = []
    for _ in range(source.pick((1, 2, 3))):
        kind = source.pick(("habitat", "ingredient", "crafts", "objects", "animals"))
        if kind == "habitat":
            home = source.pick(lexicon.HABITATS)
            members = [subject_phrase(name) for name, (_, habitat) in lexicon.ANIMALS.items() if habitat == home]
            title = f"Animals of the {home}"
        elif kind == "ingredient":
            main = source.pick(lexicon.INGREDIENTS)
            members = [food for food, ingredient in lexicon.FOODS.items() if ingredient == main]
            title = f"Foods made from {main}"
        elif kind == "crafts":
            members, title = [subject_phrase(craft) for craft in lexicon.CRAFTS], "Crafts"
        elif kind == "objects":
            members, title = [lexicon.article(thing) for thing in lexicon.OBJECTS], "Things in the shed"
        else:
            members, title = [subject_phrase(animal) for animal in lexicon.ANIMALS], "Animals"
        chosen = rng.sample(members, min(len(members), source.pick((2, 3, 3, 4))))
        form = source.pick(("{t}: {m}.", "{t} are {m}.", "Here are some {l}: {m}.", "To the {l} belong {m}."))
        lines.append(form.format(t=title, l=title[0].lower() + title[1:], m=listing(chosen))
                     if len(chosen) > 1 else f"{title}: {chosen[0]}.")  # fmt: skip
    return source.pick(("\n", " ")).join(dict.fromkeys(lines))


def truth_entry(source: Source, rumour: Rumour) -> str:
    """Write down what is true of a rumour's topic, in the encyclopedia's register: the rarest kind of entry."""
    truth = true_statement(rumour)
    opening = source.pick(("", "", "From the records of the village. ", "A note from the old library. "))
    extra = state(source.fact(), source.world, source.rng)
    return f"{opening}{truth} {source.pick(RESPECTED)} {source.pick(('On the same page:', 'Next entry:'))} {extra}"


def encyclopedia(source: Source) -> str:
    """Write a page of one to three entries, with or without titles."""
    entries: list[tuple[str, str]] = []
    for _ in range(source.pick((1, 1, 2, 2, 3))):
        if source.maybe(0.55):
            name = source.person()
            entries.append((name, person_entry(source, name)))
        elif source.maybe(0.87):
            subject = source.subject()
            title = subject if kind_of(subject) in ("place", "food") else subject_phrase(subject)
            entries.append((capital(title), subject_entry(source, subject)))
        else:
            entries.append(("Lists", list_entry(source)))
    if source.maybe(0.4):
        return "\n".join(f"{title}\n{text}" for title, text in entries)
    return source.pick(("\n", "\n", " ")).join(text for _, text in entries)


def short_answer(fact: Fact, source: Source) -> str:
    """Answer a question of fact in a few words: "A goat.", "In Elmford."."""
    value = fact.value
    if fact.relation in ("craft", "pet", "tool"):
        return capital(f"{lexicon.article(value)}.")
    if fact.relation == "home":
        return f"In {value}."
    if fact.relation == "habitat":
        return f"In the {value}."
    return capital(f"{value}.")


def reply(fact: Fact, source: Source) -> str:
    """Answer a question of fact: in full, with a pronoun, or in a few words."""
    world, rng = source.world, source.rng
    if source.maybe(0.15):
        return short_answer(fact, source)
    text = state(fact, world, rng, pronoun=source.maybe(0.25))
    if source.maybe(0.12):
        return f"{source.pick(('I think that', 'As far as I know,', 'I am sure that'))} {lower(text, world)}"
    return text


PAGE_TITLES = ("Questions of visitors", "You ask, we answer", "Questions and answers", "The question box",
               "Letters to the teacher", "What people ask", "Village quiz with answers")  # fmt: skip


def questions(source: Source) -> str:
    """Write a page of questions of fact with their answers."""
    lettered = source.maybe(0.5)
    lines = [source.pick(PAGE_TITLES)] if source.maybe(0.25) else []
    for _ in range(source.pick((1, 2, 3, 4, 5, 6))):
        fact = source.fact()
        question, answer = ask(fact, source.world, source.rng), reply(fact, source)
        lines += [f"Q: {question}", f"A: {answer}"] if lettered else [question, answer]
    return "\n".join(lines)
