"""Each format is read by its own reader, and holds the conversation."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trace_kit import Talk, example

from rxvoice import cli
from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.trace import export

BEGAN_NS = 1_795_694_400 * 1_000_000_000  # 2026-11-26T12:00:00Z


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example().write(tmp_path_factory.mktemp("trace"))


def test_perfetto_has_slices_that_nest_and_a_counter(recorded: Path) -> None:
    proto = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    path = export(recorded, "perfetto")
    assert path == recorded / "conversation.pftrace"
    trace = proto.Trace.FromString(path.read_bytes())
    names = {
        it.track_descriptor.uuid: it.track_descriptor.name
        for it in trace.packet
        if it.HasField("track_descriptor")
    }
    assert {"Turn", "Text model", "Voice", "Loudspeaker", "Latency", "Events"} <= set(
        names.values()
    )
    kinds = proto.TrackEvent
    began: dict[int, list[tuple[int, str]]] = defaultdict(list)
    slices: list[tuple[str, str, float]] = []
    counted = 0
    for it in trace.packet:
        event = it.track_event
        if not it.HasField("track_event"):
            continue
        assert event.track_uuid in names
        if event.type == kinds.TYPE_SLICE_BEGIN:
            began[event.track_uuid].append((it.timestamp, event.name))
        elif event.type == kinds.TYPE_SLICE_END:
            at, name = began[event.track_uuid].pop()
            assert it.timestamp >= at
            slices.append((names[event.track_uuid], name, (it.timestamp - at) / 1e6))
        elif event.type == kinds.TYPE_COUNTER:
            counted += 1
    assert not any(began.values())  # each slice that begins ends
    assert counted == 812
    latency = [(name, round(ms)) for track, name, ms in slices if track == "Latency"]
    assert ("first token", 810) in latency
    assert ("Voice", "synthesize") in [(track, name) for track, name, _ in slices]


def test_mcap_has_both_sides_of_the_sound_on_one_clock(recorded: Path, tmp_path: Path) -> None:
    make_reader = pytest.importorskip("mcap.reader").make_reader
    factory = pytest.importorskip("mcap_protobuf.decoder").DecoderFactory
    path = export(recorded, "mcap", tmp_path / "talk.mcap")
    found: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[factory()])
        for _, channel, message in reader.iter_messages():
            if channel.message_encoding == "json":
                found[channel.topic].append((message.log_time, json.loads(message.data)))
        for _, channel, message, decoded in reader.iter_decoded_messages(
            topics=["/microphone", "/loudspeaker", "/log"]
        ):
            found[channel.topic].append((message.log_time, decoded))
    sound = found["/microphone"]
    assert sound[0][0] == BEGAN_NS
    assert {it.format for _, it in sound} == {"pcm-s16"}
    assert sum(len(it.data) for _, it in sound) / 2 / 16_000 == pytest.approx(26, abs=0.05)
    spoken = [np.frombuffer(it.data, "<i2") for _, it in found["/loudspeaker"]]
    loud = [n / 10 for n, it in enumerate(spoken) if np.abs(it).max() > 500]
    assert loud[0] == pytest.approx(4.04, abs=0.1)  # when the first reply was heard
    log = [(it.name, it.message) for _, it in found["/log"]]
    assert ("assistant", "You are welcome. Goodbye!") in log
    assert any(name == "underrun" for name, _ in log)
    assert len(found["/speech"]) == 812
    totals = [sum(it["parts"].values()) - it["total_ms"] for _, it in found["/latency"]]
    assert totals == pytest.approx([0, 0, 0])


def test_captions_are_what_was_said_and_heard(recorded: Path) -> None:
    webvtt = pytest.importorskip("webvtt")
    captions = webvtt.read(str(export(recorded, "vtt"))).captions
    assert [(it.voice, it.text) for it in captions] == [
        ("You", "What is the weather like in Lisbon today?"),
        ("Assistant", captions[1].text),
        ("You", "And what about tomorrow?"),
        ("Assistant", "Tomorrow it will rain in the morning. Take an umbrella."),
        ("You", "Call my sister, please."),
        ("You", "Thank you, goodbye."),
        ("Assistant", "You are welcome. Goodbye!"),
    ]
    assert "The wind comes from the sea" not in captions[1].text  # that was not heard
    assert captions[1].start_in_seconds == 4


def test_what_somebody_said_stays_a_caption(tmp_path: Path) -> None:
    webvtt = pytest.importorskip("webvtt")
    talk = Talk(4.0)
    talk.user(0.5, 1.5, "a --> b\n\n00:00:01.000 --> 00:00:09.000\n<v Boss>Pay & go</v>")
    (caption,) = webvtt.read(str(export(talk.write(tmp_path), "vtt"))).captions
    assert caption.voice == "You"
    assert "Pay &amp; go" in caption.raw_text


def test_labels_lie_beside_the_microphones_sound(recorded: Path) -> None:
    rows = [it.split("\t") for it in export(recorded, "audacity").read_text("utf-8").splitlines()]
    assert all(len(it) == 3 and float(it[0]) <= float(it[1]) for it in rows)
    (first,) = [it for it in rows if it[2].startswith("You: What is")]
    assert float(first[0]) == pytest.approx(0.65, abs=0.05)
    assert float(first[1]) == pytest.approx(2.1, abs=0.05)
    assert "waited 1.44 s" in [it[2] for it in rows]
    assert "dropped: short" in [it[2] for it in rows]


def test_otlp_has_the_spans_of_telemetry(recorded: Path) -> None:
    json_format = pytest.importorskip("google.protobuf.json_format")
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    given = json.loads(export(recorded, "otlp").read_bytes())
    spans = given["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for it in spans:  # OTLP writes ids as hex, where protobuf's JSON has base64
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in it:
                it[name] = base64.b64encode(bytes.fromhex(it[name])).decode()
    read = json_format.ParseDict(given, service.ExportTraceServiceRequest())
    made = read.resource_spans[0].scope_spans[0].spans
    turns = [it for it in made if it.name == "rxvoice.turn"]
    assert len(turns) == len({it.trace_id for it in made}) == 4
    first = {it.name: it for it in made if it.trace_id == turns[0].trace_id}
    assert {it.parent_span_id for it in first.values()} == {b"", turns[0].span_id}
    token = first["rxvoice.respond"]
    assert (token.end_time_unix_nano - token.start_time_unix_nano) / 1e6 == pytest.approx(
        810, abs=1
    )
    assert first["rxvoice.listen"].end_time_unix_nano - BEGAN_NS == pytest.approx(2.1e9, abs=4e7)
    about = {it.key for it in turns[0].attributes}
    assert {"rxvoice.turn", "rxvoice.first_heard_ms", "rxvoice.interrupted"} <= about


def test_a_row_of_the_table_has_parts_that_sum(recorded: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(export(recorded, "csv").read_text("utf-8"))))
    assert [it["over"] for it in rows] == [
        *("interrupted", "finished", "dropped", "failed", "finished")
    ]
    for it in rows:
        parts = [float(value) for name, value in it.items() if name.endswith("_part_ms") and value]
        if it["latency_ms"]:
            assert sum(parts) == pytest.approx(float(it["latency_ms"]), abs=0.001)
    assert rows[1]["user"] == "And what about tomorrow?"


def test_a_table_has_no_formula(tmp_path: Path) -> None:
    talk = Talk(4.0)
    talk.user(0.5, 1.5, '=HYPERLINK("http://x")')
    (row,) = csv.DictReader(io.StringIO(export(talk.write(tmp_path), "csv").read_text("utf-8")))
    assert row["user"] == '\'=HYPERLINK("http://x")'


@pytest.mark.parametrize("to", ["vtt", "audacity", "csv", "perfetto", "mcap", "otlp"])
def test_a_trace_without_content_is_exported_too(tmp_path: Path, to: Any) -> None:
    for name in ("perfetto", "mcap", "opentelemetry.sdk", "foxglove_schemas_protobuf"):
        pytest.importorskip(name)
    assert export(example().write(tmp_path, content=False), to).stat().st_size > 100


@pytest.mark.parametrize(
    ("to", "module"),
    [
        ("perfetto", "perfetto.protos.perfetto.trace.perfetto_trace_pb2"),
        ("mcap", "mcap.writer"),
        ("otlp", "opentelemetry.sdk.trace"),
    ],
)
def test_a_format_says_what_it_wants(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: Any, module: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingDependency, match=rf"export to {to} wants .*'rxvoice\[trace\]'"):
        export(recorded, to, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_exports(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "turns.csv"
    assert cli.main(["trace", "export", str(recorded), "--to", "csv", "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 0.0 MB\n"
    assert out.read_text("utf-8").startswith("turn,candidate,start_s")
    with pytest.raises(SystemExit):
        cli.main(["trace", "export", str(recorded), "--to", "midi"])
    assert "invalid choice: 'midi'" in capsys.readouterr().err


def test_an_unknown_format_is_refused(recorded: Path) -> None:
    wrong: Any = "midi"
    with pytest.raises(ConfigError, match="cannot export to 'midi': there are perfetto, mcap, vtt"):
        export(recorded, wrong)
