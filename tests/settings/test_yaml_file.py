from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigateway.settings.yaml_file import read_yaml

KNOWN = ["top", "group.key", "group.inner.key"]


def read(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return read_yaml(path, "--config", KNOWN)


def texts(file):
    assert file.problems == ()
    return {key: value.texts for key, value in file.values.items()}


def test_values_are_taken_as_written(tmp_path):
    assert texts(read(tmp_path, "top: 010\ngroup:\n  key: yes\n  inner: {key: 1:30}\n")) == {
        "top": ("010",),
        "group.key": ("yes",),
        "group.inner.key": ("1:30",),
    }


def test_a_key_without_a_value_is_left_out_but_an_empty_text_is_a_value(tmp_path):
    assert texts(read(tmp_path, "top:\ngroup:\n  key: ''\n  inner: ~\n")) == {"group.key": ("",)}


def test_an_empty_file_sets_nothing(tmp_path):
    assert texts(read(tmp_path, "# nothing\n")) == {}


def test_lists(tmp_path):
    file = read(tmp_path, "top: [a, 'b,c']\n")
    assert (file.values["top"].texts, file.values["top"].is_list) == (("a", "b,c"), True)


def test_unknown_keys_are_kept_with_their_place(tmp_path):
    file = read(tmp_path, "group:\n  key: 1\n  kee: 2\nother: {a: {b: c}}\n")
    assert [value.form for value in file.values.values()] == [
        "group.key (c.yaml line 2)",
        "group.kee (c.yaml line 3)",
        "other (c.yaml line 4)",
    ]
    assert file.values["other"].texts is None


def test_a_key_twice_is_told(tmp_path):
    file = read(tmp_path, "top: 1\ntop: 2\n")
    assert [str(problem) for problem in file.problems] == ["top (c.yaml line 2): is there twice; remove one"]


def test_a_file_that_is_not_there_is_told(tmp_path):
    (problem,) = read_yaml(tmp_path / "none.yaml", "CODER_CONFIG_PATH", KNOWN).problems
    assert str(problem) == (
        f'CODER_CONFIG_PATH="{tmp_path}/none.yaml": cannot be read: No such file or directory; name a YAML file'
    )


def test_what_is_no_mapping_is_told(tmp_path):
    (problem,) = read(tmp_path, "- a\n").problems
    assert problem.message == "must hold keys with values, for example `ai_gateway:`"


def test_what_is_no_yaml_is_told_on_one_line(tmp_path):
    (problem,) = read(tmp_path, "a: [\nb: }\n").problems
    assert problem.message.startswith("is not YAML that can be read: while parsing")
    assert str(problem).isprintable()


def test_what_is_no_utf_8_is_told(tmp_path):
    (problem,) = read(tmp_path, "top: \udcff\n").problems
    assert "is not YAML that can be read" in problem.message


def test_a_bottomless_file_is_told(tmp_path):
    (problem,) = read(tmp_path, "[" * 100_000).problems
    assert "is not YAML that can be read" in problem.message


def test_a_file_that_refers_to_itself_ends(tmp_path):
    file = read(tmp_path, "group: &a\n  inner: *a\n  key: 1\n")
    assert file.values["group.key"].texts == ("1",)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_file_is_read_or_refused(tmp_path, text):
    read(tmp_path, text)
