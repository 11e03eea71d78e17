from collections.abc import Iterator

import pytest

from tests.remote.servers import Stub, stub_server

pytest.importorskip("openai", reason="needs pip install 'rxvoice[remote]'")

# Else the first question imports them, and on a busy machine that takes longer than it may.
import openai.resources.audio
import openai.resources.chat  # noqa: F401


@pytest.fixture
def stub() -> Iterator[Stub]:
    with stub_server() as running:
        yield running
