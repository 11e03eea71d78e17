"""Sound devices for the tests that want them: virtual ones, on Linux."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from devices.virtual_audio import VirtualAudio, must_be_possible

REAL = "RXVOICE_REAL_DEVICES"


@pytest.fixture(scope="session")
def sound_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualAudio]:
    """A sound server with a virtual microphone and loudspeaker, which PortAudio sees."""
    must_be_possible()
    import sounddevice

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


@pytest.fixture
def default_devices(request: pytest.FixtureRequest) -> None:
    """Default devices: virtual ones, or this machine's own where that is asked for."""
    if os.environ.get(REAL):
        return
    if sys.platform == "linux":
        request.getfixturevalue("audio")
        return
    pytest.skip(f"{REAL}=1 tests this machine's own devices: it listens, and plays a quiet tone")
