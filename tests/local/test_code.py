"""What was packed runs by itself: of this machine it finds nothing but what Lambda's runtime brings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.code import ROOT, Artefacts, Sources
from infra.local.intrinsics import read_yaml
from infra.local.state import LocalFailed
from infra.local.template import FunctionSpec, Template

SPEC = FunctionSpec("Sender", "functions/sender/", "app.handler", 60.0, 512, {}, ("VentanaLayer", "TwilioLayer"))


def test_a_function_has_the_layers_of_all_and_its_own() -> None:
    function = {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "f/", "Layers": [{"Ref": "Own"}]}}
    content = {
        "Globals": {"Function": {"Handler": "app.handler", "Layers": [{"Ref": "Shared"}]}},
        "Resources": {"One": function},
    }
    (spec,) = Template(content, {}).functions()
    assert spec.layers == ("Shared", "Own")
    assert not spec.snapshot


def test_a_function_knows_whether_it_starts_from_a_snapshot() -> None:
    snapshot = read_yaml(ROOT / "template.yaml")["Resources"]["Api"]["Properties"]["SnapStart"]
    properties = {"SnapStart": snapshot, "CodeUri": "f/", "Handler": "app.handler"}
    content = {"Resources": {"Api": {"Type": "AWS::Serverless::Function", "Properties": properties}}}
    (spec,) = Template(content, {}).functions()
    assert spec.snapshot


def test_sources_are_those_of_the_working_copy() -> None:
    assert Sources().folder(SPEC) == ROOT / "functions/sender"
    assert (Sources().path(SPEC)[0] / "ventana").is_dir()


def test_what_was_packed_is_found_in_its_own_folder_and_layers_alone(tmp_path: Path) -> None:
    pytest.importorskip("awslambdaric", reason="AWS's runtime client is for Linux alone")
    built = tmp_path / "built"
    for folder in ("Sender", "VentanaLayer/python", "TwilioLayer/python"):
        (built / folder).mkdir(parents=True)
    (built / "template.yaml").touch()
    (built / "VentanaLayer/python/packed.py").write_text("where = 'layer'")
    artefacts = Artefacts(built, tmp_path / "runtime")
    artefacts.prepare()
    artefacts.prepare()  # a second run finds what the first one made
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, artefacts.path(SPEC)))}
    tried = "import packed, boto3, awslambdaric.bootstrap; print(packed.where); import psycopg"
    ran = subprocess.run(
        [sys.executable, "-S", "-c", tried], env=environment, cwd=artefacts.folder(SPEC), capture_output=True, text=True
    )
    assert ran.stdout.split() == ["layer"]
    assert "No module named 'psycopg'" in ran.stderr, "it is installed here, and in no layer of this one"


def test_without_a_build_the_user_is_told_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(LocalFailed, match="make artefacts does"):
        Artefacts(tmp_path, tmp_path / "runtime").prepare()
