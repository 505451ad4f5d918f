"""The one way to the test set: ``test_once`` tests a model and records that it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import optuna

from lightsearch.confirm.test_uses import Evaluation, Tested, TestUse
from lightsearch.declare.study_file import StudyFile
from lightsearch.errors import Mistake, Untestable, UserError
from lightsearch.outcome import Outcome
from lightsearch.paths import check_writable, study_folder
from lightsearch.storage.opening import open_storage
from lightsearch.storage.study_artifacts import fetch_checkpoint
from lightsearch.study.leaders import leaders, pareto_front
from lightsearch.study.origin import ended_how
from lightsearch.study.stored import check_has_model, declaration_of, find_study
from lightsearch.training.rebuild import Rebuilt, rebuild, whole_checkpoint

if TYPE_CHECKING:
    from lightsearch.confirm.test_pass import Scores


def evaluate(
    name: str, *, url: str, data_dir: str | None, trial: int | None = None, say: Callable[[str], object] = str
) -> list[Evaluation]:
    """Tests the best trial's checkpoint, and writes ``studies/<name>/test_evaluations.json``.

    With several objectives every trial of the Pareto front is tested, and each test is a use of the test set.

    Args:
        name: The study's name.
        url: The storage.
        data_dir: Folder of the data files.
        trial: Number of a complete trial to test instead.
        say: Tells the user what takes seconds.

    Raises:
        UserError: if there is no such study, complete trial or whole checkpoint, or the data cannot be loaded.
        Untestable: if the data has no test samples or the model no ``test_step``; nothing is recorded then.
    """
    folder = study_folder(name)
    study = find_study(open_storage(url, create=False), name)
    check_has_model(study)
    declared = declaration_of(study)
    why, chosen = _choose(study, declared, trial)
    for outcome in chosen:  # all of them, before the first use of the test set
        fetch_checkpoint(study, folder, outcome)
        whole_checkpoint(folder, outcome)
    if mistakes := check_writable(folder):
        raise UserError(*mistakes)
    say("loading PyTorch and the test data ...")
    check_test_step(declared)
    evaluations = []
    for outcome in chosen:
        objectives = declared.metrics if declared.multi_objective else ()
        tested = Tested(
            why=why,
            trial=outcome.number,
            checkpoint=str(outcome.checkpoint),
            sha256=str(outcome.sha256),
            value=float(outcome.value or 0.0),
            params=outcome.params,
            values={metric: outcome.metrics[metric] for metric in objectives},
        )
        rebuilt = rebuild(declared, outcome, folder, data_dir)
        evaluations.append(test_once(study, rebuilt, tested, url=url)[0])
    return evaluations


def test_once(study: optuna.Study, rebuilt: Rebuilt, tested: Tested, *, url: str) -> tuple[Evaluation, Scores]:
    """Tests a model, and records the use of the test set with the study and in ``test_evaluations.json``.

    Args:
        study: The study.
        rebuilt: The model and its data.
        tested: What it is.
        url: The study's storage.

    Returns:
        The evaluation, and the scores that it was made from.

    Raises:
        Untestable: if there are no test samples; nothing is recorded then.
    """
    from lightsearch.confirm import test_pass
    from lightsearch.data.test_set import open_test_set

    declared = declaration_of(study)
    _check_test_step(declared, rebuilt.model)
    use = TestUse(study, url, tested)
    scores = test_pass.test(
        rebuilt.model,
        open_test_set(rebuilt.data),
        rebuilt.checkpoint,
        folder=study_folder(study.study_name),
        keywords={**declared.trainer.keywords, **declared.space.split(tested.params)["trainer"]},
        begin=use.begin,
    )
    return use.end(scores.metrics, scores.sizes), scores


def why_untested(declared: StudyFile, params: dict[str, Any], data_dir: str | None) -> str | None:
    """Why a study's models cannot be tested, in one line; None if they can. No sample is read.

    Args:
        declared: The declared study.
        params: A configuration of it.
        data_dir: Folder of the data files.
    """
    from lightsearch.data.test_set import open_test_set
    from lightsearch.training.components import build

    try:
        built = build(declared, params, data_dir, seed=declared.seed, with_callbacks=False)
        _check_test_step(declared, built.model)
        data = open_test_set(built.data)
        data.prepare_data()
        data.setup("test")
        data.test_dataloader()
    except Untestable as error:
        return str(error)
    except Exception:  # it may need a Trainer, which a test has: the test itself finds out
        return None
    return None


def check_test_step(declared: StudyFile) -> None:
    """Checks that the study's model can be tested. (Of a LightningCLI configuration, only the model itself tells.)

    Raises:
        Untestable: if it has no ``test_step``.
    """
    # Imported here: it takes seconds, and other mistakes are to be reported at once.
    from lightsearch.declare.classes import find_class

    if declared.config is None:
        _check_test_step(declared, find_class(declared.model, "model"))


def _check_test_step(declared: StudyFile, model: Any) -> None:
    from lightsearch.compat.lightning_package import overrides

    if not overrides(model, "test_step"):
        raise Untestable(Mistake(*declared.model_key, "has no test_step; give it one"))


def _choose(study: optuna.Study, declared: StudyFile, trial: int | None) -> tuple[str, list[Outcome]]:
    """The trials to test, and why.

    Raises:
        UserError: if there is none.
    """
    trials = study.get_trials(deepcopy=False)
    complete = leaders(trials, declared.directions)
    if not complete:
        raise UserError(Mistake("--study", study.study_name, "has no complete trial yet; run the search first"))
    if trial is None and declared.multi_objective:
        return "evaluate: the Pareto front", pareto_front(trials, declared.directions)
    if trial is None:
        return "evaluate: the best trial", complete[:1]
    chosen = [outcome for outcome in complete if outcome.number == trial]
    if not chosen:
        how = next((ended_how(one) for one in trials if one.number == trial), "is not in the study")
        raise UserError(Mistake("--trial", trial, f"{how}; name a complete trial: the best is {complete[0].number}"))
    return "evaluate: a trial by its number", chosen
