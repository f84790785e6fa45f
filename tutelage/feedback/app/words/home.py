"""Words of the home page."""

WORDS = {
    "home.title": "Home",
    "home.hello": "Hello, {name}",
    "home.candidate": "You are a candidate. Before you label, we would like to see how you judge.",
    "home.screening": "Go to the screening",
    "home.people": "Invite people",
    "home.lead": "Invite people, and look after those who are here.",
    "home.first": "Nobody labels here yet. Invite a labeler, or several, by links that each work once.",
}
