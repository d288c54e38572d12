"""What is written is valid: against published schemas and models where these are installed, and against itself."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import zipfile
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tunesmith.core.errors import TunesmithError
from tunesmith.core.registry import family
from tunesmith.service.deploy.dashboard import dashboard
from tunesmith.service.deploy.helm import filled
from tunesmith.service.deploy.kubernetes import Deployed, manifests
from tunesmith.service.deploy.package import requirement, wheel_of_this
from tunesmith.service.deploy.rules import rules, scraping
from tunesmith.service.deploy.write import Needs, constraints, files, needs_of, write
from tunesmith.service.keys.admin import VARIABLE, admin_hash
from tunesmith.service.monitoring import Counts
from tunesmith.service.run import PATIENCE
from tunesmith.service.settings import Server, checked, read_catalog

RELEASE = "tunesmith==0.1.0"
METRIC = re.compile(r"\btunesmith_[a-z_]+")
MODELS = {
    "ServiceAccount": "V1ServiceAccount",
    "Deployment": "V1Deployment",
    "Service": "V1Service",
    "HorizontalPodAutoscaler": "V2HorizontalPodAutoscaler",
    "PodDisruptionBudget": "V1PodDisruptionBudget",
    "NetworkPolicy": "V1NetworkPolicy",
}


@pytest.fixture(scope="module")
def written() -> dict[str, dict[str, str]]:
    kinds = ("docker", "compose", "kubernetes")
    return {kind: files(kind, "shop.v2", "registry.example/shop:1", Needs("onnx"), RELEASE) for kind in kinds}


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Every name that the service gives to Prometheus."""
    counts = Counts()
    counts.answered("p", "1", 1, 1, 1, {"total": 0.1})
    counts.computed("p", "1", 1, [{"abstain": True, "human": "unsure"}])
    counts.failed("p", "1", "x", 500)
    counts.drifted("p", "1", {"length": 0.1}, True)
    return set(METRIC.findall(counts.page([])[0].decode()))


def of_models(manifest: dict[str, Any]) -> Any:
    """The manifest as Kubernetes' own client reads it and writes it again: what it does not know is lost."""
    client = pytest.importorskip("kubernetes.client", reason="NOT TESTED HERE: pip install kubernetes")
    api = client.ApiClient()
    read = api.deserialize(json.dumps(manifest), MODELS[manifest["kind"]], "application/json")
    return api.sanitize_for_serialization(read)


@pytest.mark.parametrize("gpus", [0, 1])
def test_manifests_are_what_kubernetes_reads(gpus: int) -> None:
    for manifest in manifests(Deployed("shop", "shop:1", gpus=gpus)):
        assert of_models(manifest) == manifest, manifest["kind"]


def test_a_key_that_kubernetes_does_not_know_would_be_seen() -> None:
    manifest = manifests(Deployed("shop", "shop:1"))[1]
    manifest["spec"]["template"]["spec"]["securtyContext"] = {}
    assert of_models(manifest) != manifest


def test_manifests_fit_each_other() -> None:
    made = {m["kind"]: m for m in manifests(Deployed("shop", "shop:1"))}
    deployment, pod = made["Deployment"]["spec"], made["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    for selector in (
        deployment["selector"]["matchLabels"], made["Service"]["spec"]["selector"],
        made["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        made["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):  # fmt: skip
        assert selector.items() <= labels.items()
    box = pod["spec"]["containers"][0]
    assert made["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == made["Deployment"]["metadata"]["name"]
    assert {one["name"] for one in box["volumeMounts"]} == {one["name"] for one in pod["spec"]["volumes"]}
    assert pod["spec"]["securityContext"]["runAsNonRoot"] and box["securityContext"]["readOnlyRootFilesystem"]
    assert made["Service"]["spec"]["ports"][0]["targetPort"] == box["ports"][0]["name"]
    assert "replicas" not in deployment


def test_the_chart_gives_the_same_manifests(written: dict[str, dict[str, str]]) -> None:
    made = written["kubernetes"]
    values = yaml.safe_load(made["chart/values.yaml"])
    about = yaml.safe_load(made["chart/Chart.yaml"])
    assert (
        about["apiVersion"] == "v2" and about["name"] == "shop-v2" and re.fullmatch(r"\d+\.\d+\.\d+", about["version"])
    )
    templates = {name: text for name, text in made.items() if name.startswith("chart/templates/")}
    plain = [yaml.safe_load(text) for name, text in made.items() if name.startswith("manifests/")]
    found = [yaml.safe_load(filled(text, "shop-v2", values)) for text in templates.values()]
    assert len(found) == len(plain) == 6
    assert {one["kind"]: one for one in found} == {one["kind"]: one for one in plain}
    other = filled(templates["chart/templates/deployment.yaml"], "b", {**values, "image": "other:2"})
    assert "other:2" in other and "{{" not in other


def test_compose_is_what_compose_reads(written: dict[str, dict[str, str]]) -> None:
    made = yaml.safe_load(written["compose"]["compose.yaml"])
    for name, service in made["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in made["volumes"] or source.removeprefix("./") in written["compose"], f"{name}: {volume}"
        assert set(service.get("depends_on", {})) <= made["services"].keys()
    box = made["services"]["tunesmith"]
    assert "hunter2" not in str(box) and ":?" in box["environment"]["TUNESMITH_STORE"]
    assert box["read_only"] and box["cap_drop"] == ["ALL"]
    pytest.importorskip("check_jsonschema", reason="NOT TESTED HERE: pip install check-jsonschema")
    jsonschema = pytest.importorskip("jsonschema")
    place = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(place.read_text("utf-8"))
    jsonschema.validate(made, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**made, "sevices": {}}, schema)


def test_images_do_not_run_as_root_and_hold_no_secret(written: dict[str, dict[str, str]]) -> None:
    for name in ("Dockerfile", "Dockerfile.cuda"):
        lines = written["docker"][name].splitlines()
        last = [line for line in lines if line.startswith("USER")][-1]
        assert last == "USER 10001:10001" and lines.index(last) > max(
            i for i, line in enumerate(lines) if line.startswith("RUN")
        )
        assert lines[-1].startswith("ENTRYPOINT [") and json.loads(lines[-1].removeprefix("ENTRYPOINT "))
        instructions = {line.split()[0] for line in lines if re.match(r"[A-Z]+ ", line)}
        assert instructions <= {
            "FROM", "COPY", "RUN", "ENV", "USER", "WORKDIR", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT",
        }  # fmt: skip
        copied = [line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line]
        kept = {line.removeprefix("!") for line in written["docker"][".dockerignore"].splitlines()[1:]}
        assert set(copied) <= kept
    assert "[serve,onnx]" in written["docker"]["Dockerfile"]


def test_the_catalog_inside_is_read(written: dict[str, dict[str, str]]) -> None:
    catalog = checked(yaml.safe_load(written["docker"]["catalog.yaml"]), "catalog.yaml")
    assert list(catalog.products) == ["shop.v2"] and not catalog.server.is_open() and catalog.server.alone
    pods = checked(yaml.safe_load(written["kubernetes"]["catalog.yaml"]), "catalog.yaml")
    assert not pods.server.alone, "what one pod would keep for itself is refused"
    number = files("docker", "2024", "i", Needs("onnx"), RELEASE)["catalog.yaml"]
    assert list(checked(yaml.safe_load(number), "catalog.yaml").products) == ["2024"]
    manifest = yaml.safe_load(files("kubernetes", "2024", "i", Needs("onnx"), RELEASE)["manifests/2-service.yaml"])
    assert manifest["metadata"]["name"] == "tunesmith-2024", "a Service's name begins with a letter"


def test_a_container_writes_into_its_volume_alone(written: dict[str, dict[str, str]], tmp_path: Path) -> None:
    (tmp_path / "catalog.yaml").write_text(written["docker"]["catalog.yaml"], "utf-8")
    assert read_catalog(tmp_path / "catalog.yaml").server.folder == Path("/data")
    for name in ("Dockerfile", "Dockerfile.cuda"):
        assert "\nENV TUNESMITH_STORE=sqlite:////data/" in written["docker"][name], "verbs and the service: one store"


def test_rules_and_panels_name_what_is_measured(known: set[str]) -> None:
    for one in rules("shop")["groups"][0]["rules"]:
        assert set(METRIC.findall(one["expr"])) <= known, one["alert"]
        assert one["labels"]["severity"] in ("critical", "warning") and one["annotations"]["summary"].endswith(".")
        assert re.fullmatch(r"\d+[smh]", one["for"]) and one["expr"].count("(") == one["expr"].count(")")
    board = dashboard()
    for panel in board["panels"]:
        assert set(METRIC.findall(panel["targets"][0]["expr"])) <= known, panel["title"]
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(set(places)) == len(places) and len({p["id"] for p in board["panels"]}) == len(places)
    assert scraping()["rule_files"] == ["tunesmith.rules.yml"]


def test_alerts_reach_somebody_on_one_machine(written: dict[str, dict[str, str]]) -> None:
    made = written["compose"]
    services = yaml.safe_load(made["compose.yaml"])["services"]
    alerting = yaml.safe_load(made["prometheus.yml"])["alerting"]["alertmanagers"]
    (target,) = alerting[0]["static_configs"][0]["targets"]
    name, port = target.split(":")
    assert services[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert services["prometheus"]["ports"] == ["127.0.0.1:9090:9090"]
    asked = yaml.safe_load(made["alertmanager.yml"])
    assert asked["route"]["receiver"] in {one["name"] for one in asked["receivers"]}
    filled_in = re.sub(r"^( *)# ( *(webhook|email|-|from|smart|url).*)$", r"\1\2", made["alertmanager.yml"], flags=re.M)
    (receiver,) = yaml.safe_load(filled_in)["receivers"]
    assert receiver["webhook_configs"][0]["url"] and receiver["email_configs"][0]["smarthost"]


def test_expressions_are_promql() -> None:
    promql = pytest.importorskip("promql_parser", reason="NOT TESTED HERE: pip install promql-parser")
    for one in rules("shop")["groups"][0]["rules"]:
        promql.parse(one["expr"])
    for panel in dashboard()["panels"]:
        promql.parse(panel["targets"][0]["expr"].replace("$product", ".*"))
    with pytest.raises(Exception, match=""):
        promql.parse("sum by (a (b)")


@pytest.mark.parametrize("kind", ["docker", "compose", "kubernetes"])
def test_what_a_dockerfile_copies_is_written_and_not_ignored(kind: str, tmp_path: Path) -> None:
    bundle, place = tmp_path / "b", tmp_path / "deploy"
    bundle.mkdir()
    made = write(kind, bundle, place, "shop", "shop:1", Needs("torch"))
    let_in = {line[1:] for line in (place / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    for name in ("Dockerfile", "Dockerfile.cuda"):
        text = (place / name).read_text("utf-8")
        copied = set(re.findall(r"^COPY (?!--from)(\S+) ", text, re.M))
        (wheel,) = copied - {"constraints.txt", "catalog.yaml", "bundle"}
        assert wheel.endswith(".whl") and wheel in made, "a checkout runs here, which the index does not have"
        assert all((place / one).exists() for one in copied) and copied <= let_in
    assert {"Dockerfile", "constraints.txt", "bundle/"} <= set(made)


def test_files_and_the_bundle_are_written_once(tmp_path: Path) -> None:
    bundle, place = tmp_path / "b", tmp_path / "deploy"
    bundle.mkdir()
    (bundle / "tunesmith.json").write_text("{}", "utf-8")
    made = write("kubernetes", bundle, place, "shop", "shop:1", Needs("torch"), RELEASE)
    assert (place / "bundle" / "tunesmith.json").is_file() and "manifests/1-deployment.yaml" in made
    assert "torch==" in (place / "constraints.txt").read_text("utf-8") == constraints()
    with pytest.raises(TunesmithError, match="not empty"):
        write("docker", bundle, place, "shop", "shop:1", Needs("torch"))


@pytest.mark.parametrize("package", [RELEASE, "tunesmith-0.1.0-py3-none-any.whl", "tunesmith[zh]>=0.1,<1"])
def test_what_an_image_installs_is_a_requirement(package: str) -> None:
    packaging = pytest.importorskip("packaging.requirements")
    made = files("docker", "shop", "i", Needs("torch", media=True), package)
    for name in ("Dockerfile", "Dockerfile.cuda"):
        (line,) = re.findall(r'pip install .*"(.*)"', made[name])
        read = packaging.Requirement(line)
        assert read.name == "tunesmith" and {"serve", "train", "media"} <= read.extras
        assert (str(read.specifier) == "==0.1.0") is (package == RELEASE)
        assert (read.url == f"file:///tmp/{package}") is package.endswith(".whl")
        assert (f"COPY {package} /tmp/{package}\n" in made[name]) is package.endswith(".whl")


@pytest.mark.parametrize("package", ["tunesmith 0.1", "serve", 'tunesmith" && rm', "", "tunesmith-2"])
def test_what_is_no_requirement_is_refused(package: str) -> None:
    with pytest.raises(TunesmithError, match="no requirement of tunesmith"):
        requirement(package, "serve")


def test_a_wheel_of_what_runs_here_is_whole(tmp_path: Path) -> None:
    path = wheel_of_this(tmp_path)
    with zipfile.ZipFile(path) as wheel:
        lines = csv.reader(wheel.read("tunesmith-0.1.0.dist-info/RECORD").decode().splitlines())
        listed = {name: (digest, size) for name, digest, size in lines}
        assert set(listed) == set(wheel.namelist())
        assert {"tunesmith/cli/__init__.py", "tunesmith/py.typed", "tunesmith/service/page/page.css"} <= set(listed)
        assert not any("__pycache__" in name for name in listed)
        about = wheel.read("tunesmith-0.1.0.dist-info/METADATA").decode()
        assert "Provides-Extra: serve" in about and "Requires-Dist: pydantic" in about
        assert b"tunesmith = " in wheel.read("tunesmith-0.1.0.dist-info/entry_points.txt")
        for name, (digest, size) in listed.items():
            if digest:
                own = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).rstrip(b"=").decode()
                assert digest == f"sha256={own}" and int(size) == wheel.getinfo(name).file_size


def test_a_wheel_that_is_given_is_copied(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    given = tmp_path / "tunesmith-9.0-py3-none-any.whl"
    given.write_bytes(b"wheel")
    made = write("docker", tmp_path / "b", tmp_path / "d", "shop", "i", Needs("onnx"), str(given))
    assert given.name in made and (tmp_path / "d" / given.name).read_bytes() == b"wheel"
    with pytest.raises(TunesmithError, match="no such wheel"):
        write("docker", tmp_path / "b", tmp_path / "e", "shop", "i", Needs("onnx"), str(tmp_path / "none.whl"))


def test_a_bundle_of_files_gets_what_reads_them_and_gpus_go_where_they_are_used(tmp_path: Path) -> None:
    def needs(task: str, runtime: str, gpus: int = 0) -> Needs:
        bundle: Any = SimpleNamespace(
            path=tmp_path, manifest=SimpleNamespace(runtime=SimpleNamespace(name=runtime)),
            task=family("tasks").load(task),
        )  # fmt: skip
        return needs_of(bundle, gpus)

    assert needs("image-classification", "torch").extras == "serve,train,media"
    assert needs("audio-classification", "torch").extras == "serve,train,media"
    assert needs("text-classification", "onnx").extras == "serve,onnx"
    with pytest.raises(TunesmithError, match="--gpus 1"):
        needs("text-classification", "onnx", 1)
    wanted = needs("text-classification", "torch", 2)
    service = yaml.safe_load(files("compose", "shop", "i", wanted, RELEASE)["compose.yaml"])["services"]["tunesmith"]
    assert service["build"]["dockerfile"] == "Dockerfile.cuda"
    assert service["deploy"]["resources"]["reservations"]["devices"][0]["count"] == 2
    made = files("kubernetes", "shop", "i", wanted, RELEASE)
    values = yaml.safe_load(made["chart/values.yaml"])
    template = made["chart/templates/deployment.yaml"]
    for gpus in (0, 2):
        box = yaml.safe_load(filled(template, "shop", {**values, "gpus": gpus}))
        limits = box["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert values["gpus"] == 2 and limits == {"memory": "2Gi", **({"nvidia.com/gpu": "2"} if gpus else {})}


def test_a_large_bundle_gets_memory_and_time_to_start(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    with (tmp_path / "adapter" / "weights").open("wb") as file:
        file.truncate(3 << 30)  # a hole: no bytes on the disk
    manifest = SimpleNamespace(runtime=SimpleNamespace(name="torch"))
    bundle: Any = SimpleNamespace(path=tmp_path, manifest=manifest, task=family("tasks").load("text-classification"))
    made = files("kubernetes", "shop", "i", needs_of(bundle), RELEASE)
    values = yaml.safe_load(made["chart/values.yaml"])
    assert (values["memory"], values["tries"]) == ("9Gi", 180)
    for text in (made["manifests/1-deployment.yaml"], filled(made["chart/templates/deployment.yaml"], "shop", values)):
        box = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"][0]
        assert box["resources"]["limits"]["memory"] == "9Gi" and box["startupProbe"]["failureThreshold"] == 180


def test_what_a_month_has_used_outlives_a_restart_of_redis(written: dict[str, dict[str, str]]) -> None:
    made = yaml.safe_load(written["compose"]["compose.yaml"])
    redis = made["services"]["redis"]
    words = redis["command"]
    assert words[words.index("--appendonly") + 1] == "yes"
    assert [one.split(":")[1] for one in redis["volumes"]] == ["/data"]


def test_what_is_asked_is_answered_and_counted_before_the_end(written: dict[str, dict[str, str]]) -> None:
    takes = Server().shutdown + PATIENCE + 10  # answers that are remembered
    box = yaml.safe_load(written["compose"]["compose.yaml"])["services"]["tunesmith"]
    assert int(box["stop_grace_period"].removesuffix("s")) >= takes
    pod = yaml.safe_load(written["kubernetes"]["manifests/1-deployment.yaml"])["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= takes + 5  # its preStop


def test_redis_is_the_installations_own(written: dict[str, dict[str, str]]) -> None:
    made = written["kubernetes"]
    pod = yaml.safe_load(made["manifests/1-deployment.yaml"])["spec"]["template"]["spec"]
    (given,) = (one for one in pod["containers"][0]["env"] if one["name"] == "TUNESMITH_LIMITS")
    assert given["valueFrom"]["secretKeyRef"] == {"name": "tunesmith", "key": "limits", "optional": True}
    assert checked(yaml.safe_load(made["catalog.yaml"]), "catalog.yaml").limits == "redis://shop-v2-redis:6379"
    values = {**yaml.safe_load(made["chart/values.yaml"]), "egress": [{"port": 6380, "protocol": "TCP"}]}
    policy = yaml.safe_load(filled(made["chart/templates/networkpolicy.yaml"], "shop", values))
    assert policy["spec"]["egress"] == [{"ports": values["egress"]}]


def test_the_admin_key_reaches_the_service_where_there_is_one(written: dict[str, dict[str, str]]) -> None:
    box = yaml.safe_load(written["compose"]["compose.yaml"])["services"]["tunesmith"]
    assert box["environment"][VARIABLE] == f"${{{VARIABLE}:-}}" and admin_hash({VARIABLE: ""}) is None
    pod = yaml.safe_load(written["kubernetes"]["manifests/1-deployment.yaml"])["spec"]["template"]["spec"]
    given = {one["name"]: one.get("valueFrom") for one in pod["containers"][0]["env"]}
    assert given[VARIABLE] == {"secretKeyRef": {"name": "tunesmith", "key": "admin", "optional": True}}
