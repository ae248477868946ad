"""An honest score of few clips: each is judged by a training that never saw its person."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax

from wt_jax import config
from wt_jax.counting.settings import Counting
from wt_jax.data.recordings import Recording
from wt_jax.evaluation.recording_result import RecordingResult, make_results
from wt_jax.inference.sliding_window import make_timelines
from wt_jax.input_pipeline.balanced_sampler import make_train_batches
from wt_jax.input_pipeline.window_runs import Runs
from wt_jax.input_pipeline.windows import gap_frames, spans_of
from wt_jax.models.tcn import init_params
from wt_jax.training.setup import TrainingRun
from wt_jax.training.train_step import all_devices, init_state
from wt_jax.training.warm_start import Parent, warm_start

Judge = Callable[[Any, Sequence[Recording], Counting], list[RecordingResult]]


def make_judge(options: config.Config) -> Judge:
    """Returns judge(params, recordings, counting): what the network says of each, read as `counting` says."""
    timelines = make_timelines(options)

    def judge(params: Any, recordings: Sequence[Recording], counting: Counting) -> list[RecordingResult]:
        return make_results(recordings, timelines(params, recordings), counting)

    return judge


def judge_left_out(
    run: TrainingRun,
    parent: Parent,
    clips: Sequence[Recording],
    folds: Sequence[Sequence[int]],
    judge: Judge,
    counting_by: Callable[[Sequence[Recording]], Counting],
    taught: Sequence[Recording] = (),
) -> Iterator[list[RecordingResult]]:
    """Of every fold (numbers of clips), what is said by a training on all that `run` trains on, but these
    and what their people do in `taught`, read by the motions of the others (`counting_by`).

    `clips` and then `taught` are the first of the run's recordings, whose frames are on its devices. As long
    as the run, from the same weights, by the same program: nothing is compiled anew.
    """
    options, devices, sequences = run.options, all_devices(), run.data.sequences
    assert isinstance(sequences, dict)  # data.resident
    params, _ = warm_start(options, init_params(options), parent)
    shown = [*clips, *taught]
    for fold in folds:
        kept = _without(run.data.windows, shown, _of_people_in(shown, fold), gap_frames(options))
        batches = make_train_batches(kept, options)
        state = init_state(options, devices, params)
        for _ in range(run.dispatches_per_epoch * options.train.epochs):
            state, losses_K = run.programs.dispatch(state, sequences, next(batches))
            jax.block_until_ready(losses_K)  # several CPU devices deadlock where steps are queued
        others = [one for i, one in enumerate(clips) if i not in fold]
        yield judge(state.eval_params, [clips[i] for i in fold], counting_by(others))


def _of_people_in(recordings: Sequence[Recording], fold: Sequence[int]) -> list[int]:
    """All that the people of a fold do, by number."""
    people = {recordings[i].group for i in fold}
    return [i for i, one in enumerate(recordings) if one.group in people]


def _without(windows: Runs, clips: Sequence[Recording], fold: Sequence[int], gap: int) -> Runs:
    """Those that show none of these clips; into the gap before and after each no other window reaches."""
    spans = spans_of(clips, gap)
    is_kept_R = windows.firsts_R >= 0
    for i in fold:
        is_kept_R &= (windows.firsts_R < spans[i].start - gap) | (windows.firsts_R >= spans[i].stop)
    return windows.only(is_kept_R)
