"""What deploys Beckon: compose, image, Prometheus, alerts and dashboard fit the engine's metrics.

Nothing here needs a network or a container engine. Where a real Prometheus is installed (Debian:
prometheus), it checks the rules and answers every query of the dashboard from a page of ours.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from time import monotonic, sleep
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import jsonschema
import numpy as np
import yaml

from flows.cli import beckon
from flows.health import Address, Pages, serving
from flows.learn_figures import Figures
from flows.learn_watch import Alarm
from flows.learner_metrics import LEARNER_METRICS, LearnerMetrics
from flows.learning import Taken
from flows.live_facts import BatchFacts, CommitFacts, RelayFacts, StateFacts
from flows.metrics import METRICS, Metrics
from flows.output import GOAL, HOLDOUT, RULE, SENT
from tests.conftest import ROOT, skip_without
from tests.server_setup import why_no_prometheus

DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "beckon.json").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PATIENCE_SECONDS = 20
ALL_METRICS = (*METRICS, *LEARNER_METRICS)
OF_PROMETHEUS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "up"}


def yaml_of(path: Path) -> Any:
    """The content of a YAML file."""
    return yaml.safe_load(path.read_text())


def tool(name: str) -> str:
    """The path of one of Prometheus' programs, or a skip where it is not installed."""
    skip_without("PROMETHEUS", why_no_prometheus())
    path = shutil.which(name)
    assert path is not None, f"no {name} where Prometheus is"
    return path


def queries() -> list[tuple[str, str]]:
    """Every query of the dashboard, with its panel's title, as Prometheus understands it."""
    return [
        (panel["title"], re.sub(r"\$__(rate_interval|range)", "1m", target["expr"]))
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
    ]


def metrics_in(text: str) -> set[str]:
    """The metrics that queries name, histograms without the suffix of their series."""
    named = set(re.findall(r"\b(?:beckon|process)_[a-z_]+", text))
    return {re.sub(r"_seconds_(bucket|sum|count)$", "_seconds", name) for name in named}


def test_dashboard_and_alerts_name_metrics_that_exist() -> None:
    known = {metric.name for metric in ALL_METRICS} | OF_PROMETHEUS
    rules = re.findall(
        r"expr: (.*?)\n +(?:for|labels):", (DEPLOY / "alerts.yml").read_text(), re.DOTALL
    )
    assert len(rules) > 10
    for text in (*rules, *(query for _, query in queries())):
        assert metrics_in(text) <= known


def test_the_dashboard_shows_every_metric_but_those_that_only_explain() -> None:
    shown = metrics_in(" ".join(query for _, query in queries()))
    only_explain = {"beckon_committed_rows_total"}
    assert {metric.name for metric in ALL_METRICS} - shown == only_explain


def test_panels_of_the_dashboard_fill_the_grid_without_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert {x for x, _ in taken} == set(range(24))
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_every_panel_says_what_it_shows_in_which_unit_and_from_where() -> None:
    source = yaml_of(DEPLOY / "grafana/provisioning/datasources/prometheus.yml")["datasources"][0]
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            assert panel["description"].endswith(".") or "`" in panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["datasource"]["uid"] == source["uid"]
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references)


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    for group in yaml_of(DEPLOY / "alerts.yml")["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
            assert set(rule["annotations"]) == {"summary", "do"}, rule["alert"]


def test_prometheus_takes_the_configuration_and_its_rules() -> None:
    checked = subprocess.run(
        [tool("promtool"), "check", "config", DEPLOY / "prometheus.yml"],
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr.decode()


def test_each_alert_fires_in_its_case_and_not_otherwise() -> None:
    checked = subprocess.run(
        [tool("promtool"), "test", "rules", ROOT / "tests" / "alert_cases.yml"],
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout.decode() + checked.stderr.decode()
    cases = (ROOT / "tests" / "alert_cases.yml").read_text()
    for alert in re.findall(r"- alert: (\w+)", (DEPLOY / "alerts.yml").read_text()):
        assert cases.count(f'alertname="{alert}"') >= 2, f"{alert} has no case"


def test_every_query_of_the_dashboard_has_an_answer(tmp_path: Path) -> None:
    metrics = Metrics(partitions=1)
    metrics.taken(0)
    metrics.configured(0, "c1", ["abandoned_cart", "win_back"])
    metrics.scores_by(0, {"churn_30d": "0123456789abcdef"})
    learner = LearnerMetrics()
    learner.configured(["churn_30d"])
    with (
        serving(Address("127.0.0.1", 0), pages_of(metrics)) as port,
        serving(Address("127.0.0.1", 0), pages_of(learner)) as learner_port,
        prometheus(tmp_path, scraped_ports=(port, learner_port)) as url,
    ):
        unanswered = {title for title, _ in queries()}
        until = monotonic() + PATIENCE_SECONDS
        while unanswered and monotonic() < until:
            work_on(metrics)
            learn_on(learner)
            sleep(0.5)
            unanswered = {title for title, query in queries() if not answer(url, query)}
        assert not unanswered


def pages_of(metrics: Metrics | LearnerMetrics) -> Pages:
    return Pages(metrics=metrics.page, not_alive=list, not_ready=list)


def learn_on(learner: LearnerMetrics) -> None:
    """Some examples, an alarm and a version."""
    alarm = Alarm(closed_ms=0, loss_before=0.3, loss_since=0.4)
    taken = Taken(alarms=[("churn_30d", alarm)], repeated=1, passed_over=1)
    taken.learned["churn_30d"] = 64
    figures = Figures()
    figures.add(logit=0.0, outcome=True, loss=0.7)
    learner.owned(owned=True)
    learner.taken(taken, {"churn_30d": figures}, lag_records=5)
    learner.published("churn_30d", 1_767_225_600_000)
    learner.refused("churn_30d")
    learner.held({"churn_30d": False})


def work_on(metrics: Metrics) -> None:
    """A batch of each kind of work, with its commit and relay."""
    outcomes = np.zeros((2, HOLDOUT + 1), np.int64)
    outcomes[0, SENT] = outcomes[1, RULE] = outcomes[1, GOAL] = 1
    batch = BatchFacts(
        events=9,
        duplicates=1,
        late=1,
        dead_letters={"bad_json": 1},
        outcomes=outcomes,
        lag_records=5,
        log_ms=1_767_225_600_000,
    )
    metrics.batch(0, batch)
    metrics.committed(0, CommitFacts(seconds=0.01, now_ms=1_767_225_600_000, rows=9, outbox=1))
    relay = RelayFacts(
        seconds=0.01, now_ms=2_000, entries=2, event_instants_ms=[1_990], timer_instants_ms=[1_900]
    )
    metrics.relayed(0, relay)
    metrics.state(0, StateFacts(users=9, state_bytes=9_000, pending_timers=1))


@contextmanager
def prometheus(folder: Path, scraped_ports: Sequence[int]) -> Iterator[str]:
    """A real Prometheus that scrapes pages every second; gives its address."""
    program = tool("prometheus")
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    targets = [f"127.0.0.1:{scraped}" for scraped in scraped_ports]
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        "  - job_name: beckon\n"
        f"    static_configs: [{{targets: {targets}}}]\n"
    )
    with subprocess.Popen(
        [
            program,
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def answer(url: str, query: str) -> list[Any]:
    """What Prometheus answers to a query; nothing while it is still starting."""
    try:
        with urlopen(f"{url}/api/v1/query?{urlencode({'query': query})}", timeout=5) as answered:
            result: list[Any] = json.load(answered)["data"]["result"]
            return result
    except URLError as error:
        assert not hasattr(error, "code"), f"{query}: {error}"
        return []


def test_the_compose_file_keeps_to_the_official_schema() -> None:
    schema = json.loads((ROOT / "tests" / "contracts" / "compose-spec.json").read_text())
    jsonschema.validate(yaml_of(ROOT / "docker-compose.yml"), schema)


def test_files_and_services_that_the_compose_file_names_exist() -> None:
    compose = yaml_of(ROOT / "docker-compose.yml")
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (ROOT / source).exists(), volume
        assert set(service.get("depends_on", [])) <= set(compose["services"])


def test_what_compose_opens_is_open_to_this_machine_alone() -> None:
    for name, service in yaml_of(ROOT / "docker-compose.yml")["services"].items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


def test_images_are_named_without_a_registry_and_with_a_version() -> None:
    images = [
        service["image"] for service in yaml_of(ROOT / "docker-compose.yml")["services"].values()
    ]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in images:
        assert "." not in image.split("/")[0].split(":")[0], image
        assert image == "beckon" or re.search(r":v?\d+\.\d+", image), image


def test_prometheus_scrapes_each_process_of_the_engine() -> None:
    engine = yaml_of(ROOT / "docker-compose.yml")["services"]["engine"]["command"]
    scraped = yaml_of(DEPLOY / "prometheus.yml")["scrape_configs"][0]["static_configs"][0]
    first = int(engine[engine.index("--metrics") + 1].rpartition(":")[2])
    count = int(engine[engine.index("--processes") + 1])
    learner = first - 1
    ports = [learner, *(first + index for index in range(count))]
    assert scraped["targets"] == [f"engine:{port}" for port in ports]


def test_the_commands_of_compose_and_image_are_ones_that_beckon_takes() -> None:
    services = yaml_of(ROOT / "docker-compose.yml")["services"]
    lines = [["beckon", *services[name]["command"]] for name in ("topics", "engine")]
    lines += [shlex.split(one) for one in services["traffic"]["command"][0].split("|")]
    lines += [
        shlex.split(one) for one in re.findall(r"(beckon (?:simulate|replay).*?) \\\n", DOCKERFILE)
    ]
    assert len(lines) == 6

    for program, *arguments in lines:
        assert program == "beckon"
        # Parses the line, and every subcommand in it, without running anything.
        command, context = beckon, beckon.make_context("beckon", list(arguments))
        while isinstance(command, type(beckon)):
            _, found, arguments = command.resolve_command(context, arguments)
            assert found is not None
            command, context = found, found.make_context(found.name, list(arguments))  # type: ignore[assignment]  # a group first, a command last


def test_the_image_is_of_two_stages_and_does_not_run_as_root() -> None:
    _, *stages = DOCKERFILE.split("\nFROM ")
    assert len(stages) == 2
    assert re.search(r"^USER [1-9]\d*$", stages[1], re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", stages[1], re.MULTILINE)
    assert '"http' not in DOCKERFILE.replace("urlopen('http://127.0.0.1:", "")
    assert "--require-hashes" in stages[0]


def test_the_image_gets_every_package_and_nothing_else_of_this_folder() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    wanted = {*packages, "requirements.lock", "pyproject.toml", "README.md", "LICENSE"}
    assert set(" ".join(copied).split()) == wanted
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == wanted
