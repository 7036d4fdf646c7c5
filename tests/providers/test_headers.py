from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aigateway.providers.headers import to_client, to_upstream

CREDENTIAL = (b"x-api-key", b"sk-provider")


def names(headers):
    return [name for name, _ in headers]


def test_the_clients_own_headers_travel_unchanged_and_in_order():
    sent = [
        (b"user-agent", b"claude-cli/2"),
        (b"anthropic-version", b"2023-06-01"),
        (b"anthropic-beta", b"a,b"),
        (b"content-type", b"application/json"),
        (b"content-encoding", b"zstd"),
        (b"x-stainless-lang", b"js"),
    ]
    assert to_upstream(sent, ()) == sent


def test_credentials_identity_and_transport_headers_stay_here():
    sent = [
        (name, b"x")
        for name in (
            b"host",
            b"content-length",
            b"transfer-encoding",
            b"te",
            b"upgrade",
            b"authorization",
            b"x-api-key",
            b"api-key",
            b"cookie",
            b"forwarded",
            b"x-forwarded-for",
            b"x-forwarded-host",
            b"x-real-ip",
            b"coder-session-token",
            b"x-coder-ai-governance-token",
            b"x-coder-ai-governance-request-id",
            b"x-ai-bridge-actor-id",
            b"x-ai-bridge-actor-metadata-username",
            b"proxy-authorization",
            b"expect",
        )
    ]
    assert to_upstream(sent, [CREDENTIAL]) == [CREDENTIAL]


def test_headers_named_in_connection_stay_here_in_both_directions():
    sent = [(b"connection", b"keep-alive, X-Secret-Hop"), (b"x-secret-hop", b"1"), (b"x-other", b"2")]
    assert to_upstream(sent, ()) == [(b"x-other", b"2")]
    assert to_client([(b"Connection", b"x-secret-hop"), (b"X-Secret-Hop", b"1"), (b"X-Other", b"2")]) == [
        (b"x-other", b"2")
    ]


def test_only_encodings_that_can_be_observed_are_asked_for():
    def narrowed(offer):
        return dict(to_upstream([(b"accept-encoding", offer)], ()))[b"accept-encoding"]

    assert narrowed(b"gzip, deflate, br, zstd") == b"gzip, deflate, br, zstd"
    assert narrowed(b"gzip;q=0.5, compress, *") == b"gzip;q=0.5"
    assert narrowed(b"dcb") == b"identity"


def test_an_absent_accept_encoding_stays_absent():
    assert to_upstream([], ()) == []


def test_request_ids_and_rate_limits_reach_the_client_and_cookies_do_not():
    answered = [
        (b"Request-Id", b"req_1"),
        (b"Retry-After", b"7"),
        (b"Anthropic-Ratelimit-Requests-Remaining", b"0"),
        (b"Content-Encoding", b"gzip"),
        (b"Set-Cookie", b"a=b"),
        (b"Server", b"cloudflare"),
        (b"Alt-Svc", b"h3"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Connection", b"close"),
    ]
    assert names(to_client(answered)) == [
        b"request-id",
        b"retry-after",
        b"anthropic-ratelimit-requests-remaining",
        b"content-encoding",
    ]


@given(st.lists(st.tuples(st.binary(max_size=20).map(bytes.lower), st.binary(max_size=20))))
def test_whatever_a_client_sends_no_credential_of_its_own_goes_up(headers):
    went = names(to_upstream(headers, [CREDENTIAL]))
    assert went.count(b"x-api-key") == 1
    assert not {b"authorization", b"cookie", b"host", b"content-length"} & set(went)
    assert not any(name.startswith((b"x-coder-", b"coder-")) for name in went)
