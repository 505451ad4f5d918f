"""Outcomes of trials: the kind of an exception, and what is kept of it."""

import errno
import sqlite3

import optuna
import pytest
import torch
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from lightsearch.errors import StorageFailed
from lightsearch.outcome import POLICIES, Diverged, Interrupted, Kind, Outcome, describe, kind_of
from lightsearch.signals import EndAtOnce


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), Kind.OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory"), Kind.OUT_OF_MEMORY),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
            Kind.OUT_OF_MEMORY,
        ),
        (Diverged("val_loss is nan"), Kind.DIVERGED),
        (Interrupted(), Kind.INTERRUPTED),
        (EndAtOnce(), Kind.INTERRUPTED),
        (KeyboardInterrupt(), Kind.USER_ERROR),  # workers are deaf to Ctrl-C: the trial's own code has raised it
        (ValueError("x"), Kind.USER_ERROR),
        (SystemExit(1), Kind.USER_ERROR),
        (optuna.TrialPruned(), Kind.USER_ERROR),
        (sqlite3.OperationalError("no such table: mine"), Kind.USER_ERROR),
        (OperationalError("SELECT", {}, sqlite3.OperationalError("no such table: mine")), Kind.USER_ERROR),
        (StorageFailed(sqlite3.OperationalError("disk I/O error")), Kind.INTERRUPTED),
        (OSError(errno.ENOSPC, "No space left on device"), Kind.INTERRUPTED),
    ],
)
def test_exceptions_become_kinds(error: BaseException, kind: Kind) -> None:
    assert kind_of(error) is kind


def test_every_kind_has_a_policy() -> None:
    assert set(POLICIES) == set(Kind)
    assert {kind for kind, policy in POLICIES.items() if policy.counts} == {Kind.COMPLETE, Kind.PRUNED}
    assert POLICIES[Kind.INTERRUPTED].state is TrialState.WAITING


def test_an_error_is_kept_in_bounds() -> None:
    try:
        raise ValueError("x" * 1000 + "\nsecond line")
    except ValueError as error:
        kept = describe(error)
    assert (kept.type, len(kept.message)) == ("ValueError", 300)
    assert len(kept.traceback) <= 4000
    assert describe(ValueError()).message == ""


def test_an_outcome_is_printed_in_few_words() -> None:
    outcome = Outcome(number=7, kind=Kind.COMPLETE, value=0.5, params={"width": 8}, metrics={"val_loss": 1.0}, seed=3)
    assert str(outcome) == "Outcome(number=7, kind='complete', value=0.5, params={'width': 8})"
    assert f"{[outcome]}" == f"[{outcome}]"
