from __future__ import annotations

from aigateway.simulator.sample import sample


def test_a_schema_with_references_choices_and_limits():
    schema = {
        "$defs": {"Day": {"type": "string", "enum": ["mon", "tue"]}},
        "type": "object",
        "properties": {
            "day": {"$ref": "#/$defs/Day"},
            "when": {"type": "string", "format": "date"},
            "maybe": {"anyOf": [{"type": "integer", "minimum": 3}, {"type": "null"}]},
            "list": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
            "share": {"type": ["number", "null"]},
        },
    }
    expected = {"day": "mon", "when": "2026-01-02", "maybe": 3, "list": [True, True], "share": 7.0}
    assert sample(schema) == expected


def test_a_schema_that_contains_itself_ends():
    schema = {
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
        "$ref": "#/$defs/Node",
    }
    assert isinstance(sample(schema), dict)


def test_nonsense_is_no_reason_to_fail():
    assert sample(7) is None
    assert sample({"$ref": "#/nowhere"}) is None
    assert isinstance(sample({}), str)
