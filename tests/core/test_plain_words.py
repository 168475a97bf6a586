"""What a validator of ours says is told without pydantic's words before it."""

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from qoslab.core.plain_words import said


class Asked(BaseModel):
    one: int = 0
    two: int = 0

    @field_validator("one")
    @classmethod
    def _one(cls, value: int) -> int:
        message = "it is too small"
        raise ValueError(message)

    @field_validator("two")
    @classmethod
    def _two(cls, value: int) -> int:
        raise AssertionError("it is too small")


@pytest.mark.parametrize("name", ["one", "two"])
def test_pydantics_words_before_those_of_a_validator_are_left_out(name):
    with pytest.raises(ValidationError) as refused:
        Asked.model_validate({name: 1})
    (error,) = refused.value.errors()
    assert said(error) == "it is too small"
