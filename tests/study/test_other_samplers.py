"""Samplers and pruners that are not Optuna's: found by their paths, built, tried, and kept alive."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import IntDistribution

from lightsearch.declare.sections import OptunaSpec
from lightsearch.declare.space import Space
from lightsearch.errors import ResourceUnavailable
from lightsearch.outcome import Kind, Outcome
from lightsearch.study import sampler_checks
from lightsearch.study.assignment import NoTrialReason, TrialAssignment
from lightsearch.study.optuna_objects import build_from_spec
from lightsearch.study.provenance import sources
from lightsearch.study.samplers import LivingSampler, SeededSampler, study_sampler, trial_seed
from lightsearch.study.trial_queue import TrialQueue
from tests.conftest import digits, open_queue
from tests.study.other_classes import PRUNERS, SAMPLERS
from tests.study.test_samplers import check

WIDTHS = "space={model={hidden_size={int=[16, 64]}}}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folder with the modules ``mysamplers`` and ``mypruners``, in which the search is started."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mysamplers.py").write_text(SAMPLERS)
    (tmp_path / "mypruners.py").write_text(PRUNERS)
    (tmp_path / "broken.py").write_text("width = 1 / 0\n")
    (tmp_path / "unreadable.py").write_text("class Sampler(\n")
    (tmp_path / "needs_more.py").write_text("import not_installed_anywhere\n")
    importlib.invalidate_caches()
    yield tmp_path
    for name in ("mysamplers", "mypruners", "broken", "unreadable", "needs_more", "watched"):
        sys.modules.pop(name, None)


def ask(queue: TrialQueue) -> TrialAssignment:
    assigned = queue.ask(99)
    assert isinstance(assigned, TrialAssignment)
    return assigned


def end(queue: TrialQueue, assigned: TrialAssignment, kind: Kind = Kind.COMPLETE) -> None:
    value = 0.5 if kind is Kind.COMPLETE else None
    assert queue.tell(assigned, Outcome(number=assigned.number, kind=kind, value=value))


def events(folder: Path) -> list[str]:
    return (folder / "events.txt").read_text().splitlines()


def test_a_sampler_that_counts_in_memory_lives_as_long_as_its_search_and_is_made_again_from_the_history(
    folder: Path,
) -> None:
    study_file = digits("sampler=mysamplers.Counting", WIDTHS)
    queue = open_queue(study_file, folder)
    assert not (folder / "events.txt").exists()  # a study may be opened without a trial to run
    first, second = ask(queue), ask(queue)
    end(queue, second)
    end(queue, first, Kind.DIVERGED)
    again = open_queue(study_file, folder)
    third = ask(again)
    end(again, third)
    assert [one.params["hidden_size"] for one in (first, second, third)] == [16, 17, 18]
    assert events(folder) == [
        *(f"new {trial_seed(42, 0)}", "before 0", "before 1", "after 1 COMPLETE 0.5", "after 0 FAIL"),
        *(f"new {trial_seed(42, 2)}", "before 2", "after 2 COMPLETE 0.5"),
    ]


def test_a_trial_that_continues_is_not_asked_for_again_but_its_end_is_told(folder: Path) -> None:
    study_file = digits("sampler=mysamplers.Counting", WIDTHS)
    queue = open_queue(study_file, folder)
    first = ask(queue)
    end(queue, first, Kind.INTERRUPTED)
    assert ask(queue).params == first.params
    assert ask(queue).params == {"hidden_size": 17}
    end(queue, first._replace(attempt=2))
    assert events(folder)[1:] == ["before 0", "before 1", "after 0 COMPLETE 0.5"]


def test_a_sampler_that_stops_the_study_ends_the_search(folder: Path) -> None:
    queue = open_queue(digits("sampler={name='mysamplers.Counting', init_args={at_most=2}}", WIDTHS), folder)
    end(queue, ask(queue))
    last = ask(queue)
    end(queue, last)
    assert queue.ask(99) is NoTrialReason.EXHAUSTED
    (folder / "events.txt").unlink()
    assert check("sampler={name='mysamplers.Counting', init_args={at_most=2}}", WIDTHS) == []
    assert [line for line in events(folder) if line.startswith("before")] == ["before 0", "before 1"]


def test_an_error_of_the_sampler_ends_the_search_in_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = open_queue(digits("sampler=mysamplers.Counting", WIDTHS), folder)
    trial = ask(queue)
    import mysamplers  # type: ignore[import-not-found]

    def after_trial(*_: object) -> None:
        raise KeyError("generation")

    monkeypatch.setattr(mysamplers.Counting, "after_trial", after_trial)
    end(queue, trial)  # it is recorded
    assert [one.state.name for one in queue.study.trials] == ["COMPLETE"]
    with pytest.raises(ResourceUnavailable, match="sampler Counting fails after trial 0: KeyError: 'generation'"):
        queue.ask(99)
    assert queue.ask(1) is NoTrialReason.NONE  # a study that has all its trials is done nevertheless
    queue = open_queue(digits("sampler=mysamplers.Fails", WIDTHS), folder)
    with pytest.raises(ResourceUnavailable, match=r"Fails proposes no trial: KeyError: 'generation' \(mysamplers.py, "):
        queue.ask(99)


WATCHED = """
import time
from optuna.samplers import RandomSampler

inside, most = 0, 0

class Watched(RandomSampler):
    def before_trial(self, study, trial):
        global inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.2)  # a lock is asked for again every 0.05 s

    def sample_independent(self, *args):
        global inside
        inside -= 1
        return super().sample_independent(*args)
"""


def test_coordinators_take_turns_to_sample(folder: Path) -> None:
    (folder / "watched.py").write_text(WATCHED)
    study_file = digits("sampler=watched.Watched", WIDTHS)
    queues = [open_queue(study_file, folder) for _ in range(2)]
    threads = [threading.Thread(target=lambda queue=queue: [ask(queue) for _ in range(2)]) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(queues[0].study.trials) == 4
    assert sys.modules["watched"].most == 1


def test_optunas_own_live_for_one_trial_also_by_their_paths() -> None:
    assert isinstance(study_sampler(digits("sampler=optuna.samplers.TPESampler")), SeededSampler)
    assert digits("sampler=optuna.samplers.TPESampler").sampler == OptunaSpec(name="TPESampler")
    nested = "sampler={name='PartialFixedSampler', init_args={fixed_params={}, base_sampler={name='mysamplers.Fails'}}}"
    assert isinstance(study_sampler(digits(nested)), LivingSampler)


def built(name: str, space: Space | None = None, **init_args: Any) -> Any:
    spec = OptunaSpec(name=f"mysamplers.{name}", init_args=init_args)
    return build_from_spec(optuna.samplers, spec, digits().space if space is None else space, 7)


def test_the_arguments_have_the_types_of_the_signature() -> None:
    sampler = built("Inherits", width=[2, 5])
    assert sampler.width == (2, 5)  # TOML has no tuples
    assert sampler.kwargs == {"seed": 7}  # through **kwargs
    inner = built("Ensemble", samplers=[{"name": "TPESampler"}, {"name": "mysamplers.Inherits"}]).samplers
    assert [type(one).__name__ for one in inner] == ["TPESampler", "Inherits"]


def test_a_needed_search_space_is_that_of_the_study() -> None:
    space = Space.model_validate({"model": {"hidden_size": {"int": [16, 64]}, "depth": {"int": [3, 3]}}})
    assert built("NeedsSpace", space, popsize=4).search_space == {"hidden_size": IntDistribution(16, 64)}


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("sampler=nowhere.Sampler", "sampler.name = 'nowhere.Sampler': no such module; is it installed, next to the"),
        (
            "sampler=mysamplers.Countin",
            "'mysamplers.Countin': mysamplers has no class Countin; did you mean \"Counting\"?",
        ),
        ("sampler=mysamplers.NoSampler", "sampler.name = 'mysamplers.NoSampler': is no BaseSampler; name a class that"),
        ("sampler=mypruners.AfterFirst", "sampler.name = 'mypruners.AfterFirst': is no BaseSampler"),
        ("pruner=mysamplers.Counting", "pruner.name = 'mysamplers.Counting': is no BasePruner"),
        ("sampler=mysamplers.Unfinished", "is abstract: it has no sample_independent, sample_relative; name a class"),
        ("sampler=broken.Sampler", "broken raises ZeroDivisionError: division by zero (broken.py, line 1) as it is"),
        ("sampler=unreadable.Sampler", "unreadable raises SyntaxError: '(' was never closed (unreadable.py, line 1)"),
        ("sampler=needs_more.Sampler", "needs a package that is not installed: pip install not_installed_anywhere"),
        ("sampler=optuna_integration.BoTorchSampler", "needs a package that is not installed: pip install "),
        (
            "sampler={name='mysamplers.Counting', init_args={at_mos=3}}",
            'sampler.init_args.at_mos = 3: did you mean "at_most"?',
        ),
        (
            "sampler={name='mysamplers.Counting', init_args={at_most='three'}}",
            "sampler.init_args.at_most = 'three': Counting takes int for at_most",
        ),
        (
            "sampler={name='mysamplers.Inherits', init_args={width=[1, 2, 3]}}",
            "sampler.init_args.width = [1, 2, 3]: Inherits takes tuple[int, int] for width",
        ),
        (
            "sampler={name='mysamplers.Counting', init_args={seed=3}}",
            "sampler.init_args.seed = 3: a continued search would repeat; write seed = N at the top",
        ),
        ("sampler=mysamplers.Refuses", "sampler.init_args.temperature = None: Refuses needs it; add it"),
        (
            "sampler={name='mysamplers.Refuses', init_args={temperature=-1, cooling=0.5}}",
            "sampler.init_args = {'temperature': -1, 'cooling': 0.5}: raises ValueError: the temperature is below zero",
        ),
        (
            "sampler=mysamplers.Fails",
            "sampler.name = 'mysamplers.Fails': raises KeyError: 'generation' (mysamplers.py, ",
        ),
        (
            "sampler=mysamplers.FailsAfter",
            "sampler.name = 'mysamplers.FailsAfter': raises KeyError: 'generation' (mysa",
        ),
        (
            "sampler={name='mysamplers.Ensemble', init_args={samplers=[{name='TPESample'}]}}",
            "sampler.init_args.samplers = [{'name': 'TPESample'}]: Ensemble takes list[",
        ),
        (
            "sampler={name='mysamplers.Ensemble', init_args={samplers=[{name='mysamplers.Countin'}]}}",
            "sampler.init_args.samplers[0].name = 'mysamplers.Countin': mysamplers has no class Countin",
        ),
        (
            "pruner={name='PatientPruner', init_args={patience=1, wrapped_pruner={name='mypruners.AfterFirst'}}}",
            "pruner.init_args.wrapped_pruner.init_args.width = None: AfterFirst needs it; add it",
        ),
        ("sampler=Counting", "any other class is written with its module, package.module.Class"),
    ],
)
def test_mistakes(override: str, line: str) -> None:
    (mistake,) = check(override)
    assert line in mistake
    assert "\n" not in mistake


def test_a_space_that_varies_cannot_be_given() -> None:
    varied = "space={model={hidden_sizes={list={int=[8, 64]}, length=[1, 3]}}}"
    (mistake,) = check("sampler={name='mysamplers.NeedsSpace', init_args={popsize=4}}", varied)
    assert "sampler.name = 'mysamplers.NeedsSpace': needs parameters that every trial has; use another one" in mistake


def test_a_wrong_space_is_no_mistake_of_the_sampler() -> None:
    assert (
        check("sampler={name='mysamplers.NeedsSpace', init_args={popsize=4}}", "space.model.width={int=[9, 1]}") == []
    )


def test_a_sampler_in_order_is_loaded_with_a_line_and_one_that_cannot_continue_is_noted() -> None:
    def notes(name: str) -> list[str]:
        said: list[str] = []
        declared = {"space": {"model": {"hidden_size": {"int": [16, 64]}}}, "sampler": name}
        assert sampler_checks.check(declared, said.append) == []
        return said

    assert notes("TPESampler") == []
    assert notes("mysamplers.Counting") == ["loading the sampler mysamplers.Counting ..."]
    loading, note = notes("mysamplers.OnlyOnce")
    assert loading == "loading the sampler mysamplers.OnlyOnce ..."
    assert note.startswith(
        "the sampler OnlyOnce cannot continue a stopped search, which needs another one then: "
        "RuntimeError: trial 0 is not mine (mysamplers.py, line "
    )


def test_the_source_of_a_sampler_is_noticed() -> None:
    declared = {"sampler": {"name": "mysamplers.Counting"}, "pruner": {"name": "mypruners.AfterFirst"}}
    assert set(sources(declared)) == {"mysamplers", "mypruners"}
    assert sources({"sampler": "TPESampler"}) == {}


def test_a_pruner_of_ones_own_gets_whole_trials(folder: Path) -> None:
    import pickle

    own = "pruner={name='mypruners.AfterFirst', init_args={width='hidden_size'}}"
    for pruner, params in ((own, {"hidden_size": 16}), ("pruner=MedianPruner", {})):
        name = "own" if params else "optunas"
        queue = open_queue(digits(f"name={name}", pruner, "sampler=mysamplers.Counting", WIDTHS), folder)
        end(queue, ask(queue))
        ask(queue)
        history = queue.history()
        assert history is not None
        (trial,) = map(pickle.loads, history.finished)
        assert trial.params == params
        assert bool(trial.user_attrs) == bool(params)
