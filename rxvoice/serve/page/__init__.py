"""The page at ``/``: press and talk, in a browser.

`routes` serves it. Its files are in ``static/``: plain HTML, CSS and JavaScript modules, which need
no build and ask no other host for anything.

- ``index.html``, ``page.css``, ``icon.svg``: what it looks like.
- ``app.js``: what is pressed and typed, and what is shown.
- ``talk.js``: one conversation: the connection, the sound and the words.
- ``connection.js``: the WebSocket, from the first look at the server to the reason of its end.
- ``sound.js``, ``worklet.js``: microphone and loudspeaker; the second runs on the audio thread,
  changes the sample rates, and counts what was played.
- ``conversation.js``, ``heard.js``, ``transcript.js``: what was said, which words of it were heard,
  and how it is shown.
- ``latency.js``: how long the parts of a turn took, and their bar.
- ``ribbon.js``: the picture of who speaks. ``settings.js``: what the user chooses.
- ``words.js``: what can go wrong, in words.
"""

from __future__ import annotations

from rxvoice.serve.page._routes import routes

__all__ = ["routes"]
