"""One session of a server, without a word of any protocol.

`Dialogue` takes commands, and tells what happens. It stands on one pipe of `converse`, which
decides who speaks: whether sound over a reply is an interruption, and what was heard of the reply.

| file | what |
|---|---|
| `dialogue` | the commands |
| `settings`, `request`, `items`, `happenings`, `refusal` | what goes in and comes out |
| `microphone`, `buffer` | the client's sound, in chunks |
| `turns` | turns become items, and their words become known |
| `replies`, `asides`, `live_reply` | replies are begun, made, heard and over |
| `following` | what the pipe tells goes to the turns and the replies |
| `pipe`, `asking` | the operators, and what they want of the dialogue |
| `judging` | speech and the end of a turn, by settings that change |
| `writing`, `voice`, `speaker` | the model, the voice and the far loudspeaker |
| `moments` | how long each step took |
"""

from __future__ import annotations

from rxvoice.serve.session.dialogue import Dialogue
from rxvoice.serve.session.items import Item, ItemPart
from rxvoice.serve.session.refusal import Refused
from rxvoice.serve.session.request import ReplyRequest
from rxvoice.serve.session.settings import DialogueSettings, ReplySettings, TurnTaking

__all__ = [
    "Dialogue",
    "DialogueSettings",
    "Item",
    "ItemPart",
    "Refused",
    "ReplyRequest",
    "ReplySettings",
    "TurnTaking",
]
