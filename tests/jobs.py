"""What a process of a pool is given to do."""

import os
import signal
import sys
import time

from wt_jax.pose.process_pool import count


def work(job):
    """A job is a number, or what happens to the process that does it."""
    if job == "dies":
        os.kill(os.getpid(), signal.SIGSEGV)
    if job == "slow":
        time.sleep(1)
    if job == "sleeps":
        time.sleep(60)
    count()
    count()
    return job, os.getpid(), "jax" in sys.modules
