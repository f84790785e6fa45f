"""The English words that all web applications share; an application adds its own."""

from __future__ import annotations

from collections.abc import Mapping

WORDS = {
    "web.skip": "Skip to the content",
    "web.navigation": "Main",
    "web.account": "Your account: {name}",
    "web.error": "This did not work",
    "web.home": "Home",
    "web.back": "Go to the home page",
    "web.away": "The database is away at the moment. What was handed in before is safe, and what you write stays on "
    "this device; try again in a minute.",
    "web.nothing_here": "There is nothing at this address. It may have moved; start from the home page.",
    "entry.sign_in": "Sign in",
    "entry.name": "Name",
    "entry.password": "Password",
    "entry.wrong": "The name or the password is wrong, or the account is locked: five failures lock it for fifteen "
    "minutes. Without your password, ask who invited you for a new link.",
    "entry.no_account": "You come in by a link that somebody sends you. Without one, ask for it.",
    "entry.welcome": "Welcome",
    "entry.role": "This link makes your account as {role}.",
    "entry.renew": "This link gives the account {name} a new password.",
    "entry.choose_password": "At least twelve characters. A few words that do not belong together are good.",
    "entry.create": "Create account",
    "entry.set_password": "Set password",
    "entry.dead": "This link cannot be used",
    "entry.dead_why": "It was used already, withdrawn, or is older than seven days. Ask who sent it for a new one.",
    "entry.sign_out": "Sign out",
    "role.candidate": "a candidate",
    "role.labeler": "a labeler",
    "role.lead": "a lead",
    "role.researcher": "a researcher",
    "role.admin": "an administrator",
    "role.reviewer": "a reviewer of applications",
    "role.customer": "a customer",
    "account.title": "Your account",
    "account.role": "You are {role}.",
    "account.password": "Change your password",
    "account.present": "Present password",
    "account.new": "New password",
    "account.change": "Change password",
    "account.changed": "The password is changed. You are signed out everywhere else.",
    "account.wrong": "The present password is wrong.",
    "account.sessions": "Where you are signed in",
    "account.here": "This browser",
    "account.since": "since {opened}, last used {seen}",
    "account.end": "Sign out there",
}


class Catalogue:
    """Texts by name, with places to fill; an unknown name or an unfilled place is a bug."""

    def __init__(self, *parts: Mapping[str, str]) -> None:
        """Join catalogues; two texts under one name are a bug."""
        self.texts: dict[str, str] = {}
        for part in parts:
            if twice := self.texts.keys() & part.keys():
                raise KeyError(f"two texts under one name: {sorted(twice)}")
            self.texts.update(part)

    def __call__(self, name: str, /, **values: object) -> str:
        """Return a text with its places filled."""
        return self.texts[name].format(**values)

    def under(self, prefix: str) -> dict[str, str]:
        """Return the texts whose names begin so, for a script of the page."""
        return {name: text for name, text in self.texts.items() if name.startswith(prefix)}
