"""Real searches with samplers and pruners that are not Optuna's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

import lightsearch
from lightsearch.errors import UserError
from lightsearch.study.samplers import trial_seed
from tests.conftest import command, script
from tests.study.hub_cache import cache, write_packages
from tests.study.other_classes import PRUNERS, SAMPLERS

SMALL = ("--set", "trainer.max_epochs=1", "--set", "space={model={hidden_size={int=[16, 64]}}}")


def run(place: Path, n_trials: int, *options: str, workers: int = 1) -> str:
    words = ("--study", "studies/digits.toml", "--n-trials", n_trials, "--workers", workers, *SMALL, *options)
    done = command("run", *words, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def load(place: Path) -> optuna.Study:
    return optuna.load_study(study_name="digits", storage=f"sqlite:///{place}/studies/studies.db")


def test_a_sampler_in_the_users_folder_continues_after_a_restart_and_may_be_gone_later(place: Path) -> None:
    (place / "studies" / "mysamplers.py").write_text(SAMPLERS)
    own = ("--set", "sampler=mysamplers.Counting")
    assert "loading the sampler mysamplers.Counting ..." in run(place, 2, *own)
    first = (place / "events.txt").read_text().splitlines()
    assert "changed" not in run(place, 3, *own)
    assert [trial.params["hidden_size"] for trial in load(place).trials] == [16, 17, 18]
    (value, _, last) = [trial.value for trial in load(place).trials]
    second = (place / "events.txt").read_text().splitlines()[len(first) :]
    tried = [line for line in first if line.startswith("new")][:-1]  # the check makes it as well
    assert len(tried) == 3
    search = first[first.index(f"new {trial_seed(42, 0)}") :]
    assert search == [f"new {trial_seed(42, 0)}", "before 0", f"after 0 COMPLETE {value}", "before 1", search[-1]]
    assert second[second.index(f"new {trial_seed(42, 2)}") :][1:] == ["before 2", f"after 2 COMPLETE {last}"]

    (place / "studies" / "mysamplers.py").unlink()
    for name in ("status", "report"):
        shown = command(name, "--study", "digits", cwd=place)
        assert shown.returncode == 0, shown.stderr
    result = lightsearch.load("digits", storage=f"sqlite:///{place}/studies/studies.db")
    assert result.results["counts"]["states"] == {"complete": 3}
    refused = command("run", "--study", "studies/digits.toml", *SMALL, *own, cwd=place)
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (2, 1)
    assert "sampler.name = 'mysamplers.Counting': no such module" in refused.stderr
    assert "changed since the last run: sampler.name: 'mysamplers.Counting' in the study, 'TPESampler'" in run(place, 4)


def test_a_package_of_the_hub_and_a_pruner_of_ones_own(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optunahub")
    write_packages(cache(place, monkeypatch))
    (place / "studies" / "mypruners.py").write_text(PRUNERS)
    pruner = "pruner={name='mypruners.AfterFirst', init_args={width='hidden_size'}}"
    said = run(place, 5, "--set", "sampler=hub:samplers/counting", "--set", pruner, "--set", "trainer.max_epochs=2")
    assert "loading the sampler hub:samplers/counting ..." in said
    trials = load(place).trials
    widths = [trial.params["hidden_size"] for trial in trials]
    pruned = [any(earlier > width for earlier in widths[:number]) for number, width in enumerate(widths)]
    assert [trial.state.name == "PRUNED" for trial in trials] == pruned
    assert any(pruned)
    assert load(place).user_attrs["told"] == 5  # one sampler was told of all
    sources = load(place).user_attrs["noticed"]["sources"]
    assert {"mypruners", "optunahub_registry.package.samplers.counting._sampler"} <= set(sources)


SCRIPT = """
import optuna
import lightsearch
from lightsearch.errors import UserError
from mypruners import AfterFirst

class Middle(optuna.samplers.RandomSampler):
    def __init__(self, share: float, seed: int | None = None) -> None:
        super().__init__(seed)
        self.share = share

    def sample_independent(self, study, trial, param_name, param_distribution):
        drawn = super().sample_independent(study, trial, param_name, param_distribution)
        return self.share * drawn

def objective(trial):
    x = trial.suggest_float("x", 0, 8)
    trial.report(x, 0)
    if trial.should_prune():
        raise optuna.TrialPruned
    return x

if __name__ == "__main__":
    sampler = {"name": Middle, "init_args": {"share": 0.5}}
    pruner = {"name": AfterFirst, "init_args": {"width": "x"}}
    for n_trials in (3, 6):
        result = lightsearch.search(objective, n_trials, name="mine", workers=1, sampler=sampler, pruner=pruner)
    trials = result.study.trials
    xs = [trial.params["x"] for trial in trials]
    assert len(set(xs)) == 6 and max(xs) <= 4, xs
    states = [trial.state.name for trial in trials]
    assert states == ["PRUNED" if max(xs[:n], default=-1) > x else "COMPLETE" for n, x in enumerate(xs)], states
    assert result.study.user_attrs["search"]["sampler"] == {"name": "__main__.Middle", "init_args": {"share": 0.5}}
    assert "__main__.Middle" in result.study.user_attrs["noticed"]["sources"]
    once = lightsearch.search(objective, 6, name="once", workers=1, sampler=sampler, pruner=pruner)
    assert [trial.params["x"] for trial in once.study.trials] == xs
    assert lightsearch.search(objective, 1, name="short", workers=1, sampler="RandomSampler").ending == "done"
"""


def test_classes_of_a_script_for_a_function(place: Path) -> None:
    (place / "mypruners.py").write_text(PRUNERS)
    (place / "mine.py").write_text(SCRIPT)
    done = script("mine", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Middle is made anew for every trial, since a function samples where it runs" in done.stdout


def refused(**keys: Any) -> str:
    with pytest.raises(UserError) as raised:
        lightsearch.search({"name": "x"}, 1, **keys)
    return str(raised.value)


def test_an_object_is_refused_with_what_to_write(place: Path) -> None:
    from optuna.pruners import MedianPruner

    class Own(optuna.samplers.RandomSampler):
        pass

    assert refused(pruner=MedianPruner()).endswith(
        'is an object, which cannot be kept with the study; write pruner={"name": "MedianPruner", "init_args": {...}}'
    )
    assert refused(sampler=Own()).endswith('write sampler={"name": Own, "init_args": {...}}')
    nested = {"name": "PatientPruner", "init_args": {"wrapped_pruner": {"name": Own}}}
    assert refused(pruner=nested).startswith("pruner.init_args.wrapped_pruner.name = 'Own': is a class of the script")
    parts = {"class_path": "lightsearch.Classifier", "init_args": {"layers": {"name": Own}}}
    assert "layers" in refused(model=parts)  # a name is a class in these two sections only
    assert "sampler.given" in refused(sampler={"name": "TPESampler", "given": b"x"})
    assert not (place / "studies" / "studies.db").exists()
