"""Epochs of the default model, for several members at once: their first layers are one matrix product.

What Lightning and autograd do for one ``Classifier`` is written out here for many, because at these sizes most of the
time is spent on launching operations. Nothing is summed over members, so that no member influences another. See Fang et
al., Horizontally Fused Training Arrays (MLSys 2021), and Fernandes Junior, ParallelMLPs (arXiv 2206.08369).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lightsearch.compat.torch_internals import fused_adam_, mark_stepped
from lightsearch.models.classifier import Batch, Classifier
from lightsearch.packs.member import Member

VECTORS = ("1.bias", "2.weight", "2.bias", "4.bias", "5.weight", "5.bias")
"""Parameters of ``Classifier.model`` with one number per feature: biases, and scales and shifts of BatchNorm."""
NORMS = (2, 5)
"""The BatchNorm layers in ``Classifier.model``."""
LAST = "7.bias"
"""The biases of the last layer, with one number per class."""
MATRICES = ("1.weight", "4.weight", "7.weight")
"""The weight matrices: (h, in), (h, h), (classes, h)."""


def incompatibility(model: object) -> str | None:
    """Why a model cannot be trained here; None: it can."""
    return None if type(model) is Classifier else f"{type(model).__name__} is not lightsearch's own Classifier"


@torch.no_grad()
def train_epoch(members: Sequence[Member], batches: Iterable[Batch]) -> None:
    """Trains every member for an epoch on the same batches, each with its own loss, optimizer state and step size.

    Args:
        members: Their modules are Classifiers; widths and step sizes may differ. Updated in place: weights, running
            statistics, the optimizer's state, ``train_loss_sum`` and ``train_count``.
        batches: (images: (B, C, H, W) float32, labels: (B,) int64) each, on the members' device.
    """
    pack = _Pack(members)
    loss_sums, count = torch.zeros(len(members), device=pack.device), 0  # stay on the device: no synchronisation
    for images, labels in batches:
        loss_sums += pack.step(images.flatten(1), labels) * len(labels)
        count += len(labels)
    pack.write_back()
    for member, loss_sum in zip(members, loss_sums, strict=True):
        member.module.train_loss_sum, member.module.train_count = loss_sum, count


class _Norm(NamedTuple):
    """A BatchNorm over the features of all members; each tensor is (features of all members,)."""

    weight: Tensor
    bias: Tensor
    mean: Tensor
    var: Tensor


class _Pack:
    """The parameters of the members side by side. Activations are (features of all members, B).

    Args:
        members: The members, in the order of the rows.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        layers = [member.module.model for member in members]
        self._layers = layers
        self.device = layers[0][1].weight.device
        self.widths = [layer[1].out_features for layer in layers]
        self._classes = layers[0][7].out_features
        self._adam = _Adam(members)
        first, second, third = self._adam.matrices
        self._w1 = torch.cat(first)
        self._adam.matrices[0][:] = self._by_member(self._w1)
        self._w2, self._w3 = second, third
        self._dw1 = torch.empty_like(self._w1)
        self._dw2 = [torch.empty_like(weight) for weight in second]
        self._dw3 = [torch.empty_like(weight) for weight in third]
        norms = [[layer[index] for layer in layers] for index in NORMS]
        self._running = [
            (torch.cat([norm.running_mean for norm in row]), torch.cat([norm.running_var for norm in row]))
            for row in norms
        ]
        self._momentum, self._eps = norms[0][0].momentum, norms[0][0].eps
        self._steps = 0

    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """Takes one step of every member.

        Args:
            x: (B, in) float32.
            labels: (B,) int64.

        Returns:
            (members,) float32: the loss of each member, the mean over the batch.
        """
        (b1, g1, s1, b2, g2, s2), b3 = self._adam.vectors()
        norm1, norm2 = _Norm(g1, s1, *self._running[0]), _Norm(g2, s2, *self._running[1])

        z1 = torch.addmm(b1[:, None], self._w1, x.t())
        a1, *saved1 = self._norm(z1, norm1)
        z2 = torch.empty_like(z1)
        for weight, a, z in zip(self._w2, self._by_member(a1), self._by_member(z2), strict=True):
            torch.mm(weight, a, out=z)
        z2 += b2[:, None]
        a2, *saved2 = self._norm(z2, norm2)
        logits = torch.empty(len(self.members), self._classes, len(x), device=self.device)
        for weight, a, out in zip(self._w3, self._by_member(a2), logits, strict=True):
            torch.mm(weight, a, out=out)
        logits += b3[:, :, None]

        target = labels.expand(len(self.members), 1, -1)
        log_shares = logits.log_softmax(dim=1)
        losses = -log_shares.gather(1, target).mean(dim=(1, 2))
        d_logits = log_shares.exp_().scatter_add_(1, target, torch.full_like(logits[:, :1], -1.0)).div_(len(x))

        da2 = torch.empty_like(a2)
        ends = zip(self._w3, self._dw3, d_logits, self._by_member(a2), self._by_member(da2), strict=True)
        for weight, gradient, d_out, a, da in ends:
            torch.mm(d_out, a.t(), out=gradient)
            torch.mm(weight.t(), d_out, out=da)
        dz2, dg2, ds2 = self._norm_backward(da2, a2, z2, norm2, saved2)
        da1 = torch.empty_like(a1)
        middles = zip(self._w2, self._dw2, self._by_member(dz2), self._by_member(a1), self._by_member(da1), strict=True)
        for weight, gradient, dz, a, da in middles:
            torch.mm(dz, a.t(), out=gradient)
            torch.mm(weight.t(), dz, out=da)
        dz1, dg1, ds1 = self._norm_backward(da1, a1, z1, norm1, saved1)
        torch.mm(dz1, x, out=self._dw1)

        gradients = [self._by_member(self._dw1), self._dw2, self._dw3]
        vectors = [dz1.sum(dim=1), dg1, ds1, dz2.sum(dim=1), dg2, ds2]
        self._adam.step(gradients, vectors, d_logits.sum(dim=2))
        self._steps += 1
        return losses

    def write_back(self) -> None:
        """Copies everything to the modules and optimizers of the members."""
        self._adam.write_back()
        for index, (mean, var) in zip(NORMS, self._running, strict=True):
            pieces = zip(self._layers, self._by_member(mean), self._by_member(var), strict=True)
            for layer, own_mean, own_var in pieces:
                layer[index].running_mean.copy_(own_mean)
                layer[index].running_var.copy_(own_var)
                layer[index].num_batches_tracked += self._steps

    def _by_member(self, features: Tensor) -> Sequence[Tensor]:
        """Splits rows of all members by member."""
        return features.split_with_sizes(self.widths)

    def _norm(self, z: Tensor, norm: _Norm) -> tuple[Tensor, Tensor, Tensor]:
        out, mean, inverse = torch.native_batch_norm(
            z[None], norm.weight, norm.bias, norm.mean, norm.var, True, self._momentum, self._eps
        )
        return out[0].relu_(), mean, inverse

    def _norm_backward(
        self, d_out: Tensor, out: Tensor, z: Tensor, norm: _Norm, saved: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        d_out = torch.ops.aten.threshold_backward(d_out, out, 0)  # the ReLU's
        dz, d_weight, d_bias = torch.ops.aten.native_batch_norm_backward(
            d_out[None], z[None], norm.weight, norm.mean, norm.var, *saved, True, self._eps, [True, True, True]
        )
        return dz[0], d_weight, d_bias


class _Adam:
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
        """[kind][member]: the weights, in the order of ``MATRICES``."""
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
                [kind[i] for kind in self.matrices],
                [kind[i] for kind in matrices],
                [kind[i] for kind in self._exp_avg],
                [kind[i] for kind in self._exp_avg_sq],
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
