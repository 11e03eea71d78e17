"""Plays a tone on the loudspeaker, and looks for it in the microphone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice.cli._doctor.finding import Asked, Finding
from rxvoice.cli._doctor.microphone import Heard, OpenMicrophone, decibels
from rxvoice.cli._doctor.private import without_owner
from rxvoice.cli._doctor.sound_system import has_portaudio
from rxvoice.devices import find
from rxvoice.echo import tap
from rxvoice.errors import RxvoiceError

_RATE = 16_000
_TONE_S = 0.4
_PAUSE_S = 1.4
_BEFORE_S = 0.6
_AFTER_S = 1.2
"""The longest delay that is looked for, with some of Bluetooth's."""
_FROM_HZ, _TO_HZ, _GAIN = 400.0, 3400.0, 0.2
_CLEAR = 6.0
"""How much more alike the tone must be than the rest of the sound, to be found."""
_SAME_MS = 30
"""By how much the delays may differ: `echo.correlation` looks so far from the usual one."""
_NO_ROOM_DB = -100
"""No room is as quiet: the microphone is a virtual one, or removes noise."""
_LATEST_MS = 500
"""The longest delay that `echo.correlation` looks for, by default."""


def rising() -> Samples:
    """A tone that rises, which is alike itself at one delay only; faded in and out."""
    times = np.arange(int(_TONE_S * _RATE)) / _RATE
    phase = 2 * np.pi * (_FROM_HZ * times + (_TO_HZ - _FROM_HZ) * times**2 / (2 * _TONE_S))
    fade = np.clip(np.minimum(times, _TONE_S - times) / 0.02, 0, 1)
    return (_GAIN * fade * np.sin(phase)).astype(np.float32)


@dataclass(frozen=True)
class Echo:
    """The tones in the microphone's sound.

    Attributes:
        delays_ms: of each, from the moment when it left the loudspeaker by the system's clock.
        level_db: how loud the first is, below full scale.
        room_db: how loud the room was before it.
    """

    delays_ms: tuple[float, ...]
    level_db: float
    room_db: float


def check(asked: Asked) -> list[Finding]:
    """Play the tone twice, while the microphone listens."""
    if not has_portaudio():
        return [Finding("tone", "not checked", "sounddevice does not load")]
    try:
        speaker = without_owner(find(asked.speaker, "speaker").name)
        microphone = without_owner(find(asked.microphone, "microphone").name)
    except RxvoiceError:
        return [Finding("tone", "not checked", "there is no microphone or no loudspeaker")]
    try:
        heard, left_at = played(asked)
    except (RxvoiceError, OSError) as error:
        told = f"the tone could not be played: {without_owner(str(error))}"
        return [Finding("tone", "problem", told, "see what is said of the loudspeaker")]
    if heard.error or not len(heard.samples):
        told = "the microphone gave no sound while the tone was played"
        return [Finding("tone", "problem", told, "see what is said of the microphone")]
    return [judged(speaker, microphone, found(heard, left_at))]


def played(asked: Asked) -> tuple[Heard, list[float]]:
    """Play the tones. Gives what the microphone captured, and when each left the loudspeaker."""
    from rxvoice.sinks.speaker import speaker

    tone, pause = rising(), np.zeros(int(_PAUSE_S * _RATE), np.float32)
    with speaker(asked.speaker) as loudspeaker:
        sink = tap(loudspeaker, sample_rate=_RATE, seconds=10)
        sink.set_sample_rate(_RATE)
        listening = OpenMicrophone(asked.microphone)
        try:
            listening.wait(_BEFORE_S)
            for part in (tone, pause, tone):
                sink.write_samples(part)
            sink.flush()
            listening.wait(listening.seconds + _AFTER_S)
        finally:
            heard = listening.end()
        reference = sink.at(heard.began, len(heard.samples), _RATE)
    return heard, [heard.began + it / _RATE for it in _starts(reference, tone)]


def found(heard: Heard, left_at: list[float]) -> Echo | None:
    """The tones in what was heard; None where one of the two is not clear."""
    tone = rising()
    echoes: list[tuple[int, int]] = []
    for at in left_at:
        start = max(0, round((at - heard.began) * _RATE))
        part = heard.samples[start : start + int((_TONE_S + _AFTER_S) * _RATE)]
        if len(part) <= len(tone):
            continue
        delay, clear = _best(alike(part, tone))
        if clear >= _CLEAR:
            echoes.append((start, delay))
    if len(echoes) < 2:
        return None
    start, delay = echoes[0]
    captured = heard.samples[start + delay : start + delay + len(tone)]
    before = heard.samples[max(0, start - int(0.3 * _RATE)) : start]
    return Echo(
        delays_ms=tuple(1000 * each / _RATE for _, each in echoes),
        level_db=decibels(_rms(captured)),
        room_db=decibels(_rms(before)),
    )


def judged(speaker: str, microphone: str, echo: Echo | None) -> Finding:
    """What is to be said of the tone."""
    if echo is None:
        told = f"a tone on {speaker!r} is not heard by {microphone!r}"
        remedy = (
            "that is right for headphones; otherwise turn the loudspeaker up, and see whether it "
            "is the one that you hear"
        )
        return Finding("tone", "warning", told, remedy, {"found": False})
    shown = " and ".join(f"{it:.0f}" for it in echo.delays_ms)
    told = f"{microphone!r} hears {speaker!r} after {shown} ms, at {echo.level_db:.0f} dB"
    if echo.room_db > _NO_ROOM_DB:
        told += f", {echo.level_db - echo.room_db:.0f} dB above the room"
    facts = {
        "found": True,
        "delays_ms": [round(it, 1) for it in echo.delays_ms],
        "level_db": round(echo.level_db, 1),
        "room_db": round(echo.room_db, 1),
    }
    if max(echo.delays_ms) > _LATEST_MS:
        remedy = (
            f"echoes later than {_LATEST_MS} ms are not recognised: use a wire or headphones, or "
            "rxvoice talk --no-interruptions"
        )
        return Finding("tone", "warning", told, remedy, facts)
    if max(echo.delays_ms) - min(echo.delays_ms) > _SAME_MS:
        remedy = (
            "the delay changes, so that an echo may be taken for a word of yours: use a wire or "
            "headphones, and close programs that keep the machine busy"
        )
        return Finding("tone", "warning", told, remedy, facts)
    return Finding("tone", "ok", f"{told}: an echo that rxvoice talk recognises", facts=facts)


def alike(samples: Samples, tone: Samples) -> Samples:
    """How much the tone is alike each stretch of the samples, without a scale."""
    size = 1 << (len(samples) - 1).bit_length()
    spectrum = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(tone, size))
    return np.abs(np.fft.irfft(spectrum, size)[: len(samples) - len(tone) + 1]).astype(np.float32)


def _best(alikeness: Samples) -> tuple[int, float]:
    """Where it is greatest, and by how much more than elsewhere."""
    best = int(alikeness.argmax())
    near = int(0.05 * _RATE)
    rest = np.concatenate((alikeness[: max(0, best - near)], alikeness[best + near :]))
    usual = float(np.sqrt(np.mean(np.square(rest)))) if len(rest) else 0.0
    peak = float(alikeness[best])
    return best, peak / usual if usual else (np.inf if peak else 0.0)


def _starts(reference: Samples, tone: Samples) -> list[int]:
    """Where the two tones begin: the loudspeaker may pause between them, on a busy machine."""
    if len(reference) < len(tone):
        return []
    similar = alike(reference, tone)
    starts: list[int] = []
    for _ in range(2):
        best = int(similar.argmax())
        if similar[best] > 0:
            starts.append(best)
        similar[max(0, best - len(tone)) : best + len(tone)] = 0
    return sorted(starts)


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
