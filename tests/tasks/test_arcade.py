"""The games follow the emulator frame by frame, with the usual preparation."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="states are torch tensors")
ale_py = pytest.importorskip("ale_py", reason="the emulator is ale-py")

from cupel.tasks import arcade
from cupel.tasks.arcade import IMAGE_PX, NUM_ACTIONS, Arcade


def make(game: str = "breakout", *, num: int = 2, seed: int = 0, threads: int = 1) -> Arcade:
    return Arcade(game, num, seed=seed, threads=threads, device=torch.device("cpu"))


def play(games: Arcade, num_steps: int, num_actions: int = 4):
    generator = torch.Generator().manual_seed(0)
    actions = torch.randint(num_actions, (num_steps, len(games.state_NS)), generator=generator)
    return [(games.step(action), games.state_NS) for action in actions]


@pytest.mark.parametrize("game", NUM_ACTIONS)
def test_the_action_sets_are_the_minimal_ones(game):
    assert len(make(game)._games.get_action_set()) == NUM_ACTIONS[game]


def test_a_step_plays_four_frames_and_shifts_the_pictures():
    games = make()
    before, first = games.state_NS, games.frame_N
    after = games.step(torch.zeros(2, dtype=torch.int64))
    assert (games.frame_N - first).tolist() == [4, 4]
    assert games.state_NS.dtype == torch.uint8
    assert games.state_NS.shape == (2, 4, IMAGE_PX, IMAGE_PX)
    assert torch.equal(games.state_NS[:, :3], before[:, 1:])
    assert torch.equal(after.reached_NS, games.state_NS)


def test_pictures_agree_with_the_plain_emulator():
    games = make(num=1)
    plain = ale_py.ALEInterface()
    plain.setFloat("repeat_action_probability", 0.0)
    from ale_py import roms

    plain.loadROM(roms.get_rom_path("breakout"))
    plain.reset_game()
    idle = int(games.frame_N[0]) - 1
    for _ in range(idle):
        plain.act(0)
    plain.act(1)
    screens = []
    for action in (3, 3, 4, 4):  # right, right, left, left; in the minimal set these are 2, 2, 3, 3
        frames = []
        for _ in range(4):
            plain.act(action)
            frames.append(plain.getScreenGrayscale())
        screens.append(np.maximum(frames[-1], frames[-2]))
        games.step(torch.tensor([action - 1]))
    for found, screen in zip(games.state_NS[0].numpy(), screens, strict=True):
        shrunk = torch.nn.functional.interpolate(
            torch.from_numpy(screen)[None, None].double(), size=(IMAGE_PX, IMAGE_PX), mode="area"
        )[0, 0].numpy()
        assert screen.shape == (210, 160)
        assert np.abs(found - shrunk).mean() < 1.5  # two ways of averaging pixels that straddle a border
        assert np.corrcoef(found.ravel(), shrunk.ravel())[0, 1] > 0.98


def test_a_lost_life_terminates_and_the_game_goes_on():
    games = make()
    lost = [(step, state) for step, state in play(games, 30) if step.terminated_N.any()]
    assert lost
    assert all(torch.equal(step.reached_NS, state) for step, state in lost)
    assert (games.frame_N >= 120).all()
    assert (games._steps_N < 30).all()


def test_a_game_whose_time_is_up_is_truncated_and_starts_anew(monkeypatch):
    monkeypatch.setattr(arcade, "MAX_FRAMES", 60)
    games = make()
    before = games.state_NS
    for after, state in play(games, 20):
        starts_anew = after.truncated_N
        assert torch.equal(after.reached_NS[:, :3], before[:, 1:])
        assert torch.equal(after.reached_NS[~starts_anew], state[~starts_anew])
        before = state
        if starts_anew.any():
            assert (games.frame_N[starts_anew] < 60).all()
            break
    assert starts_anew.any()
    assert not torch.equal(after.reached_NS, state)


def test_the_same_seed_plays_the_same_and_another_does_not_whatever_the_threads():
    first, again, other = play(make(), 10), play(make(threads=2), 10), play(make(seed=1), 10)
    assert all(torch.equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a[1], b[1]) for a, b in zip(first, other, strict=True))
