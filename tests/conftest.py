import os

# MLX compiles kernels with g++ at a model's first call on a CPU: seconds, and nothing to test.
os.environ.setdefault("MLX_DISABLE_COMPILE", "1")
