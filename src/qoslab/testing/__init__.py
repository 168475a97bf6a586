"""Contract suites that every registered method and domain passes; authors of plug-ins run them on theirs.

In a plug-in's tests:

    import pytest
    from qoslab.testing import method_checks, registered_methods

    @pytest.mark.parametrize("check", method_checks(), ids=lambda check: check.__name__)
    @pytest.mark.parametrize("entry", registered_methods("my_domain"), ids=lambda entry: entry.id)
    def test_contract(entry, check):
        check(entry)
"""

from qoslab.testing.domains import domain_checks
from qoslab.testing.methods import ContractError, Sample, method_checks, registered_methods, sample

__all__ = ["ContractError", "Sample", "domain_checks", "method_checks", "registered_methods", "sample"]
