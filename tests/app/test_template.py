"""`qoslab new DOMAIN`: what stands in its comments can be taken out of them."""

import re
import tomllib

import pytest

from qoslab.app.template import study_template
from qoslab.core.registry import registry


@pytest.mark.parametrize("domain", [domain.name for domain in registry.domains()])
def test_defaults_in_comments_are_toml(domain):
    lines = study_template(registry.domain(domain)).splitlines()
    fields = [line[2:] for line in lines if re.match(r"# \w+ = ", line) and not line.endswith("= ...")]
    assert fields
    for field in fields:
        assert tomllib.loads(field)
