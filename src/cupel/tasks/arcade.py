"""Atari games, many at once, emulated on the host.

Decisions:
- The emulator is the Arcade Learning Environment's own (`ale-py`, ROMs in its wheel), through its vector interface in
  C++: no gymnasium, no process per game; each game has its own random stream.
- As usual since 2015: every action is held for 4 frames, the picture is the maximum of the last two in grey, 84 x 84,
  the last 4 pictures are the state; up to 30 idle frames at a start, the fire button pressed there where there is one;
  rewards clipped to their sign; a lost life terminates (the game goes on); no sticky actions.
- Frames, rewards and ends come from the host in one transfer each, actions go there in one: a step waits for the
  policy's actions, as every emulator on a host does.

Shapes: N games, S = (4, 84, 84), bytes.

Source: Bellemare et al. 2013, The Arcade Learning Environment; Mnih et al. 2015, Human-level Control through Deep
Reinforcement Learning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cupel.tasks.policy_gradient import Transition

FRAMES_PER_STEP = 4
STACKED = 4
IMAGE_PX = 84
MAX_FRAMES = 108_000
"""Frames after which a game is truncated: half an hour at 60 Hz."""
NUM_ACTIONS = {"breakout": 4, "pong": 6}
"""Size of the minimal action set of each game."""


class Arcade:
    """Games of one kind in step; one that ends starts anew within the same step.

    `frame_N` counts the frames of each game since its start, on the host.

    Args:
        game: name of the ROM (`breakout`).
        num_envs: how many.
        seed: of the idle frames at starts.
        threads: of the emulator.
        device: where the states go.
    """

    def __init__(self, game: str, num_envs: int, *, seed: int, threads: int, device: torch.device) -> None:
        import ale_py
        from ale_py import (  # type: ignore[attr-defined,unused-ignore]
            _ale_py,  # the vector interface has no public name without gymnasium
            roms,
        )

        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self._games: Any = _ale_py.ALEVectorInterface(
            rom_path=roms.get_rom_path(game),
            num_envs=num_envs,
            frame_skip=FRAMES_PER_STEP,
            stack_num=STACKED,
            img_height=IMAGE_PX,
            img_width=IMAGE_PX,
            max_episode_steps=MAX_FRAMES,
            repeat_action_probability=0.0,
            life_loss_info=True,
            num_threads=min(threads, num_envs),
            autoreset_mode="SameStep",
        )
        self._device = device
        self._force_N = np.ones(num_envs, dtype=np.float32)
        first = np.random.default_rng(seed).integers(2**30)
        image_NS, about = self._games.reset(np.arange(num_envs), first + np.arange(num_envs))
        self.state_NS = self._sent(image_NS)
        self.frame_N = np.array(about["episode_frame_number"])
        self._steps_N = np.zeros(num_envs, dtype=np.int64)

    def _sent(self, array: Any) -> Tensor:
        """An array of the emulator, copied to the device."""
        return torch.from_numpy(np.array(array)).to(self._device)

    def step(self, action_N: Tensor) -> Transition:
        """Hold the actions for 4 frames."""
        self._games.send(action_N.cpu().numpy(), self._force_N)
        image_NS, reward_N, terminated_N, truncated_N, about = self._games.recv()
        frame_N = np.array(about["episode_frame_number"])
        has_restarted_N = frame_N < self.frame_N + FRAMES_PER_STEP
        self.frame_N = frame_N
        steps_N = self._steps_N + 1
        self._steps_N = np.where(terminated_N | truncated_N, 0, steps_N)
        self.state_NS = reached_NS = self._sent(image_NS)
        if has_restarted_N.any():
            # only rows of games that start anew are filled in there; the others are uninitialised memory
            reached_NS = self._sent(np.where(has_restarted_N[:, None, None, None], about["final_obs"], image_NS))
        return Transition(
            reached_NS,
            self._sent(reward_N.astype(np.float32)),
            self._sent(terminated_N),
            self._sent(truncated_N & ~terminated_N),
            self._sent(steps_N),
        )
