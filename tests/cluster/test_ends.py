from wt_jax.cluster.ends import End, cause, is_done, is_saved, mistakes

KILLED, GONE = End(1, "10.0.0.2", -9), End(2, "10.0.0.3", None)
HEARD, SAVED = End(0, "10.0.0.1", 75), End(0, "10.0.0.1", 143)
WRONG, DONE = End(3, "10.0.0.4", 2, "error: no such file"), End(4, "10.0.0.5", 0)


def test_the_cause_is_who_did_not_only_hear_of_it():
    assert cause([HEARD, KILLED, GONE]) == KILLED  # who hears may be told sooner than the driver
    assert cause([DONE, SAVED, HEARD]) == SAVED
    assert str(KILLED) == "worker 1 on 10.0.0.2 was ended by SIGKILL"
    assert str(GONE) == "worker 2 on 10.0.0.3 is gone: its machine, or Ray's process there"
    assert str(HEARD) == "worker 0 on 10.0.0.1 ended with status 75"


def test_what_they_make_of_the_run():
    assert is_done([DONE, DONE]) and not is_done([DONE, HEARD])
    assert is_saved([HEARD, SAVED]) and not is_saved([HEARD, KILLED])
    assert mistakes([WRONG, HEARD]) == [WRONG]
