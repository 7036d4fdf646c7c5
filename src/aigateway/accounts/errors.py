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


class SignInFailed(AccountError):
    """Somebody was not let in by OpenID Connect. `reason` is for the log; neither it nor the message has a secret."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason

    @classmethod
    def by_provider(cls, reason: str) -> SignInFailed:
        """What came from the provider cannot be trusted; a person need not know why, and cannot mend it."""
        return cls(
            "The provider's answer cannot be trusted. Start again; an owner finds why in the server's log.", reason
        )


class ProviderFailed(AccountError):
    """The OpenID provider cannot be asked, or answers nonsense. `reason` is for the log, and has no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The sign-in provider does not answer as it should. Try again in a moment; an owner finds why in the "
            "server's log."
        )
        self.reason = reason


class Refused(AccountError):
    """Who asks may not do this."""


class Missing(AccountError):
    """There is no such thing, or none that the one who asks may see."""


class Conflict(AccountError):
    """It contradicts what is there: a name that is taken, the last owner."""
