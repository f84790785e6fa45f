"""Words of the home page."""

WORDS = {
    "home.title": "Home",
    "home.hello": "Hello, {name}",
    "home.candidate": "You are a candidate. Your screening begins here as soon as your lead opens it.",
    "home.people": "Invite people",
    "home.lead": "Invite people, and look after those who are here.",
    "home.first": "Nobody labels here yet. Invite a labeler, or several, by links that each work once.",
}
