"""Parameters that population based training cannot change are a line before the search."""

from __future__ import annotations

import pytest

from lightsearch.declare.reading import read_declaration
from lightsearch.declare.scheduling import mutated
from lightsearch.declare.validation import validate
from lightsearch.preflight.mutation import check_mutated
from tests.conftest import ROOT, digits

PBT = "scheduler={name='pbt'}"


def test_by_default_the_real_numbers_of_the_model_change() -> None:
    assert mutated(digits(PBT)) == ["learning_rate"]


def test_a_parameter_that_changes_the_shapes_of_the_weights_is_named() -> None:
    params = {"hidden_size": 16, "learning_rate": 0.01, "batch_size": 32}
    (mistake,) = check_mutated(digits("scheduler={name='pbt', mutate=['learning_rate', 'hidden_size']}"), params, None)
    assert str(mistake).startswith(
        "scheduler.mutate = 'hidden_size': changes the shapes of the weights (model.1.weight"
    )
    assert check_mutated(digits(PBT), params, None) == []
    assert check_mutated(digits("scheduler={name='asha'}"), params, None) == []


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["scheduler={name='pbt', mutate=['rate']}"], "scheduler.mutate = 'rate': is no parameter of the space"),
        (["scheduler={name='pbt', mutate=['batch_size']}"], "'batch_size': is of [space.data]; only parameters"),
        (["scheduler={name='pbt', interval=20}"], "leaves no comparison; write less than trainer.max_epochs = 20"),
        (
            ["scheduler={name='pbt', interval=3}", "trainer.check_val_every_n_epoch=2"],
            "is no multiple of trainer.check_val_every_n_epoch = 2",
        ),
        (["scheduler={name='pbt', min_epochs=2}"], "scheduler.min_epochs = 2: is of asha and hyperband"),
        (["scheduler={name='asha', population=4}"], "scheduler.population = 4: is of pbt"),
        (["scheduler={name='pbt', quantile=0.6}"], "scheduler.quantile = 0.6: should be less than or equal to 0.5"),
        ([PBT, "space.model={hidden_size={int=[16, 64]}}"], "[space.model] has no real number"),
    ],
)
def test_a_population_that_a_study_cannot_have_is_a_line(overrides: list[str], line: str) -> None:
    _, mistakes = validate(read_declaration(ROOT / "studies" / "digits.toml", overrides))
    assert [str(one) for one in mistakes if line in str(one)], mistakes
