"""CoreAudio, asked by ctypes: which devices there are now, which is the default, at which rate.

The names and numbers are those of Apple's ``AudioHardware.h`` and ``AudioHardwareBase.h``.
"""

from __future__ import annotations

import ctypes
from typing import Any

from rxvoice.devices._device import HalDevice, Kind, Transport

_FRAMEWORK = "/System/Library/Frameworks/{0}.framework/{0}"


def _code(text: str) -> int:
    """A constant that Apple writes as four characters."""
    return int.from_bytes(text.encode("ascii"), "big")


_SYSTEM = 1  # kAudioObjectSystemObject
_ANYWHERE = _code("glob")
_SCOPES: dict[Kind, int] = {"microphone": _code("inpt"), "speaker": _code("outp")}
_DEVICES = _code("dev#")  # kAudioHardwarePropertyDevices
_DEFAULTS: dict[Kind, int] = {"microphone": _code("dIn "), "speaker": _code("dOut")}
_NAME = _code("lnam")  # kAudioObjectPropertyName
_RATE = _code("nsrt")  # kAudioDevicePropertyNominalSampleRate
_TRANSPORT = _code("tran")  # kAudioDevicePropertyTransportType
_STREAMS = _code("stm#")  # kAudioDevicePropertyStreams
_TRANSPORTS: dict[int, Transport] = {
    _code("bltn"): "built-in",
    _code("blue"): "bluetooth",
    _code("blea"): "bluetooth",
    _code("usb "): "usb",
    _code("virt"): "virtual",
    _code("grup"): "virtual",  # an aggregate of devices
    _code("fgrp"): "virtual",
}
_UTF8 = 0x08000100  # kCFStringEncodingUTF8


class Address(ctypes.Structure):
    """AudioObjectPropertyAddress."""

    _fields_ = (
        ("selector", ctypes.c_uint32),
        ("scope", ctypes.c_uint32),
        ("element", ctypes.c_uint32),
    )


SIZE_OF = ctypes.CFUNCTYPE(
    ctypes.c_int32,
    ctypes.c_uint32,
    ctypes.POINTER(Address),
    ctypes.c_uint32,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_uint32),
)
"""AudioObjectGetPropertyDataSize."""
DATA_OF = ctypes.CFUNCTYPE(
    ctypes.c_int32,
    ctypes.c_uint32,
    ctypes.POINTER(Address),
    ctypes.c_uint32,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_uint32),
    ctypes.c_void_p,
)
"""AudioObjectGetPropertyData."""
TEXT_OF = ctypes.CFUNCTYPE(
    ctypes.c_ubyte, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long, ctypes.c_uint32
)
"""CFStringGetCString."""
RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
"""CFRelease."""


class CoreAudio:
    """Asks CoreAudio.

    Args:
        size_of: AudioObjectGetPropertyDataSize.
        data_of: AudioObjectGetPropertyData.
        text_of: CFStringGetCString.
        release: CFRelease.
    """

    knows = True

    def __init__(self, size_of: Any, data_of: Any, text_of: Any, release: Any) -> None:
        self._size_of = size_of
        self._data_of = data_of
        self._text_of = text_of
        self._release = release

    @classmethod
    def load(cls) -> CoreAudio:
        """Load the frameworks. OSError where there are none."""
        audio, foundation = (
            ctypes.CDLL(_FRAMEWORK.format(name)) for name in ("CoreAudio", "CoreFoundation")
        )
        return cls(
            SIZE_OF(("AudioObjectGetPropertyDataSize", audio)),
            DATA_OF(("AudioObjectGetPropertyData", audio)),
            TEXT_OF(("CFStringGetCString", foundation)),
            RELEASE(("CFRelease", foundation)),
        )

    def present(self) -> tuple[int, ...]:
        """The numbers of all devices. A device that comes back has another number."""
        return self._numbers()

    def device(self, name: str, kind: Kind) -> HalDevice | None:
        """The device of this name; None where there is none."""
        for number in self._numbers():
            if self._name(number) == name and self._has(number, kind):
                return self._described(number, name)
        return None

    def default(self, kind: Kind) -> HalDevice | None:
        """The default device; None where there is none."""
        number = ctypes.c_uint32()
        if not self._read(_SYSTEM, _DEFAULTS[kind], number) or not number.value:
            return None
        name = self._name(number.value)
        return None if name is None else self._described(number.value, name)

    def _described(self, number: int, name: str) -> HalDevice:
        rate, transport = ctypes.c_double(), ctypes.c_uint32()
        self._read(number, _RATE, rate)
        self._read(number, _TRANSPORT, transport)
        how = _TRANSPORTS.get(transport.value, "other")
        return HalDevice(number, name, round(rate.value), how)

    def _numbers(self) -> tuple[int, ...]:
        size = self._size(_SYSTEM, Address(_DEVICES, _ANYWHERE, 0))
        numbers = (ctypes.c_uint32 * (size // 4))()
        count = ctypes.c_uint32(ctypes.sizeof(numbers))
        if not size or not self._read(_SYSTEM, _DEVICES, numbers, count=count):
            return ()
        return tuple(numbers)[: count.value // 4]

    def _has(self, number: int, kind: Kind) -> bool:
        return self._size(number, Address(_STREAMS, _SCOPES[kind], 0)) > 0

    def _name(self, number: int) -> str | None:
        text = ctypes.c_void_p()
        if not self._read(number, _NAME, text) or not text.value:
            return None
        buffer = ctypes.create_string_buffer(1024)
        try:
            told = self._text_of(text, buffer, len(buffer), _UTF8)
            return buffer.value.decode("utf-8", "replace") if told else None
        finally:
            self._release(text)

    def _size(self, number: int, address: Address) -> int:
        size = ctypes.c_uint32()
        status = self._size_of(number, ctypes.byref(address), 0, None, ctypes.byref(size))
        return 0 if status else size.value

    def _read(
        self, number: int, selector: int, into: Any, *, count: ctypes.c_uint32 | None = None
    ) -> bool:
        """Read a property. Returns whether there is one; a device may have just gone."""
        address = Address(selector, _ANYWHERE, 0)
        size = count or ctypes.c_uint32(ctypes.sizeof(into))
        return not self._data_of(
            number, ctypes.byref(address), 0, None, ctypes.byref(size), ctypes.byref(into)
        )
