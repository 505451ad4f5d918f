"""A trial's configuration as the LightningCLI of its project takes it."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import optuna

from lightsearch.declare.lightning_cli import ConfigSpec, replaced
from lightsearch.declare.study_file import StudyFile
from lightsearch.declare.yaml_text import dump_yaml
from lightsearch.errors import Mistake, UserError
from lightsearch.outcome import Kind, Outcome
from lightsearch.study.leaders import leaders
from lightsearch.study.origin import ended_how, outcome_of
from lightsearch.study.stored import declaration_of


class ExportedConfig(NamedTuple):
    """A configuration of LightningCLI."""

    trial: int
    """Number of the trial."""
    values: str
    """Its metric and value."""
    text: str
    """The YAML, with the trial in a comment."""
    command: str
    """The command that takes it, without ``--config``."""


def exported_config(study: optuna.Study, trial: int | None) -> ExportedConfig:
    """The configuration of a trial: the study's, with the sampled values, the Trainer's settings and the trial's seed.

    Args:
        study: A study of a LightningCLI configuration.
        trial: A complete or pruned trial; None: the best one.

    Raises:
        UserError: if the study has no configuration, or there is no such trial.
    """
    declared = declaration_of(study)
    if declared.config is None:
        hint = "was not made from a LightningCLI configuration ([config]), so there is none to write"
        raise UserError(Mistake("--study", study.study_name, hint))
    outcome = _outcome(study, declared, trial)
    value = "no value" if outcome.value is None else f"{declared.metric} {outcome.value:.6g}"
    head = f"# Trial {outcome.number} of the study {study.study_name}: {value}\n"
    text = head + dump_yaml(_content(declared, declared.config, outcome))
    return ExportedConfig(outcome.number, value, text, _command(declared.config))


def _outcome(study: optuna.Study, declared: StudyFile, trial: int | None) -> Outcome:
    trials = study.get_trials(deepcopy=False)
    if trial is None:
        complete = leaders(trials, declared.directions)
        if not complete:
            raise UserError(Mistake("--study", study.study_name, "has no complete trial yet; run the search first"))
        return complete[0]
    found = next((one for one in trials if one.number == trial), None)
    outcome = outcome_of(found) if found is not None else None
    if found is None or outcome is None or outcome.kind not in (Kind.COMPLETE, Kind.PRUNED):
        how = ended_how(found) if found is not None else "is not in the study"
        raise UserError(Mistake("--trial", trial, f"{how}; name a complete or pruned trial"))
    return outcome


def _content(declared: StudyFile, config: ConfigSpec, outcome: Outcome) -> dict[str, Any]:
    sampled = declared.space.split(outcome.params)
    content = replaced(copy.deepcopy(config.content or {}), sampled["config"])
    trainer = {**(content.get("trainer") or {}), **declared.trainer.keywords, **sampled["trainer"]}
    return {"seed_everything": outcome.seed, **content, "trainer": trainer} | {"seed_everything": outcome.seed}


def _command(config: ConfigSpec) -> str:
    """The project's own command, as far as it is known."""
    return f"python {config.cli} fit" if config.cli is not None and config.cli.endswith(".py") else "... fit"
