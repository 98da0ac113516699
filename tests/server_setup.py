"""`make servers`: installs the Kafka, the Redis and the Prometheus of the tests, where it may.

Redis, Prometheus, Java and Maven come from Debian's packages, where this is Debian and we are root;
Kafka's jars come by Maven into a cache outside the repository. Where something cannot be had it is
said loudly, and is an error in CI.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from zlib import crc32

KAFKA_VARIABLE = "BECKON_KAFKA"
REDIS_VARIABLE = "BECKON_REDIS"
JAVA_MIN = 17
TRIES_MAX = 2
PATIENCE_SECONDS = 600
POM = Path(__file__).parent / "kafka_jars" / "pom.xml"
POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program before it starts a service that was just installed."""


class SetupError(Exception):
    """A server that cannot be installed here; the message says why, and what to do."""


def kafka_version() -> str:
    """The version of the broker in `tests/kafka_jars/pom.xml`."""
    (version,) = re.findall(r"<artifactId>kafka_[\d.]+<.*?<version>(.+?)<", POM.read_text(), re.S)
    return str(version)


def jars() -> Path:
    """The folder of Kafka's jars, which exists when they are complete; another POM has another."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = f"kafka-{kafka_version()}-{crc32(POM.read_bytes()):08x}"
    return Path(cache) / "beckon-tests" / name


def java() -> str | None:
    """A Java that the broker runs on, or None."""
    home = os.environ.get("JAVA_HOME")
    command = f"{home}/bin/java" if home else shutil.which("java")
    if command is None or not os.access(command, os.X_OK):
        return None
    told = subprocess.run([command, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    return command if version and int(version.group(1)) >= JAVA_MIN else None


def why_no_kafka() -> str | None:
    """What is missing to start a broker, or None."""
    if not jars().is_dir():
        return f"Kafka's jars are not in {jars()}; say: make servers"
    if java() is None:
        return f"no Java {JAVA_MIN} or later on the path or in JAVA_HOME; say: make servers"
    return None


def why_no_redis() -> str | None:
    """What is missing to start a Redis, or None."""
    if shutil.which("redis-server") is None:
        return "no redis-server on the path; say: make servers"
    return None


def why_no_prometheus() -> str | None:
    """What is missing to check rules and queries as Prometheus understands them, or None."""
    missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    return f"no {' and no '.join(missing)} on the path; say: make servers" if missing else None


def in_ci() -> bool:
    """Whether a server that cannot be had is an error."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def packages_missing() -> list[str]:
    """Debian's packages that would have to be installed first."""
    missing = []
    if not os.environ.get(KAFKA_VARIABLE):
        if java() is None:
            missing.append("openjdk-17-jre-headless")
        if not jars().is_dir() and shutil.which("mvn") is None:
            missing.append("maven")
    if not os.environ.get(REDIS_VARIABLE) and why_no_redis():
        missing.append("redis-server")
    if why_no_prometheus():
        missing.append("prometheus")
    return missing


def install_packages(names: Sequence[str]) -> None:
    """Installs Debian's packages and starts no service of theirs.

    Raises:
        SetupError: when this is not Debian, we are not root, or apt fails.
    """
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise SetupError(f"only root on Debian installs packages; install {' '.join(names)}")
    with services_left_stopped():
        run_patiently(["apt-get", "update", "-qq"])
        install = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends"]
        run_patiently([*install, *names])


@contextmanager
def services_left_stopped() -> Iterator[None]:
    """Within, an installed package does not start its service."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def fetch_jars() -> None:
    """Has Maven put Kafka's jars into the cache; they appear there when they are complete."""
    jars().parent.mkdir(parents=True, exist_ok=True)
    incomplete = mkdtemp(dir=jars().parent, prefix=".incomplete-")
    try:
        options = ["--batch-mode", "--quiet", "-Dstyle.color=never", "--file", str(POM)]
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={incomplete}"]
        run_patiently(["mvn", *options, *goal])
        if not jars().is_dir():
            os.rename(incomplete, jars())
    finally:
        shutil.rmtree(incomplete, ignore_errors=True)


def run_patiently(command: Sequence[str]) -> None:
    """Runs what asks a package registry, once more where it fails."""
    told = ""
    for _ in range(TRIES_MAX):
        try:
            ended = subprocess.run(
                command,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise SetupError(f"{command[0]} is not installed") from error
        except subprocess.TimeoutExpired:
            told = f"no end after {PATIENCE_SECONDS} s"
            continue
        if ended.returncode == 0:
            return
        told = ended.stdout.strip()
    raise SetupError(f"{' '.join(command)}: {told}")


def install() -> None:
    """Installs what is missing; does nothing where all is there or named by a variable."""
    failures = []
    try:
        if missing := packages_missing():
            say(f"installing {', '.join(missing)}")
            install_packages(missing)
    except SetupError as error:
        failures.append(str(error))
    try:
        if not os.environ.get(KAFKA_VARIABLE) and not jars().is_dir():
            say(f"fetching Kafka {kafka_version()} into {jars()}")
            fetch_jars()
    except SetupError as error:
        failures.append(str(error))
    if failures:
        raise SetupError("\n".join(failures))


def without() -> list[str]:
    """What will not be tested for want of a server, as sentences."""
    kafka = None if os.environ.get(KAFKA_VARIABLE) else why_no_kafka()
    redis = None if os.environ.get(REDIS_VARIABLE) else why_no_redis()
    sentences = [
        f"NOT TESTED WITH A REAL {name}: {why}; or name one that runs in {variable}"
        for name, why, variable in (
            ("KAFKA", kafka, KAFKA_VARIABLE),
            ("REDIS", redis, REDIS_VARIABLE),
        )
        if why
    ]
    if why := why_no_prometheus():
        sentences.append(f"NOT TESTED WITH A REAL PROMETHEUS: {why}")
    return sentences


def say(text: str) -> None:
    """Tells who ran `make servers`."""
    print(f"servers: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Installs; the exit code is an error only in CI, where no server may be missing."""
    try:
        install()
    except SetupError as error:
        say(str(error))
    missing = without()
    for sentence in missing:
        say(sentence)
    return 1 if missing and in_ci() else 0


if __name__ == "__main__":
    sys.exit(main())
