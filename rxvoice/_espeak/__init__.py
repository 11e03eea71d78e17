"""espeak-ng, from the wheel `espeakng-loader`: its library, its voices and its phonemes.

- ``library``: loads it, one user at a time, and lists its voices.
- ``phonemes``: how a text is pronounced.
"""
