from collections.abc import Iterator

import pytest

from tests.remote.servers import Stub, stub_server

pytest.importorskip("openai", reason="needs pip install 'rxvoice[remote]'")


@pytest.fixture
def stub() -> Iterator[Stub]:
    with stub_server() as running:
        yield running
