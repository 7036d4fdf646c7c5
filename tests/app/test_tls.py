from __future__ import annotations

import shutil

import pytest

from aigateway.app.tls import Certificate, TlsError
from aigateway.settings.model import Address, TlsSettings
from aigateway.telemetry import logging as logs
from tests.support.certificates import write_pair
from tests.support.waiting import wait_until


@pytest.fixture
def pair(tmp_path):
    settings = TlsSettings(
        address=Address("127.0.0.1", 0), cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem"
    )
    write_pair(settings.cert_file, settings.key_file, "first")
    return settings


def refusal(pair):
    with pytest.raises(TlsError) as caught:
        Certificate(pair)
    return str(caught.value)


def test_a_good_pair_is_for_tls_1_2_and_newer(pair):
    context = Certificate(pair).context
    assert context.minimum_version.name == "TLSv1_2"


@pytest.mark.parametrize(
    ("name", "option"),
    [("cert_file", "--tls-cert-file (CODER_TLS_CERT_FILE)"), ("key_file", "--tls-key-file (CODER_TLS_KEY_FILE)")],
)
def test_a_file_that_is_not_there_names_its_option(pair, name, option):
    path = getattr(pair, name)
    path.unlink()
    assert refusal(pair).startswith(f"{option}: cannot read {path}: No such file or directory.")
    path.mkdir()
    assert refusal(pair).startswith(f"{option}: cannot read {path}: Is a directory.")
    path.rmdir()
    path.write_bytes(b"\xff\x00 nothing in here")
    assert refusal(pair).startswith(f"{option}: {path} holds no ")


def test_a_key_of_another_certificate_is_refused(pair, tmp_path):
    write_pair(tmp_path / "other.pem", pair.key_file, "other")
    assert "does not belong to the certificate" in refusal(pair)


def test_an_encrypted_key_is_refused_and_nobody_is_asked(pair):
    write_pair(pair.cert_file, pair.key_file, "locked", password=b"secret")
    assert "--tls-key-file (CODER_TLS_KEY_FILE)" in refusal(pair)
    assert "is encrypted" in refusal(pair)


def test_damaged_files_are_refused(pair):
    pair.cert_file.write_bytes(pair.cert_file.read_bytes()[:200])
    assert "cannot be used" in refusal(pair)


def test_files_swapped_are_refused(pair, tmp_path):
    shutil.move(pair.cert_file, tmp_path / "swap")
    shutil.move(pair.key_file, pair.cert_file)
    shutil.move(tmp_path / "swap", pair.key_file)
    assert "holds no certificate" in refusal(pair)


def test_a_bad_new_pair_is_told_and_changes_nothing(pair, tmp_path):
    log = tmp_path / "log"
    logs.configure(human=str(log), json="")
    try:
        certificate = Certificate(pair)
        pair.key_file.write_text("damaged")
        certificate.reload()
        wait_until(lambda: "the old one stays in use" in log.read_text())
        assert "--tls-key-file" in log.read_text()
    finally:
        logs.configure(human="/dev/stderr", json="")
