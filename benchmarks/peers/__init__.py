"""Beside pipecat, livekit-agents and mlx-audio: ``make bench-peers``.

- ``_row.py``: what a row is; ``_rows.py``: all of them
- ``_env.py``: an environment for each peer, from its pins in ``NAME.txt``
- ``_run.py``: the programs, round by round; ``_tell.py``: what they say
- ``_figures.py``: medians, spreads and ratios, and ``docs/measured.json``
- ``__main__.py``: the command and its table
- the others: a file of rows for each subject, and a program for each of its systems
"""
