"""A real Prometheus reads what is deployed: its rules, its settings, and a running service; and it raises alerts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml

from tunesmith.bundle.drift.baseline import baseline_of
from tunesmith.bundle.drift.facts import facts
from tunesmith.service.deploy.rules import rules
from tunesmith.service.deploy.write import Needs, write
from tunesmith.service.services import Services
from tunesmith.service.watching.settings import Drift
from tunesmith.service.watching.watch import Watch
from tunesmith.testing import servers

PROMTOOL = shutil.which("promtool")
without_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="NOT TESTED HERE: no promtool; on Debian: apt-get install prometheus"
)
ALL = [one["alert"] for one in rules("p")["groups"][0]["rules"]]


def promtool(*words: str | Path, given: bytes | None = None) -> str:
    """What it says; its exit code must be 0."""
    made = subprocess.run([str(PROMTOOL), *map(str, words)], input=given, capture_output=True)
    said = (made.stdout + made.stderr).decode()
    assert made.returncode == 0, said
    return said


@pytest.fixture
def deployed(tmp_path: Path) -> Callable[[str], Path]:
    """A folder as ``tunesmith deploy`` writes it."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "tunesmith.json").write_text("{}", "utf-8")

    def folder(kind: str) -> Path:
        write(kind, bundle, tmp_path / kind, "plain", "shop:1", Needs("onnx"), "tunesmith==0.1.0")
        return tmp_path / kind

    return folder


@without_promtool
def test_promtool_accepts_rules_and_settings(deployed: Callable[[str], Path]) -> None:
    for place in (deployed("compose"), deployed("kubernetes")):
        assert f"{len(ALL)} rules found" in promtool("check", "rules", "--lint-fatal", place / "tunesmith.rules.yml")
    assert "is valid" in promtool("check", "config", "--lint-fatal", place.parent / "compose" / "prometheus.yml")


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    """A series of a sample a minute, of the product p, version 1."""
    every = {"product": "p", "version": "1", **labels}
    inside = ",".join(f'{key}="{value}"' for key, value in every.items())
    return {"series": f"tunesmith_{name}{{{inside}}}", "values": values}


def slow(stage: str) -> list[dict[str, str]]:
    """60 requests a minute, all between 1 and 2.5 seconds."""
    buckets = (("1", "0x40"), ("2.5", "0+60x40"), ("+Inf", "0+60x40"))
    return [series("seconds_bucket", values, stage=stage, le=le) for le, values in buckets]


FAILS, ANSWERS = series("errors_total", "0+9x40", code="too_late"), series("requests_total", "0+91x40", status="200")
ROWS = series("rows_total", "0+9x40")
CASES: dict[str, tuple[list[dict[str, str]], str]] = {
    "down": ([{"series": 'up{job="tunesmith"}', "values": "0x40"}], "TunesmithDown"),
    "a pod of a job with another name": (
        [
            {"series": 'up{job="pods", instance="a:8000"}', "values": "1x9 0x30"},
            series("waiting_tokens", "0x9 stale", job="pods", instance="a:8000"),
        ],
        "TunesmithDown",
    ),
    "another service of that job": ([{"series": 'up{job="pods", instance="b:80"}', "values": "0x40"}], ""),
    "no pod is left": ([series("waiting_tokens", "0x3 stale", instance="gone")], "TunesmithGone"),
    "nine of a hundred": ([FAILS, ANSWERS], "TunesmithErrors"),
    "nothing is answered": ([FAILS], "TunesmithErrors"),
    "four of a hundred": ([series("errors_total", "0+4x40", code="too_late"), ANSWERS], ""),
    "the clients' own mistakes": ([series("errors_total", "0+90x40", code="unreadable_rows"), ANSWERS], ""),
    "slow": (slow("total"), "TunesmithSlow"),
    "a long text": ([*slow("total"), series("written_tokens_total", "0+900x40")], ""),
    "a text that begins late": ([*slow("first"), series("written_tokens_total", "0+900x40")], "TunesmithSlow"),
    "queue": ([series("waiting_tokens", "100001x40")], "TunesmithQueue"),
    "drift": ([series("drifting", "1x40")], "TunesmithDrift"),
    "drift that was": ([series("drifting", "1x3 0x37")], ""),
    "abstains": ([series("abstained_total", "0+4x40", why="unsure"), ROWS], "TunesmithAbstains"),
    "abstains now and then": ([series("abstained_total", "0+2x40", why="unsure"), ROWS], ""),
}  # fmt: skip


@without_promtool
def test_each_rule_is_raised_by_what_it_is_for(tmp_path: Path) -> None:
    """Half an hour of made series, through Prometheus' own engine, with the rules as they are deployed."""
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules("p")), "utf-8")
    summaries = {one["alert"]: one for one in rules("p")["groups"][0]["rules"]}
    tests = []
    for name, (given, raised) in CASES.items():
        own = {"TunesmithDown": {}, "TunesmithGone": {"product": "p"}}.get(raised, {"product": "p", "version": "1"})
        if raised != "TunesmithGone":
            given = [*given, series("waiting_tokens", "0x40", instance="here")]
        expected: dict[str, Any] = {alert: [] for alert in ALL}
        if raised:
            rule = summaries[raised]
            words = rule["annotations"]["summary"].replace("{{ $labels.product }} {{ $labels.version }}", "p 1")
            ups = [one["series"] for one in given if one["series"].startswith("up{")]
            job = dict(re.findall(r'(\w+)="(.*?)"', ups[0])) if raised == "TunesmithDown" else {}
            labels = {**rule["labels"], **own, **job}
            expected[raised] = [{"exp_labels": labels, "exp_annotations": {"summary": words}}]
        wanted = [{"eval_time": "30m", "alertname": alert, "exp_alerts": some} for alert, some in expected.items()]
        tests.append({"name": name, "interval": "1m", "input_series": given, "alert_rule_test": wanted})
    told = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(told), "utf-8")
    assert "SUCCESS" in promtool("test", "rules", tmp_path / "tests.yml")
    assert {raised for _, raised in CASES.values()} == {*ALL, ""}


@pytest.fixture
def served(made: Callable[..., Services], on_a_port: Callable[..., str], monkeypatch: Any) -> Iterator[str]:
    """A service on a port whose bundle was proven on texts of 20 to 39 characters."""
    rows = [
        facts("the parcel is late", [np.arange(20 + i % 20)], {"label": "x", "score": 1.0}, None) for i in range(90)
    ]
    monkeypatch.setattr("tunesmith.service.watching.watch.read_baseline", lambda folder: baseline_of(rows, None))
    services = made({"products": {"plain": "plain", "calm": "calm"}})
    services.watch = Watch(Drift(rows=50, step=50, per_second=1e6), services.counts, lambda alert: None)
    yield on_a_port(services)
    services.watch.close()


def quick(place: Path, address: str) -> Path:
    """The deployed settings with other times ("for" is a second, all is asked every 0.2 s) and two addresses.

    Nobody listens on the second.
    """
    settings = yaml.safe_load((place / "prometheus.yml").read_text("utf-8"))
    settings["global"] = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}
    settings["scrape_configs"][0]["static_configs"][0]["targets"] = [address.removeprefix("http://"), "127.0.0.1:1"]
    (place / "prometheus.yml").write_text(yaml.safe_dump(settings), "utf-8")
    file = yaml.safe_load((place / "tunesmith.rules.yml").read_text("utf-8"))
    for rule in file["groups"][0]["rules"]:
        rule["for"] = "1s"
    (place / "tunesmith.rules.yml").write_text(yaml.safe_dump(file), "utf-8")
    return place / "prometheus.yml"


def firing(prometheus: str) -> set[tuple[str, str]]:
    """Alerts, each with its product."""
    with urllib.request.urlopen(f"{prometheus}/api/v1/alerts", timeout=10) as answer:
        found = json.load(answer)["data"]["alerts"]
    return {(one["labels"]["alertname"], one["labels"].get("product", "")) for one in found if one["state"] == "firing"}


def within(seconds: float, prometheus: str, wanted: set[tuple[str, str]], meanwhile: Callable[[], object]) -> None:
    """Wait until these alerts fire, and no others."""
    until = time.monotonic() + seconds
    while (now := firing(prometheus)) != wanted:
        assert time.monotonic() < until, f"fires: {now}"
        meanwhile()
        time.sleep(0.1)


def test_a_real_prometheus_raises_what_is_caused(served: str, deployed: Callable[[str], Path]) -> None:
    config = quick(deployed("compose"), served)
    try:
        with servers.prometheus(config) as prometheus, httpx.Client(base_url=served) as client:

            def ask(product: str, text: str) -> int:
                return client.post(f"/v1/predict/{product}", json={"text": text}).status_code

            def trouble() -> None:
                assert ask("plain", "bug") == 500 and ask("plain", "fine") == 200 and ask("calm", "fine") == 200

            for i in range(50):
                assert ask("plain", "y" * (100 + i)) == 200
            wanted = {("TunesmithErrors", "plain"), ("TunesmithDrift", "plain"), ("TunesmithDown", "")}
            within(20, prometheus, wanted, trouble)
            names = httpx.get(f"{prometheus}/api/v1/label/__name__/values").json()["data"]
            assert {"tunesmith_seconds_bucket", "tunesmith_rows_total", "tunesmith_waiting_tokens"} <= set(names)
            assert not promtool("check", "metrics", given=client.get("/metrics").content)  # it finds no fault
    except servers.NoServer as error:
        pytest.skip(f"NOT TESTED HERE: {error}")
