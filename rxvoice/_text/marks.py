"""The marks that end a sentence, close it or continue it, in every script."""

from __future__ import annotations

import re
from typing import Final

# Marks that end a sentence whatever follows: Unicode's Sentence_Terminal without the marks that
# English uses and without the Burmese comma, and the marks of Tibetan, Thai and Hebrew verse.
HARD: Final = "。！？｡︒﹖﹗։؝؞؟۔܀܁܂߹࠷࠹࠽࠾।॥။።፧፨᙮᜵᜶។៕᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᭽᭾᭿᰻᰼᱾᱿꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫།༎༏༐༑๚๛׃"
SHOUT: Final = "?!\u037e‼‽⁇⁈⁉．"  # end a sentence unless lower case follows
# Typed in place of the Greek question mark (also by Unicode normalization) and the Armenian stop.
ALIKE: Final = {";": re.compile(r"[Ͱ-Ͽἀ-῾]\Z"), ":": re.compile(r"[Ա-և]\Z")}
# Thai and Lao have no mark for the end. A space ends a sentence that is long enough.
UNMARKED: Final = "".join(map(chr, range(0x0E01, 0x0F00)))
MARKS: Final = HARD + SHOUT + ".…⋯‥" + "".join(ALIKE) + UNMARKED  # may end a sentence
NEWLINES: Final = "\n\r\u2028\u2029"
BRACKETS: Final = ")]}）】》〉］｝」』”〕〗〙〛〞〟﹂﹄༽"
CLOSERS: Final = BRACKETS + "’'*_`\"“«»›"
EITHER: Final = '"“«»'  # open or close a quotation, by language and place
PAIRS: Final = {'"': '"', "«": "»", "»": "«", "《": "》"}
JOINERS: Final = ",;:&–—-，；：、،؛፣፤၊՝"  # no sentence begins with one
