"""What `rxvoice talk` is told, by options and by a file."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from rxvoice.cli import parser
from rxvoice.cli._options import from_file, settings, settings_path
from rxvoice.cli._settings import CommandSettings
from rxvoice.errors import ConfigError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def told(*arguments: str) -> CommandSettings:
    """The settings, as ``rxvoice talk`` would have them."""
    return settings(parser().parse_args(["talk", *arguments]))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_without_anything_they_are_the_defaults() -> None:
    assert told() == CommandSettings()


def test_every_setting_is_an_option_and_the_other_way_round() -> None:
    options = told(
        *("--models", "mlx", "--stt", "a/b", "--llm", "c/d", "--tts", "e/f", "--voice", "en-gb"),
        *("--system-prompt", "Be brief.", "--microphone", "3"),
        *("--speaker", "USB", "--silence-ms", "600", "--vad-start", "0.6", "--vad-stop", "0"),
        *("--preroll-ms", "100", "--max-turn-ms", "9000", "--push-to-talk", "--no-interruptions"),
        *("--min-speech-ms", "90", "--min-words", "2", "--echo", "off", "--record", "a.wav"),
        *("--transcript", "~/b.jsonl", "--plain", "--trust-remote-code"),
        *("--trace", "c", "--no-content"),
        *("--llm-url", "http://a/v1", "--model-key", "k", "--smart-turn", "g/h"),
    )
    assert all(getattr(options, it.name) != it.default for it in fields(CommandSettings))
    assert options.microphone == 3
    assert options.speaker == "USB"
    assert options.vad_stop == 0
    assert not options.interruptions
    assert options.transcript == Path.home() / "b.jsonl"


def test_the_file_has_the_options_names_and_the_command_line_wins(home: Path) -> None:
    path = write(
        home / "config" / "rxvoice" / "settings.toml",
        'microphone = "USB"\nsilence-ms = 500\nvad-start = 1\npush-to-talk = true\n',
    )
    assert settings_path() == path
    found = told("--silence-ms", "700", "--no-push-to-talk")
    assert (found.microphone, found.silence_ms, found.vad_start) == ("USB", 700, 1)
    assert not found.push_to_talk
    assert told().push_to_talk


def test_another_file_may_be_named_instead(home: Path) -> None:
    write(home / "config" / "rxvoice" / "settings.toml", "silence-ms = 500\n")
    other = write(home / "other.toml", "min-words = 3\n")
    found = told("--settings", str(other))
    assert (found.silence_ms, found.min_words) == (CommandSettings().silence_ms, 3)
    with pytest.raises(ConfigError, match=r"cannot read the settings in .*none\.toml: No such"):
        told("--settings", str(home / "none.toml"))


def test_without_xdg_it_is_in_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert settings_path() == Path.home() / ".config" / "rxvoice" / "settings.toml"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("silense-ms = 5", "there is no setting 'silense-ms'; did you mean 'silence-ms'?"),
        ("silence_ms = 5", "there is no setting 'silence_ms'; did you mean 'silence-ms'?"),
        ("xyzzy = 5", "there is no setting 'xyzzy'; there are models, stt, llm"),
        ("[talk]\nsilence-ms = 5", "there is no setting 'talk'"),
        (
            'silence-ms = "5"',
            "silence-ms = '5': wanted a whole number of milliseconds, 0 or more",
        ),
        ("silence-ms = 5.5", "silence-ms = 5.5: wanted a whole number of milliseconds"),
        ("silence-ms = true", "silence-ms = true: wanted a whole number"),
        ("vad-start = 1.5", "vad-start = 1.5: wanted a number, 0 to 1"),
        ("vad-start = nan", "vad-start = nan: wanted a number, 0 to 1"),
        ("max-turn-ms = 0", "max-turn-ms = 0: wanted a whole number of milliseconds, 1 or more"),
        ("push-to-talk = 1", "push-to-talk = 1: wanted true or false"),
        ('models = "big"', "models = 'big': wanted one of 'offline', 'mlx'"),
        ("microphone = -1", "microphone = -1: wanted a device's name or number"),
        ('microphone = ""', "microphone = '': wanted a device's name or number"),
        ("record = 5", "record = 5: wanted the path of a file"),
        ("voice = []", "voice = []: wanted a text"),
    ],
)
def test_a_mistake_in_the_file_is_named(home: Path, text: str, wanted: str) -> None:
    path = write(home / "bad.toml", text)
    with pytest.raises(ConfigError) as raised:
        from_file(path)
    assert str(raised.value).startswith(f"{path}: {wanted}")


def test_a_file_that_is_not_toml_is_named_with_the_place(home: Path) -> None:
    path = write(home / "bad.toml", "voice = en-us\n")
    with pytest.raises(ConfigError, match=rf"the settings file '{path}' is not TOML: .*line 1"):
        from_file(path)
    path.write_bytes(b"voice = '\xff'")
    with pytest.raises(ConfigError, match=r"the settings in .* is not text in UTF-8 .*save it"):
        from_file(path)


def test_a_byte_order_mark_is_skipped(home: Path) -> None:
    path = home / "from_windows.toml"
    path.write_bytes("voice = 'ü'\r\n".encode("utf-8-sig"))
    assert from_file(path) == {"voice": "ü"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("voice = " + "[" * 9_000 + "]" * 9_000, "has more than 100 levels"),
        (".".join("a" * 9_000) + " = 1", "has more than 100 levels"),
        ("silence-ms = " + "9" * 5_000, "has a whole number of more than 308 digits"),
        ("silence-ms = 0x" + "f" * 5_000, "has a whole number of more than 308 digits"),
        ("silence-ms = " + "9" * 300, "wanted a whole number of milliseconds, 0 or more, to 1,000"),
        ("microphone = " + "9" * 300, "wanted a device's name or number"),
        ("vad-start = 1e999", "vad-start = inf: wanted a number, 0 to 1"),
    ],
)
def test_what_would_be_a_traceback_is_a_mistake(home: Path, text: str, wanted: str) -> None:
    path = write(home / "bad.toml", text)
    with pytest.raises(ConfigError, match=wanted) as raised:
        from_file(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--silence-ms", "soon"], "--silence-ms: wanted a whole number of milliseconds, 0 or"),
        (["--silence-ms", "9" * 5_000], "--silence-ms: wanted a whole number of milliseconds"),
        (["--silence-ms", "9" * 300], "--silence-ms: wanted a whole number of milliseconds"),
        (["--vad-stop", "2"], "--vad-stop: wanted a number, 0 to 1, got '2'"),
        (["--echo", "yes"], "--echo: wanted one of 'correlate', 'cancel', 'off', got"),
    ],
)
def test_a_mistake_in_an_option_is_wrong_usage(
    arguments: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        told(*arguments)
    assert left.value.code == 2
    assert wanted in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        told("--help")
    shown = capsys.readouterr().out
    for it in fields(CommandSettings):
        assert f"--{it.name.replace('_', '-')}" in shown
    for taught in (
        "rxvoice talk --push-to-talk",
        "rxvoice talk --llm",
        "$XDG_CONFIG_HOME/rxvoice/settings.toml",
        "~/.config/rxvoice/settings.toml",
        "silence-ms = 600",
        "end it with ctrl-c",
        "(800)",
        "(on)",
    ):
        assert taught in shown
