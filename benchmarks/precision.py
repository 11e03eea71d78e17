"""Products of MLX on a CPU: in 16 bits against float32, and with OpenBLAS against without.

A token multiplies one row, a prompt many. The 4 bits of a quantized model are multiplied in the
type of their scales.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks._measure import Result, median

_PROGRAM = "import {first}; from benchmarks import precision; precision.tell()"
_TIMES = 20


def tell() -> None:
    """Measure in this process, with the BLAS that it has, and print milliseconds as JSON."""
    print(json.dumps(dict(_products())))


def _products() -> Iterator[tuple[str, float]]:
    import mlx.core as mx

    mx.set_default_device(mx.cpu)
    matrix = mx.random.normal((1536, 576))
    row = mx.random.normal((1, 576))
    for kind in (mx.float32, mx.float16, mx.bfloat16):
        name = str(kind).removeprefix("mlx.core.")
        x, dense = row.astype(kind), matrix.astype(kind)
        yield f"dense, {name}", _ms(mx, lambda x=x, w=dense: x @ w.T)
        w, scales, biases = mx.quantize(dense, group_size=32, bits=4)
        yield (
            f"4 bits, {name}",
            _ms(
                mx,
                lambda x=x, w=w, s=scales, b=biases: mx.quantized_matmul(
                    x, w, s, b, group_size=32, bits=4
                ),
            ),
        )
    many = mx.random.normal((1024, 1024))
    yield "many rows, float32", _ms(mx, lambda: many @ many)


def _ms(mx: object, product: Callable[[], object]) -> float:
    spent: list[float] = []
    for _ in range(_TIMES):
        begin = time.perf_counter()
        mx.eval(product())  # type: ignore[attr-defined]
        spent.append(1000 * (time.perf_counter() - begin))
    return median(spent)


def _measured(first: str) -> dict[str, float]:
    line = [sys.executable, "-c", _PROGRAM.format(first=first)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure() -> list[Result]:
    """Measure in two processes, for the BLAS of the first product stays."""
    plain, ours = _measured("mlx.core"), _measured("rxvoice.mlx")
    results: list[Result] = []
    for kind in ("float16", "bfloat16"):
        for weights in ("dense", "4 bits"):
            value, against = ours[f"{weights}, {kind}"], ours[f"{weights}, float32"]
            name = f"one row by 1536 x 576, {weights}, {kind}"
            results.append(Result(name, value, "ms", f"float32: {against:.2f}", value / against))
    value, against = ours["many rows, float32"], plain["many rows, float32"]
    name = "1024 x 1024 by 1024 x 1024, float32, as rxvoice.mlx loads MLX"
    results.append(Result(name, value, "ms", f"MLX alone: {against:.0f}", value / against))
    return results
