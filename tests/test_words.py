"""Words, letters and borders in every script, composed and decomposed."""

from unicodedata import normalize

import pytest

from rxvoice._text.words import has_letters, letters, up_to_grapheme, up_to_word, words

FORMS = ("NFC", "NFD")

# Script, words of one text.
TEXTS = [
    ("Latin", "Où est l’été, naïve Ærø?", ["où", "est", "lété", "naïve", "ærø"]),
    ("Vietnamese", "Tiếng Việt dễ.", ["tiếng", "việt", "dễ"]),
    ("Greek", "Καλημέρα· τι κάνεις;", ["καλημέρα", "τι", "κάνεισ"]),
    ("Cyrillic", "Ещё п'ять йодів!", ["ещё", "пять", "йодів"]),
    ("Armenian", "Բարի գալուստ։", ["բարի", "գալուստ"]),
    ("Georgian", "გამარჯობა მსოფლიო.", ["გამარჯობა", "მსოფლიო"]),
    ("Arabic", "مَرحبًا، كيف حالك؟", ["مَرحبًا", "كيف", "حالك"]),
    ("Persian", "می‌خواهم بروم.", ["میخواهم", "بروم"]),
    ("Hebrew", 'שָׁלוֹם, צה"ל צה״ל', ["שָׁלוֹם", "צהל", "צהל"]),
    ("Devanagari", "नमस्ते दोस्त। रुको!", ["नमस्ते", "दोस्त", "रुको"]),
    ("Bengali", "কেমন আছো?", ["কেমন", "আছো"]),
    ("Tamil", "வணக்கம் நண்பரே", ["வணக்கம்", "நண்பரே"]),
    ("Thai", "สวัสดีครับ วันนี้", ["สวัสดี", "ครับ", "วัน", "นี้"]),
    ("Lao", "ສະບາຍດີ", ["ສະບາຍດີ"]),
    ("Khmer", "សួស្តីពិភពលោក។", ["សួស្តី", "ពិភពលោក"]),
    ("Burmese", "မင်္ဂလာပါ။", ["မင်္ဂလာ", "ပါ"]),
    ("Tibetan", "བཀྲ་ཤིས།", ["བཀྲ", "ཤིས"]),
    ("Ethiopic", "ሰላም፡ለዓለም።", ["ሰላም", "ለዓለም"]),
    ("Chinese", "你好，there。", ["你", "好", "there"]),
    ("Japanese", "コーヒーを、ガラスで", ["コーヒー", "を", "ガラス", "で"]),
    ("Korean", "안녕하세요, 세계!", ["안녕하세요", "세계"]),
]


def composed(found: list[str]) -> list[str]:
    return [normalize("NFC", word) for word in found]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("script", "text", "wanted"), TEXTS, ids=[case[0] for case in TEXTS])
def test_words_of_every_script(script: str, text: str, wanted: list[str], form: str) -> None:
    assert words(normalize(form, text)) == composed(wanted)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("script", "text", "_"), TEXTS, ids=[case[0] for case in TEXTS])
def test_no_cut_is_within_a_word(script: str, text: str, _: list[str], form: str) -> None:
    text = normalize(form, text)
    for length in range(len(text) + 1):
        cut = up_to_word(text, length)
        assert cut <= length
        assert words(text[:cut]) + words(text[cut:]) == words(text)
        assert cut == up_to_grapheme(text, cut)


@pytest.mark.parametrize(
    ("text", "length", "wanted"),
    [
        ("नमस्ते दोस्त।", 6, "नमस्ते"),
        ("नमस्ते दोस्त।", 11, "नमस्ते"),
        ("สวัสดี", 5, ""),
        ("สวัสดี", 6, "สวัสดี"),
        ("สวัสดีครับ", 8, "สวัสดี"),
        ("It is $13.50.", 9, "It is"),
        ("It is $13.50.", 12, "It is $13.50"),
        ("13,50 € und mehr", 2, ""),
        ("It fell 50% then", 10, "It fell"),
        ("At 10:30 or", 6, "At"),
        ("On 2024-05-01", 10, "On"),
        ("à 1\u202f000\u202f000 près", 7, "à"),
        ("१३.५० रुपये", 2, ""),
        ("١٣٫٥٠ ريال", 5, "١٣٫٥٠"),
        ("Well, I don't", 10, "Well, I"),
        ("你好吗。", 2, "你好"),
        ("cafe\u0301 noir", 4, ""),
        ("👍🏽 ok then", 5, "👍🏽 ok"),
    ],
)
def test_a_text_is_cut_after_the_last_whole_word(text: str, length: int, wanted: str) -> None:
    assert text[: up_to_word(text, length)] == wanted


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("don't", "DON’T"),
        ("ＯＫ", "ok"),
        ("STRASSE", "straße"),
        ("ﬁne", "fine"),
        ("co\u00adop", "coop"),
        ("$13.50", "13.50€"),
        ("stop.", "\u202bstop\u202c!"),
        ("ｶﾞﾗｽ", "ガラス"),
        ("한국", normalize("NFD", "한국")),
    ],
)
def test_what_sounds_alike_is_equal(one: str, other: str) -> None:
    assert words(one) == words(other) != []


@pytest.mark.parametrize(
    ("one", "other"), [("रुको", "रुका"), ("на", "но"), ("3,5", "35"), ("u", "ü"), ("か", "が")]
)
def test_what_sounds_otherwise_is_not(one: str, other: str) -> None:
    for form in FORMS:
        assert words(normalize(form, one)) != words(normalize(form, other))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("10:30 2024-05-01 1/2", ["10:30", "2024-05-01", "1/2"]),
        ("a1/2b", ["a1/2b"]),
        ("Stop.Now snake_case", ["stop", "now", "snake", "case"]),
        ("_it_ **is**", ["it", "is"]),
        ("👨‍👩‍👧‍👦 🇩🇪🇫🇷 👍🏽 — …", []),
        ("a\ud83d b", ["a", "b"]),
        ("らーめん", ["ら", "め", "ん"]),
        ("", []),
    ],
)
def test_words_of_other_things(text: str, wanted: list[str]) -> None:
    assert words(text) == wanted


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("été", 3),
        ("को", 1),
        ("สวัสดี", 4),
        ("한국", 2),
        ("👍🏽 🇩🇪…", 0),
        ("a1!", 2),
        ("१३", 2),
        ("", 0),
    ],
)
def test_letters_are_what_people_count(text: str, wanted: int, form: str) -> None:
    assert letters(normalize(form, text)) == wanted


def test_one_letter_may_be_all_that_is_said_where_there_are_no_spaces() -> None:
    assert all(has_letters(text, 2) for text in ("停", "え", "ไป", "ok", "no", "ဟ"))
    assert not any(has_letters(text, 2) for text in ("a", "é", "…", "。", "👍🏽", ""))
    assert has_letters("", 0)


def test_graphemes_are_not_cut() -> None:
    text = "e\u0301👍🏽👨‍👩‍👧🇩🇪को"
    borders = {up_to_grapheme(text, length) for length in range(len(text) + 1)}
    assert [text[a:b] for a, b in zip(sorted(borders), sorted(borders)[1:], strict=False)] == [
        "e\u0301", "👍🏽", "👨‍👩‍👧", "🇩🇪", "को",
    ]  # fmt: skip
