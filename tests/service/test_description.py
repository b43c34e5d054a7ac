"""What client.json may say: every field of its type and range, and nothing besides."""

import json

import pytest
from bundles import GOOD

from vitcrypt.encryption import SCHEMES, Scheme
from vitcrypt.service.documents import read_description


def reading(tmp_path, content):
    path = tmp_path / "client.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_description(path)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("block", [True, False])
def test_every_scheme_can_be_named_by_its_values(tmp_path, name, block):
    sizes = {} if not block and name in ("pe", "plain") else {"block_size": 1 if name in ("pe", "plain") else 4}
    scheme = reading(tmp_path, GOOD | {"scheme": {"name": name, **sizes}}).scheme
    assert Scheme.from_dict(scheme).block_size == sizes.get("block_size", 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "vitcrypt client 2"),
        ("image_size", "16"),
        ("image_size", True),
        ("image_size", 0),
        ("image_size", 60000),
        ("image_size", 16.0),
        ("interpolation", "nearest"),
        ("classes", []),
        ("classes", ["cat", 1]),
        ("classes", "cat"),
        ("classes", ["cat", "dog", "cat"]),
        ("fingerprint", "x/../../up"),
        ("fingerprint", 5),
        ("key_scope", "none"),
        ("scheme", "proposed"),
        ("scheme", {"name": "proposed"}),
        ("scheme", {"name": "proposed", "block_size": 3}),
        ("scheme", {"name": "le", "block_size": -4}),
        ("scheme", {"name": "pe", "channel_shuffle": 1}),
        ("scheme", {"name": "le", "block_size": 4, "_target_": "os.system"}),
        ("scheme", {"name": ["le"], "block_size": 4}),
        ("more", None),
    ],
)
def test_anything_else_is_refused_and_the_field_is_named(tmp_path, field, value):
    with pytest.raises(ValueError, match=rf"client\.json is damaged or not trustworthy: {field}"):
        reading(tmp_path, GOOD | {field: value})


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "[1e999]", "NaN", "", "\0", '{"a": 1, "a": 2}'])
def test_text_that_is_no_such_json_is_a_message(tmp_path, text):
    with pytest.raises(ValueError, match=r"client\.json is damaged"):
        reading(tmp_path, text)
