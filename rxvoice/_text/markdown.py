"""The inline parts of Markdown, found by markdown-it, with their places in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType

_URL: Final = r"(?:https?://|www\.)[!#-;=?-Z_a-z~]*[#-%/-9=@-Z_a-z~+-]"
_AT_URL: Final = re.compile(_URL, re.IGNORECASE)
_TEXT: Final = re.compile(  # plain text, up to markup or an address
    r"(?:(?!(?<![^\W_])(?:https?://|www\.))[^\n!$&*<\[\\\]_`~])+", re.IGNORECASE
)
_MATH: Final = re.compile(
    r"\$\$(?P<block>.+?)\$\$|\\\((?P<round>.+?)\\\)|\\\[(?P<square>.+?)\\\]"
    # "$5, or 5$" is money, "$5x^2$" is not
    r"|\$(?=[^\s\d]|[^\s$]*[\\^_={}][^\s$]*\$)(?P<dollar>[^$\n]*?[^\s$])\$(?!\d)"
)
_CHAT: Final = re.compile(  # marks of the templates of chat models
    r"<\|(?:im_start|start_header_id)\|>(?:system|user|assistant|tool)?|<\|[^\s|<>]{1,40}\|>"
    r"|<｜[^\s｜<>]{1,40}｜>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_\w{1,20}>"
    r"|<(?:bos|eos|pad|unk|eot|eom)>"
)
_HIDES: Final = re.compile(r"<!--|<(think|thinking|script|style)\b[^<>]*>", re.IGNORECASE)
_FOOTNOTE: Final = re.compile(r"\[\^[^\]\s]+\]")
_REFERENCE: Final = re.compile(r"\[([^\[\]]+)\]\[[^\[\]]*\]")
_ARITHMETIC: Final = re.compile(  # "2*3", "a*b", "2**(n+1)"
    r"(?:(?<=\d)|(?<=\))|(?<=\b[A-Za-z]))\*{1,2}(?=\d|\(|[A-Za-z]\b)"
)
_BREAK: Final = re.compile(r"<br\b|</(?:p|div|li|tr|h[1-6])\b", re.IGNORECASE)
_AT_TAG: Final = re.compile(r"<[A-Za-z/!?|｜<]")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a text, from `start` to before `end`.

    Args:
        said: what a voice says for it; "" for markup.
        literal: whether it is plain text, so that the voice may say some of it.
        hides: if this part begins text that is not for people, the mark that ends that text.
    """

    start: int
    end: int
    said: str = ""
    literal: bool = False
    hides: str = ""

    def moved(self, by: int, length: int) -> Part:
        """The same part with its place shifted by `by`, and cut to a text of this length."""
        start, end = max(0, self.start + by), min(self.end + by, length)
        cut = self.said[start - by - self.start : end - by - self.start]
        return replace(self, start=start, end=end, said=cut if self.literal else self.said)


def parse(text: str) -> tuple[list[Part], str]:
    """The parts of a stretch of a line, and the characters that may close marks still open."""
    state = StateInline(text, _parser(), {}, [])
    state.md.inline.tokenize(state)
    return [part for token in state.tokens for part in _parts(token)], state.env.get("open", "")


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark")
    parser.inline = _Inline()
    rules = parser.inline.ruler
    rules.at("text", _text)
    for before, name, rule in (
        ("text", "address", _address),
        ("escape", "math", _math),
        ("link", "hidden", _hidden),
        ("link", "reference", _reference),
    ):
        rules.before(before, name, rule)
    rules.at("emphasis", _mark)
    rules.at("strikethrough", _mark)
    return parser


class _Inline(ParserInline):
    """Notes on each token its place, and on the state the marks that are still open."""

    def tokenize(self, state: StateInline) -> None:
        rules = self.ruler.getRules("")
        while state.pos < state.posMax:
            start, made = state.pos, len(state.tokens)
            if not any(rule(state, False) for rule in rules):
                _opens(state)
                state.pending += state.src[start]
                state.pos += 1
            elif state.pending.strip("`") == "" and state.pending:
                state.env["open"] = "`"
            if state.pending:
                state.pushPending()
            for token in state.tokens[made:]:
                token.meta.setdefault("at", (start, state.pos))

    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        state = StateInline(src, md, {}, tokens)
        self.tokenize(state)
        return state.tokens


def _opens(state: StateInline) -> None:
    """Note what may close the mark at this place, if the mark may open something."""
    src, pos = state.src, state.pos
    closes = ""
    if src[pos] == "[":
        end = state.md.helpers.parseLinkLabel(state, pos)
        if end < 0:
            closes = "]"
        elif src.startswith("(", end + 1) and ")" not in src[end:]:
            closes = ")"
    elif src[pos] == "<" and _AT_TAG.match(src, pos) and ">" not in src[pos:]:
        closes = ">"
    elif src[pos] == "$" and re.match(r"\$\$?[^\s\d$]", src[pos:]):
        closes = "$"
    state.env["open"] = state.env.get("open", "") + closes


def _parts(token: Token) -> Iterator[Part]:
    start, end = token.meta["at"]
    if token.type == "text":
        literal = len(token.content) == end - start
        if token.content.strip("`"):
            yield Part(start, end, token.content if literal else _host(token.content), literal)
    elif token.type in ("text_special", "code_inline", "said"):
        yield Part(start, end, token.content)
    elif token.type == "hides":
        yield Part(start, end, hides=token.content)
    elif token.type == "image":
        yield Part(start, end, "".join(child.content for child in token.children or ()))
    elif token.type == "html_inline" and _BREAK.match(token.content):
        yield Part(start, end, "\n")


def _host(address: str) -> str:
    """What a voice says for a web address: "example.com"."""
    if not _AT_URL.match(address):
        return address
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    except ValueError:
        host = ""
    return host.removeprefix("www.")


def _text(state: StateInline, silent: bool) -> bool:
    return _rule(state, silent, _TEXT.match(state.src, state.pos, state.posMax), None)


def _address(state: StateInline, silent: bool) -> bool:
    if state.pos and state.src[state.pos - 1].isalnum():
        return False
    found = _AT_URL.match(state.src, state.pos, state.posMax)
    return _rule(state, silent, found, _host(found.group()) if found else "")


def _math(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    found = _MATH.match(state.src, state.pos, state.posMax)
    said = next((group for group in found.groups() if group), "") if found else ""
    if not found and state.src.startswith(("\\(", "\\["), state.pos) and not silent:
        state.env["open"] = state.env.get("open", "") + ")]"
    return _rule(state, silent, found, said.strip())


def _hidden(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "<[":
        return False
    if found := _HIDES.match(state.src, state.pos):
        if not silent:
            name = found.group(1)
            state.push("hides", "", 0).content = f"</{name.lower()}>" if name else "-->"
        state.pos = found.end()
        return True
    found = _CHAT.match(state.src, state.pos) or _FOOTNOTE.match(state.src, state.pos)
    return _rule(state, silent, found, "")


def _reference(state: StateInline, silent: bool) -> bool:
    found = _REFERENCE.match(state.src, state.pos, state.posMax)
    return _rule(state, silent, found, found.group(1) if found else "")


def _mark(state: StateInline, silent: bool) -> bool:
    """The voice does not say marks of emphasis. "2 * 3" and "snake_case" have none."""
    mark = state.src[state.pos]
    if mark not in "*_~":
        return False
    scanned = state.scanDelims(state.pos, mark != "_")
    end = state.pos + scanned.length
    is_mark = scanned.can_open or scanned.can_close
    if mark == "~":
        is_mark = is_mark and scanned.length > 1
    elif mark == "*" and _ARITHMETIC.match(state.src, state.pos):
        is_mark = False
    if not silent:
        token = state.push("said", "", 0)
        token.content = "" if is_mark else state.src[state.pos : end]
    state.pos = end
    return True


def _rule(state: StateInline, silent: bool, found: re.Match[str] | None, said: str | None) -> bool:
    """Make a token of the match, with what the voice says for it. None: the text itself."""
    if found is None:
        return False
    if not silent:
        if said is None:
            state.pending += found.group()
        else:
            state.push("said", "", 0).content = said
    state.pos = found.end()
    return True
