import pytest

from aigateway.settings.bedrock import BedrockProtocol, endpoint, protocol_of, region_of


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com/x", "us-gov-west-1"),
        ("https://vpce-0a1b2c-3d4e.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com", "ap-southeast-2"),
        ("https://bedrock-mantle.eu-west-3.api.aws/anthropic", "eu-west-3"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("https://us-east-1.proxy.example", None),
        ("http://127.0.0.1:8080", None),
    ],
)
def test_the_region_that_a_host_names(url, region):
    assert region_of(url) == region


def test_endpoints_lead_back_to_their_protocol_and_region():
    for protocol in BedrockProtocol:
        url = endpoint(protocol, "eu-west-3")
        assert (protocol_of(url), region_of(url)) == (protocol, "eu-west-3")
