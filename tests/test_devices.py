"""`rxvoice.devices`: which device is meant, on a fake sounddevice."""

from __future__ import annotations

import shutil
import sys
from types import ModuleType, SimpleNamespace

import pytest

from rxvoice import devices
from rxvoice.devices import _portaudio
from rxvoice.errors import ConfigError, MissingDependency


class PortAudioError(Exception):
    pass


class FakeSound(ModuleType):
    """A sounddevice that has the devices which are plugged in when it is initialized."""

    PortAudioError = PortAudioError

    def __init__(self, *names: tuple[str, int, int]) -> None:
        super().__init__("sounddevice")
        self.plugged = list(names)
        self.seen = list(names)
        self.initialized = 1
        self.closed = 0
        self.refused = False

    def RawInputStream(self, **options: object) -> SimpleNamespace:
        if self.refused:
            raise PortAudioError("busy")

        def close() -> None:
            self.closed += 1

        return SimpleNamespace(close=close)

    def _terminate(self) -> None:
        self.initialized -= 1

    def _initialize(self) -> None:
        self.initialized += 1
        self.seen = list(self.plugged)

    def query_devices(self, kind: str | None = None) -> object:
        found = [
            {
                "index": index,
                "name": name,
                "max_input_channels": inputs,
                "max_output_channels": outputs,
                "default_samplerate": 44_100.0,
            }
            for index, (name, inputs, outputs) in enumerate(self.seen)
        ]
        if kind is None:
            return found
        for it in found:
            if it[f"max_{kind}_channels"]:
                return it
        raise PortAudioError("Error querying device -1")


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> FakeSound:
    fake = FakeSound(("Speakers", 0, 2), ("Built-in Mic", 1, 0), ("USB Mic", 2, 0), ("USB", 1, 2))
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(sys, "platform", "linux")  # on a Mac, CoreAudio would be asked, too
    return fake


@pytest.mark.parametrize(
    ("device", "kind", "index"),
    [
        (None, "microphone", 1),
        (None, "speaker", 0),
        (2, "microphone", 2),
        ("built", "microphone", 1),
        ("usb", "microphone", 3),  # a whole name goes before a part
        ("usb m", "microphone", 2),
        (" USB ", "speaker", 3),
    ],
)
def test_a_device_is_the_default_or_an_index_or_a_part_of_a_name(
    sound: FakeSound, device: int | str | None, kind: devices.Kind, index: int
) -> None:
    assert devices.find(device, kind).index == index


@pytest.mark.parametrize(
    ("device", "kind", "message"),
    [
        ("nope", "microphone", "there is no microphone device 'nope': choose one of "),
        (0, "microphone", "there is no microphone device 0: choose one of 1 'Built-in Mic', 2"),
        ("built", "speaker", "there is no speaker device 'built': choose one of 0 'Speakers', 3"),
        ("mic", "microphone", "several microphone devices have 'mic' in their name: say which of "),
        (True, "microphone", "microphone must be None for the default device, an index from 0"),
        ("", "speaker", "speaker must be None for the default device, an index from 0 or a part"),
    ],
)
def test_one_that_is_not_there_is_an_error_that_lists_those_that_are(
    sound: FakeSound, device: int | str | None, kind: devices.Kind, message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        devices.find(device, kind)
    assert str(raised.value).startswith(message)


def test_the_same_name_twice_is_the_first_of_them(sound: FakeSound) -> None:
    sound.seen.append(("USB", 1, 2))
    assert devices.find("usb", "speaker").index == 3


def test_without_any_device_it_says_so(sound: FakeSound, monkeypatch: pytest.MonkeyPatch) -> None:
    sound.plugged = sound.seen = []
    assert devices.listing() == []
    monkeypatch.setattr(sys, "platform", "linux")
    for kind in ("microphone", "speaker"):
        with pytest.raises(ConfigError, match=f"^there is no {kind}: connect one; .*`pactl info`"):
            devices.find(None, kind)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigError, match=r"^there is no speaker: connect one$"):
        devices.find(None, "speaker")
    with pytest.raises(ConfigError, match="Privacy & Security > Microphone"):
        devices.find(None, "microphone")


def opened(sound: FakeSound) -> devices.DeviceStream:
    return devices.open_stream(
        devices.find("usb mic", "microphone"),
        "microphone",
        callback=lambda *_: None,
        finished=lambda: None,
    )


def test_one_that_came_later_is_found_while_no_stream_is_open(sound: FakeSound) -> None:
    stream = opened(sound)
    sound.plugged.append(("Late", 1, 0))
    with pytest.raises(ConfigError, match="no microphone device 'late'"):
        devices.find("late", "microphone")
    devices.close_stream(stream)
    assert devices.find("late", "microphone").index == 4
    assert sound.initialized == 1


def test_a_stream_is_closed_once(sound: FakeSound) -> None:
    stream = opened(sound)
    devices.close_stream(stream)
    devices.close_stream(stream)
    assert sound.closed == 1
    assert devices.refresh()


def test_a_stream_that_does_not_open_does_not_count(sound: FakeSound) -> None:
    sound.refused = True
    with pytest.raises(PortAudioError, match="busy"):
        opened(sound)
    assert devices.refresh()


def test_the_same_device_again_or_the_default_one(sound: FakeSound) -> None:
    usb = devices.find("usb mic", "microphone")
    sound.plugged.insert(0, ("New", 1, 0))
    devices.refresh()
    assert devices.same(usb, "microphone").index == 3
    sound.plugged = [("Built-in Mic", 1, 0)]
    devices.refresh()
    assert devices.same(usb, "microphone").name == "Built-in Mic"


@pytest.mark.parametrize(
    ("platform", "packager", "remedy"),
    [
        ("linux", "apt-get", "sudo apt-get install libportaudio2"),
        ("linux", "dnf", "sudo dnf install portaudio"),
        ("linux", None, "install it with your system's packager"),
        ("darwin", None, "pip install --force-reinstall sounddevice"),
    ],
)
def test_without_portaudio_the_error_has_the_command(
    monkeypatch: pytest.MonkeyPatch, platform: str, packager: str | None, remedy: str
) -> None:
    def load(_: str) -> ModuleType:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(_portaudio, "import_module", load)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(shutil, "which", lambda name: name if name == packager else None)
    with pytest.raises(MissingDependency) as raised:
        devices.find(None, "speaker")
    assert str(raised.value).startswith(
        f"sound devices need the library PortAudio (PortAudio library not found): {remedy}"
    )


def test_without_sounddevice_the_error_has_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingDependency, match="pip install sounddevice"):
        devices.sound()
