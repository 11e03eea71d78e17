"""mlx-audio's own server, also where MLX has no GPU: it makes a stream on one, and uses it."""

import mlx.core as mx

try:
    mx.new_stream(mx.gpu)
except ValueError:
    new_stream = mx.new_stream
    mx.new_stream = lambda _: new_stream(mx.cpu)

from mlx_audio.server import main

main()
