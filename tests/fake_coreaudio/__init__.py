"""A fake CoreAudio: the sound of a Mac as PortAudio gives it to `sounddevice`, and as ctypes asks.

`Mac` is the machine: devices that a test plugs in, unplugs and makes the default. `Mac.sound`
stands in for the module sounddevice. `Mac.install` puts it in place. Nothing happens by itself: a
test calls `Stream.io` for one cycle of a device, or runs cycles on a thread with `Mac.running`.

What it models, read in PortAudio 375345a (``src/hostapi/coreaudio/pa_mac_core.c`` unless another
file is named). Where it says *assumed*, no source was found, and the fake takes the worse case.

- The list of devices, their names, channels, rates and the default ones are those of the last
  ``Pa_Initialize`` (`gatherDeviceInfo`, `InitializeDeviceInfo`). A device that has gone stays
  listed, and does not open. One that comes back has a new AudioDeviceID, so its old entry does not
  open either (``devIds``; new IDs after replugging are *assumed*, and usual).
- ``Pa_Terminate`` closes all open streams (``src/common/pa_front.c``). To use one afterwards is
  undefined: the fake notes it in `Mac.crimes`. So it does with two calls of PortAudio at once,
  whose list of open streams has no lock.
- A stream never refuses a rate. What an input asks for is converted from the device's rate at
  opening (`OpenAndSetupOneAudioUnit`: "keep the sample rate of the device", ``AudioConverterNew``).
  If the device's rate changes later, the converter stays as it is (its FIXME says so): the sound
  has another pitch. For an output this is *assumed*.
- The device's buffer is the least multiple of the block that holds the latency asked for, less the
  device's own, within the device's range (`CalculateOptimalBufferSize`). It is one size for the
  device (`setBestFramesPerBuffer`), so the stream opened last sets it for all. A stream takes no
  more frames at once than when it was opened: an output gives silence, and an input halves the
  number until it fits and loses the rest (`AudioIOProc`, -10874).
- The callback is called with whole blocks, as many as the device's buffer is good for.
- A callback that raises CallbackAbort or CallbackStop stops the stream's unit, and the finished
  callback follows (`AudioIOProc` ``stop_stream``, `startStopCallback`). So it does when a device
  goes (*assumed*; with `Mac.dies_silently` the calls just end).
- To close a stream whose unit runs may hang: `AbortStream` waits for CoreAudio, which waits in
  `startStopCallback` for the unit's lock. With `Mac.deadlocks` it always does, until
  `Mac.release`. A unit that has stopped by itself is closed without waiting.
- A Bluetooth headset whose microphone is used falls to `HEADSET_RATE` in both directions, under
  the streams that are open (Apple's documentation of the hands-free profile; *assumed* in detail).
- ``AudioObjectGetPropertyData`` tells the devices, the default ones, names, rates and transports of
  this moment (Apple's ``AudioHardware.h``). To ask while a call hangs is a crime: it hangs, too.
"""

from __future__ import annotations

from fake_coreaudio.mac import HEADSET_RATE, Mac, MacDevice
from fake_coreaudio.sound import FakeSoundDevice, PortAudioError, Stream

__all__ = ["HEADSET_RATE", "FakeSoundDevice", "Mac", "MacDevice", "PortAudioError", "Stream"]
