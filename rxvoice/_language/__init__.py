"""One engine of questions and answers, for language models on MLX and behind a server."""
