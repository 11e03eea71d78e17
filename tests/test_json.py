"""Text from users and networks is read, or refused with a message that names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rxvoice._files.json import read_json, read_text, read_toml
from rxvoice.errors import ConfigError

Reader = Callable[[str | bytes, str], object]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_in_any_encoding_that_json_may_have(encoding: str) -> None:
    assert read_json('{"a": "ü"}'.encode(encoding), "it") == {"a": "ü"}


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert read_json("\ufeff[1]", "it") == [1]
    assert read_toml("\ufeffa = 1", "it") == {"a": 1}
    assert read_toml(b"\xef\xbb\xbfa = 1", "it") == {"a": 1}
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfa\r\nb")
    assert read_text(tmp_path / "a", "it") == "a\r\nb"


DEEP = [
    (read_json, "[" * 100_000),
    (read_json, "[" * 100_000 + "]" * 100_000),
    (read_json, '{"a":' * 100_000 + "1" + "}" * 100_000),
    (read_json, "[" * 101 + "1" + "]" * 101),
    (read_toml, "a = " + "[" * 10_000 + "]" * 10_000),
    (read_toml, "a = " + "{a = " * 10_000 + "1" + "}" * 10_000),
    (read_toml, ".".join("a" * 10_000) + " = 1"),
    (read_toml, "[" + ".".join("a" * 10_000) + "]"),
]


@pytest.mark.parametrize(("read", "text"), DEEP)
def test_what_is_too_deep_is_refused(read: Reader, text: str) -> None:
    with pytest.raises(ConfigError, match=r"^it (has more than 100 levels|is not)"):
        read(text, "it")


def test_what_is_deep_enough_for_anybody_is_not_refused() -> None:
    assert read_json("[" * 100 + "1" + "]" * 100, "it")


LARGE = [
    (read_json, "9" * 5_000),
    (read_json, '{"a": [-' + "9" * 310 + "]}"),
    (read_toml, "a = " + "9" * 5_000),
    (read_toml, "a = [0x" + "f" * 5_000 + "]"),
]


@pytest.mark.parametrize(("read", "text"), LARGE)
def test_a_number_that_nothing_can_count_with_is_refused(read: Reader, text: str) -> None:
    with pytest.raises(ConfigError, match=r"^it has a whole number of more"):
        read(text, "it")


def test_large_numbers_of_real_models_are_read() -> None:
    # As transformers writes "no limit".
    assert read_json("1000000000000000019884624838656", "it") == int(1e30)


BAD = [
    (read_json, "", "is not JSON: Expecting value"),
    (read_json, "{", "is not JSON"),
    (read_json, "{'a': 1}", "is not JSON"),
    (read_json, b'"\xff"', "is not text in UTF-8"),
    (read_json, b"\x00", "is not"),
    (read_toml, "a = ", "is not TOML"),
    (read_toml, "a = 1\na = 2", "is not TOML"),
    (read_toml, "a = 2020-13-45", "is not TOML"),
    (read_toml, "a = 1".encode("utf-16"), "is not text in UTF-8"),
]


@pytest.mark.parametrize(("read", "text", "said"), BAD)
def test_what_is_something_else_is_refused(read: Reader, text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^it {said}"):
        read(text, "it")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    for path, said in [
        (tmp_path / "a", "cannot read it in .*a: No such file"),
        (tmp_path, "cannot read it in .*: Is a directory"),
        (Path("a\0b"), "cannot read it in .*: embedded null"),
        (tmp_path / "b", "^it in .*b is not text in UTF-8"),
    ]:
        with pytest.raises(ConfigError, match=said):
            read_text(path, "it")


def test_what_was_read_can_be_written() -> None:
    value = read_json("[" * 100 + "1" + "0" * 307 + "]" * 100, "it")
    assert read_json(json.dumps(value), "it") == value
    repr(value)
