"""The JSON Schema of study files takes what the reader takes, and refuses what an editor should underline."""

import json
import tomllib
from functools import cache
from pathlib import Path

import pytest

from qoslab.app.commands.schema import study_schema, whole_schema
from qoslab.app.main import main
from qoslab.core.registry import registry
from qoslab.study.study import Study

jsonschema = pytest.importorskip("jsonschema", reason="comes with the extra ray")
STUDIES = Path(__file__).parents[2] / "studies"
DOMAINS = [domain.name for domain in registry.domains()]


@pytest.fixture(scope="module")
def whole():
    return jsonschema.Draft202012Validator(whole_schema())


@cache
def validator(domain: str):
    found = study_schema(registry.domain(domain))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def test_no_domain_is_every_domain(capsys, whole):
    assert main(["schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(printed)
    assert printed == json.loads(json.dumps(whole.schema))
    assert set(DOMAINS) <= set(printed["$defs"])
    assert main(["schema", "influence"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "qoslab study, domain influence"
    assert main(["schema", "influense"]) == 2


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_study_of_ours_is_taken(domain, whole):
    alone = validator(domain)
    files = [registry.domain(domain).quickstart_path(), *sorted((STUDIES / domain).glob("*.toml"))]
    for file in filter(None, files):
        study = tomllib.loads(file.read_text(encoding="utf-8"))
        for schema in (alone, whole):
            assert [error.message for error in schema.iter_errors(study)] == [], file


HEAD = '[study]\nname = "s"\ndomain = "balancing"\n'
SED = '[[method]]\nid = "sed"\n'


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "[scenario]\nload = 0.5\n" + SED,
        HEAD
        + '[scenario]\nrate_per_s = { grid = [1.0] }\n[[method]]\nid = "balancing/sed"\nlabel = "mine"\n',
        HEAD + "[[scenario]]\nload = 0.5\n[[scenario]]\nload = { grid = [0.7, 0.8] }\n" + SED,
        HEAD + '[report]\nbaseline = "sed"\n[scenario]\nload = 0.5\n' + SED,
    ],
)
def test_what_the_reader_takes_is_taken(text, tmp_path, whole):
    (tmp_path / "s.toml").write_text(text)
    assert Study.from_file(tmp_path / "s.toml").methods
    for schema in (validator("balancing"), whole):
        assert list(schema.iter_errors(tomllib.loads(text))) == []


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "sedes = 3\n" + SED,
        HEAD + "[scenario]\nlaod = 0.5\n" + SED,
        HEAD + "[scenario]\nload = -0.5\n" + SED,
        HEAD + "[scenario]\nload = { grid = [-0.5] }\n" + SED,
        HEAD + "[scenario]\nservers = { cuont = 2 }\n" + SED,
        HEAD + '[[method]]\nid = "sde"\n',
        HEAD + SED + "no_parameter = 1\n",
        HEAD + SED + "[reprot]\n",
        HEAD,
        HEAD.replace("balancing", "blancing") + SED,
        "[study]\nname = 's'\n" + SED,
        HEAD.replace("balancing", "influence") + '[[method]]\nid = "degree"\n',
    ],
)
def test_what_the_reader_refuses_is_refused(text, tmp_path, whole):
    from qoslab.core.errors import BadInput

    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(BadInput):
        Study.from_file(tmp_path / "s.toml")
    domain = "influence" if '"influence"' in text else "balancing"
    for schema in (validator(domain), whole):
        assert list(schema.iter_errors(tomllib.loads(text)))
