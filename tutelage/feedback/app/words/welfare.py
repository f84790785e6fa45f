"""Words about labelers' wellbeing. Those that begin with `content.` name what may trouble a reader."""

WORDS = {
    "wellbeing.title": "Wellbeing",
    "wellbeing.what": "Some of what you judge is unpleasant to read. You decide what you work on, and nobody asks why.",
    "wellbeing.contents": "Do not give me work with",
    "wellbeing.contents_help": "This is known from what labelers said of a text before you. It cannot be complete: you "
    "may be the first to see it, and you may always skip.",
    "wellbeing.use_cases": "Do not give me prompts of the kind",
    "wellbeing.save": "Save",
    "wellbeing.saved": "Saved. Work that you have begun stays on your desk; skip it if you like.",
    "wellbeing.seen": "What you opened",
    "wellbeing.content": "Content",
    "wellbeing.days": "{days} days",
    "wellbeing.day": "24 hours",
    "wellbeing.all": "All work",
    "wellbeing.limit": "Within 24 hours you are given at most {most} pieces of work for which one of these is known.",
    "wellbeing.support": "If something stays with you",
    "wellbeing.support.stop": "Stop, and do something else for a while. Your draft is kept, and a lease that ends "
    "costs you nothing.",
    "wellbeing.support.tell": "Tell your leads, here or in person. They can give you other work, and take a text out "
    "of use for everybody.",
    "wellbeing.support.talk": "Talk about how it felt with somebody you trust; you may do that without repeating "
    "private data from a text. If it does not get better, see a doctor or call a helpline where you live.",
    "wellbeing.support.danger": "If a text says that somebody is in danger now, write to your leads at once; if you "
    "are in danger yourself, call the emergency number of your country.",
    "wellbeing.write": "Write to the leads",
    "wellbeing.link": "Wellbeing: what you see, what you would rather not see, support",
    "content.sexual": "sexual content",
    "content.violent": "violent content",
    "content.encourages_harm": "encouragement of violence, abuse, terror or self-harm",
    "content.denigrates": "contempt for people because of what they are",
    "content.harmful_advice": "harmful advice",
    "content.reported": "something that another labeler did not want to work on",
    "content.toxicity": "toxic text: judging it is the work",
    "cover.title": "Before you read",
    "cover.what": "This work may hold {contents}. It is covered until you show it.",
    "cover.show": "Show it",
    "cover.skip": "Skip it",
    "cover.always": "Show such work at once from now on, on this device",
    "desk.pause": "You have worked for {minutes} minutes without a pause. A few minutes away do judgement good; your "
    "work is kept.",
    "desk.pause.heavy": "You have read several unpleasant texts. A few minutes away do good; your work is kept.",
    "work.pause.later": "Not now",
}
