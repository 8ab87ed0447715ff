"""What is said while claims run: verdicts at once, what is open and how far trials are now and then."""

import io

import pytest

from cupel.report.claims_text import HEARTBEAT_S, ClaimsLive
from cupel.spec.events import Decided, Looked, TrialsDone


@pytest.fixture
def world():
    class World:
        now = 0.0
        file = io.StringIO()

        def said(self):
            text = self.file.getvalue()
            self.file.seek(0)
            self.file.truncate()
            return text

    made = World()
    made.file = io.StringIO()
    made.live = ClaimsLive(file=made.file, clock=lambda: made.now)
    return made


def look(is_over=False, word="undecided"):
    return Looked("a_vs_b", "score", word, 0.25, (0.1, 0.4), 7, 12.0, is_over)


def test_a_verdict_is_told_at_once(world):
    world.live.handle(look(is_over=True, word="supported"))
    assert "a_vs_b score: supported, effect 0.25 (0.1 to 0.4), n = 7" in world.said()


def test_what_is_open_is_told_now_and_then(world):
    world.live.handle(look())
    assert world.said() == ""
    world.now = HEARTBEAT_S
    world.live.handle(look())
    assert "undecided so far" in world.said()
    world.live.handle(look())
    assert world.said() == ""


def test_trials_show_how_far_they_are_without_hiding_a_look(world):
    world.live.handle(TrialsDone("a_vs_b", "tuning", 1, 30))
    assert world.said() == ""
    world.now = HEARTBEAT_S
    world.live.handle(TrialsDone("a_vs_b", "tuning", 9, 30))
    assert "a_vs_b: tuning, 9 of 30 trials" in world.said()
    world.live.handle(look())
    assert "undecided so far" in world.said()


def test_what_was_decided_is_told(world):
    world.live.handle(Decided("The budget of 1 min is spent."))
    assert "budget of 1 min" in world.said()
