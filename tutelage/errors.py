"""The errors that a user can mend: one sentence that names the thing and the remedy, exit code 2.

Everything else that is raised is a bug and keeps its traceback.
"""


class UserError(Exception):
    """A mistake outside the program; its message is one full sentence that says what to do."""

    exit_code = 2
    #: A word by which a program tells this error from others, and the name that it is about.
    code: str | None = None
    param: str | None = None


class SettingsError(UserError):
    """A setting that is unknown, of the wrong type or out of range."""


class MissingError(UserError):
    """A file, directory, run, model or optional package that is not there."""


class DataError(UserError):
    """Data that cannot be used as it is: a malformed row, an empty prompt, text that is not UTF-8."""


class ConflictError(DataError):
    """Data that was right for another state: somebody handed in, changed or decided meanwhile."""

    code = "conflict"


class RefusedError(UserError):
    """Something that the person who asks may not do."""

    code = "refused"


class UnavailableError(UserError):
    """A database, server or disk that cannot be reached or is full."""


class DatabaseAwayError(UnavailableError):
    """The database cannot be used now; the message names it, which is for the operator alone."""


class InvariantError(UserError):
    """A check of a running computation that failed: the result would be wrong, so the run stops."""
