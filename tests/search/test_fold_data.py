"""Folds: every group validates once and never trains beside itself; the test split is in none."""

import numpy as np
import pytest
from training_runs import write_root

from wt_jax import config
from wt_jax.data.loading import Dataset, load_dataset
from wt_jax.data.recordings import SYNTHETIC
from wt_jax.data.synthetic_recordings import make_recordings
from wt_jax.search.cohorts import Cohorts
from wt_jax.search.fold_data import split_into_folds
from wt_jax.search.plan import make_plan
from wt_jax.search.space import uniform

CLASSES = ("push-ups", "no-exercise")


def test_folds_hold_every_group_once_and_no_test(tmp_path):
    dataset = load_dataset(str(write_root(tmp_path, 3)), "", CLASSES, tmp_path)
    recordings, folds = split_into_folds(dataset, 3)
    assert {one.name for one in recordings} == {one.name for one in dataset.split("train", "val")}
    of_group = {one.group: fold for one, fold in zip(recordings, folds, strict=True)}
    assert all(of_group[one.group] == fold for one, fold in zip(recordings, folds, strict=True))
    assert sorted(np.bincount(folds)) == [4, 4, 4]
    with pytest.raises(ValueError, match=r"--folds 12: fold .* ask for fewer"):
        split_into_folds(dataset, 12)


def test_one_fold_is_the_split_of_the_data(tmp_path):
    dataset = load_dataset(str(write_root(tmp_path)), "", CLASSES, tmp_path)
    recordings, folds = split_into_folds(dataset, 1)
    assert [one.split == "val" for one in recordings] == [fold == 0 for fold in folds]


def test_synthetic_people_are_there_where_any_trial_may_draw_them(tmp_path):
    options = config.check(config.Config(data=config.Data(root=str(write_root(tmp_path)), classes=CLASSES)))
    space = {"data.synthetic": uniform(0.0, 0.5)}
    plan = make_plan(options, space, 1, 1, tmp_path)
    data = Cohorts(options, space, plan).data_of(options)
    assert data.train_windows[0].made_R.any()


def test_made_people_only_train_beside_real_ones(tmp_path):
    dataset = load_dataset(str(write_root(tmp_path)), "", CLASSES, tmp_path)
    made = make_recordings(CLASSES, 0, 4, ("train",))
    recordings, folds = split_into_folds(Dataset(dataset.data, [*dataset.recordings, *made], ""), 2)
    assert {fold for one, fold in zip(recordings, folds, strict=True) if one.is_made} == {-1}
    alone = Dataset(SYNTHETIC, list(make_recordings(CLASSES, 0, 8)), "")
    assert set(split_into_folds(alone, 2)[1]) == {0, 1}
