import pytest

from aigateway.settings.bedrock_models import ModelsFileError, read_models, shipped_models

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"


@pytest.mark.parametrize(
    ("model", "adaptive"),
    [
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", False),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", False),
        ("us.anthropic.claude-opus-4-20250514-v1:0", False),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", False),
        ("us.anthropic.claude-opus-4-5-20251101-v1:0", False),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", False),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", False),
        ("us.anthropic.claude-opus-4-6-v1", True),
        ("eu.ANTHROPIC.claude-sonnet-4-6", True),
        ("anthropic.claude-opus-9", True),
        (PROFILE, True),
    ],
)
def test_which_models_know_adaptive_thinking(model, adaptive):
    assert shipped_models().rules(model).adaptive_thinking is adaptive


@pytest.mark.parametrize(
    ("model", "counts"),
    [
        ("us.anthropic.claude-opus-4-6-v1", "anthropic.claude-opus-4-6-v1"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        (PROFILE, None),
    ],
)
def test_who_counts_tokens(model, counts):
    assert shipped_models().rules(model).count_tokens == counts


def test_flags_that_newer_models_refuse_do_not_go_to_them():
    betas = shipped_models().rules("us.anthropic.claude-opus-4-7").betas
    assert not betas["interleaved-thinking-2025-05-14"]


def extended(tmp_path, text):
    path = tmp_path / "models.toml"
    path.write_text(text, "utf-8")
    return read_models(path)


def test_an_operators_file_adds_and_overrules(tmp_path):
    table = extended(
        tmp_path,
        """
        [[family]]
        match = ["SONNET-4-5"]
        adaptive_thinking = true
        count_tokens = "anthropic.claude-other"
        betas = { "new-flag" = true, "context-1m-2025-08-07" = false }
        fields = { metadata = true, brand_new = false }
        """,
    )
    model = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
    rules, before = table.rules(model), shipped_models().rules(model)
    assert (rules.adaptive_thinking, rules.count_tokens) == (True, "anthropic.claude-other")
    assert rules.betas == {**before.betas, "new-flag": True, "context-1m-2025-08-07": False}
    assert rules.fields == {**before.fields, "metadata": True, "brand_new": False}
    assert table.rules("us.anthropic.claude-opus-4-6-v1") == shipped_models().rules("us.anthropic.claude-opus-4-6-v1")


def test_a_profile_that_stands_for_a_model_has_its_rules(tmp_path):
    text = f'[[family]]\nmatch = ["{PROFILE[-6:]}"]\nlike = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"\n'
    rules = extended(tmp_path, text).rules(PROFILE)
    assert rules == shipped_models().rules("us.anthropic.claude-sonnet-4-5-20250929-v1:0")


def test_counting_can_be_ruled_out(tmp_path):
    rules = extended(tmp_path, '[[family]]\nmatch = [""]\ncount_tokens = false\n').rules("anthropic.claude-opus-4-6")
    assert rules.count_tokens is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "is not a table of model families: Expected '='"),
        ("[[families]]\n", "Object contains unknown field `families`"),
        ("[[family]]\n", "missing required field `match`"),
        ('[[family]]\nmatch = ["a"]\nbeta = {}\n', "unknown field `beta`"),
        (
            '[[family]]\nmatch = ["a"]\nbetas = { x = 1 }\n',
            "Expected `bool | str`, got `int` - at `$.family[0].betas[...]`",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, words):
    with pytest.raises(ModelsFileError) as caught:
        extended(tmp_path, text)
    assert words in str(caught.value)


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "models.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelsFileError, match="it is not UTF-8"):
        read_models(path)
