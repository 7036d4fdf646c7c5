"""Step 7: what the provider is shown."""

from __future__ import annotations

from aigateway.gateway.failover import stands_in
from aigateway.gateway.refusal import Refusal
from aigateway.gateway.request import Request
from aigateway.providers.credential import Credential
from aigateway.providers.credentials import CredentialMissing, CredentialUnwelcome, choose


def credential_of(request: Request) -> Credential:
    """The person's own credential, or the provider's.

    Raises:
        Refusal: 401 when only the person's own would do, 403 when the person's own does not do.

    """
    head = request.head
    if head.credential is not None:
        return head.credential
    try:
        credential = choose(request.route.provider, head.mapped, byok=request.byok)
    except CredentialMissing as error:
        raise Refusal(401, str(error)) from None
    except CredentialUnwelcome as error:
        raise Refusal(403, str(error)) from None
    if credential.signer is None and not stands_in(request.route.provider, credential):
        head.credential = credential
    return credential
