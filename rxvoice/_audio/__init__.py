"""Audio that belongs to no element.

- `samples`: the type of audio arrays, and its check; `growing`: a buffer of them
- `pcm16`: 16 bits and back; `resample`: another rate, by soxr; `live_resample`: the same for a
  live signal, with the least delay
- `wav`: the header of a WAV; `audio_file`: files of all formats; `stereo_wav`: two channels that
  grow by themselves
- `piecewise_signal`: a signal in pieces; `play_history`: what a loudspeaker played, and when
- `steady_offset`: the offset between two clocks
"""
