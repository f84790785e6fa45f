"""Words of the page on which work is filed."""

WORDS = {
    "filing.title": "Tasks",
    "filing.what": "What the store holds and no person has worked on. What you file here is handed to labelers of "
    "training data under the newest shipped instructions, drawn at random.",
    "filing.none": "The store holds nothing to file: no prompts without an answer, and no answers without an order. "
    "Bring in prompts with tutelage prompts import, and answers to rank with tutelage sample.",
    "filing.kind": "What to file",
    "filing.possible": "{kind}: {count} possible",
    "filing.count": "How many tasks",
    "filing.overlap": "Labelers for each task",
    "filing.overlap_help": "Two or more label the same item without seeing each other: so agreement is measured.",
    "filing.file": "File tasks",
    "filing.choose": "Choose what to file.",
    "filing.number": "Write how many as a whole number.",
    "filing.filed": "Filed",
    "filing.nothing_filed": "No task is filed.",
    "filing.purpose": "Purpose",
    "filing.group": "Group",
    "filing.tasks": "Tasks",
    "filing.done": "With all labels",
}
