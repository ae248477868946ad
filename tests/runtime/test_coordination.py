"""What the processes of a run agree on, and what one alone need not; an error that another's end has left."""

import pytest

from wt_jax.runtime import coordination, failure


def test_alone_there_is_nothing_to_agree_on(tmp_path):
    assert coordination.exchange("a") == ["a"] and coordination.is_first()
    assert coordination.first_then_others(lambda: 3) == 3
    coordination.check_same({"a": 1})
    coordination.check_shared(tmp_path / "nowhere")
    with pytest.raises(ZeroDivisionError), failure.joined():
        raise ZeroDivisionError


def test_another_process_being_gone_is_seen_behind_an_error():
    gone = ValueError("UNKNOWN: Gloo all-reduce failed: Connection reset by peer")  # from np.asarray
    wrapped = ValueError("checkpoints: the checkpoint of step 8 could not be written")
    wrapped.__cause__ = gone
    assert failure._is_lost(gone) and failure._is_lost(wrapped)
    assert not failure._is_lost(ValueError("barrier.mp4: no such file")) and not failure._is_lost(KeyError())
