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
