"""A conversation with a language model, local or behind a server.

`model` asks and keeps the conversation, `question` is one question with its reply, `calls` makes
the calls of tools, `thoughts` takes out what is not to be said, `ending` tells how a reply ended,
and `options` is what the app sets.
"""
