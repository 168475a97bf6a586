"""Machine code that two processes kept, in a third one: each kernel runs its own."""

POLICIES = """
from qoslab.engine.hooks import Hook
from qoslab.engine.kernel import compiled, kernel

def decide(x: float) -> float:
    return x

DECIDE = Hook(decide)

@kernel
def apply(decide, x: float) -> float:
    return decide(x)

def made(factor):
    def route(x: float) -> float:
        return x * factor
    return DECIDE.policy(route)

def run(*factors):
    pointers = [DECIDE.pointer(made(factor)) for factor in factors]
    return [compiled(apply)(pointer, 1.0) for pointer in pointers]
"""


def test_policies_of_one_name_from_two_processes_stay_apart(python, tmp_path):
    """All are called `route`; each of the first two processes counts its functions alike."""
    (tmp_path / "policies.py").write_text(POLICIES)
    for factor in (2.0, 3.0):
        assert python(f"from policies import run; print(*run({factor}))") == str(factor)
    assert python("from policies import run; print(*run(2.0, 3.0))") == "2.0 3.0"


VARIANTS = """
from qoslab.engine.kernel import compiled, kernel

SIZE = 1.0

@kernel
def inner(x: float) -> float:
    total = 0.0
    for k in range(int(x)):
        total += SIZE * k * x
    return total

@kernel
def outer(x: float) -> float:
    return inner(x) + inner(x + 1.0)

def run(*sizes):
    return [compiled(outer, constants={"SIZE": size})(2.0) for size in sizes]
"""


def test_variants_of_what_a_kernel_calls_stay_apart(python, tmp_path):
    """2 + 9 times the size: from two processes, then both from the cache in a third."""
    (tmp_path / "variants.py").write_text(VARIANTS)
    for size in (2.0, 3.0):
        assert python(f"from variants import run; print(*run({size}))") == str(11.0 * size)
    assert python("from variants import run; print(*run(2.0, 3.0))") == "22.0 33.0"
