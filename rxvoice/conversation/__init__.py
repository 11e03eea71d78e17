"""A conversation as a language model sees it: messages, which can be cut, saved and loaded."""

from rxvoice.conversation._history import Conversation
from rxvoice.conversation._message import CalledFunction, Message, MessageCall
from rxvoice.conversation._turns import Summarise

__all__ = ["CalledFunction", "Conversation", "Message", "MessageCall", "Summarise"]
