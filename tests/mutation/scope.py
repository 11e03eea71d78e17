"""Which files are mutated, and which tests are to notice it."""

from __future__ import annotations

from pathlib import Path

_MUTATED = (
    "rxvoice/operators/**/*.py",
    "rxvoice/turn.py",
    "rxvoice/policies/*.py",
    "rxvoice/_answers/*.py",
    "rxvoice/conversation/*.py",
    "rxvoice/sinks/_play_queue.py",
    "rxvoice/sinks/_queued.py",
    "rxvoice/sinks/_in_flight.py",
    "rxvoice/sinks/_bus.py",
    "rxvoice/_audio/play_history.py",
)
TESTS = (
    "tests/faults/test_found.py",
    "tests/machine/test_suspend.py",
    "tests/mlx/test_stuck.py",
    "tests/operators",
    "tests/sinks",
    "tests/test_aio.py",
    "tests/test_answers.py",
    "tests/test_answers_corners.py",
    "tests/test_async_corners.py",
    "tests/test_async_models.py",
    "tests/test_conversation.py",
    "tests/test_echo.py",
    "tests/test_elements.py",
    "tests/test_follow.py",
    "tests/test_language_model.py",
    "tests/test_learning_policies.py",
    "tests/test_live_run.py",
    "tests/test_operator_order.py",
    "tests/test_paced.py",
    "tests/test_play_history.py",
    "tests/test_policies.py",
    "tests/test_rare_corners.py",
    "tests/test_reference_loop.py",
    "tests/test_session.py",
    "tests/test_silero_gather.py",
    "tests/test_slow_tools.py",
    "tests/test_text_parts.py",
    "tests/test_text_queue.py",
    "tests/test_thoughts.py",
    "tests/test_time_limits.py",
    "tests/test_tools.py",
    "tests/test_turn.py",
    "tests/test_ways_out.py",
    "tests/testing/test_fakes.py",
    "tests/trace/test_recording.py",
    "tests/trace/test_replay.py",
)
MARKS = "not models and not slow and not devices"


def mutated_files(root: Path) -> list[str]:
    """The files that are mutated, by their path in the repository."""
    found = {path for pattern in _MUTATED for path in root.glob(pattern)}
    return sorted(path.relative_to(root).as_posix() for path in found)


def test_files(root: Path) -> list[str]:
    """The files of tests."""
    found: set[Path] = set()
    for name in TESTS:
        path = root / name
        found |= {path} if path.is_file() else set(path.rglob("test_*.py"))
    return sorted(path.relative_to(root).as_posix() for path in found)
