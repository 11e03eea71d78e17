"""The files in deploy/ are what their programs take, and fit rxvoice."""

from __future__ import annotations

import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rxvoice.cli import parser
from rxvoice.cli._options import settings_of
from rxvoice.cli._serve_models import check_models
from rxvoice.cli._serve_settings import ServeSettings

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))


def _kind(name: str) -> Any:
    (found,) = [it for it in KUBERNETES if it["kind"] == name]
    return found


def _settings(command: list[str]) -> ServeSettings:
    """What ``rxvoice serve`` makes of these arguments."""
    found = settings_of(
        parser().parse_args(["serve", *command, "--settings", "/dev/null"]), ServeSettings, "serve"
    )
    check_models(found)
    return found


def _dockerfile(name: str) -> list[str]:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    (line,) = re.findall(rf"^{name} (.*)$", text, re.MULTILINE)
    return yaml.safe_load(line)


@pytest.mark.parametrize("manifest", KUBERNETES, ids=lambda it: it["kind"])
@pytest.mark.parametrize("version", ["1.32.0", "1.37.0"])
def test_kubernetes_takes_each_manifest(manifest: dict[str, Any], version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    validate.validate(manifest, version, strict=True)


def test_a_mistake_in_a_manifest_is_noticed() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    with pytest.raises(validate.ValidationError):
        validate.validate({**_kind("Service"), "sepc": {}}, "1.37.0", strict=True)


def test_compose_takes_its_file(tmp_path: Path) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, DEPLOY / "compose.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    bad = tmp_path / "compose.yaml"
    bad.write_text((DEPLOY / "compose.yaml").read_text("utf-8") + "srevices: {}\n", "utf-8")
    assert subprocess.run([*check, bad], capture_output=True).returncode == 1


def test_every_start_is_a_command_that_rxvoice_takes() -> None:
    image = _dockerfile("ENTRYPOINT")
    assert image[:2] == ["rxvoice", "serve"]
    (pod,) = _kind("Deployment")["spec"]["template"]["spec"]["containers"]
    told = _settings([*image[2:], *pod["args"]])
    assert (told.host, told.llm_url) == ("0.0.0.0", ("http://vllm-router:8000/v1",))
    assert told.api_key
    for name in ("rxvoice-a", "rxvoice-b"):
        # Variables of the shell, as compose writes them: ${NAME:-default}.
        command = [
            re.sub(r"\$\{\w+:[-?]([^}]*)\}", r"\1", it)
            for it in COMPOSE["services"][name]["command"]
        ]
        assert _settings([*image[2:], *command]).api_key == "/run/secrets/api_key"
    unit = (DEPLOY / "rxvoice.service").read_text("utf-8")
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert _settings(shlex.split(line)[2:]).host == "127.0.0.1"
    agent = plistlib.loads((DEPLOY / "org.rxvoice.serve.plist").read_bytes())
    assert _settings(agent["ProgramArguments"][2:]).host == "127.0.0.1"


def test_a_replica_has_more_time_to_end_than_it_needs() -> None:
    pod = _kind("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    drain = _settings(container["args"]).drain_timeout
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= before + drain + 10
    replica = COMPOSE["services"]["rxvoice-a"]
    command = [re.sub(r"\$\{.*", "x", it) for it in replica["command"]]
    assert (
        int(replica["stop_grace_period"].removesuffix("s")) >= _settings(command).drain_timeout + 10
    )
    unit = (DEPLOY / "rxvoice.service").read_text("utf-8")
    (limit,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    agent = plistlib.loads((DEPLOY / "org.rxvoice.serve.plist").read_bytes())
    for seconds in (int(limit), agent["ExitTimeOut"]):
        assert seconds >= 60 + 10


def test_the_autoscaler_adds_replicas_before_they_are_full() -> None:
    (container,) = _kind("Deployment")["spec"]["template"]["spec"]["containers"]
    (metric,) = _kind("HorizontalPodAutoscaler")["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "rxvoice_sessions"  # tests/serve/test_metrics.py
    most = _settings(container["args"]).max_sessions
    assert int(metric["pods"]["target"]["averageValue"]) < most


def test_what_prometheus_and_nginx_ask_is_there() -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))
    (job,) = scraped["scrape_configs"]
    (targets,) = job["static_configs"]
    replicas = [f"{name}:8321" for name in COMPOSE["services"] if name.startswith("rxvoice-")]
    assert targets["targets"] == replicas
    nginx = (DEPLOY / "nginx.conf").read_text("utf-8")
    assert re.findall(r"server (rxvoice-\S+)", nginx) == replicas


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        pytest.skip("no systemd-analyze: apt-get install systemd")
    text = (DEPLOY / "rxvoice.service").read_text("utf-8")
    unit = tmp_path / "rxvoice.service"
    unit.write_text(text.replace("/opt/rxvoice/bin/rxvoice", "/bin/true"), "utf-8")
    done = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(text, "utf-8")  # its program is not there
    assert subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True).returncode


def test_the_launch_agent_has_what_launchd_reads() -> None:
    agent = plistlib.loads((DEPLOY / "org.rxvoice.serve.plist").read_bytes())
    assert agent["Label"] == "org.rxvoice.serve"
    known = {  # launchd.plist(5)
        *("Label", "ProgramArguments", "RunAtLoad", "KeepAlive", "ExitTimeOut", "ProcessType"),
        *("StandardOutPath", "StandardErrorPath"),
    }
    assert set(agent) == known


def test_the_index_lists_every_file() -> None:
    index = (DEPLOY / "README.md").read_text("utf-8")
    there = {it.name for it in DEPLOY.iterdir() if it.name not in ("README.md", "__pycache__")}
    assert set(re.findall(r"\]\(([\w.-]+)\)", index)) == there
