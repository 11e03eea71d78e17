"""No input does harm: those that once did, those that are usual, and what is made of them.

`tests/fuzz/targets.py` has the boundaries. A thorough run (``RXVOICE_THOROUGH=1``) tries hundreds
of inputs at each, and the usual one a few.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from fuzz.target import CORPUS, Target
from fuzz.targets import BY_NAME, TARGETS
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from thorough import THOROUGH

_FEW, _MANY = 6, 300
_SLOW_FEW, _SLOW_MANY = 2, 100


def target_named(name: str) -> Target:
    target = BY_NAME[name]
    for module in target.needs:
        if find_spec(module.partition(".")[0]) is None:
            pytest.skip(f"needs {module}")
    return target


def test_each_target_has_inputs_and_each_input_a_target() -> None:
    assert {it.name for it in CORPUS.iterdir()} == set(BY_NAME)
    assert all(it.corpus for it in TARGETS)
    assert len(BY_NAME) == len(TARGETS)


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.timeout(600 if THOROUGH else 120)
def test_what_is_in_the_corpus_does_no_harm(name: str) -> None:
    target = target_named(name)
    for path in target.corpus:
        try:
            target(path.read_bytes())
        except BaseException as error:
            error.add_note(f"by tests/fuzz/corpus/{name}/{path.name}")
            raise


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.timeout(3_600 if THOROUGH else 120)
def test_what_is_made_of_it_does_no_harm(name: str) -> None:
    target = target_named(name)
    few, many = (_SLOW_FEW, _SLOW_MANY) if target.slow else (_FEW, _MANY)

    @settings(
        max_examples=many if THOROUGH else few,
        deadline=None,
        database=None,
        derandomize=not THOROUGH,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if THOROUGH else (Phase.generate,),
    )
    @given(st.sampled_from(target.seeds()), st.binary(max_size=80))
    def tried(seed: bytes, choices: bytes) -> None:
        target(target.mutated(seed, choices))

    tried()
