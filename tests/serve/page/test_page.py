"""The page in Chromium, against a server that says what the test tells it to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from serve.page.browser_kit import Visit, visit
from serve.page.fake_server import (
    RATE,
    SECRET,
    FakeServer,
    partial,
    reply_begins,
    reply_ends,
    sentence,
    tone,
    transcript,
    user_speaks,
    user_stops,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

pytest.importorskip("playwright", reason="no playwright: pip install playwright")
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

FIRST = "I am rxvoice. "
SECOND = "I run on your own machine, and I answer when you stop."
MOMENTS = {
    "turn_ended": 520,
    "transcript": 600,
    "first_token": 640,
    "first_sentence": 665,
    "first_audio": 700,
}
VOICE_HERTZ = 1000


def listening(it: Visit, server: FakeServer) -> None:
    it.page.get_by_role("button", name="Start talking").click()
    it.is_in("listening")
    server.wait("session.update")


def say(server: FakeServer, item: str, text: str) -> None:
    server.send(*user_speaks(item), *user_stops(item), transcript(item, text))


def reply(server: FakeServer, number: int, *, seconds: float = 1.0, whole: bool = True) -> None:
    response, item = f"resp_{number}", f"item_a{number}"
    first = {"text_start": 0, "text_end": len(FIRST), "moments": MOMENTS}
    second = {"text_start": len(FIRST), "text_end": len(FIRST + SECOND)}
    sound = tone(seconds / 2, VOICE_HERTZ)
    server.send(
        *reply_begins(response, item),
        *sentence(response, item, FIRST, sound, first),
        *sentence(response, item, SECOND, sound, second),
    )
    if whole:
        server.send(*reply_ends(response, item, FIRST + SECOND))


def entry(it: Visit, item: str) -> Locator:
    return it.page.locator(f"li[data-item={item}]")


def loud(samples: np.ndarray) -> np.ndarray:
    """From the first sample that is not silence to the last."""
    there = np.flatnonzero(np.abs(samples) > 1e-3)
    return samples[there[0] : there[-1] + 1] if len(there) else samples[:0]


def seconds_of_tone(samples: np.ndarray, rate: int) -> float:
    """How long a `tone` was heard, in one go or not."""
    return float(np.abs(samples).sum() / (0.4 * 2 / np.pi) / rate)


def hertz(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


def test_the_words_appear_as_they_are_said(at_page: Visit, server: FakeServer) -> None:
    listening(at_page, server)
    server.send(*user_speaks("u1"), partial("u1", "who "))
    at_page.is_in("hearing")
    expect(entry(at_page, "u1").locator(".text")).to_have_text("who")
    server.send(partial("u1", "are you"))
    expect(entry(at_page, "u1").locator(".text")).to_have_text("who are you")
    server.send(*user_stops("u1"), transcript("u1", "Who are you?"))
    expect(entry(at_page, "u1").locator(".text")).to_have_text("Who are you?")
    at_page.is_in("thinking")
    expect(at_page.page.get_by_role("status")).to_have_text("You: Who are you?")


def test_what_the_microphone_hears_is_sent(at_page: Visit, server: FakeServer) -> None:
    listening(at_page, server)
    heard = server.wait_for_audio(RATE)[RATE // 4 :]  # the browser's own processing settles
    assert abs(hertz(heard, RATE) - 600) < 5
    assert np.abs(heard).max() > 0.05
    level = at_page.page.get_by_role("meter", name="Microphone level")
    expect(level).not_to_have_attribute("aria-valuenow", "0")
    at_page.page.get_by_role("button", name="Stop listening").click()
    at_page.is_in("typing")
    before = server.samples
    at_page.page.get_by_label("Type a message").fill("hello")
    at_page.page.keyboard.press("Enter")
    server.wait("response.create")
    assert server.samples == before


def test_a_turn_ends_when_the_microphone_is_closed(at_page: Visit, server: FakeServer) -> None:
    listening(at_page, server)
    server.wait_for_audio(RATE // 10)
    server.send(*user_speaks("u1"))
    at_page.is_in("hearing")
    at_page.page.get_by_role("button", name="Stop listening").click()
    at_page.page.get_by_label("Type a message").fill("hello")
    at_page.page.keyboard.press("Enter")
    server.wait("response.create")
    last = server.wait_for_audio(RATE)[-round(0.9 * RATE) :]  # silence of 500 ms ends a turn
    assert np.abs(last).max() == 0


def test_a_noise_leaves_no_trace(at_page: Visit, server: FakeServer) -> None:
    listening(at_page, server)
    server.send(*user_speaks("u1"))
    at_page.is_in("hearing")
    server.send(*user_stops("u1"), transcript("u1", ""))
    at_page.is_in("listening")
    expect(at_page.page.locator("#conversation li")).to_have_count(0)
    expect(at_page.page.get_by_role("heading", name="Say something.")).to_be_visible()


def test_the_reply_is_heard_whole_and_without_a_gap(at_page: Visit, server: FakeServer) -> None:
    listening(at_page, server)
    say(server, "u1", "Who are you?")
    # In one piece: of several, one may come too late where the machine is busy.
    server.send(
        *reply_begins("resp_1", "item_a1"),
        *sentence("resp_1", "item_a1", FIRST, tone(1, VOICE_HERTZ), piece_seconds=1),
        *reply_ends("resp_1", "item_a1", FIRST),
    )
    at_page.is_in("speaking")
    at_page.is_in("listening")
    rate, samples = at_page.played()
    heard = loud(samples)
    assert len(heard) / rate == pytest.approx(1.0, abs=0.005)
    assert abs(hertz(heard, rate) - VOICE_HERTZ) < 3
    level = np.sqrt(np.mean(heard[: len(heard) // 100 * 100].reshape(-1, 100) ** 2, axis=1))
    assert level.min() > 0.2, "a gap"
    assert level.max() < 0.35
    expect(entry(at_page, "item_a1").locator(".heard")).to_have_text(FIRST)
    expect(entry(at_page, "item_a1").locator(".unheard")).to_have_count(0)


def test_the_words_fill_in_as_they_are_heard(at_page: Visit, server: FakeServer) -> None:
    listening(at_page, server)
    say(server, "u1", "Who are you?")
    reply(server, 1, seconds=4)
    both = entry(at_page, "item_a1")
    expect(both.locator(".heard")).to_have_text(re.compile("rxvoice. I run"))
    unheard = both.locator(".unheard").inner_text()
    assert unheard
    assert (FIRST + SECOND).endswith(unheard)


def test_a_new_turn_stops_the_reply_at_once_and_tells_what_was_played(
    at_page: Visit, server: FakeServer
) -> None:
    listening(at_page, server)
    say(server, "u1", "Who are you?")
    reply(server, 1, seconds=20, whole=False)
    expect(entry(at_page, "item_a1").locator(".heard")).to_have_text(re.compile("I am"))
    server.send(*user_speaks("u2"))
    # What still comes of it is not played.
    server.send(*sentence("resp_1", "item_a1", " Late.", tone(1)))
    server.send(*reply_ends("resp_1", "item_a1", FIRST + SECOND, "cancelled"))
    cut = server.wait("conversation.item.truncate")
    at_page.is_in("hearing")
    rate, samples = at_page.played()
    played = seconds_of_tone(samples, rate)
    assert cut["item_id"] == "item_a1"
    assert cut["content_index"] == 0
    assert cut["audio_end_ms"] == pytest.approx(1000 * played, abs=10)
    assert 0 < cut["audio_end_ms"] < 10_000
    both = entry(at_page, "item_a1")
    assert both.get_attribute("data-state") == "cut"
    heard = both.locator(".heard").inner_text()
    assert heard.strip()
    assert (FIRST + SECOND).startswith(heard)
    expect(both.locator(".note")).to_have_text("Interrupted: the faint words were not heard")
    # The server knows better what was heard.
    kept = {"type": "conversation.item.truncated", "item_id": "item_a1", "content_index": 0}
    server.send({**kept, "audio_end_ms": cut["audio_end_ms"], "x_rxvoice": {"heard": "I am "}})
    expect(both.locator(".heard")).to_have_text("I am")
    # No more sound comes, and the next reply is heard.
    server.send(*user_stops("u2"), transcript("u2", "Stop."))
    reply(server, 2)
    expect(entry(at_page, "item_a2").locator(".heard")).to_have_text(FIRST + SECOND)
    rate, samples = at_page.played()
    assert seconds_of_tone(samples, rate) == pytest.approx(played + 1, abs=0.02)


def test_a_reply_that_may_not_be_interrupted_goes_on(at_page: Visit, server: FakeServer) -> None:
    at_page.page.get_by_role("button", name="Settings").click()
    at_page.page.get_by_label("Talking over a reply interrupts it").uncheck()
    at_page.page.get_by_role("button", name="Done").click()
    at_page.page.get_by_role("button", name="Start talking").click()
    asked = server.wait("session.update")["session"]["audio"]["input"]["turn_detection"]
    assert asked["interrupt_response"] is False
    say(server, "u1", "Who are you?")
    reply(server, 1, seconds=2)
    at_page.is_in("speaking")
    server.send(*user_speaks("u2"))
    at_page.is_in("hearing")
    expect(entry(at_page, "item_a1").locator(".heard")).to_have_text(FIRST + SECOND)
    assert "conversation.item.truncate" not in {it["type"] for it in server.received()}


@pytest.mark.parametrize("how", ["Escape", "button"])
def test_the_user_can_stop_the_reply_by_hand(how: str, at_page: Visit, server: FakeServer) -> None:
    listening(at_page, server)
    say(server, "u1", "Who are you?")
    reply(server, 1, seconds=20, whole=False)
    at_page.is_in("speaking")
    if how == "Escape":
        at_page.page.keyboard.press("Escape")
    else:
        at_page.page.get_by_role("button", name="Stop the reply").click()
    assert server.wait("response.cancel")["response_id"] == "resp_1"
    assert server.wait("conversation.item.truncate")["audio_end_ms"] < 10_000
    server.send(*reply_ends("resp_1", "item_a1", FIRST + SECOND, "cancelled"))
    at_page.is_in("listening")


def test_a_typed_message_is_answered_once_the_reply_before_is_over(
    at_page: Visit, server: FakeServer
) -> None:
    box = at_page.page.get_by_label("Type a message")
    box.fill("Who are you?")
    box.press("Enter")
    item = server.wait("conversation.item.create")["item"]
    assert item["content"] == [{"type": "input_text", "text": "Who are you?"}]
    server.wait("response.create")
    expect(entry(at_page, item["id"]).locator(".text")).to_have_text("Who are you?")
    expect(box).to_have_value("")
    reply(server, 1, seconds=20, whole=False)
    at_page.is_in("speaking")
    box.fill("And why?")
    at_page.page.get_by_role("button", name="Send").click()
    server.wait("response.cancel")
    server.wait("conversation.item.create")
    server.wait("conversation.item.truncate")
    assert server.received() == [], "asks before the server has cancelled"
    server.send(*reply_ends("resp_1", "item_a1", FIRST + SECOND, "cancelled"))
    server.wait("response.create")


def test_push_to_talk(at_page: Visit, server: FakeServer) -> None:
    page = at_page.page
    page.get_by_role("radio", name="Push to talk").check()
    talk = page.get_by_role("button", name="Hold to talk")
    talk.hover()
    page.mouse.down()
    asked = server.wait("session.update")["session"]
    assert asked["audio"]["input"]["turn_detection"] is None
    server.wait("input_audio_buffer.clear")
    at_page.is_in("hearing")
    server.wait_for_audio(RATE // 2)
    page.mouse.up()
    server.wait("input_audio_buffer.commit")
    server.wait("response.create")
    at_page.is_in("thinking")
    sent = server.samples
    assert sent >= RATE // 2
    server.send(*user_stops("u1")[1:], transcript("u1", "Who are you?"))
    reply(server, 1, seconds=20)
    at_page.is_in("speaking")
    # The space bar does the same, and interrupts.
    page.locator("#scroller").focus()
    page.keyboard.down(" ")
    cut = server.wait("conversation.item.truncate")
    assert cut["item_id"] == "item_a1"
    at_page.is_in("hearing")
    server.wait_for_audio(sent + RATE // 2)
    page.keyboard.up(" ")
    server.wait("input_audio_buffer.commit")


def test_a_push_that_is_too_short_is_no_turn(at_page: Visit, server: FakeServer) -> None:
    page = at_page.page
    page.get_by_role("radio", name="Push to talk").check()
    talk = page.get_by_role("button", name="Hold to talk")
    # Enter, as an assistive tool clicks: once to begin, once more to end.
    talk.press("Enter")
    at_page.is_in("hearing")
    server.wait_for_audio(RATE // 4)
    talk.press("Enter")
    server.wait("input_audio_buffer.commit")
    at_page.is_in("thinking")
    server.send(*user_stops("u1")[1:], transcript("u1", ""))
    reply(server, 1, seconds=0.2)
    at_page.is_in("holding")
    page.evaluate(
        "document.getElementById('talk').click(), document.getElementById('talk').click()"
    )
    expect(page.get_by_role("alert")).to_contain_text("That was too short.")
    assert "input_audio_buffer.commit" not in {it["type"] for it in server.received()}


def test_the_latencies_of_a_turn_sum(at_page: Visit, server: FakeServer) -> None:
    listening(at_page, server)
    say(server, "u1", "Who are you?")
    reply(server, 1)
    at_page.page.locator(".latency summary").click()
    names = at_page.page.locator(".parts dt").evaluate_all(
        "all => all.map(it => it.firstChild.data)"
    )
    assert names == [
        *("Turn ended", "Transcript", "First token"),
        *("First sentence", "First audio", "First heard"),
    ]
    parts = [int(it.split()[0]) for it in at_page.page.locator(".parts dd").all_inner_texts()]
    assert parts[:5] == [520, 80, 40, 25, 35]  # as the server said
    total = int(at_page.page.locator(".latency").get_attribute("data-total") or 0)
    assert sum(parts) == total
    shown = f"{total / 1000:.2f} s to the first sound"
    expect(at_page.page.locator(".latency .total")).to_have_text(shown)


def test_settings_are_sent_and_kept(at_page: Visit, server: FakeServer) -> None:
    page = at_page.page
    listening(at_page, server)
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_label("Voice", exact=True).locator("option")).to_have_text(
        ["The server’s own (joe)", "joe", "amy"]
    )

    def asked() -> dict[str, Any]:
        return server.wait("session.update")["session"]

    page.get_by_label("Voice", exact=True).select_option("amy")
    assert asked()["audio"]["output"]["voice"] == "amy"
    page.get_by_label("How fast it speaks").fill("1.25")
    assert asked()["audio"]["output"]["speed"] == 1.25
    expect(page.locator("output[for=speed]")).to_have_text("1.25 ×")
    page.get_by_label("Instructions").fill("Answer in rhymes.")
    page.get_by_label("Instructions").blur()
    assert asked()["instructions"] == "Answer in rhymes."
    page.get_by_label("Silence that ends your turn").fill("900")
    assert asked()["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 900
    page.get_by_label("How sure it must be of speech").fill("0.7")
    assert asked()["audio"]["input"]["turn_detection"]["threshold"] == 0.7
    page.get_by_label("Only words interrupt it").check()
    assert asked()["x_rxvoice"] == {"voice_activity": True, "interrupt_on": "words"}
    page.get_by_label("Replies are spoken").uncheck()
    assert asked()["output_modalities"] == ["text"]
    page.reload()
    page.get_by_role("button", name="Start talking").click()
    session = asked()
    assert session["audio"]["output"]["voice"] == "amy"
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 900
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Reset").click()
    session = asked()
    assert session["audio"]["output"]["voice"] == "joe"
    assert session["instructions"] == "You are brief."


def test_a_reply_of_text_alone_is_shown(at_page: Visit, server: FakeServer) -> None:
    listening(at_page, server)
    begun = reply_begins("resp_1", "item_a1")
    ids = {"response_id": "resp_1", "item_id": "item_a1", "output_index": 0, "content_index": 0}
    server.send(*begun[:-1], {"type": "response.output_text.delta", **ids, "delta": "Hello."})
    server.send({"type": "response.done", "response": {"id": "resp_1", "status": "completed"}})
    expect(entry(at_page, "item_a1").locator(".heard")).to_have_text("Hello.")
    at_page.is_in("listening")


def test_a_connection_that_is_lost_can_be_opened_again(at_page: Visit, server: FakeServer) -> None:
    listening(at_page, server)
    say(server, "u1", "Who are you?")
    reply(server, 1, seconds=20)
    at_page.is_in("speaking")
    server.close(1011, "the model ran out of memory")
    at_page.is_in("lost")
    alert = at_page.page.get_by_role("alert")
    expect(alert).to_contain_text("Something failed on the server.")
    expect(alert).to_contain_text("It says: the model ran out of memory.")
    assert at_page.page.locator("body").get_attribute("data-microphone") == "off"
    at_page.page.get_by_role("button", name="Reconnect").click()
    at_page.is_in("listening")
    expect(alert).to_be_hidden()
    expect(at_page.page.locator(".divide")).to_contain_text("A new conversation begins")
    assert server.sessions == 2


def test_errors_of_the_server_are_told_and_the_session_goes_on(
    at_page: Visit, server: FakeServer
) -> None:
    listening(at_page, server)
    race = {"type": "invalid_request_error", "code": "response_cancel_not_active"}
    server.send({"type": "error", "error": {**race, "message": "Cancellation failed"}})
    server.send({"type": "error", "error": {"type": "server_error", "message": "No such voice."}})
    alert = at_page.page.get_by_role("alert")
    expect(alert).to_contain_text("The server could not do that. It says: No such voice.")
    at_page.page.get_by_role("button", name="Dismiss").click()
    expect(alert).to_be_hidden()
    at_page.is_in("listening")


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (1013, "full", "The server is full"),
        (1012, "draining", "The server is restarting"),
        (1008, "", "The server ended this conversation"),
    ],
)
def test_a_refusal_is_told_in_words(
    code: int, reason: str, words: str, at_page: Visit, server: FakeServer
) -> None:
    server.refuse = code, reason
    at_page.page.get_by_role("button", name="Start talking").click()
    expect(at_page.page.get_by_role("alert")).to_contain_text(words)
    at_page.is_in("idle")
    server.refuse = None
    at_page.page.get_by_role("button", name="Reconnect").click()
    at_page.is_in("listening")


def test_a_server_that_loads_its_models_is_waited_for(at_page: Visit, server: FakeServer) -> None:
    server.refuse = 1013, "loading"
    at_page.page.get_by_role("button", name="Start talking").click()
    alert = at_page.page.get_by_role("alert")
    expect(alert).to_contain_text("still loading its models")
    expect(at_page.page.get_by_role("button", name="Reconnect")).to_be_hidden()
    server.refuse = None
    at_page.is_in("listening")
    expect(alert).to_be_hidden()


def test_the_hint_is_about_what_ends_a_reply(at_page: Visit, server: FakeServer) -> None:
    page, hint = at_page.page, at_page.page.locator("#hint")
    page.get_by_label("Type a message").fill("hello")
    page.keyboard.press("Enter")
    server.wait("response.create")
    server.send(*reply_begins("r1", "a1"), *sentence("r1", "a1", "Hello.", tone(60)))
    expect(hint).to_have_text("Esc stops the reply")
    page.get_by_role("button", name="Start talking").click()
    expect(hint).to_have_text("Talk over it to interrupt, or press Esc")


def test_a_key_is_asked_for_and_stays_in_the_tab(chrome: Browser, server: FakeServer) -> None:
    server.key = "open sesame/="  # no subprotocol could carry it
    with visit(chrome, server.url) as it:
        page = it.page
        dialog = page.get_by_role("dialog", name="API key")
        expect(dialog).to_contain_text("This server wants an API key.")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Start talking").click()
        dialog.get_by_label("The key that this server was started with").fill("wrong")
        dialog.get_by_role("button", name="Connect").click()
        expect(dialog).to_contain_text("The server does not accept this API key.")
        dialog.get_by_label("The key that this server was started with").fill(server.key)
        page.keyboard.press("Enter")
        it.is_in("listening")
        assert server.protocols == ["realtime", f"openai-insecure-api-key.{SECRET}"]
        assert page.evaluate("JSON.stringify(localStorage)") == "{}"
        page.reload()
        page.get_by_role("button", name="Start talking").click()
        it.is_in("listening")
        assert {it.split("status of ")[1] for it in it.complaints} == {"401 (Unauthorized)"}


def test_without_permission_the_page_says_so_and_one_can_type(
    chrome: Browser, server: FakeServer
) -> None:
    denied = """() => { navigator.mediaDevices.getUserMedia = () =>
        Promise.reject(new DOMException("no", window.why ?? "NotAllowedError")) }"""
    with visit(chrome, server.url) as it:
        it.page.evaluate(denied)
        it.page.get_by_role("button", name="Start talking").click()
        alert = it.page.get_by_role("alert")
        expect(alert).to_contain_text("The browser does not let this page hear you.")
        it.page.evaluate("window.why = 'NotFoundError'")
        it.page.get_by_role("button", name="Try again").click()
        expect(alert).to_contain_text("There is no microphone.")
        it.page.evaluate("window.why = 'NotReadableError'")
        it.page.get_by_role("button", name="Try again").click()
        expect(alert).to_contain_text("Another program has the microphone.")
        it.is_in("typing")
        it.page.get_by_label("Type a message").fill("hello")
        it.page.keyboard.press("Enter")
        server.wait("response.create")
        assert it.complaints == []


def test_a_microphone_that_goes_away_is_told(at_page: Visit, server: FakeServer) -> None:
    catch = """() => {
        const devices = navigator.mediaDevices;
        const open = devices.getUserMedia.bind(devices);
        devices.getUserMedia = async (wanted) => (window.stream = await open(wanted));
    }"""
    at_page.page.evaluate(catch)
    listening(at_page, server)
    settings = at_page.page.evaluate("stream.getAudioTracks()[0].getSettings()")
    assert settings["echoCancellation"] is True
    at_page.page.evaluate("stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    expect(at_page.page.get_by_role("alert")).to_contain_text("The microphone has gone.")
    at_page.is_in("typing")


def test_a_server_that_is_gone_is_told(chrome: Browser, server: FakeServer) -> None:
    with visit(chrome, server.url) as it:
        it.page.route("**/v1/models", lambda route: route.abort())
        it.page.get_by_role("button", name="Start talking").click()
        expect(it.page.get_by_role("alert")).to_contain_text("The server does not answer.")
        it.page.unroute("**/v1/models")
        it.page.get_by_role("button", name="Reconnect").click()
        it.is_in("listening")


def test_what_is_newest_stays_in_view(chrome: Browser, server: FakeServer) -> None:
    with visit(chrome, server.url, viewport={"width": 390, "height": 600}) as it:
        listening(it, server)
        for number in range(8):
            say(server, f"u{number}", f"Question {number}?")
        expect(entry(it, "u7")).to_be_in_viewport()
        server.close(1011)
        expect(it.page.get_by_role("alert")).to_be_visible()
        expect(entry(it, "u7")).to_be_in_viewport(ratio=1)
        # But not where one has scrolled back to read.
        entry(it, "u0").scroll_into_view_if_needed()
        it.page.get_by_role("button", name="Reconnect").click()
        it.is_in("listening")
        say(server, "u9", "Question 9?")
        expect(entry(it, "u9").locator(".text")).to_have_text("Question 9?")
        expect(entry(it, "u0")).to_be_in_viewport()


def test_a_new_conversation_begins_empty(at_page: Visit, server: FakeServer) -> None:
    listening(at_page, server)
    say(server, "u1", "Who are you?")
    at_page.page.get_by_role("button", name="New conversation").click()
    server.wait("closed")
    server.wait("session.update")
    at_page.is_in("listening")
    expect(at_page.page.locator("#conversation li")).to_have_count(0)
    assert server.sessions == 2
