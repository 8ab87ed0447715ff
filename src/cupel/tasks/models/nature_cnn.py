"""The convolutional network of the first deep agents for Atari games, with a policy and a value, written by hand.

Decisions: three convolutions and a hidden layer shared by policy and value, as in the paper on PPO; bytes become
numbers in [0, 1]; orthogonal weights with gain sqrt(2), 0.01 at the policy's output and 1 at the value's, zero biases.

Shapes: N samples, A actions; images (N, 4, 84, 84), bytes.

Source: Mnih et al. 2015, Human-level Control through Deep Reinforcement Learning, methods; Schulman et al. 2017,
Proximal Policy Optimization Algorithms, section 6.
"""

from __future__ import annotations

from torch import Tensor, nn

from cupel.tasks.models.actor_critic import linear

ROOT = 2.0**0.5
LAST_PX = 7


def convolution(num_in: int, num_out: int, *, kernel_px: int, stride_px: int) -> nn.Conv2d:
    """A convolution with orthogonal weights and no bias to start with."""
    layer = nn.Conv2d(num_in, num_out, kernel_px, stride_px)
    nn.init.orthogonal_(layer.weight, ROOT)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class NatureCnn(nn.Module):
    """A policy over discrete actions and the value of a state, from the last four pictures.

    Args:
        num_actions: actions to choose from.
        width: channels of the first convolution; the paper's is 32.
    """

    def __init__(self, *, num_actions: int, width: int) -> None:
        super().__init__()
        self.torso = nn.Sequential(
            convolution(4, width, kernel_px=8, stride_px=4),
            nn.ReLU(),
            convolution(width, 2 * width, kernel_px=4, stride_px=2),
            nn.ReLU(),
            convolution(2 * width, 2 * width, kernel_px=3, stride_px=1),
            nn.ReLU(),
            nn.Flatten(),
            linear(2 * width * LAST_PX**2, 16 * width, ROOT),
            nn.ReLU(),
        )
        self.policy = linear(16 * width, num_actions, 0.01)
        self.value = linear(16 * width, 1, 1.0)

    def forward(self, image_NS: Tensor) -> tuple[Tensor, Tensor]:
        """Log probabilities of the actions (N, A) and values (N), both fp32."""
        hidden_NH = self.torso(image_NS.float() / 255.0)
        return self.policy(hidden_NH).float().log_softmax(dim=1), self.value(hidden_NH).float().squeeze(1)
