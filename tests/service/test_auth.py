from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tunesmith.core.errors import RecipeError, TunesmithError
from tunesmith.service.auth import KeyRing
from tunesmith.service.keys.secret import NewKey, hashed, parted
from tunesmith.service.problems import Refused
from tunesmith.service.store.migrate import open_store
from tunesmith.testing.wait import until


@pytest.fixture
def ring(store: Engine, clock: Any) -> Iterator[KeyRing]:
    made = KeyRing(store, clock=clock)
    yield made
    made.close()


def bearer(key: NewKey) -> str:
    return f"Bearer {key.text}"


def code_of(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.status, caught.value.code


def test_a_key_is_known_by_its_text(ring: KeyRing) -> None:
    key = ring.make("王记茶馆", products=["intents", "评价"], plan="small")
    caller = ring.find(bearer(key))
    assert (caller.key, caller.name, caller.plan, caller.admin) == (key.id, "王记茶馆", "small", False)
    assert caller.may("评价") and not caller.may("other")
    assert ring.find(f"bearer  {key.text} ") == caller


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "ts_only"])
def test_no_key(ring: KeyRing, header: str | None) -> None:
    assert code_of(lambda: ring.find(header)) == (401, "missing_api_key")


@pytest.mark.parametrize(
    "text",
    ["x", "ts__", "ts_abc_def", "密钥", "\udcff", "ts_" + "0" * 12 + "_" + "0" * 64, "A" * 1_000_000, "ts_\x00_\x00"],
)
def test_what_is_not_a_key(ring: KeyRing, text: str) -> None:
    assert code_of(lambda: ring.find(f"Bearer {text}")) == (401, "invalid_api_key")


def test_a_wrong_secret_is_told_as_an_unknown_id_is(ring: KeyRing) -> None:
    """Nobody learns from the answer which ids there are, or that a key is revoked."""
    one, other = ring.make("one"), ring.make("other")
    ring.revoke(one.id)
    mixed = f"Bearer ts_{one.id}_{other.text.rpartition('_')[2]}"
    unknown = f"Bearer ts_{'0' * 12}_{'0' * 64}"
    told = []
    for header in (mixed, unknown):
        with pytest.raises(Refused) as caught:
            ring.find(header)
        told.append((caught.value.code, caught.value.message))
    assert told[0] == told[1]


def test_only_a_hash_is_stored(store: Engine, store_url: str, ring: KeyRing, tmp_path: Path) -> None:
    key = ring.make("one")
    secret = key.text.rpartition("_")[2]
    with store.connect() as connection:
        rows = (
            connection.execute(text("SELECT * FROM key_secrets")).all()
            + connection.execute(text("SELECT * FROM keys")).all()
        )
    assert secret not in str(rows) and hashed(secret) in str(rows)
    for file in tmp_path.glob("store.db*"):
        assert secret.encode() not in file.read_bytes()
    assert secret not in repr(key) and secret not in repr(ring.all())
    parts = parted(key.text)
    assert parts is not None and len(parts[1]) == 64  # 256 bits


def test_expiry(ring: KeyRing, clock: Any) -> None:
    key = ring.make("one", expires_in=60)
    clock.now += 59.9
    assert ring.find(bearer(key)).key == key.id
    clock.now += 0.2
    assert code_of(lambda: ring.find(bearer(key))) == (401, "expired_api_key")
    assert ring.all()[0].state(clock.now) == "expired"


def test_revocation_holds_for_the_very_next_request(ring: KeyRing) -> None:
    key, other = ring.make("one"), ring.make("other")
    ring.find(bearer(key))
    assert ring.revoke(key.id).revoked_at is not None
    assert code_of(lambda: ring.find(bearer(key))) == (401, "revoked_api_key")
    assert ring.find(bearer(other)).key == other.id


def test_what_another_process_changed_before_the_first_request_is_seen_by_it(store: Engine, clock: Any) -> None:
    def idle() -> KeyRing:
        return KeyRing(store, clock=clock, every=3600)

    other = KeyRing(store, clock=clock)
    asked = idle()
    key = other.make("new")
    assert asked.find(bearer(key)).key == key.id
    late, of = idle(), idle()
    other.revoke(key.id)
    assert code_of(lambda: late.find(bearer(key))) == (401, "revoked_api_key")
    assert code_of(lambda: of.of(key.id)) == (401, "revoked_api_key")
    for ring in (other, asked, late, of):
        ring.close()


def test_a_revoked_key_keeps_its_moment(ring: KeyRing, clock: Any) -> None:
    key = ring.make("one")
    first = ring.revoke(key.id).revoked_at
    clock.now += 100
    assert ring.revoke(key.id).revoked_at == first


def test_rotation_has_a_time_of_grace(ring: KeyRing, clock: Any) -> None:
    old = ring.make("one", plan="small")
    new = ring.rotate(old.id, grace=60)
    assert new.id == old.id and new.text != old.text
    assert ring.find(bearer(old)) == ring.find(bearer(new))
    clock.now += 59
    newest = ring.rotate(old.id, grace=60)
    clock.now += 2  # the first grace is over, the second is not
    assert code_of(lambda: ring.find(bearer(old))) == (401, "invalid_api_key")
    assert ring.find(bearer(new)) == ring.find(bearer(newest))
    clock.now += 60
    assert code_of(lambda: ring.find(bearer(new))) == (401, "invalid_api_key")
    assert ring.find(bearer(newest)).plan == "small"


def test_a_rotation_without_grace_ends_the_old_secret_at_once(ring: KeyRing) -> None:
    old = ring.make("one")
    new = ring.rotate(old.id)
    assert code_of(lambda: ring.find(bearer(old))) == (401, "invalid_api_key")
    assert ring.find(bearer(new)).key == old.id


def test_a_later_rotation_does_not_lengthen_an_old_grace(ring: KeyRing, clock: Any) -> None:
    old = ring.make("one")
    ring.rotate(old.id, grace=10)
    ring.rotate(old.id, grace=1000)
    clock.now += 11
    assert code_of(lambda: ring.find(bearer(old))) == (401, "invalid_api_key")


def test_what_cannot_be_made_is_told(ring: KeyRing, clock: Any) -> None:
    key = ring.make("one", expires_in=1)
    clock.now += 2
    for call in (
        lambda: ring.make(" "),
        lambda: ring.make("one", products=[]),
        lambda: ring.make("one", products=[""]),
        lambda: ring.make("one", expires_in=0),
        lambda: ring.make("one", expires_in=float("nan")),
        lambda: ring.rotate(key.id),
        lambda: ring.rotate(key.id, grace=-1),
        lambda: ring.rotate("nobody"),
        lambda: ring.revoke("nobody"),
    ):
        with pytest.raises(RecipeError):
            call()
    assert [key.name for key in ring.all()] == ["one"]


def test_the_admin_key(store: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    admin = "a-long-admin-key-管理员-0123456789"
    monkeypatch.setenv("TUNESMITH_ADMIN_KEY", admin)
    with caplog.at_level(logging.DEBUG):
        ring = KeyRing(store)
        assert ring.find(f"Bearer {admin}").admin
        assert not ring.find(f"Bearer {admin}").may("anything")  # it asks no product: nobody would pay
        assert code_of(lambda: ring.find(f"Bearer {admin}x")) == (401, "invalid_api_key")
    ring.close()
    assert admin not in caplog.text and admin not in repr(vars(ring))
    monkeypatch.setenv("TUNESMITH_ADMIN_KEY", "short")
    with pytest.raises(TunesmithError, match="at least 24"):
        KeyRing(store)
    monkeypatch.setenv("TUNESMITH_ADMIN_KEY", "")
    closed = KeyRing(store)
    assert code_of(lambda: closed.find("Bearer short")) == (401, "invalid_api_key")
    closed.close()


def test_another_process_makes_and_revokes(store: Engine, store_url: str) -> None:
    ring = KeyRing(store)
    key = ring.make("one")
    ring.find(bearer(key))
    code = f"""
import sys
from tunesmith.service.auth import KeyRing
from tunesmith.service.store.migrate import open_store
other = KeyRing(open_store(sys.argv[1]))
other.revoke("{key.id}")
print(other.make("two").text)
"""
    made = subprocess.run([sys.executable, "-c", code, store_url], check=True, capture_output=True, text=True).stdout

    def works(header: str) -> bool:
        try:
            return bool(ring.find(header))
        except Refused:
            return False

    def seen() -> bool:
        return works(f"Bearer {made.strip()}") and not works(bearer(key))

    assert until(seen, 2.0)
    ring.close()


def test_find_does_not_ask_the_store(sqlite_store: Engine) -> None:
    """Keys go on working while the store is away, and changes come when it is back."""
    ring = KeyRing(sqlite_store, every=0.01)
    key = ring.make("one")
    with sqlite_store.begin() as connection:
        connection.execute(text("ALTER TABLE changes RENAME TO away"))
    ring.find(bearer(key))
    assert until(lambda: bool(ring._ticker.problem), 5.0)
    assert ring.find(bearer(key)).key == key.id
    with sqlite_store.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO changes"))
    assert until(lambda: not ring._ticker.problem, 5.0)
    ring.close()


def test_an_older_copy_of_the_store_is_read_whole(ring: KeyRing, store: Engine) -> None:
    kept = ring.make("kept")
    lost = ring.make("lost")
    with store.begin() as connection:
        connection.execute(text("DELETE FROM key_secrets WHERE key = :id"), {"id": lost.id})
        connection.execute(text("DELETE FROM keys WHERE id = :id"), {"id": lost.id})
        connection.execute(text("UPDATE changes SET number = 1"))
    ring.refresh()
    assert ring.find(bearer(kept)).key == kept.id
    assert code_of(lambda: ring.find(bearer(lost))) == (401, "invalid_api_key")


def test_a_key_that_is_not_known_while_the_store_is_away_is_to_ask_again(store: Engine, clock: Any) -> None:
    """Not that it is none: it may have been made, or rotated, elsewhere."""
    other, ring = KeyRing(store, clock=clock), KeyRing(store, clock=clock, every=0.01)
    known, gone = other.make("known"), other.make("gone")
    other.revoke(gone.id)
    assert until(lambda: ring.find(bearer(known)).key == known.id, 2.0)
    with store.begin() as connection:
        connection.execute(text("ALTER TABLE changes RENAME TO away"))
    assert until(lambda: bool(ring._ticker.problem), 5.0)
    wrong, unknown = f"Bearer ts_{known.id}_{'0' * 64}", f"Bearer ts_{'0' * 12}_{'0' * 64}"
    for call in (lambda: ring.find(wrong), lambda: ring.find(unknown), lambda: ring.of("0" * 12)):
        assert code_of(call) == (503, "keys_unavailable")
    assert ring.find(bearer(known)) == ring.of(known.id)
    assert code_of(lambda: ring.find(bearer(gone))) == (401, "revoked_api_key")
    assert code_of(lambda: ring.find("Bearer x")) == (401, "invalid_api_key")
    with store.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO changes"))
    assert until(lambda: code_of(lambda: ring.find(unknown)) == (401, "invalid_api_key"), 5.0)
    for one in (ring, other):
        one.close()


def test_a_look_that_hangs_is_noticed(sqlite_store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    ring, goes_on = KeyRing(sqlite_store, every=0.01), Event()
    key = ring.make("one")
    ring.find(bearer(key))
    monkeypatch.setattr("tunesmith.service.auth.record.changed_number", lambda connection: goes_on.wait(10))
    ring._stale = 0.1
    unknown = f"Bearer ts_{'0' * 12}_{'0' * 64}"
    assert until(lambda: code_of(lambda: ring.find(unknown)) == (503, "keys_unavailable"), 5.0)
    assert not ring._ticker.problem and ring.find(bearer(key)).key == key.id
    goes_on.set()
    ring.close()


def test_valid_keys_work_while_an_older_copy_is_read_and_where_that_fails(
    ring: KeyRing, store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ring.make("kept")
    ring.make("lost")
    ring.find(bearer(kept))
    ring.close()  # no look but those of this test
    with store.begin() as connection:
        connection.execute(text("UPDATE changes SET number = 1"))

    def fails(connection: Any, newer_than: int) -> Any:
        assert newer_than == 0 and ring.find(bearer(kept)).key == kept.id
        raise OSError("the store went away")

    with monkeypatch.context() as patched:
        patched.setattr("tunesmith.service.auth.record.read_keys", fails)
        with pytest.raises(OSError, match="went away"):
            ring.refresh()
        assert ring.find(bearer(kept)).key == kept.id
    ring.refresh()
    assert ring.find(bearer(kept)).key == kept.id


def test_find_costs_microseconds(sqlite_store: Engine) -> None:
    ring = KeyRing(sqlite_store)
    headers = [bearer(ring.make(f"key {number}")) for number in range(50)]
    best = min(_seconds(lambda: [ring.find(header) for header in headers]) for _ in range(20)) / len(headers)
    ring.close()
    assert best < 100e-6  # measured: 3 to 5


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def test_keys_last(store_url: str) -> None:
    engine = open_store(store_url)
    key = KeyRing(engine).make("one", products=["a"], plan="p", expires_in=1000)
    engine.dispose()
    again = KeyRing(open_store(store_url))
    assert again.find(bearer(key)).products == frozenset({"a"})
    again.close()
