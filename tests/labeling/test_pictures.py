"""Frames kept, so that steps back need not decode a video again and again."""

from wt_jax.labeling.pictures import Pictures


def test_steps_back_find_their_frames():
    asked = []
    pictures = Pictures(lambda i: asked.append(i) or i, lambda frame: -frame)
    assert [pictures[i] for i in (100, 101, 100, 99, 98, 80)] == [-100, -101, -100, -99, -98, -80]
    assert asked == [100, 101, *range(75, 100)]
    assert pictures[300] == -300  # a jump decodes that one alone
    assert asked[-2:] == [99, 300]


def test_not_all_are_kept():
    asked = []
    pictures = Pictures(lambda i: asked.append(i) or i, abs)
    for i in range(100):
        assert pictures[i] == i
    assert len(asked) == 100
    assert pictures[0] == 0
    assert asked[100:] == [0]
    assert len(pictures._kept) == 60


def test_a_step_back_at_the_beginning():
    asked = []
    pictures = Pictures(lambda i: asked.append(i) or i, abs)
    assert [pictures[3], pictures[2], pictures[0]] == [3, 2, 0]
    assert asked == [3, 0, 1, 2]
