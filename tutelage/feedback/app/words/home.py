"""Words of the home page."""

WORDS = {
    "home.title": "Home",
    "home.hello": "Hello, {name}",
    "home.candidate": "You are a candidate. Before you label, we would like to see how you judge.",
    "home.screening": "Go to the screening",
    "home.people": "Invite people",
    "home.lead": "Invite people, and look after those who are here.",
    "home.lead.title": "Labelers",
    "home.begin": "Two things are needed before people label.",
    "home.begin.labelers": "1. Somebody who labels",
    "home.begin.nobody": "Nobody labels here yet. Do it yourself, invite others by links that each work once, or both.",
    "home.begin.somebody": "Done: somebody is here.",
    "home.begin.work": "2. Work to do",
    "home.begin.filed": "Done: work is filed.",
    "home.begin.possible": "The store holds work for people that is not filed yet. This files the first of it; the "
    "page File work files more.",
    "home.begin.file": "File {tasks}",
    "home.begin.count.demonstrate": "{count} answers to write",
    "home.begin.count.rank": "{count} rankings",
    "home.begin.and": " and ",
    "home.begin.empty": "The store holds nothing to work on. Bring in prompts with tutelage prompts import, and reload "
    "this page; or let labelers write prompts to begin with.",
    "home.begin.count.plain": "{count} prompts to write",
    "home.join": "Label here yourself",
    "home.join.group": "Your labels",
    "home.join.training": "train models",
    "home.join.heldout": "only judge results (held out)",
    "home.join.help": "This is for ever. You get a pseudonym for your labels, and you are recorded as a person who was "
    "not screened.",
}
