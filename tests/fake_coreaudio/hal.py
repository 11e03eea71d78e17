"""What CoreAudio answers to ctypes: the four functions that rxvoice calls, as pointers to C."""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING, Any

from rxvoice.devices._core_audio import DATA_OF, RELEASE, SIZE_OF, TEXT_OF, CoreAudio

if TYPE_CHECKING:
    from fake_coreaudio.mac import Mac, MacDevice

_NO_OBJECT = 560947818  # kAudioHardwareBadObjectError, '!obj'
_NO_PROPERTY = 2003332927  # kAudioHardwareUnknownPropertyError, 'who?'
_SYSTEM = 1


class FakeHal:
    """Properties of the devices of a `Mac`. `ask` is the object that rxvoice has of CoreAudio."""

    def __init__(self, mac: Mac) -> None:
        self._mac = mac
        self._texts: dict[int, str] = {}
        # Kept, because ctypes does not keep them.
        self._functions = (
            SIZE_OF(self._size_of),
            DATA_OF(self._data_of),
            TEXT_OF(self._text_of),
            RELEASE(self._release),
        )
        self.ask = CoreAudio(*self._functions)

    @property
    def unreleased(self) -> int:
        """How many strings were given and not released."""
        return len(self._texts)

    def _bytes(self, number: int, address: Any) -> bytes | int:
        """A property as bytes, or the status of an error."""
        if self._mac.deadlocks and self._mac.hanging:
            self._mac.crimes.append("CoreAudio was asked while it hangs")
        selector, scope = (
            value.to_bytes(4, "big").decode("ascii")
            for value in (address.contents.selector, address.contents.scope)
        )
        if number == _SYSTEM:
            if selector == "dev#":
                return b"".join(struct.pack("=I", it.id) for it in self._mac.devices)
            default = self._mac.defaults[{"dIn ": "input", "dOut": "output"}[selector]]
            return struct.pack("=I", 0 if default is None else default.id)
        device = next((it for it in self._mac.devices if it.id == number), None)
        return _NO_OBJECT if device is None else self._of(device, selector, scope)

    def _of(self, device: MacDevice, selector: str, scope: str) -> bytes | int:
        if selector == "lnam":
            reference = 0x1000 + len(self._texts)
            while reference in self._texts:
                reference += 1
            self._texts[reference] = device.name
            return struct.pack("=Q", reference)
        if selector == "nsrt":
            return struct.pack("=d", device.rate)
        if selector == "tran":
            return struct.pack("=I", int.from_bytes(device.transport.encode("ascii"), "big"))
        if selector == "stm#":
            channels = device.inputs if scope == "inpt" else device.outputs
            return struct.pack("=I", 7) if channels else b""
        return _NO_PROPERTY

    def _size_of(self, number: int, address: Any, _: int, __: Any, size: Any) -> int:
        found = self._bytes(number, address)
        if isinstance(found, int):
            return found
        size[0] = len(found)
        return 0

    def _data_of(self, number: int, address: Any, _: int, __: Any, size: Any, data: Any) -> int:
        found = self._bytes(number, address)
        if isinstance(found, int):
            return found
        count = min(size[0], len(found))
        ctypes.memmove(data, found, count)
        size[0] = count
        return 0

    def _text_of(self, reference: int, buffer: int, room: int, _: int) -> int:
        text = self._texts[reference].encode() + b"\0"
        if len(text) > room:
            return 0
        ctypes.memmove(buffer, text, len(text))
        return 1

    def _release(self, reference: int) -> None:
        del self._texts[reference]
