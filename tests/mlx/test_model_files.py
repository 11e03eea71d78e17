"""Directories that people get from somewhere: what may run, and what may be wrong with them."""

from __future__ import annotations

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import json
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

import rxvoice.offline
from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.mlx import llm, load, smart_turn, stt, tts
from rxvoice.mlx._files import PICKLES, check_files
from rxvoice.mlx._opening import code_refused, opening, patterns
from tests.mlx import tiny_smart_turn, tiny_stt, tiny_tts
from tests.mlx.fake_hub import FakeHub, serving

LLM = Path(rxvoice.offline.__path__[0]) / "demo-llm"

EVIL = """
from pathlib import Path
from transformers import PreTrainedTokenizerFast

Path({marker!r}).touch()

class Tok(PreTrainedTokenizerFast):
    pass
"""

Loader = Callable[..., Any]
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[Loader, Path]:
    """A good directory for each loader."""
    home = tmp_path_factory.mktemp("originals")
    tiny_smart_turn.build(home / "turn")
    return {
        llm: LLM,
        stt: tiny_stt.moonshine(home / "stt"),
        tts: tiny_tts.soprano(home / "tts"),
        smart_turn: home / "turn",
    }


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """What is there once the evil code has run."""
    return tmp_path / "it ran"


def changed(original: Path, path: Path, change: Change) -> Path:
    shutil.copytree(original, path)
    change(path)
    return path


def edit(name: str, **entries: object) -> Change:
    """Put entries into a JSON file."""

    def change(path: Path) -> None:
        file = path / name
        before = json.loads(file.read_text("utf-8")) if file.exists() else {}
        file.write_text(json.dumps({**before, **entries}), "utf-8")

    return change


def write(name: str, data: bytes = b"") -> Change:
    def change(path: Path) -> None:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)

    return change


AUTO_MAP = {"AutoTokenizer": ["evil.Tok", "evil.Tok"], "AutoConfig": "evil.Tok"}

CODE: dict[str, tuple[Change, str]] = {
    "tokenizer": (edit("tokenizer_config.json", auto_map=AUTO_MAP), r"tokenizer_config\.json asks"),
    "config": (edit("config.json", auto_map=AUTO_MAP), r"config\.json asks to run code"),
    "preprocessor": (edit("preprocessor_config.json", auto_map=AUTO_MAP), "preprocessor_config"),
    "processor": (edit("processor_config.json", auto_map=AUTO_MAP), r"processor_config\.json asks"),
    "any other": (edit("what_comes_next.json", auto_map=AUTO_MAP), r"what_comes_next\.json asks"),
    "another's": (edit("config.json", auto_map={"AutoTokenizer": "a/b--evil.Tok"}), "a/b--evil"),
    "in capitals": (
        edit("TOKENIZER_Config.JSON", auto_map=AUTO_MAP),
        r"_Config\.JSON asks",
    ),
    "nested": (edit("config.json", text_config={"a": [{"auto_map": AUTO_MAP}]}), "by its auto_map"),
    "a text": (edit("config.json", auto_map="evil.Tok"), r"by its auto_map 'evil\.Tok'"),
    "escaped": (
        write("processor_config.json", rb'{"auto\u005fmap": {"AutoProcessor": "evil.Tok"}}'),
        "by its auto_map",
    ),
    "a module": (edit("config.json", model_file="evil.py"), r"by its model_file 'evil\.py'"),
    "code alone": (write("evil.py"), r"evil\.py is code"),
    "code below": (write("more/evil.PY"), r"more/evil\.PY is code"),
    "compiled": (write("evil.so"), r"evil\.so is code"),
    "a pickle": (write("audiovae.pth"), r"audiovae\.pth is a pickle"),
    "arguments": (write("training_args.bin"), r"training_args\.bin is a pickle"),
    "link": (lambda path: (path / "notes.txt").symlink_to("/etc/hosts"), "'/etc/hosts', outside"),
    "link up": (lambda path: (path / "up").symlink_to(".."), "up is a link to .*, outside of it"),
    "index": (
        edit("model.safetensors.index.json", weight_map={"a": "../../x.safetensors"}),
        r"index\.json names the part '\.\./\.\./x\.safetensors', which is outside",
    ),
    "index absolute": (
        edit("model.safetensors.index.json", weight_map={"a": "/x.safetensors"}),
        r"names the part '/x\.safetensors', which is outside",
    ),
}


@pytest.mark.parametrize("loader", [llm, stt, tts, smart_turn])
@pytest.mark.parametrize("what", CODE)
def test_a_model_that_could_run_code_is_refused(
    what: str, loader: Loader, originals: dict[Loader, Path], marker: Path, tmp_path: Path
) -> None:
    change, said = CODE[what]
    path = changed(originals[loader], tmp_path / "m", change)
    if not (path / "evil.py").exists() and what not in ("link", "link up"):
        (path / "code").mkdir()
    with pytest.raises(ConfigError, match=said) as refused:
        loader(path).load()
    assert str(path) in str(refused.value)
    assert "trust_remote_code=True" in str(refused.value)
    assert not marker.exists()


def test_a_recogniser_whose_family_trusts_anything_runs_nothing(
    marker: Path, tmp_path: Path
) -> None:
    edit("config.json", model_type="glmasr")(tmp_path)
    edit("tokenizer_config.json", auto_map=AUTO_MAP)(tmp_path)
    write("evil.py", EVIL.format(marker=str(marker)).encode())(tmp_path)
    with pytest.raises(ConfigError, match="trust_remote_code=True"):
        stt(tmp_path).load()
    with pytest.raises(ConfigError, match="trust_remote_code=True"):
        load(stt(tmp_path))
    assert not marker.exists()


def with_code(original: Path, path: Path, marker: Path) -> Path:
    def change(path: Path) -> None:
        edit("tokenizer_config.json", auto_map=AUTO_MAP, tokenizer_class="Tok")(path)
        write("evil.py", EVIL.format(marker=str(marker)).encode())(path)

    return changed(original, path, change)


@pytest.mark.models
@pytest.mark.parametrize("where", ["its own", "load"])
def test_code_runs_where_it_is_trusted(where: str, marker: Path, tmp_path: Path) -> None:
    path = with_code(LLM, tmp_path / "m", marker)
    if where == "load":
        load(llm(path), trust_remote_code=True)
    else:
        llm(path, trust_remote_code=True).load()
    assert marker.exists()


@pytest.mark.parametrize("trust", [True, None])
def test_code_that_the_files_did_not_show_is_not_run_either(
    trust: bool | None, marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a family does that loads a tokenizer of another name than the model's.
    from transformers import AutoTokenizer

    monkeypatch.setattr("builtins.input", lambda _: pytest.fail("it asked"))
    path = with_code(LLM, tmp_path / "m", marker)
    edit("config.json", model_type="unknown to transformers")(path)
    with (
        pytest.raises((ConfigError, ValueError), match="trust_remote_code=True"),
        code_refused(trust_remote_code=False),
    ):
        AutoTokenizer.from_pretrained(path, trust_remote_code=trust)
    assert not marker.exists()


def test_elsewhere_transformers_is_as_it_was(
    marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoTokenizer

    with code_refused(trust_remote_code=False):
        pass
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or "y")
    path = with_code(LLM, tmp_path / "m", marker)
    AutoTokenizer.from_pretrained(path, trust_remote_code=True)
    assert marker.exists()
    marker.unlink()


ASKED = """
import sys
from rxvoice.errors import ConfigError
from rxvoice.mlx import stt
from rxvoice.mlx._opening import code_refused
from transformers import AutoTokenizer

try:
    stt(sys.argv[1]).load()
except ConfigError as error:
    print(str(error))
try:
    with code_refused(trust_remote_code=False):
        AutoTokenizer.from_pretrained(sys.argv[1])
except ValueError as error:
    print(str(error))
"""


@pytest.mark.models
@pytest.mark.parametrize("stdin", ["closed", "terminal"])
def test_nothing_is_asked_on_the_terminal(
    stdin: str, originals: dict[Loader, Path], marker: Path, tmp_path: Path
) -> None:
    path = with_code(originals[stt], tmp_path / "m", marker)
    edit("config.json", model_type="unknown to transformers")(path)
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", ASKED, str(path)],
            stdin=theirs if stdin == "terminal" else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stdout.count("trust_remote_code=True") == 2
    assert "[y/N]" not in done.stdout
    assert not marker.exists()


# What is not code


def test_what_stands_beside_the_weights_and_nobody_reads_does_no_harm(tmp_path: Path) -> None:
    path = changed(LLM, tmp_path / "m", write("pytorch_model.bin"))
    write(".git/hooks/evil.py")(path)
    edit("vocab.json", auto_map=17)(path)
    (path / "again.json").symlink_to("config.json")
    edit("model.safetensors.index.json", weight_map={"a": "model.safetensors"})(path)
    check_files(path)


def test_links_of_the_hubs_cache_lead_to_its_files(tmp_path: Path) -> None:
    repository = tmp_path / "models--a--b"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    write("blobs/1", b"{}")(repository)
    (snapshot / "config.json").symlink_to("../../blobs/1")
    check_files(snapshot)
    write("blobs/1", b"{}")(tmp_path)
    (snapshot / "more.json").symlink_to("../../../blobs/1")
    with pytest.raises(ConfigError, match=r"more\.json is a link to .*, outside of it"):
        check_files(snapshot)


@pytest.mark.parametrize("library", ["mlx_lm", "mlx_audio"])
def test_code_and_pickles_are_fetched_only_where_they_are_trusted(library: str) -> None:
    wanted = set(patterns(library))
    assert {"*.json", "*.jinja"} <= wanted
    assert not {"*.py", *(f"*{it}" for it in PICKLES)} & wanted
    assert "*.py" in patterns(library, trust_remote_code=True)


@pytest.mark.parametrize("how", ["load", "the part itself"])
def test_code_on_the_hub_is_neither_fetched_nor_run(
    how: str, marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path / "cache", monkeypatch) as hub:
        hub.add("tiny/llm", with_code(LLM, tmp_path / "m", marker))
        part = llm("tiny/llm")
        with pytest.raises(ConfigError, match=r"tokenizer_config\.json asks to run code"):
            load(part) if how == "load" else part.load()
        assert "evil.py" not in hub.fetched()
        if how == "load":  # refused before the weights are fetched
            assert "model.safetensors" not in hub.fetched()
    assert not marker.exists()


@pytest.mark.models
def test_code_on_the_hub_that_nothing_asks_for_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(hub: FakeHub, *, trust: bool) -> bool:
        hub.asked.clear()
        load(llm("tiny/llm", trust_remote_code=trust))
        return "convert.py" in hub.fetched()

    with serving(tmp_path / "cache", monkeypatch) as hub:
        hub.add("tiny/llm", changed(LLM, tmp_path / "m", write("convert.py", b"1")))
        assert not fetched(hub, trust=False)
        assert fetched(hub, trust=True)


# What is broken


def cut(name: str) -> Change:
    def change(path: Path) -> None:
        data = (path / name).read_bytes()
        (path / name).write_bytes(data[: len(data) // 2])

    return change


def empty(name: str) -> Change:
    return lambda path: (path / name).write_bytes(b"")


def without(name: str) -> Change:
    return lambda path: (path / name).unlink()


def half_the_weights(path: Path) -> None:
    weights = dict(mx.load(str(path / "model.safetensors")))
    kept = dict(list(weights.items())[: len(weights) // 2])
    mx.save_safetensors(str(path / "model.safetensors"), kept)


def other_shapes(path: Path) -> None:
    weights = dict(mx.load(str(path / "model.safetensors")))
    mx.save_safetensors(str(path / "model.safetensors"), {name: mx.zeros((3,)) for name in weights})


BROKEN: dict[str, tuple[Change, str]] = {
    "weights cut": (cut("model.safetensors"), r"model\.safetensors cannot be read.*download it an"),
    "no weights in it": (empty("model.safetensors"), r"model\.safetensors cannot be read"),
    "a page of HTML": (write("model.safetensors", b"<html>" * 99), r"model\.safetensors cannot be"),
    "a dangling link": (
        lambda path: [
            (path / "model.safetensors").unlink(),
            (path / "model.safetensors").symlink_to("gone"),
        ],
        r"model\.safetensors cannot be read",
    ),
    "weights gone": (without("model.safetensors"), "[Nn]o (weight|safetensors)"),
    "half the weights": (half_the_weights, "Missing"),
    "other shapes": (other_shapes, "shape"),
    "config cut": (cut("config.json"), r"config\.json is not JSON"),
    "config empty": (empty("config.json"), r"config\.json is not JSON"),
    "config gone": (without("config.json"), r"needs config\.json"),
    "config a list": (write("config.json", b"[1]"), r"config\.json holds a list, wanted an object"),
    "config deep": (
        write("config.json", b'{"a":' * 9999),
        r"config\.json has more than 100 levels",
    ),
    "config large": (write("config.json", b"9" * 5000), r"config\.json has a whole number of more"),
    "config not text": (
        write("config.json", b'{"a": "\xff"}'),
        r"config\.json is not text in UTF-8",
    ),
    "config of nothing": (write("config.json", b"{}"), "model_type"),
    "config of a text": (edit("config.json", model_type=["a"]), "model_type|unhashable"),
    "config's sizes": (edit("config.json", hidden_size="many", d_model="many"), "can load"),
}


@pytest.mark.models
@pytest.mark.parametrize("loader", [llm, stt, tts, smart_turn])
@pytest.mark.parametrize("what", BROKEN)
def test_a_model_that_is_broken_says_where(
    what: str, loader: Loader, originals: dict[Loader, Path], tmp_path: Path
) -> None:
    change, said = BROKEN[what]
    path = changed(originals[loader], tmp_path / "m", change)
    if what == "config's sizes" and loader in (smart_turn, tts):
        return  # they have other names for them
    with pytest.raises(ConfigError, match=said) as refused:
        loader(path).load()
    assert str(path) in str(refused.value)


def template(text: str) -> Change:
    def change(path: Path) -> None:
        (path / "chat_template.jinja").unlink(missing_ok=True)
        edit("tokenizer_config.json", chat_template=text)(path)

    return change


TEMPLATES = {
    "syntax": ("{% for %}", "TemplateSyntaxError"),
    "error": ("{{ raise_exception('only on Sundays') }}", "only on Sundays"),
    "undefined": ("{{ messages[0].a.b }}", "UndefinedError"),
    "escape": ("{{ ''.__class__.__mro__ }}", "SecurityError|UndefinedError"),
    "endless": (
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}",
        "runs for more than 100,000 lines",
    ),
    "recursive": ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion|100,000 lines"),
    "deep": ("{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", "RecursionError|recursion"),
}


@pytest.mark.models
@pytest.mark.parametrize("what", TEMPLATES)
def test_a_chat_template_that_cannot_be_rendered(what: str, tmp_path: Path) -> None:
    text, said = TEMPLATES[what]
    path = changed(LLM, tmp_path / "m", template(text))
    before = sys.gettrace()
    with pytest.raises(ConfigError, match=rf"(?s)chat template of .*({said})"):
        llm(path).load()
    assert sys.gettrace() is before


@pytest.mark.models
@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("change", [cut, empty])
def test_a_tokenizer_that_is_broken(
    name: str, change: Callable[[str], Change], tmp_path: Path
) -> None:
    path = changed(LLM, tmp_path / "m", change(name))
    with pytest.raises(ConfigError, match=rf"{name} is not JSON"):
        llm(path).load()


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    path = changed(LLM, tmp_path / "m", without("model.safetensors"))
    os.mkfifo(path / "model.safetensors")
    with pytest.raises(ConfigError, match=r"model\.safetensors is a pipe or a device"):
        llm(path).load()


# Whatever a library raises


class Panic(BaseException):
    """As a panic in Rust, which is no Exception."""


@pytest.mark.parametrize(
    "error",
    [
        KeyError("layers"),
        RecursionError("RecursionError"),
        MemoryError(),
        AssertionError(),
        StopIteration(),
        SystemExit(1),
        GeneratorExit(),
        Panic("index out of bounds"),
    ],
    ids=lambda it: type(it).__name__,
)
@pytest.mark.parametrize("loader", [llm, stt, tts, smart_turn])
def test_whatever_a_library_raises_is_a_config_error(
    error: BaseException,
    loader: Loader,
    originals: dict[Loader, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def raises(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("mlx_lm.load", raises)
    monkeypatch.setattr("mlx_audio.utils.base_load_model", raises)
    for module in ("stt", "tts", "vad"):
        monkeypatch.setattr(f"mlx_audio.{module}.utils.base_load_model", raises)
    for call in (loader(originals[loader]).load, lambda: load(loader(originals[loader]))):
        with pytest.raises(ConfigError, match=type(error).__name__) as refused:
            call()
        assert str(originals[loader]) in str(refused.value)


def test_ctrl_c_stays_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt), opening("m", str):
        raise KeyboardInterrupt


def test_a_package_that_is_missing_is_named() -> None:
    with pytest.raises(MissingDependency, match="'m' needs a package"), opening("m", str):
        raise ImportError("No module named 'x'")


class Leaves:
    """A part that calls sys.exit(), as Kokoro's own G2P does when it is offline."""

    model = "kokoro"

    def __init__(self, when: str) -> None:
        self._when = when

    def load(self) -> None:
        if self._when == "load":
            sys.exit(1)

    def warm_up(self) -> None:
        sys.exit(1)


@pytest.mark.parametrize("when", ["load", "warm up"])
def test_a_part_that_exits_is_a_config_error(when: str) -> None:
    from rxvoice.mlx import MlxScheduler

    done = "loaded" if when == "load" else "warmed up"
    said = rf"'kokoro' could not be {done} \(SystemExit: 1\)"
    with pytest.raises(ConfigError, match=said):
        load(Leaves(when))
    with MlxScheduler() as worker:
        with pytest.raises(ConfigError, match=said):
            load(Leaves(when), worker=worker)
        load(worker=worker)
