"""Adam for the Classifiers of several members at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lightsearch.compat.torch_internals import fused_adam_, mark_stepped
from lightsearch.packs.member import Member

VECTORS = ("1.bias", "2.weight", "2.bias", "4.bias", "5.weight", "5.bias")
"""Parameters of ``Classifier.model`` with one number per feature: biases, and scales and shifts of BatchNorm."""
LAST = "7.bias"
"""The biases of the last layer, with one number per class."""
MATRICES = ("1.weight", "4.weight", "7.weight")
"""The weight matrices: (h, in), (h, h), (classes, h)."""


class PackedAdam:
    """Adam (Kingma and Ba, 2015) for all members, each with its own step size and its own count of steps.

    torch's fused kernel steps the matrices of one member. One formula steps the small vectors of all members.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members
        self._optimizers = [member.optimizer for member in members]
        group = self._optimizers[0].param_groups[0]
        self._beta1, self._beta2 = group["betas"]
        self._eps = group["eps"]
        device = group["params"][0].device
        # Stepped in place, so that nothing is to be written back; those of the first layers become views of one matrix.
        self.matrices = [[self._parameter(member, name) for member in members] for name in MATRICES]
        """[matrix][member]: the weights, in the order of ``MATRICES``."""
        self._exp_avg = [[self._state(member, name, "exp_avg") for member in members] for name in MATRICES]
        self._exp_avg_sq = [[self._state(member, name, "exp_avg_sq") for member in members] for name in MATRICES]
        self._widths = [len(self._parameter(member, VECTORS[0])) for member in members]
        self._classes = len(self._parameter(members[0], LAST))
        # One row: six vectors over all features, then the last layer's biases.
        self._small = self._row(self._parameter)
        self._small_avg = self._row(lambda member, name: self._state(member, name, "exp_avg"))
        self._small_avg_sq = self._row(lambda member, name: self._state(member, name, "exp_avg_sq"))
        owner = torch.arange(len(members)).repeat_interleave(torch.tensor(self._widths)).repeat(len(VECTORS))
        self._owner = torch.cat([owner, torch.arange(len(members)).repeat_interleave(self._classes)]).to(device)
        for optimizer in self._optimizers:
            mark_stepped(optimizer)
        steps = [float(self._state(member, MATRICES[0], "step").sum()) for member in members]
        self._counts = [torch.tensor(step, device=device) for step in steps]
        self._step = torch.tensor(steps, device=device, dtype=torch.float64)

    def vectors(self) -> tuple[list[Tensor], Tensor]:
        """Six (features of all members,), in the order of ``VECTORS``, and (members, classes)."""
        features = sum(self._widths)
        *vectors, last = self._small.split_with_sizes([features] * len(VECTORS) + [len(self._members) * self._classes])
        return vectors, last.view(len(self._members), self._classes)

    def step(self, matrices: Sequence[Sequence[Tensor]], vectors: list[Tensor], last: Tensor) -> None:
        """Takes one step. The gradients have the order and the shapes of the parameters."""
        rates = [optimizer.param_groups[0]["lr"] for optimizer in self._optimizers]
        for i, rate in enumerate(rates):
            self._counts[i] += 1
            fused_adam_(
                [rows[i] for rows in self.matrices],
                [rows[i] for rows in matrices],
                [rows[i] for rows in self._exp_avg],
                [rows[i] for rows in self._exp_avg_sq],
                [],
                [self._counts[i]] * len(MATRICES),
                lr=rate,
                beta1=self._beta1,
                beta2=self._beta2,
                weight_decay=0.0,
                eps=self._eps,
                amsgrad=False,
                maximize=False,
            )
        self._step += 1
        sizes = torch.tensor(rates, dtype=torch.float64).to(self._step.device) / (1 - self._beta1**self._step)
        corrections = (1 - self._beta2**self._step).sqrt()
        gradient = torch.cat([*vectors, last.flatten()])
        self._small_avg.lerp_(gradient, 1 - self._beta1)
        self._small_avg_sq.mul_(self._beta2).addcmul_(gradient, gradient, value=1 - self._beta2)
        denominator = self._small_avg_sq.sqrt().div_(corrections.float()[self._owner]).add_(self._eps)
        self._small.sub_(sizes.float()[self._owner] * self._small_avg / denominator)
        for member in self._members:
            member.step_schedules()

    def write_back(self) -> None:
        """Copies to the members what is not stepped in place."""
        for weight, member in zip(self.matrices[0], self._members, strict=True):
            self._parameter(member, MATRICES[0]).copy_(weight)
        names = [name for name in (*VECTORS, LAST) for _ in self._members]
        for row, key in ((self._small, None), (self._small_avg, "exp_avg"), (self._small_avg_sq, "exp_avg_sq")):
            pieces = row.split_with_sizes(self._widths * len(VECTORS) + [self._classes] * len(self._members))
            for piece, name, member in zip(pieces, names, [*self._members] * (len(VECTORS) + 1), strict=True):
                (self._parameter(member, name) if key is None else self._state(member, name, key)).copy_(piece)
        for member, count in zip(self._members, self._step.tolist(), strict=True):
            for state in member.optimizer.state.values():
                state["step"].fill_(count)

    def _row(self, of: Callable[[Member, str], Tensor]) -> Tensor:
        return torch.cat([of(member, name) for name in (*VECTORS, LAST) for member in self._members])

    @staticmethod
    def _parameter(member: Member, name: str) -> Tensor:
        parameter: Tensor = member.module.model.get_parameter(name).detach()
        return parameter

    def _state(self, member: Member, name: str, key: str) -> Tensor:
        """The state of a parameter in the member's optimizer; zeros before the first step."""
        parameter = member.module.model.get_parameter(name)
        state = member.optimizer.state[parameter]
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        found: Tensor = state[key]
        return found
