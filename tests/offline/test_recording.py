"""The recording that comes with the package."""

import json

import soundfile as sf

from rxvoice import offline


def test_it_is_the_demo_s_voice() -> None:
    path = offline.recording()
    about = sf.info(path)
    assert (about.samplerate, about.channels) == (16_000, 1)
    turns = json.loads(path.with_suffix(".json").read_text("utf-8"))["turns"]
    assert len(turns) == 4
    assert turns[-1]["end_s"] < about.duration
    for turn in turns:
        assert turn["text"] in " ".join((offline.recording.__doc__ or "").split())
