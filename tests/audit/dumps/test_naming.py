from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from aigateway.audit.dumps.naming import intercepted, passed_through, safe_name

FOLDER = Path("/dumps")
ID = "11111111-1111-4111-8111-111111111111"


def test_the_documented_layout():
    assert intercepted(FOLDER, "openai", "meta/llama-3", 1700000000123, ID) == Path(
        f"/dumps/openai/meta-llama-3/1700000000123-{ID}"
    )
    stem = passed_through(FOLDER, "openai", "/v1/models/gpt-5", 1700000000123)
    assert stem.parent == Path("/dumps/openai/passthrough")
    assert stem.name[:-4] == "1700000000123-v1-models-gpt-5-"
    assert len(bytes.fromhex(stem.name[-4:])) == 2


def test_names_that_would_lead_elsewhere_do_not():
    assert safe_name("..") == "_.."
    assert safe_name(".") == "_."
    assert safe_name("") == "_"
    assert safe_name("../../etc") == "..-..-etc"
    assert safe_name("a\0b\\c\nd") == "a-b-c-d"
    assert safe_name("modèle-日本") == "modèle-日本"
    assert safe_name("half \ud800") == "half -"


def test_long_names_stay_apart():
    one, other = safe_name("m" * 300 + "1"), safe_name("m" * 300 + "2")
    assert one != other
    assert len(one.encode()) < 200


@given(st.text(max_size=400))
def test_any_name_is_one_name_in_its_folder(name):
    safe = safe_name(name)
    assert safe not in {"", ".", ".."}
    assert "/" not in safe
    assert "\0" not in safe
    assert len(safe.encode()) < 200
    assert intercepted(FOLDER, "openai", name, 1, ID).parent.parent == FOLDER / "openai"
    assert passed_through(FOLDER, "openai", name, 1).parent == FOLDER / "openai" / "passthrough"


@given(st.text(alphabet=st.characters(codec=None, categories=["Cs", "Lu", "Cc"]), max_size=10))
def test_half_surrogate_pairs_are_no_obstacle(name):
    safe_name(name).encode()
