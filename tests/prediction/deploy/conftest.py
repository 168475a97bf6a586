import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def world():
    """Truth, what is known of it without users 0 to 5, and a model of that."""
    from prediction_worlds import model_of, planted

    truth, known = planted(hidden=range(6))
    return truth, known, model_of(known)
