"""Text: words, sentences, Markdown, and what a voice makes of it."""
