"""Who may use a server: the key, and the secrets that are made with it."""

from __future__ import annotations

import secrets

import pytest

from rxvoice.errors import ConfigError
from rxvoice.serve._keys import SECRET_S, Keys, key_of

KEY = "sk-local-0123456789"


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def _browser(key: str) -> dict[str, str]:
    offered = f"realtime, openai-insecure-api-key.{key}, openai-agents-sdk.0.20"
    return {"sec-websocket-protocol": offered}


def test_without_a_key_everybody_may() -> None:
    keys = Keys(None)
    assert not keys.are_wanted
    assert keys.allows({})
    assert keys.may_make_secrets({})
    assert keys.allows(_browser(keys.secret().value))


@pytest.mark.parametrize("brought", [_bearer, _browser])
def test_the_key_lets_in_and_nothing_else_does(brought) -> None:  # type: ignore[no-untyped-def]
    keys = Keys(KEY)
    assert keys.are_wanted
    assert keys.allows(brought(KEY))
    for wrong in (KEY[:-1], KEY + "0", "", "none", "ek_", "ek_0.0", "ek_.", "ék"):
        assert not keys.allows(brought(wrong))
    assert not keys.allows({})
    assert not keys.allows({"authorization": KEY})
    assert not keys.allows({"authorization": f"Basic {KEY}"})


def test_a_secret_is_good_at_every_replica_until_it_expires() -> None:
    now = 1000.0
    one, other = Keys(KEY, clock=lambda: now), Keys(KEY, clock=lambda: now)
    secret = one.secret(60)
    assert secret.value.startswith("ek_")
    assert secret.expires_at == 1060
    assert other.allows(_browser(secret.value))
    assert other.allows(_bearer(secret.value))
    # A secret makes no further secrets, or it would never expire.
    assert not other.may_make_secrets(_bearer(secret.value))
    assert other.may_make_secrets(_bearer(KEY))
    assert not Keys("another", clock=lambda: now).allows(_bearer(secret.value))
    now = 1060.0
    assert not one.allows(_browser(secret.value))


def test_a_secret_cannot_be_prolonged() -> None:
    keys = Keys(KEY, clock=lambda: 1000.0)
    claim, signature = keys.secret(60).value.removeprefix("ek_").split(".")
    later = keys.secret(7200).value.removeprefix("ek_").partition(".")[0]
    assert keys.allows(_bearer(f"ek_{claim}.{signature}"))
    for forged in (f"ek_{later}.{signature}", f"ek_{claim}.{'0' * 64}", f"ek_{claim}."):
        assert not keys.allows(_bearer(forged))
        assert keys.session_of(_bearer(forged)) is None


def test_a_secret_carries_the_configuration_of_its_sessions() -> None:
    session = {"type": "realtime", "instructions": "Be brief. " * 300, "voice": "ä"}
    keys = Keys(KEY)
    secret = keys.secret(60, session)
    assert Keys(KEY).session_of(_browser(secret.value)) == session
    assert keys.session_of(_bearer(KEY)) is None
    assert len(secret.value) < 6200
    with pytest.raises(ValueError, match="send its instructions or tools with session"):
        keys.secret(60, {"instructions": secrets.token_hex(20_000)})


def test_the_time_of_a_secret_has_limits() -> None:
    keys = Keys(KEY, clock=lambda: 0.0)
    least, most = SECRET_S
    assert keys.secret(1).expires_at == least
    assert keys.secret(1_000_000).expires_at == most
    assert keys.secret().value != keys.secret().value


def test_a_bad_key_is_told_without_the_key() -> None:
    with pytest.raises(ConfigError, match="got 9 characters with others among them") as caught:
        Keys("swordfis\n")
    assert "swordfis" not in str(caught.value)
    with pytest.raises(ConfigError, match="got 0 characters"):
        Keys("")


def test_the_key_is_found_in_any_of_its_places() -> None:
    assert key_of({"authorization": "bearer  x"}) == "x"
    assert key_of(_browser("y")) == "y"
    assert key_of({"authorization": "Bearer x", **_browser("y")}) == "x"
    assert key_of({"sec-websocket-protocol": "realtime"}) == ""
