"""The registry: names, refusals, user files set aside."""

import subprocess
import sys
from dataclasses import dataclass, fields, replace

import pytest

from qoslab.core.domain import Command, Domain, FigureEntry
from qoslab.core.errors import BadInput
from qoslab.core.method import method, method_name
from qoslab.core.metric import Metric, unit_suffix
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


def test_a_users_file_that_asks_first_does_not_take_the_domains_methods():
    """In an interpreter of its own, since methods are registered once only."""
    code = (
        "from qoslab.core.registry import registry\n"
        "with registry.collecting() as found: registry.methods('influence')\n"
        "assert found == [] and registry.method('influence', 'greedy')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_two_classes_of_one_name_are_refused():
    entry = registry.method("influence", "greedy")
    fresh = Registry()
    fresh.add_method(entry)
    fresh.add_method(entry)
    other = registry.method("influence", "degree")
    with pytest.raises(ValueError, match="two methods are named"):
        fresh.add_method(replace(other, name="greedy"))


def test_two_domains_of_one_name_are_refused():
    fresh = Registry()
    fresh.add_domain(registry.domain("influence"))
    fresh.add_domain(registry.domain("influence"))
    with pytest.raises(ValueError, match="two domains"):
        fresh.add_domain(replace(registry.domain("influence"), summary="another"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"origin": "our"}, "origin is 'our'; it is one of 'paper', 'reference instance', 'ours'"),
        ({"information": "all"}, "information is 'all'; it is None or one of 'blind', 'probing', 'oracle'"),
        ({"summary": "two\nlines"}, "it is one line of text"),
    ],
)
def test_words_outside_their_list_are_refused(given, said):
    with pytest.raises(ValueError, match="influence/mine: ") as caught:
        method("influence", "mine", **({"summary": "x"} | given))
    assert said in str(caught.value)


def test_a_name_with_a_slash_is_refused():
    with pytest.raises(ValueError, match="name is 'influence/mine'"):
        method("influence", "influence/mine", summary="x")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "2coins"}, "beginning with a letter"),
        ({"figures": ("figures:plain",)}, r"figures\[0\] is 'figures:plain', must be FigureEntry"),
        ({"figures": FigureEntry("a", "b:c", "d")}, "a tuple of one needs a comma"),
        ({"figures": (FigureEntry("a", "b:c", "d", "tosses"),)}, "must be a tuple of names"),
        ({"commands": (Command("a", "nocolon", "c"),)}, r"commands\[0\].target is 'nocolon'"),
        ({"metrics": ("error",)}, r"metrics\[0\] is 'error', must be Metric\(name"),
        ({"metrics": (Metric("a", "", "down", "x"),)}, "direction 'down'"),
        ({"run": print}, "must be an import path"),
        ({"protocol": "Selection"}, "protocol is 'Selection'"),
    ],
)
def test_a_domain_refuses_fields_of_a_wrong_type(changes, said):
    with pytest.raises(TypeError, match=said):
        replace(registry.domain("influence"), **changes)


def test_every_wrong_field_is_named_at_once():
    given = {field.name: 7 for field in fields(Domain)}
    with pytest.raises(TypeError) as caught:
        Domain(**given)
    told = str(caught.value)
    silent = [field.name for field in fields(Domain) if field.name not in told]
    assert not silent


def test_pairs_are_pairs_of_text():
    with pytest.raises(TypeError, match=r"next_steps\[0\] is 'greedy', must be \(method, command\)"):
        replace(registry.domain("influence"), next_steps=("greedy", "qoslab"))
    with pytest.raises(TypeError, match=r"alarms\[0\] is \('lost',\), must be \(counter, meaning\)"):
        replace(registry.domain("influence"), alarms=(("lost",),))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run": "qoslab.nowhere:run"}, "domain 'influence', run: .* there is no module 'qoslab.nowhere'"),
        ({"run": "qoslab.domains.influence.model:rum"}, "has no 'rum'"),
    ],
)
def test_an_import_path_that_leads_nowhere_is_one_sentence(changes, said):
    with pytest.raises(BadInput, match=said):
        replace(registry.domain("influence"), **changes).run_function()


def test_a_method_without_the_protocol_is_told_what_it_lacks():
    domain = registry.domain("influence")
    assert domain.lacking(registry.method("influence", "greedy").cls) is None
    assert domain.lacking(int) == "influence methods offer select(opinions, rng); int has no select"
    assert replace(domain, protocol=None).lacking(int) is None


@pytest.mark.parametrize(
    ("unit", "suffix"),
    [("", ""), ("s", "_s"), ("1/s", "_per_s"), ("Mbit/s", "_mbit_per_s"), ("%", "_percent"), ("km", "_km")],
)
def test_suffixes_of_units(unit, suffix):
    assert unit_suffix(unit) == suffix


@pytest.mark.parametrize(
    ("name", "unit", "sound"),
    [
        ("response_time_p99_s", "s", True),
        ("response_time_p99", "s", False),
        ("rate_per_s", "1/s", True),
        ("rate_per_s", "s", False),
        ("rate_s", "1/s", False),
        ("error_s[rt]", "s", True),
        ("error", "", True),
    ],
)
def test_a_metric_with_a_unit_ends_in_it(name, unit, sound):
    assert Metric(name, unit, "lower", "x").has_its_suffix is sound


def test_messages_name_a_method_as_its_study_does():
    with registry.collecting():

        @method("influence", "my_own", summary="of a user's file, which nobody else sees")
        @dataclass(frozen=True)
        class Mine:
            pass

    @dataclass(frozen=True)
    class Unregistered(Mine):
        pass

    entry = registry.method("influence", "greedy")
    assert [method_name(one) for one in (entry.cls(), Mine(), Unregistered())] == [
        "greedy",
        "my_own",
        "Unregistered",
    ]


def test_nothing_of_this_package_had_to_be_left_out():
    assert [str(plugin) for plugin in registry.plugins() if plugin.fault] == []
