"""Signing in with OpenID Connect (Core 1.0, Discovery 1.0): the authorization code flow with PKCE.

Nothing here is imported unless the operator names a provider.
"""
