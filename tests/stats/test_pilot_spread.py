import math

import numpy as np
import pytest

from cupel.stats.pilot_spread import pilot_spread


def table(values: np.ndarray, num_methods: int = 2) -> dict[str, list]:
    """(tasks, methods, seeds) values as a table."""
    t, m, s = np.indices(values.shape)
    return {
        "method": ["ABC"[k] for k in m.ravel()],
        "task": [f"t{k}" for k in t.ravel()],
        "seed": s.ravel().tolist(),
        "value": values.ravel().tolist(),
    }


def draw(seed: int = 0, shape: tuple[int, int, int] = (4, 2, 6)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    tasks, methods, seeds = shape
    shared = rng.normal(0, 2, (tasks, 1, seeds))
    return (
        10 * np.arange(tasks)[:, None, None]
        + rng.normal(0, 1, (tasks, methods, 1))
        + shared
        + rng.normal(0, 0.5, shape)
    )


def test_two_methods_by_their_differences() -> None:
    x = draw()
    pilot = pilot_spread(table(x))
    apart = x[:, 0] - x[:, 1]
    sd_pair = math.sqrt(np.mean([np.var(row, ddof=1) for row in apart]))
    assert (pilot.sd_pair, pilot.df_pair) == (pytest.approx(sd_pair), 4 * 5)
    assert (pilot.sd, pilot.df) == (pytest.approx(math.sqrt(np.mean(x.var(axis=2, ddof=1)))), 4 * 2 * 5)
    covariance = np.mean([np.cov(x[t, 0], x[t, 1])[0, 1] for t in range(4)])
    assert pilot.correlation == pytest.approx(covariance / np.mean(x.var(axis=2, ddof=1)))
    assert pilot.noise == pytest.approx(sd_pair / math.sqrt(2))
    between = np.var(apart.mean(axis=1), ddof=1) / 2
    assert (pilot.mean_square, pilot.df_tasks) == (pytest.approx(between), 3)
    assert pilot.interaction == pytest.approx(math.sqrt(between - pilot.noise**2 / 6))
    spread = pilot.task_spread(6)
    assert spread is not None
    assert spread.sd == pytest.approx(math.sqrt(2 * between)), "with the pilot's own runs, the pilot's own spread"


def test_three_methods_are_pooled_and_a_choice_is_that_pair() -> None:
    x = draw(1, (5, 3, 4))
    pilot = pilot_spread(table(x))
    pairs = [(0, 1), (0, 2), (1, 2)]
    squares = [np.var(x[t, a] - x[t, b], ddof=1) for t in range(5) for a, b in pairs]
    assert pilot.sd_pair == pytest.approx(math.sqrt(np.mean(squares)))
    assert pilot_spread(table(x), methods=["A", "C"]).sd_pair == pytest.approx(
        pilot_spread(table(x[:, [0, 2]])).sd_pair
    )
    with pytest.raises(ValueError, match="No method named 'D'"):
        pilot_spread(table(x), methods=["A", "D"])


def test_without_seeds_nothing_is_paired() -> None:
    x = draw()
    columns = table(x)
    del columns["seed"]
    pilot = pilot_spread(columns)
    assert (pilot.sd_pair, pilot.correlation) == (None, None)
    assert pilot.noise == pilot.sd


def test_failures_are_left_out_with_their_seed() -> None:
    x = draw()
    x[0, 0, 0] = np.nan
    pilot = pilot_spread(table(x))
    assert (pilot.n, pilot.num_failed, pilot.df, pilot.df_pair) == (47, 1, 39, 19)
    squares = [((row - np.nanmean(row)) ** 2)[np.isfinite(row)].sum() for row in x[:, 0] - x[:, 1]]
    assert pilot.sd_pair == pytest.approx(math.sqrt(sum(squares) / 19))
    assert "failures" in {note.code for note in pilot.warnings}


def test_tasks_that_not_all_methods_have_do_not_count() -> None:
    x = draw(2, (5, 2, 3))
    x[4, 1] = np.nan
    assert pilot_spread(table(x)).num_tasks == 4
    assert pilot_spread(table(x)).mean_square == pytest.approx(pilot_spread(table(x[:4])).mean_square)


def test_one_run_per_cell_does_not_tell_noise_from_interaction() -> None:
    x = draw(3, (6, 2, 1))
    pilot = pilot_spread(table(x))
    assert (pilot.sd, pilot.noise) == (None, None)
    assert pilot.interaction == pytest.approx(math.sqrt(np.var(x[:, 0, 0] - x[:, 1, 0], ddof=1) / 2))
    assert pilot.task_spread(1) is not None
    assert pilot.task_spread(5) is None
    assert "no repeats" in {note.code for note in pilot.warnings}


def test_one_task_has_no_interaction() -> None:
    pilot = pilot_spread(table(draw(4, (1, 2, 5))))
    assert (pilot.interaction, pilot.task_spread(3)) == (None, None)
    assert pilot.sd_pair is not None


def test_an_interaction_below_the_noise_is_zero() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(0, 1, (4, 2, 5))
    x -= x.mean(axis=2, keepdims=True)
    assert pilot_spread(table(x)).interaction == 0


def test_the_cautious_plan_is_wider() -> None:
    pilot = pilot_spread(table(draw(5, (4, 2, 6))))
    usual, cautious = pilot.task_spread(3), pilot.task_spread(3, is_cautious=True)
    assert usual is not None
    assert cautious is not None
    assert cautious.interaction > usual.interaction


def test_spreads_of_different_sizes_are_told() -> None:
    x = draw(7)
    x[2] *= 40
    notes = pilot_spread(table(x)).warnings
    assert "t2" in next(note.text for note in notes if note.code == "mixed scales")


def test_several_budgets_are_asked_about() -> None:
    columns = table(draw()) | {"budget": [1, 2] * 24}
    with pytest.raises(ValueError, match="--where budget=2"):
        pilot_spread(columns)


def test_what_has_no_spread_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two"):
        pilot_spread({"method": ["A", "B"], "value": [1.0, 2.0]})


def test_text_and_frame() -> None:
    pilot = pilot_spread(table(draw()))
    assert "correlation" in pilot.text()
    assert "4 tasks" in pilot.text()
    assert pilot.to_frame()["sd"].tolist() == pytest.approx([pilot.sd, pilot.sd_pair, pilot.interaction, pilot.noise])
