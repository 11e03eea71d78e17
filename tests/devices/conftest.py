"""Sound devices for the tests that want them: virtual ones, on Linux."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

import pytest
from devices.virtual_audio import VirtualAudio


@pytest.fixture(scope="session")
def sound_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualAudio]:
    """A sound server with a virtual microphone and loudspeaker, which PortAudio sees."""
    reason = None
    if sys.platform != "linux":
        reason = "virtual sound devices are made with PulseAudio, on Linux"
    elif not shutil.which("pulseaudio") or not shutil.which("pacat"):
        reason = "no PulseAudio: run .ci/virtual_audio.sh install as root"
    if reason is None:
        try:
            import sounddevice
        except OSError as error:
            reason = f"{error}: run .ci/virtual_audio.sh install as root"
    if reason is not None:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    server = VirtualAudio(tmp_path_factory.mktemp("audio"))
    server.start()
    os.environ.update(server.environment)
    # PortAudio looks for devices once, when it is initialized.
    sounddevice._terminate()
    sounddevice._initialize()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def audio(sound_server: VirtualAudio) -> Iterator[VirtualAudio]:
    """The sound server, with both devices plugged in and no echo."""
    yield sound_server
    sound_server.no_echo()
