"""Words of coming in, and of roles and groups, as labelers read them."""

WORDS = {
    "entry.choose_name": "You sign in with this name. Leads see it; your labels carry a pseudonym instead.",
    "role_name.candidate": "candidate",
    "role_name.labeler": "labeler",
    "role_name.lead": "lead",
    "role_name.researcher": "researcher",
    "role_name.admin": "administrator",
    "group.": "none",
    "group.training": "training",
    "group.heldout": "held out",
    "group.opposed": "opposed",
    "group.researcher": "researchers",
}
