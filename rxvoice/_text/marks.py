"""The characters that end a sentence, close one or go on with it, in every script."""

from __future__ import annotations

import re
from typing import Final

# End a sentence whatever follows: Unicode's Sentence_Terminal but for what English shares, and but
# for the Burmese comma; with the marks of Tibetan, Thai and Hebrew verse.
HARD: Final = "。！？｡︒﹖﹗։؝؞؟۔܀܁܂߹࠷࠹࠽࠾।॥။።፧፨᙮᜵᜶។៕᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᭽᭾᭿᰻᰼᱾᱿꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫།༎༏༐༑๚๛׃"
SHOUT: Final = "?!\u037e‼‽⁇⁈⁉．"  # end one unless lower case follows
# As is typed for the Greek question mark (and what Unicode makes of it), and for the Armenian stop.
ALIKE: Final = {";": re.compile(r"[Ͱ-Ͽἀ-῾]\Z"), ":": re.compile(r"[Ա-և]\Z")}
# Thai and Lao, which mark no end: a space does, in what is long enough for one.
UNMARKED: Final = "".join(map(chr, range(0x0E01, 0x0F00)))
MARKS: Final = HARD + SHOUT + ".…⋯‥" + "".join(ALIKE) + UNMARKED  # may end one
NEWLINES: Final = "\n\r\u2028\u2029"
BRACKETS: Final = ")]}）】》〉］｝」』”〕〗〙〛〞〟﹂﹄༽"
CLOSERS: Final = BRACKETS + "’'*_`\"“«»›"
EITHER: Final = '"“«»'  # open or close, by language and place
PAIRS: Final = {'"': '"', "«": "»", "»": "«", "《": "》"}
JOINERS: Final = ",;:&–—-，；：、،؛፣፤၊՝"  # no sentence begins with one
