import pytest

from aigateway.settings.model import Address


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("", False),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("192.0.2.1", False),
        ("fe80::1%eth0", False),
        ("gateway.example.com", False),
    ],
)
def test_whether_other_machines_can_connect(host, loopback):
    assert Address(host, 3000).is_loopback is loopback
