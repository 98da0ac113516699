"""The store in Redis in a world of faults: lost answers, restarts, roll-backs, wrong settings."""

from __future__ import annotations

import subprocess
from pathlib import Path
from threading import Timer

import pytest
import redis

from state.redis_client import RedisUnreachableError
from state.redis_settings import redis_settings
from state.redis_store import RedisStore
from state.store import StoreError, StoreFellBack
from tests.cut_line import cut_line
from tests.servers import redis_server
from tests.test_store_contract import commit_after, stored


def test_a_commit_whose_answer_is_lost_is_done_once(redis_url: str, prefix: str) -> None:
    with cut_line(redis_url) as line:
        store = RedisStore(redis_settings(f"{line.url}?prefix={prefix}"), partitions=1)
        first = commit_after(None, {b"ada": b"1"}, users=1, outbox=(b"entry",))
        line.cut_after(b"EXEC")
        store.commit(first)
        second = commit_after(first, {b"ada": b"2"}, users=1, outbox=(b"other",), relayed_count=1)
        line.cut_after(b"EXEC")
        store.commit(second)
        snapshot = store.load(0)
        store.close()
    assert snapshot is not None
    assert (snapshot.checkpoint, snapshot.outbox) == (second.checkpoint, [b"other"])


def test_a_redis_that_is_started_again_is_waited_for(prefix: str) -> None:
    with redis_server() as server:
        store = RedisStore(redis_settings(f"{server.address}?prefix={prefix}"), partitions=1)
        first = commit_after(None, {b"ada": b"1"}, users=1)
        store.commit(first)
        server.kill()
        timer = Timer(0.5, server.start)
        timer.start()
        store.commit(commit_after(first, {b"ada": b"2"}, users=1))
        timer.join()
        assert stored(store)[1] == {b"ada": b"2"}
        store.close()


def test_a_redis_put_back_to_older_files_is_told_from_another_owner(prefix: str) -> None:
    with redis_server() as server:
        store = RedisStore(redis_settings(f"{server.address}?prefix={prefix}"), partitions=1)
        first = commit_after(None, {b"ada": b"1"}, users=1)
        second = commit_after(first, {b"ada": b"2"}, users=1)
        third = commit_after(second, {b"ada": b"3"}, users=1)
        store.commit(first)
        server.terminate()
        older = server.copy_data("older")
        server.start()
        store.commit(second)
        server.terminate()
        server.put_data(older)
        server.start()
        with pytest.raises(StoreFellBack, match="got commit 1 up to offset 10"):
            store.commit(third)
        server.terminate()
        server.wipe()
        server.start()
        with pytest.raises(StoreFellBack, match="got nothing"):
            store.commit(third)
        assert store.load(0) is None
        store.close()


def test_a_redis_that_is_not_there_is_told_at_once_without_the_password() -> None:
    with redis_server() as server:
        address = server.address
    with pytest.raises(RedisUnreachableError) as told:
        RedisStore(redis_settings(address.replace("//", "//ada:hush@")), partitions=1)
    assert "expected Redis to answer" in str(told.value)
    assert "ada:***@" in str(told.value)
    assert "hush" not in str(told.value)
    assert isinstance(told.value, OSError)


def test_an_acl_user_is_let_in_with_the_password_alone_and_never_shown() -> None:
    with redis_server() as server, redis.Redis.from_url(server.address) as client:
        client.execute_command("ACL", "SETUSER", "beckon", "on", ">a/b:c@d#", "~*", "+@all")
        wrong = redis_settings(server.address.replace("//", "//beckon:hush@"))
        with pytest.raises(StoreError, match=r"give user and password: --redis") as told:
            RedisStore(wrong, partitions=1)
        assert "hush" not in str(told.value) + repr(wrong)
        right = redis_settings(server.address.replace("//", "//beckon:a%2Fb%3Ac%40d%23@"))
        store = RedisStore(right, partitions=1)
        store.commit(commit_after(None, {b"ada": b"1"}, users=1))
        store.close()


def test_a_unix_socket_is_as_good_as_a_port() -> None:
    with redis_server() as server:
        store = RedisStore(redis_settings(f"unix://{server.folder}/socket?db=1"), partitions=1)
        first = commit_after(None, {b"ada": b"1"}, users=1)
        store.commit(first)
        assert stored(store) == (first.checkpoint, {b"ada": b"1"})
        store.close()


def test_tls_is_spoken_and_the_certificate_is_checked(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    subprocess.run(
        [*command.split(), "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    tls = {"tls-cert-file": certificate, "tls-key-file": key, "tls-ca-cert-file": certificate}
    options = {name: str(path) for name, path in tls.items()} | {"tls-auth-clients": "no"}
    with redis_server() as plain:
        port = int(plain.address.rsplit(":", 1)[1])
    with redis_server(options | {"tls-port": str(port)}):
        url = f"rediss://localhost:{port}/0"
        store = RedisStore(redis_settings(f"{url}?ca={certificate}"), partitions=1)
        store.commit(commit_after(None, {b"ada": b"1"}, users=1))
        store.close()
        with pytest.raises(RedisUnreachableError, match="certificate"):
            RedisStore(redis_settings(url), partitions=1)


def test_settings_that_would_lose_profiles_are_told_with_what_mends_them() -> None:
    with redis_server() as server, redis.Redis.from_url(server.address) as client:
        store = RedisStore(redis_settings(server.address), partitions=1)
        assert store.complaints() == []
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendonly", "no")
        client.config_set("appendfsync", "no")
        policy, appended, synced = store.complaints()
        assert "expected maxmemory-policy noeviction, got allkeys-lru" in policy
        assert "CONFIG SET maxmemory-policy noeviction" in policy
        assert "expected appendonly yes, got no" in appended
        assert "expected appendfsync everysec or always, got no" in synced
        client.execute_command("ACL", "SETUSER", "default", "-config")
        (blind,) = store.complaints()
        assert "could not look at its settings (CONFIG is not allowed)" in blind
        store.close()


def test_a_full_redis_is_told_and_nothing_of_the_commit_is_stored() -> None:
    with redis_server() as server, redis.Redis.from_url(server.address) as client:
        store = RedisStore(redis_settings(server.address), partitions=1)
        first = commit_after(None, {b"ada": b"1"}, users=1)
        store.commit(first)
        client.config_set("maxmemory", "1")
        with pytest.raises(StoreError, match="give it more memory") as told:
            store.commit(commit_after(first, {b"ada": b"secret row"}, users=1))
        assert "secret row" not in str(told.value)
        client.config_set("maxmemory", "0")
        assert stored(store) == (first.checkpoint, {b"ada": b"1"})
        store.close()
