"""The registry: names, refusals, user files set aside."""

from dataclasses import dataclass

import pytest

from qoslab.core.errors import BadInput
from qoslab.core.method import method
from qoslab.core.registry import Registry, registry


def test_unknown_domain_gets_a_hint():
    with pytest.raises(BadInput, match="did you mean 'influence'"):
        registry.domain("influense")


def test_unknown_method_gets_a_hint():
    with pytest.raises(BadInput, match="did you mean 'greedy'"):
        registry.method("influence", "gredy")


def test_a_method_must_be_a_frozen_dataclass():
    with pytest.raises(TypeError, match="frozen dataclass"):

        @method("influence", "thawed", summary="x")
        @dataclass
        class Thawed:
            pass


def test_reserved_parameter_names_are_refused():
    with pytest.raises(TypeError, match="'label' is reserved"):

        @method("influence", "labelled", summary="x")
        @dataclass(frozen=True)
        class Labelled:
            label: str = ""


def test_methods_of_a_users_file_are_set_aside():
    with registry.collecting() as found:

        @method("influence", "greedy", summary="another greedy, which does not replace the registered one")
        @dataclass(frozen=True)
        class Mine:
            pass

    assert [entry.cls for entry in found] == [Mine]
    assert registry.method("influence", "greedy").cls is not Mine


def test_two_classes_of_one_name_are_refused():
    entry = registry.method("influence", "greedy")
    fresh = Registry()
    fresh.add_method(entry)
    fresh.add_method(entry)
    other = registry.method("influence", "degree")
    from dataclasses import replace

    with pytest.raises(ValueError, match="two methods are named"):
        fresh.add_method(replace(other, name="greedy"))


def test_two_domains_of_one_name_are_refused():
    from dataclasses import replace

    fresh = Registry()
    fresh.add_domain(registry.domain("influence"))
    fresh.add_domain(registry.domain("influence"))
    with pytest.raises(ValueError, match="two domains"):
        fresh.add_domain(replace(registry.domain("influence"), summary="another"))
