"""The same sentences however the text arrives, none lost, each as soon as it is certain."""

from __future__ import annotations

import random
import unicodedata

import pytest
from thorough import THOROUGH

from rxvoice._text import segmenter as segmenter
from rxvoice._text.segmenter import Segmenter
from rxvoice.errors import ConfigError

# Language, then the sentences of a text; a space or a newline between them is written out.
CASES: list[tuple[str, list[str]]] = [
    ("en", ["Hello there. ", "How are you?"]),
    ("en", ["Pi is about 3.14 or 3.5. ", "That is enough."]),
    ("en", ["It costs $1,000.50. ", "That is a lot!"]),
    ("en", ["Version v1.2.3 is out. ", "Update now."]),
    ("en", ["Dr. Smith met Mr. and Mrs. Jones. ", "They talked."]),
    ("en", ["Prof. Lee lives on St. James Street. ", "Call him."]),
    ("en", ["Bring fruit, e.g. Apples or pears, i.e. Food. ", "Thanks."]),
    ("en", ["Pens, paper, etc. are here. ", "Take some."]),
    ("en", ["We need pens, paper, etc. ", "Then we can start."]),
    ("en", ["He joined the U.S. Army in 1990. ", "Then he left."]),
    ("en", ["I live in the U.S. ", "It is big."]),
    ("en", ["I live in the U.S. but I work in the U.K. ", "They differ."]),
    ("en", ["We met at 9 a.m. on Monday. ", "It rained."]),
    ("en", ["The shop closes at 5 p.m. ", "Bring cash."]),
    ("en", ["The call is at 5 p.m. EST today. ", "Join us."]),
    ("en", ["It starts at 7 a.m. Monday. ", "Be there."]),
    ("en", ["J. R. R. Tolkien wrote it. ", "C. S. Lewis read it."]),
    ("en", ["Did J. A. Smith write it? ", "So says I. M. Pei."]),
    ("en", ["George W. Bush spoke. ", "Nobody left."]),
    ("en", ["We must go to plan B. ", "The first one failed."]),
    ("en", ["See example.com for more. ", "Run main.py first."]),
    ("en", ["Open https://example.com/a.html?x=1.5&y=2. ", "Then log in."]),
    ("en", ["Node.js and ASP.NET are fine. ", "Use either."]),
    ("en", ["Chanel No. 5 is a scent. ", "Buy it."]),
    ("en", ["No. ", "I did not."]),
    ("en", ["It is Ali vs. Frazier tonight. ", "Watch it."]),
    ("en", ["1. First, open it. \n", "2. Second, close it."]),
    ("en", ["1. Preheat the oven.\n", "2. Mix it.\n", "3. Bake."]),
    ("en", ["It happened in 1990. ", "Then came 1991."]),
    ("en", ["Wait... what? ", "Yes."]),
    ("en", ["Wait... ", "Then he left."]),
    ("en", ["Well… maybe not. ", "Perhaps…"]),
    ("en", ["I wonder… ", "Never mind."]),
    ("en", ["What?! ", "No!! ", "Really?!? ", "Yes."]),
    ("en", ['He said "Stop!" ', "Then he left."]),
    ("en", ['"Stop!" he said. ', "Then he left."]),
    ("en", ["“Is it late?” she asked. ", "“It is.” ", "Nobody moved."]),
    ("en", ["(Really?) ", "Yes."]),
    ("en", ["He left (at last!) and slept. ", "Good."]),
    ("en", ["He left. ", "(She stayed.) ", "It rained."]),
    ("en", ["He called it 'done.' ", "She laughed."]),
    ("en", ["**Important!** ", "Read *this.* ", "Then go."]),
    ("en", ["Here is a list:\n", "- apples\n", "- pears\n\n", "That is all."]),
    ("en", ["A heading\n\n", "A paragraph. ", "Another sentence."]),
    ("en", ["Smith et al. proved it. ", "Fine."]),
    ("en", ["Apple Inc. is big. ", "So is Ford Motor Co. ", "They grow."]),
    ("en", ["Martin Luther King Jr. spoke. ", "We listened."]),
    ("en", ["See Fig. 3 on pp. 5 and 6. ", "It helps."]),
    ("en", ["On Jan. 5 we met Gen. Grant. ", "He smiled."]),
    ("en", ["She has a Ph.D. in physics. ", "He has none."]),
    ("en", ["It weighs approx. 5 kg. ", "20 people lifted it."]),
    ("en", ["The temperature is -3.5 °C. ", "It feels like -10."]),
    ("en", ["Mt. Everest is 8,848 m. ", "Nobody lives there."]),
    ("en", ["Is this Roe v. Wade? ", "It is."]),
    ("en", ["I am 25. ", "She is 30."]),
    ("en", ["hello there. ", "how are you? ", "i am fine."]),
    ("en", ["it takes approx. five u.s. dollars. ", "ok then."]),
    ("en", ["It is done. ", "*Really* done."]),
    ("de", ["Am 3. Oktober ist frei. ", "Das freut alle."]),
    ("de", ["Das gilt z.B. Berlin und d.h. auch Bonn. ", "Gut."]),
    ("de", ["Das gilt z. B. in Berlin. ", "Gut."]),
    ("de", ["Dr. Müller kommt um 8 Uhr. ", "Er wohnt in Nr. 5."]),
    ("de", ["Äpfel, Birnen usw. liegen da. ", "Nimm sie."]),
    ("de", ["„Halt!“ rief er. ", "„Wer da?“ ", "Niemand kam."]),
    ("de", ["Im 19. Jahrhundert war das so. ", "Heute nicht."]),
    ("de", ["Es kostet 1.000,50 Euro. ", "Das sind ca. 5 Mio. Yen."]),
    ("fr", ["M. Dupont est là. ", "Mme. Curie aussi."]),
    ("fr", ["« Vraiment ? » dit-il. ", "« Oui ! » ", "Il rit."]),
    ("fr", ["Quoi ? ", "C'est vrai ! ", "Bien."]),
    ("fr", ["Il faut du pain, du lait, etc. et du vin. ", "Merci."]),
    ("fr", ["Écoute… ", "Tu entends ? ", "Non."]),
    ("es", ["Hola. ", "¿Qué tal? ", "¡Muy bien!"]),
    ("es", ["El Sr. García y la Sra. López llegaron. ", "Comieron."]),
    ("es", ["Vive en EE. UU. desde 1990. ", "Le gusta."]),
    ("es", ["¿Vienes? —preguntó Ana. ", "No dije nada."]),
    ("zh", ["你好。", "今天天气很好！", "你去吗？", "好"]),
    ("zh", ["他说：“你好。”", "然后走了。"]),
    ("zh", ["真的吗？！", "太好了！！", "走吧。"]),
    ("zh", ["圆周率是3.14。", "版本是v1.2.3。", "好的。"]),
    ("zh", ["你好!", "我很好.", "走吧."]),
    ("zh", ["等等……", "我来了。"]),
    ("zh", ["第一，打开（慢慢地。）", "第二，关上。"]),
    ("zh", ["他说“好。”", "OK，走吧。"]),
    ("zh", ["“你好！”，他说。", "好。"]),
    ("zh", ["步骤1.打开它。", "好。"]),
    ("zh", ["我看过《摔跤吧！爸爸》。", "好看。"]),
    ("ja", ["今日は。", "元気ですか？", "はい！"]),
    ("ja", ["「行こう。」", "彼は言った。", "『はい！』", "終わり。"]),
    ("ja", ["価格は1.5万円です。", "高いですね。"]),
    ("ja", ["Python 3.12を使います。", "example.comを見てください。", "以上"]),
    ("ja", ["〔行こう。〕", "終わり．", "次．"]),
    ("el", ["Γεια σας. ", "Τι κάνετε; ", "Καλά, εσείς;"]),
    ("el", ["«Πού είσαι;» ", "Εδώ. ", "Ναι; είπε."]),
    ("el", [unicodedata.normalize("NFD", "Τι μέρα είναι εκεί; "), "Τρίτη."]),
    ("el", ["Τι κάνετε\u037e ", "Καλά."]),
    ("ru", ["Он сказал: «Да»; Пётр ушёл; Всё. ", "Конец."]),
    ("en", ["The letter α; then β. ", "Yes; but no; maybe."]),
    ("hy", ["Բարեւ Ձեզ։ ", "Ինչպե՞ս եք։", "Լավ։"]),
    ("hy", ["Բարեւ Ձեզ: ", "Լավ եմ: ", "Այո"]),
    ("ar", ["كيف حالك؟ ", "أنا بخير، شكرًا. ", "قال د. محمد نعم!"]),
    ("ur", ["آپ کیسے ہیں؟ ", "میں ٹھیک ہوں۔ ", "شکریہ۔"]),
    ("he", ["מה שלומך? ", "טוב, תודה. ", "א. ב. יהושע כתב."]),
    ("hi", ["नमस्ते दोस्त। ", "आप कैसे हैं? ", "मैं ठीक हूँ।", "धन्यवाद॥"]),
    ("hi", ["यह 3.5 है। ", "ए. पी. जे. कलाम आए।"]),
    ("bn", ["কেমন আছো? ", "ভালো। ", "ধন্যবাদ।"]),
    ("my", ["မင်္ဂလာပါ။", "နေကောင်းလား၊ ကောင်းပါတယ်။ ", "ဟုတ်ကဲ့။"]),
    ("km", ["សួស្តី។ ", "អ្នកសុខសប្បាយទេ? ", "បាទ៕"]),
    ("am", ["ሰላም፣ እንዴት ነህ፧ ", "ደህና ነኝ።", "አመሰግናለሁ።"]),
    ("bo", ["བཀྲ་ཤིས་བདེ་ལེགས།། ", "ཁྱེད་རང་བདེ་པོ་ཡིན་པས། ", "ཡིན།"]),
    ("mn", ["ᠰᠠᠶᠢᠨ᠃ ", "ᠪᠠᠢᠨ᠎ᠠ᠃"]),
    ("jv", ["ꦱꦸꦒꦼꦁ꧉", "ꦩꦠꦸꦂ꧉"]),
    ("th", ["สวัสดีครับ วันนี้อากาศดีมากเลยนะครับ ", "เราไปเที่ยวกันไหม"]),
    ("th", ["วันนี้ ราคา 13.50 บาท ในปี พ.ศ. 2567 นะครับ ", "ตกลงไหม? ", "ดี"]),
    ("lo", ["ສະບາຍດີ ມື້ນີ້ອາກາດດີຫຼາຍເດີ້ ", "ເຈົ້າ ສະບາຍດີບໍ່"]),
    ("vi", [unicodedata.normalize("NFD", "Ông ấy đến. "), "Được không?"]),
    ("en", ["Really‽ ", "Wow⁉ ", "Wait⋯ ", "Then go."]),
]
TEXTS = ["".join(parts) for _, parts in CASES]
PIECES = [
    *"  \n\n..!?…,;:-–—*_#()[]\"'“”„«»0137aBé😀。！？；，、「」』《》（）好の",
    *["Dr.", "U.S.", "p.m.", " The", " then", "e.g.", "No. 5", "3.5", "...", " Bob", "etc."],
]


def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The characters that are looked at one by one, as they are."""
    seen: list[str] = []
    step = Segmenter._step

    def counted(self: Segmenter, char: str) -> None:
        seen.append(char)
        step(self, char)

    monkeypatch.setattr(Segmenter, "_step", counted)
    return seen


def run(deltas: list[str], **options: int) -> list[str]:
    cutter = Segmenter(**options)
    return [sentence for delta in deltas for sentence in cutter.feed(delta)] + cutter.flush()


def random_texts(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    soups = ["".join(rng.choices(PIECES, k=rng.randint(0, 60))) for _ in range(count)]
    return soups + ["".join(rng.choices(TEXTS, k=3)) for _ in range(count)]


def random_cut(text: str, rng: random.Random) -> list[str]:
    cuts = sorted(rng.choices(range(len(text) + 1), k=rng.randint(0, 12)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@pytest.mark.parametrize(("language", "parts"), CASES)
def test_tricky_texts(language: str, parts: list[str]) -> None:
    assert run(["".join(parts)]) == [part.strip() for part in parts], language


@pytest.mark.parametrize("options", [{}, {"first_clause_chars": 8}, {"max_chars": 12}])
def test_the_same_sentences_however_the_text_was_cut(options: dict[str, int]) -> None:
    rng = random.Random(1)
    for text in [*TEXTS, *random_texts(2, 300)]:
        whole = run([text], **options)
        assert run(list(text), **options) == whole
        for _ in range(4):
            assert run(random_cut(text, rng), **options) == whole


@pytest.mark.parametrize(
    "options",
    [{}, {"first_clause_chars": 1}, {"first_clause_chars": 20}, {"max_chars": 1}, {"max_chars": 9}],
)
def test_nothing_is_lost_and_nothing_is_empty(options: dict[str, int]) -> None:
    for text in random_texts(3, 1000 if THOROUGH else 250):
        sentences = run([text], **options)
        assert "".join("".join(sentences).split()) == "".join(text.split())
        assert all(sentence and sentence == sentence.strip() for sentence in sentences)


@pytest.mark.parametrize(
    ("held", "telling"),
    [
        ("It rained. ", "W"),
        ("It rained. ", '"'),
        ("Really?! ", "Y"),
        ('He said "Stop!" ', "T"),
        ("(Really?) ", "Y"),
        ("Wait... ", "T"),
        ("No. ", "I"),
        ("A title", "\n"),
        ("It rained.", "\n"),
        ("We met at 5 p.m. Bob", " "),
        ("I live in the U.S. It", " "),
        ("你好。", "我"),
        ("你好。", "“"),
        ("你好。”", "我"),
        ("等等……", "我"),
        ("「はい！」", "「"),
    ],
)
def test_handed_over_with_the_first_character_that_makes_it_certain(
    held: str, telling: str
) -> None:
    cutter = Segmenter()
    assert cutter.feed(held) == []
    assert len(cutter.feed(telling)) == 1


@pytest.mark.parametrize(("language", "parts"), CASES)
def test_never_waits_for_more_than_a_word_of_the_next_sentence(
    language: str, parts: list[str]
) -> None:
    for last in range(len(parts) - 1):
        begun, upcoming = "".join(parts[: last + 1]), parts[last + 1]
        word = len(upcoming.split()[0]) + 1
        cutter = Segmenter()
        assert len(cutter.feed(begun + upcoming[:word])) > last, language


@pytest.mark.parametrize(
    ("text", "least", "expected"),
    [
        ("Well, that is it. Or not, maybe.", 4, ["Well,", "that is it.", "Or not, maybe."]),
        ("Well, that is it.", 5, ["Well, that is it."]),
        ("Well, yes, that, too.", 5, ["Well, yes,", "that, too."]),
        ("Fine. Then, we go.", 4, ["Fine.", "Then, we go."]),
        ("It is 1,000.50 at 10:30, so pay.", 4, ["It is 1,000.50 at 10:30,", "so pay."]),
        ('"Sure," he said.', 3, ['"Sure,"', "he said."]),
        ("**Note:** do it; now.", 3, ["**Note:**", "do it; now."]),
        ("One – two – three.", 3, ["One –", "two – three."]),
        ("- , a list, here.", 1, ["- , a list,", "here."]),
        ("好的，我来，马上。", 2, ["好的，", "我来，马上。"]),
        ("好的（嗯，）我来。", 2, ["好的（嗯，）", "我来。"]),
        ("Yes, approx. five.", 3, ["Yes,", "approx. five."]),
    ],
)
def test_first_clause(text: str, least: int, expected: list[str]) -> None:
    assert run([text], first_clause_chars=least) == expected


def test_first_clause_is_handed_over_early_and_once_per_text() -> None:
    cutter = Segmenter(first_clause_chars=4)
    assert cutter.feed("Well,") == []
    assert cutter.feed(" ") == ["Well,"]
    assert cutter.feed("then, yes") == []
    assert cutter.flush() == ["then, yes"]
    assert cutter.feed("Well, then") == ["Well,"]


def test_flush_completes_the_word_that_was_awaited() -> None:
    assert run(["I live in the U.S. He"]) == ["I live in the U.S.", "He"]
    assert run(["I live in the U.S. Bob"]) == ["I live in the U.S. Bob"]


def test_a_newline_closes_what_was_left_open() -> None:
    assert run(["《摔跤\n好。好！"]) == ["《摔跤", "好。", "好！"]


def test_any_number_of_closing_brackets_belongs_to_the_sentence() -> None:
    brackets = ")" * 100
    assert run([f"Hi.{brackets} Bob."]) == [f"Hi.{brackets}", "Bob."]


def test_flush_starts_afresh() -> None:
    cutter = Segmenter()
    assert cutter.flush() == []
    assert cutter.feed('《An "open «quotation. And ') == []
    assert cutter.flush() == ['《An "open «quotation. And']
    assert cutter.feed("好。好") == ["好。"]
    assert cutter.flush() == ["好"]
    assert cutter.flush() == []


def test_marks_alone_are_no_sentence() -> None:
    assert run(["- \n* \n- one\n\n---\n"]) == ["- \n* \n- one", "---"]
    assert run(["!!! Hello. 😀\nBye."]) == ["!!! Hello.", "😀\nBye."]


@pytest.mark.parametrize("least", [0, -3, True, 2.5, "8"])
def test_bad_first_clause_chars(least: object) -> None:
    with pytest.raises(ConfigError, match=r"first_clause_chars .* at least 1 character, got"):
        Segmenter(first_clause_chars=least)  # type: ignore[arg-type]


class Tally:
    """Adds up work and fails as soon as there is more than there may be."""

    def __init__(self, most: int) -> None:
        self.left = most

    def add(self, work: int) -> None:
        self.left -= work
        assert self.left >= 0, "held text is read again and again"


class Counted(list[str]):
    """Held text that tallies how much of it is read."""

    tally: Tally

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        found = super().__getitem__(key)
        self.tally.add(len(found))
        return found

    def __iter__(self):  # type: ignore[no-untyped-def]
        for char in super().__iter__():
            self.tally.add(1)
            yield char


UNITS = ["a", "a ", "a, ", ". ", "!", "x.", "Hi)", "Hi.(", "Dr. ", "U.S. ", "U.S. Bob ", "e.g.5"]
UNITS += ["Hi. ", "Hi.\n", "-\n", "1. ", "- ", '"', "好", "好。"]


@pytest.mark.parametrize("unit", UNITS)
def test_work_is_linear_in_the_text(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 20_000
    # A judged mark reads 48 characters back; reading all that is held each time would be 2e8.
    tally = Tally(120 * size)

    def text_of(chars: list[str]) -> str:
        tally.add(len(chars))
        return "".join(chars)

    monkeypatch.setattr(segmenter, "_text", text_of)
    cutter = Segmenter(first_clause_chars=size)
    held = cutter._held = Counted()
    held.tally = tally
    for char in (unit * size)[:size]:
        cutter.feed(char)
    assert tally.left < 120 * size
    assert cutter._held is held


# Long texts


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("one two three four five six", 12, ["one two", "three four", "five six"]),
        ("onetwothreefour", 6, ["onetw", "othre", "efour"]),
        ("ab,cdefghijk", 4, ["ab,", "cde", "fgh", "ijk"]),
        ("今天天气，很好所以我们出去", 6, ["今天天气，", "很好所以我", "们出去"]),
        ("ภาษาไทยไม่มีช่องว่างระหว่างคำ", 12, ["ภาษาไทย", "ไม่มีช่อง", "ว่างระหว่าง", "คำ"]),
        ("Hi. " + "x" * 9, 6, ["Hi. x", "xxxxx", "xxx"]),
        ("Hi.          Bye", 6, ["Hi.", "Bye"]),
        ("\u0915" * 5 + "\u0947" + "\u0915", 6, ["\u0915" * 4, "\u0915\u0947\u0915"]),
        ("aaa👩\u200d👧b", 6, ["aaa", "👩\u200d👧b"]),
        ("aaaa👍🏽b", 6, ["aaaa", "👍🏽b"]),
        ("a" + "\u0301" * 200, 100, None),
    ],
)
def test_a_sentence_that_is_too_long_is_cut(
    text: str, most: int, expected: list[str] | None
) -> None:
    found = run([text], max_chars=most)
    assert all(len(sentence) <= most for sentence in found)
    if expected is not None:
        assert found == expected


def test_a_megabyte_without_an_end_is_cut_as_it_comes() -> None:
    cutter = Segmenter()
    found = cutter.feed("word " * 200_000)
    assert len(found) == 1000
    assert {len(sentence) for sentence in found} == {999}
    assert len(cutter.flush()) <= 1


def test_what_tells_nothing_is_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = steps(monkeypatch)
    text = "A sentence of some words is this one here. "
    Segmenter().feed(text * 1000)
    assert len(seen) < 5 * 1000
    seen.clear()
    Segmenter(first_clause_chars=3).feed(" \n" * 10_000 + "x" * 10_000 + " " * 10_000)
    assert len(seen) <= 1000 + 1


def test_no_more_is_read_than_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = steps(monkeypatch)
    found = Segmenter().cut("One. Two. " * 100_000)
    assert [next(found), next(found)] == ["One.", "Two."]
    assert len(seen) < 20
    seen.clear()
    assert next(Segmenter().cut("?! " * 100_000)) == "?! " * 332 + "?!"
    assert len(seen) <= 1000


@pytest.mark.parametrize("most", [0, -1, 1.5, True, "9"])
def test_a_longest_sentence_that_is_none(most: object) -> None:
    with pytest.raises(ConfigError) as raised:
        Segmenter(max_chars=most)  # type: ignore[arg-type]
    assert str(raised.value) == (
        f"max_chars must be a whole number of at least 1 character, got {most!r}"
    )
