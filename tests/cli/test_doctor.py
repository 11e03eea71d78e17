"""``rxvoice doctor``: how checks are run, and what is printed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rxvoice.cli import doctor as module
from rxvoice.cli import main
from rxvoice.cli._doctor import checks, private
from rxvoice.cli._doctor.checks import Check, run
from rxvoice.cli._doctor.finding import Asked, Finding
from rxvoice.cli._doctor.runner import findings

ROOT = Path(__file__).parents[2]

GOOD = "tell(name, 'ok', 'fine')"
NAMES = ("first", "second", "third")


def process(**each: str) -> Callable[[Asked, Sequence[str]], list[str]]:
    """The command of a process that does this for each check."""

    def command(_: Asked, names: Sequence[str]) -> list[str]:
        head = (
            "import json, os, sys, time\n"
            "def say(it): print(json.dumps(it), flush=True)\n"
            "def tell(check, state, told): say([dict(check=check, state=state, told=told)])\n"
            "say('ready')\n"
        )
        steps = [f"name = {it!r}\n{each.get(it, GOOD)}\n" for it in names]
        return [sys.executable, "-S", "-c", head + "".join(steps)]

    return command


def told(found: Generator[list[Finding]]) -> list[str]:
    return [f"{it.check}: {it.told}" for each in found for it in each]


def three(limit_s: float = 60) -> list[Check]:
    return [Check(it, "tone", limit_s) for it in NAMES]


def test_each_check_tells_what_it_finds() -> None:
    assert told(findings(three(), Asked(), process())) == [f"{it}: fine" for it in NAMES]


def test_a_check_that_hangs_is_a_finding_and_hides_no_other() -> None:
    some = [
        Check("first", "python", 60),
        Check("second", "tone", 0.2),
        Check("third", "python", 60),
    ]
    found = list(findings(some, Asked(), process(second="time.sleep(600)")))
    assert told(iter(found)) == [  # type: ignore[arg-type]
        "first: fine",
        "second: this check did not end within 0.2 s",
        "third: fine",
    ]
    assert found[1][0].state == "problem"
    assert found[1][0].remedy.startswith("the sound system does not answer")


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("os.kill(os.getpid(), 9)", "this check ended the process (SIGKILL)"),
        (
            "print('ALSA lib x', file=sys.stderr); sys.exit('no such symbol')",
            "this check ended the process (status 1): no such symbol",
        ),
    ],
)
def test_a_check_that_ends_the_process_is_a_finding_and_hides_no_other(does: str, why: str) -> None:
    assert told(findings(three(), Asked(), process(second=does))) == [
        "first: fine",
        f"second: {why}",
        "third: fine",
    ]


def test_a_process_that_does_not_start_is_one_finding() -> None:
    def broken(_: Asked, __: Sequence[str]) -> list[str]:
        return [sys.executable, "-S", "-c", "raise SystemExit('no module named rxvoice')"]

    (found,) = told(findings(three(), Asked(), broken))
    assert found == (
        "first: this check failed: no check can be run: ended the process (status 1): no module "
        "named rxvoice"
    )


def test_what_a_check_raises_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Finding]:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("rxvoice.cli._doctor.python.check", broken)
    (found,) = run(Check("python", "python"), Asked())
    assert (found.check, found.state) == ("python", "problem")
    assert found.told == "this check failed: ZeroDivisionError: by nothing"


def test_the_tone_is_played_only_when_it_is_asked_for() -> None:
    assert "tone" not in [it.name for it in checks.wanted(Asked())]
    assert checks.wanted(Asked(tone=True))[-1].name == "tone"
    for it in checks.wanted(Asked(tone=True)):
        path = Path(checks.__file__).with_name(f"{it.module}.py")
        assert path.is_file()


# What is printed

WELL = Finding("python", "ok", "CPython 3.13")
SLOW = Finding("mlx", "warning", "MLX is slow", "install OpenBLAS", {"at": f"{Path.home()}/x"})
BAD = Finding("microphone", "problem", f"{Path.home()}/mic is silent", "allow it")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what the checks find."""

    def find(*several: Finding) -> None:
        def findings(wanted: list[Check], asked: Asked) -> Generator[list[Finding]]:
            yield from ([it] for it in several)

        monkeypatch.setattr(module, "findings", findings)

    monkeypatch.setenv("COLUMNS", "80")
    return find


def test_a_problem_fails_the_command_and_has_its_remedy(
    found: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    found(WELL, SLOW, BAD)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "ok           python        CPython 3.13",
        "warning      mlx           MLX is slow",
        "                        -> install OpenBLAS",
        "problem      microphone    ~/mic is silent",
        "                        -> allow it",
        "1 problem and 1 warning",
    ]


def test_warnings_do_not_fail_the_command(
    found: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    found(WELL, SLOW, SLOW)
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("\n2 warnings\n")
    found(WELL)
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("\nall is well\n")


def test_json_has_the_same_with_facts(
    found: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    found(SLOW, BAD)
    assert main(["doctor", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["findings"][0]["facts"] == {"at": "~/x"}
    assert told["findings"][1] == {
        "check": "microphone",
        "state": "problem",
        "told": "~/mic is silent",
        "remedy": "allow it",
        "facts": {},
    }


def test_it_asks_for_the_devices_of_the_options_else_of_the_settings_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Asked] = []

    def findings(wanted: list[Check], it: Asked) -> list[list[Finding]]:
        asked.append(it)
        return []

    monkeypatch.setattr(module, "findings", findings)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "rxvoice" / "settings.toml"
    file.parent.mkdir()
    file.write_text('microphone = "USB"\nspeaker = 3\n', "utf-8")
    main(["doctor", "--tone", "--speaker", "Desk"])
    file.write_text("microphone = [", "utf-8")
    main(["doctor", "--speaker", "Desk"])
    assert asked == [Asked("USB", "Desk", tone=True), Asked(None, "Desk")]


# Nothing of the user's

NAMED = ("Ada Lovelace", "ada", "Lovelace", "Ada")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Charles's AirPods Pro", "…'s AirPods Pro"),
        ("Charles’s iPhone Microphone", "…'s iPhone Microphone"),
        ("AirPods von Ada", "AirPods von …"),
        ("ADA-MIC", "…-MIC"),
        ("MacBook Pro Microphone", "MacBook Pro Microphone"),
        ("Adaptive USB", "Adaptive USB"),
    ],
)
def test_the_name_of_a_device_has_no_person_in_it(
    name: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private, "_names", lambda: list(NAMED))
    assert private.without_owner(name) == shown


def test_a_home_is_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/srv/ada")
    told = private.without_homes("/srv/ada/x, /srv/adam/x, /Users/ada/x and /home/eve")
    assert told == "~/x, /srv/adam/x, ~/x and ~"


# The real thing


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own."""
    paths = os.pathsep.join(filter(None, (environment.pop("FIRST", ""), str(ROOT))))
    return subprocess.run(
        [sys.executable, "-m", "rxvoice", "doctor", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths, "MLX_DISABLE_COMPILE": "1", **environment},
    )


@pytest.mark.slow
def test_the_whole_command_checks_this_machine_and_tells_no_name(tmp_path: Path) -> None:
    nowhere = {"PULSE_SERVER": f"unix:{tmp_path}/none", "HOME": str(tmp_path)}
    done = doctor("--json", **nowhere)
    assert done.stderr == ""
    told = json.loads(done.stdout)
    states = {it["check"]: it["state"] for it in told["findings"]}
    assert states["python"] in ("ok", "warning")
    assert states["mlx"] in ("ok", "warning")
    assert {"system", "packages", "memory", "models", "disk", "cache", "portaudio"} <= set(states)
    assert {"devices", "microphone", "loudspeaker"} <= set(states)
    assert done.returncode == ("problem" in states.values())
    assert not any("this check failed" in it["told"] for it in told["findings"])
    assert str(tmp_path) not in done.stdout
    if len(host := socket.gethostname()) > 5:
        assert host not in done.stdout


@pytest.mark.slow
def test_without_mlx_and_sounddevice_it_says_so_and_checks_the_rest(tmp_path: Path) -> None:
    (tmp_path / "mlx").mkdir()
    (tmp_path / "mlx" / "core.py").write_text("raise ImportError('no MLX here')", "utf-8")
    (tmp_path / "sounddevice.py").write_text("raise ImportError('not here')", "utf-8")
    done = doctor("--json", FIRST=str(tmp_path))
    told: dict[str, Any] = {it["check"]: it for it in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert told["mlx"]["told"] == "MLX does not load"
    assert "pip install --force-reinstall" in told["mlx"]["remedy"]
    assert told["portaudio"]["state"] == "problem"
    assert told["portaudio"]["remedy"].endswith("pip install sounddevice")
    assert told["microphone"]["state"] == told["loudspeaker"]["state"] == "not checked"
    assert {"python", "system", "memory", "disk"} <= set(told)


def test_ctrl_c_ends_it_and_its_process(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    noted = f"open({str(pid)!r}, 'w').write(str(os.getpid()))\n{GOOD}\ntime.sleep(600)"
    command = process(python=noted)(Asked(), ["python"])
    program = (
        "import sys\nfrom rxvoice.cli import main\nfrom rxvoice.cli._doctor import runner\n"
        f"runner._command = lambda *_: {command!r}\n"
        "sys.exit(main(['doctor']))"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert started.stdout is not None
    assert started.stdout.readline().startswith("rxvoice ")
    assert started.stdout.readline() == "ok           python        fine\n"
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 130
    assert errors.startswith("rxvoice: stopped")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
