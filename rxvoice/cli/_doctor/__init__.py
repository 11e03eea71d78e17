"""The checks of ``rxvoice doctor``. Each file has one, with what is to be said of each outcome.

- the machine: `python`, `system`, `packages`, `models`, `mlx`, `memory`, `disk`, `settings`
- the sound: `sound_system`, `sound_devices`, `microphone`, `loudspeaker`, `tone`
- what they share: `finding`, `requirement`; `private` keeps names out of what they tell
- how they run: `checks` lists them, with time limits; `runner` starts a process that runs them,
  which is ``__main__``, and goes on in another one when a check hangs or ends it
"""
