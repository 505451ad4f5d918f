"""The checkpoints that are kept, and how a deleted one is forgotten."""

from __future__ import annotations

import json
from pathlib import Path

from lightsearch.atomic_files import write_json
from lightsearch.coordinator.kept_checkpoints import KeptCheckpoints
from lightsearch.coordinator.results import write_results
from lightsearch.outcome import Kind, Outcome
from lightsearch.paths import trial_folder
from lightsearch.report.tables.trial_table import trial_table
from lightsearch.study.leaders import leaders
from tests.conftest import digits, open_queue
from tests.study.test_trial_queue import ask


def test_a_deleted_checkpoint_is_named_nowhere(tmp_path: Path) -> None:
    queue = open_queue(digits("keep_top_k=1"), tmp_path)
    for number, value in enumerate((0.5, 0.9)):
        folder = trial_folder(queue.folder, number)
        folder.mkdir(parents=True)
        (folder / "best.ckpt").write_text("weights")
        outcome = Outcome(
            number=number, kind=Kind.COMPLETE, value=value, checkpoint=f"{folder.name}/best.ckpt", sha256="ab"
        )
        write_json(folder / "result.json", outcome.model_dump(mode="json"))
        assert queue.tell(ask(queue, 2), outcome)
    checkpoints = KeptCheckpoints(queue)
    checkpoints.add_earlier({0, 1})
    checkpoints.delete_others(queue.study.get_trials(deepcopy=False))
    assert not (queue.folder / "trial-0000" / "best.ckpt").exists()
    written = [json.loads((trial_folder(queue.folder, number) / "result.json").read_text()) for number in (0, 1)]
    assert [one["checkpoint"] for one in written] == [None, "trial-0001/best.ckpt"]
    for seen in (queue, open_queue(digits("keep_top_k=1"), tmp_path)):  # by this process, and by a later one
        frame = trial_table(seen.study)
        assert frame["checkpoint"].isna().tolist() == [True, False]
        assert [one.checkpoint for one in leaders(seen.study.trials, "maximize")] == ["trial-0001/best.ckpt", None]
        results = write_results(seen)
        assert [one["checkpoint"] for one in results["leaders"]] == ["trial-0001/best.ckpt", None]
