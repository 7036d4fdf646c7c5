"""Why an account was not made, changed or let in. Each message says what to do."""

# these are answers that a person gets, named for what they say
from __future__ import annotations


class AccountError(Exception):
    """What all refusals have: `str()` of it may be shown to the person who asked."""


class Invalid(AccountError):
    """A value cannot be used. `field` names it as the REST API does."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotSignedIn(AccountError):
    """Who asks is not known, or may not enter."""


class Refused(AccountError):
    """Who asks may not do this."""


class Missing(AccountError):
    """There is no such thing, or none that the one who asks may see."""


class Conflict(AccountError):
    """It contradicts what is there: a name that is taken, the last owner."""
