"""Epochs of the default model, for several members at once: their first layers are one matrix product.

What Lightning and autograd do for one ``Classifier`` is written out here for many, because at these sizes most of the
time is spent on launching operations. Nothing is summed over members, so that no member influences another. See Fang et
al., Horizontally Fused Training Arrays (MLSys 2021), and Fernandes Junior, ParallelMLPs (arXiv 2206.08369).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lightsearch.models.classifier import Batch, Classifier
from lightsearch.packs.adam import PackedAdam
from lightsearch.packs.member import Member

NORMS = (2, 5)
"""The BatchNorm layers in ``Classifier.model``."""


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
        self._adam = PackedAdam(members)
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
