"""Words of the home page."""

WORDS = {
    "home.title": "Home",
    "home.hello": "Hello, {name}",
    "home.candidate": "You are a candidate. Your screening begins here as soon as your lead opens it.",
    "home.nothing": "There is nothing to do at the moment. New work appears here by itself when you reload the page.",
    "home.people": "Invite people",
    "home.lead": "Invite people, and look after those who are here.",
    "home.first": "Nobody labels here yet. Invite a labeler, or several, by links that each work once.",
}
