"""The server on two addresses, one of them with a certificate that is renewed while it serves."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import threading
import time

import pytest

from aigateway.simulator.server import SimulatorThread
from tests.app.test_serve import fetch, run_server
from tests.support.certificates import common_name, write_pair
from tests.support.server import GatewayProcess, free_port, providers
from tests.support.waiting import wait_until

CHAT = {"model": "sim", "stream": True, "messages": [{"role": "user", "content": "Hello there"}]}


class Site:
    """A gateway with HTTPS."""

    def __init__(self, tmp_path, sim):
        self.cert, self.key = tmp_path / "cert.pem", tmp_path / "key.pem"
        self.dumps = tmp_path / "dumps"
        self.log = tmp_path / "gateway.log"
        self.port = free_port()
        write_pair(self.cert, self.key, "first")
        env = providers({"TYPE": "openai", "KEY": "sk-central-0123456789", "BASE_URL": f"{sim.url}/v1"}) | {
            "CODER_TLS_ENABLE": "true",
            "CODER_TLS_ADDRESS": f"127.0.0.1:{self.port}",
            "CODER_TLS_CERT_FILE": str(self.cert),
            "CODER_TLS_KEY_FILE": str(self.key),
            "CODER_AI_GATEWAY_DUMP_DIR": str(self.dumps),
            "CODER_AI_GATEWAY_RATE_LIMIT": "1000",
            "CODER_LOGGING_HUMAN": str(self.log),
        }
        self.gateway = GatewayProcess(tmp_path, env)

    def connect(self, version=None):
        """A TLS connection, trusting nothing but the certificate that is in the file now."""
        context = ssl.create_default_context(cafile=self.cert)
        if version is not None:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        try:
            return context.wrap_socket(plain, server_hostname="127.0.0.1")
        except BaseException:
            plain.close()
            raise

    def shown(self):
        """The name of the certificate that a new connection is shown."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=30) as plain,
            context.wrap_socket(plain) as connection,
        ):
            return common_name(connection.getpeercert(binary_form=True))

    def hang_up(self):
        os.kill(self.gateway.pid, signal.SIGHUP)

    def chat(self, scenario=""):
        """A request over HTTPS; the answer is not read yet."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30)
        connection.sock = self.connect()
        headers = {"Authorization": f"Bearer {self.gateway.token}", "Content-Type": "application/json"}
        if scenario:
            headers["X-Sim-Scenario"] = scenario
        path = "/api/v2/aibridge/openai/v1/chat/completions"
        connection.request("POST", path, body=json.dumps(CHAT), headers=headers)
        return connection


@pytest.fixture
def site(tmp_path):
    with SimulatorThread(event_interval=0.001) as sim:
        site = Site(tmp_path, sim)
        with site.gateway:
            yield site


def test_both_addresses_serve(site):
    with site.connect() as connection:
        assert connection.version() in {"TLSv1.2", "TLSv1.3"}
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert fetch(f"{site.gateway.url}/healthz") == (200, b"ok\n")
    connection = site.chat()
    answer = connection.getresponse()
    assert answer.status == 200
    assert b"data: [DONE]" in answer.read()
    connection.close()
    assert site.gateway.stop() == 0


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_old_versions_of_tls_are_refused(site):
    with pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|UNEXPECTED_EOF"):
        site.connect(ssl.TLSVersion.TLSv1_1)
    site.connect(ssl.TLSVersion.TLSv1_2).close()


def test_a_client_that_keeps_its_connection_does_not_keep_the_server(site):
    idle = site.connect()
    idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
    began = time.monotonic()
    assert site.gateway.stop() == 0
    assert time.monotonic() - began < 10
    idle.close()


def test_sighup_loads_the_certificate_anew_and_drops_no_stream(site):
    slow = site.chat("slow:50")
    answer = slow.getresponse()
    answer.read(20)
    write_pair(site.cert, site.key, "second")
    assert site.shown() == "first"
    site.hang_up()
    wait_until(lambda: site.shown() == "second")
    assert b"data: [DONE]" in answer.read()
    slow.close()
    site.key.write_text("damaged")
    site.hang_up()
    wait_until(lambda: "the old one stays in use" in site.log.read_text())
    assert site.shown() == "second"
    write_pair(site.cert, site.key, "third")
    site.hang_up()
    wait_until(lambda: site.shown() == "third")


def test_sighup_opens_the_log_anew(site):
    moved = site.log.with_suffix(".1")
    site.log.rename(moved)
    site.hang_up()
    wait_until(site.log.exists)
    site.hang_up()
    wait_until(lambda: "loaded anew" in site.log.read_text())


def test_a_stopping_server_lets_https_requests_finish(site):
    slow = site.chat("slow:50")
    answer = slow.getresponse()
    answer.read(20)
    status = []
    stopping = threading.Thread(target=lambda: status.append(site.gateway.stop()))
    stopping.start()
    assert b"data: [DONE]" in answer.read()
    slow.close()
    stopping.join()
    assert status == [0]


def test_requests_are_dumped(site):
    connection = site.chat()
    connection.getresponse().read()
    connection.close()
    site.gateway.stop()
    suffixes = {path.name.partition(".")[2] for path in (site.dumps / "openai" / "sim").iterdir()}
    assert suffixes == {"req.txt", "resp.txt"}
    for path in site.dumps.rglob("*.txt"):
        content = path.read_bytes()
        assert site.gateway.token.encode() not in content
        assert b"sk-central-0123456789" not in content


def test_a_key_that_is_missing_keeps_the_server_from_starting(tmp_path):
    write_pair(tmp_path / "cert.pem", tmp_path / "key.pem", "x")
    (tmp_path / "key.pem").unlink()
    result = run_server(
        tmp_path,
        CODER_TLS_ENABLE="true",
        CODER_TLS_ADDRESS="127.0.0.1:0",
        CODER_HTTP_ADDRESS="127.0.0.1:0",
        CODER_TLS_CERT_FILE=str(tmp_path / "cert.pem"),
        CODER_TLS_KEY_FILE=str(tmp_path / "key.pem"),
        CODER_AI_GATEWAY_DATA_DIR=str(tmp_path / "data"),
    )
    assert result.returncode == 1
    assert "--tls-key-file (CODER_TLS_KEY_FILE): cannot read" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_dump_folder_that_cannot_be_made_keeps_the_server_from_starting(tmp_path):
    (tmp_path / "file").write_text("")
    result = run_server(
        tmp_path,
        CODER_HTTP_ADDRESS="127.0.0.1:0",
        CODER_AI_GATEWAY_DUMP_DIR=str(tmp_path / "file" / "dumps"),
        CODER_AI_GATEWAY_DATA_DIR=str(tmp_path / "data"),
    )
    assert result.returncode == 1
    assert "--ai-gateway-dump-dir (CODER_AI_GATEWAY_DUMP_DIR): cannot write to" in result.stderr
    assert "Traceback" not in result.stderr


def test_health_is_not_limited_and_requests_are(tmp_path):
    with SimulatorThread(event_interval=0) as sim:
        env = providers({"TYPE": "openai", "KEY": "sk-central-0123456789", "BASE_URL": f"{sim.url}/v1"})
        with GatewayProcess(tmp_path, env | {"CODER_AI_GATEWAY_RATE_LIMIT": "1"}) as gateway:
            headers = {"Authorization": f"Bearer {gateway.token}"}

            def limited():
                return fetch(f"{gateway.base}/openai/v1/models", headers=headers)[0] == 429

            wait_until(limited)
            for _ in range(20):
                assert fetch(f"{gateway.url}/healthz")[0] == 200
                assert fetch(f"{gateway.url}/readyz")[0] == 200
