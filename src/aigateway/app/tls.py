"""The certificate of the HTTPS listener: checked at the start, loaded anew on SIGHUP without a connection dropped."""

from __future__ import annotations

import ssl
from pathlib import Path

from aigateway.settings.model import TlsSettings
from aigateway.telemetry.logging import get_logger

_CERT_OPTION = "--tls-cert-file (CODER_TLS_CERT_FILE)"
_KEY_OPTION = "--tls-key-file (CODER_TLS_KEY_FILE)"

_log = get_logger("listener")


class TlsError(Exception):
    """The certificate or its key cannot be used. The sentence says why, and names the option."""


class Certificate:
    """A certificate chain and its key, as new connections are shown them."""

    def __init__(self, settings: TlsSettings) -> None:
        """Load both.

        Raises:
            TlsError: a file cannot be read, is not what it should be, or the two do not belong together.

        """
        self._settings = settings
        self.context = _context(settings)
        """For a listening socket; TLS 1.2 and newer, HTTP/1.1."""

    def reload(self) -> None:
        """Read the files anew for connections to come; a pair that is not good leaves the old one in use."""
        try:
            _context(self._settings)
            _load(self.context, self._settings)
        except TlsError as error:
            _log.error("the certificate was not loaded anew: the old one stays in use", reason=str(error))
        else:
            _log.info("the certificate was loaded anew", cert_file=str(self._settings.cert_file))


def _context(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load(context, settings)
    return context


def _load(context: ssl.SSLContext, settings: TlsSettings) -> None:
    cert, key = settings.cert_file, settings.key_file
    if b"-----BEGIN CERTIFICATE-----" not in _read(cert, _CERT_OPTION):
        raise TlsError(f"{_CERT_OPTION}: {cert} holds no certificate. Name a PEM file with the certificate chain.")
    pem = _read(key, _KEY_OPTION)
    if b"PRIVATE KEY-----" not in pem:
        raise TlsError(f"{_KEY_OPTION}: {key} holds no private key. Name a PEM file with the certificate's key.")
    if b"ENCRYPTED" in pem:
        raise TlsError(
            f"{_KEY_OPTION}: {key} is encrypted. Name a file with the key in clear that only this user reads."
        )
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}:
            raise TlsError(
                f"{_KEY_OPTION}: {key} does not belong to the certificate in {cert}. "
                "Name the key that the certificate was made for."
            ) from error
        raise TlsError(
            f"{_CERT_OPTION}, {_KEY_OPTION}: {cert} and {key} cannot be used ({error.reason or error}). "
            "Name PEM files that are whole."
        ) from error


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(
            f"{option}: cannot read {path}: {error.strerror}. Name a PEM file that this user may read."
        ) from error


def _no_password() -> str:
    """Keep OpenSSL from asking the terminal."""
    return ""
