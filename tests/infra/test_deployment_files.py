"""Deployments name flows that exist, with parameters that they take."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest
import yaml
from rootstock.params import load_params

INFRA = Path(__file__).parents[2] / "infra"
DEPLOYMENTS = {each["name"]: each for each in yaml.safe_load((INFRA / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]}


@pytest.mark.parametrize("name", ["train", "monitor", "retrain"])
def test_the_entrypoint_takes_the_parameters(name):
    module, _, flow = DEPLOYMENTS[name]["entrypoint"].partition(":")
    accepted = inspect.signature(getattr(importlib.import_module(module), flow).fn).parameters
    given = set(DEPLOYMENTS[name]["parameters"])
    for trigger in DEPLOYMENTS[name].get("triggers", []):
        given |= set(trigger["parameters"])
    assert given <= set(accepted)


def test_the_trigger_expects_the_event_that_the_monitor_emits():
    from rootstock_flows.monitor import DRIFT_EVENT

    trigger = DEPLOYMENTS["retrain"]["triggers"][0]
    assert trigger["expect"] == [DRIFT_EVENT]
    assert trigger["match"] == {"prefect.resource.id": "rootstock.model.*"}


def test_an_announced_decision_is_carried_out_and_not_taken_again():
    assert DEPLOYMENTS["retrain"]["triggers"][0]["parameters"]["force"] is True


def test_training_and_watching_are_weekly_and_retraining_only_on_the_event():
    crons = {name: [schedule["cron"].split() for schedule in each.get("schedules", [])] for name, each in DEPLOYMENTS.items()}
    assert [day_of_week for *_, day_of_week in crons["train"]] == ["1"]
    assert [day_of_week for *_, day_of_week in crons["monitor"]] == ["1"]
    assert crons["retrain"] == []


@pytest.mark.parametrize("params", [INFRA.parent / "params.yaml", INFRA.parent / "params-images.yaml"], ids=lambda path: path.name)
def test_the_watch_looks_no_oftener_in_the_weeks_of_a_year_than_alpha_is_spent_over(params):
    fields = [schedule["cron"].split() for schedule in DEPLOYMENTS["monitor"]["schedules"]]
    assert all(minute.isdigit() and hour.isdigit() for minute, hour, *_ in fields)
    days_a_week = sum(7 if day_of_week == "*" else len(day_of_week.split(",")) for *_, day_of_week in fields)
    assert 52 * days_a_week <= load_params(params).monitoring.looks


def test_a_flow_that_retrains_does_not_announce_to_itself():
    from rootstock_flows import retrain

    assert "announce=False" in inspect.getsource(retrain.retrain.fn)


def test_compose_publishes_ports_on_this_machine_only():
    services = yaml.safe_load((INFRA / "compose.yaml").read_text(encoding="utf-8"))["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_holds_no_password():
    assert "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?" in (INFRA / "compose.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((INFRA / "kubernetes").glob("*.yaml")), ids=lambda path: path.name)
def test_manifests_are_whole_and_run_as_no_root(path):
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    assert all({"apiVersion", "kind", "metadata"} <= set(document) for document in documents)
    for document in documents:
        if document["kind"] == "Deployment":
            assert document["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
