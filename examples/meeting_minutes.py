"""The minutes of a recorded meeting: what was said, with times.

    python examples/meeting_minutes.py [RECORDING [MINUTES]]

Prints the minutes, and writes them to MINUTES (minutes.md).
"""

import sys
from pathlib import Path

from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import offline
from rxvoice import operators as vox

DEMO = Path(rxv.__file__).parent / "data" / "demo.wav"


def clock(samples: int, sample_rate: int) -> str:
    seconds = samples // sample_rate
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def item(element: rxv.Transcript | rxv.Event) -> str:
    if not isinstance(element, rxv.Transcript):
        return f"({element})"
    turn = element.turn
    return f"- {clock(turn.start, turn.sample_rate)} {element.text or '(no words)'}"


def main(recording: str = str(DEMO), minutes: str = "minutes.md") -> None:
    items = rxv.sources.wav(recording).pipe(
        vox.chunk(512),
        vox.vad(offline.silero()),
        vox.preroll(250),
        vox.turn_window(rxv.silence(700), max_duration_ms=60_000),
        vox.transcribe(offline.stt().transcribe_turn),  # whole turns: no partial transcripts
        ops.map(item),
    )
    # An error raises here, before the old minutes are replaced.
    lines = items.pipe(ops.do_action(print), ops.to_list()).run()
    Path(minutes).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    print("wrote", minutes)


if __name__ == "__main__":
    main(*sys.argv[1:])
