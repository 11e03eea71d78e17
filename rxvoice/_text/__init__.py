"""Text: words, sentences, Markdown, and what a voice says of it.

| file | what it knows |
|---|---|
| `unicode` | halves of characters (surrogates) |
| `words` | words, letters and user-perceived characters, in every script |
| `marks`, `sentence_ends` | which marks end a sentence, and when |
| `segmenter` | text in pieces, cut into sentences |
| `parts` | a text in parts that a voice speaks in one call |
| `markdown` | the parts of a line of Markdown |
| `said`, `speakable` | what a voice says for a stretch of a line, and for a text in pieces |
"""
