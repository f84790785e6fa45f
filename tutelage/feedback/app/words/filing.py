"""Words of the page on which work is filed."""

WORDS = {
    "filing.title": "Tasks",
    "filing.what": "What you file here is handed to labelers under the newest shipped instructions. What the store "
    "holds is drawn at random from what no person has worked on; prompts to write can always be filed.",
    "filing.kind": "What to file",
    "filing.possible": "{kind}: {count} possible",
    "filing.write.plain": "Write a prompt: any task",
    "filing.write.few_shot": "Write a prompt: an instruction with examples",
    "filing.write.user_based": "Write a prompt: for a use that somebody described",
    "filing.count": "How many tasks",
    "filing.overlap": "Labelers for each task",
    "filing.overlap_help": "Two or more label the same item without seeing each other: so agreement is measured.",
    "filing.uses": "Uses that people described",
    "filing.uses_help": "Only for prompts that are to be written for a use: one use, an empty line, the next use. "
    "That many tasks are filed for each. A use with personal data waits until somebody has looked it through.",
    "filing.for": "For labelers of the group",
    "filing.for_help": "Held-out labelers only judge results, such as toxicity: they make no training data.",
    "filing.for.training": "training",
    "filing.for.heldout": "held out",
    "filing.file": "File tasks",
    "filing.choose": "Choose what to file.",
    "filing.number": "Write how many as a whole number.",
    "filing.filed": "Filed",
    "filing.nothing_filed": "No task is filed.",
    "filing.work": "Work",
    "filing.purpose": "Purpose",
    "filing.group": "Group",
    "filing.tasks": "Tasks",
    "filing.done": "With all labels",
    "filing.privacy": "Personal data",
    "filing.privacy.free": "Prompts in which the program found no personal data are trained on without a look by a "
    "person.",
    "filing.privacy.required": "No prompt is trained on before a person has looked it through for personal data.",
    "filing.privacy.begin": "Let training wait for a person's look",
    "filing.privacy.end": "Train without a person's look",
}
