"""What a notebook uses: wt_jax.train(config), wt_jax.evaluate(workdir), and what they give."""

import dataclasses
import inspect
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from runs import ANGLES, EVERYTHING, save_run, walking
from training_runs import REPOSITORY, assert_same_run, read_history, write_root

import wt_jax
from wt_jax import config
from wt_jax.counting.doubt import Doubt
from wt_jax.counting.settings import Counting
from wt_jax.runtime.callable_module import make_callable
from wt_jax.runtime.files import only_writer
from wt_jax.training.result import TrainingResult

pytestmark = pytest.mark.usefixtures("share_programs")


def options(root: Path, workdir: Path, **train) -> wt_jax.Config:
    """As `training_runs.arguments` has them."""
    few = {"epochs": 4, "batch_size": 8, "windows_per_epoch": 64, "steps_per_dispatch": 2}
    return wt_jax.Config(
        workdir=str(workdir),
        data=config.Data(root=str(root), classes=("push-ups", "no-exercise")),
        model=config.Model(filters=8, blocks=1, heads=2, dense_units=(8,)),
        train=config.Train(**(few | train)),
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def trained(root, tmp_path_factory):
    return wt_jax.train(options(root, tmp_path_factory.mktemp("whole") / "run"))


@pytest.fixture(autouse=True)
def _signals_are_left_as_they_were():
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


def then_stop(monkeypatch, n_dispatches, *signals):
    """Training hears `signals` after so many dispatches."""
    from wt_jax.training import setup

    make, n_done = setup.make_train_dispatch, 0

    def make_stopping(*args, **named):
        dispatch = make(*args, **named)

        def stopping(*state):
            nonlocal n_done
            n_done += 1
            if n_done == n_dispatches:
                for number in signals:
                    signal.raise_signal(number)
            return dispatch(*state)

        return stopping

    monkeypatch.setattr(setup, "make_train_dispatch", make_stopping)


def test_names_are_there_before_anything_is_imported_and_after():
    program = (
        "import sys, wt_jax\n"
        "assert 'jax' not in sys.modules\n"
        "train = wt_jax.train\n"
        "import wt_jax.train, wt_jax.evaluate\n"
        "from wt_jax import train as same\n"
        "assert train is same is wt_jax.train is sys.modules['wt_jax.train']\n"
        "assert callable(train) and callable(wt_jax.evaluate) and callable(train.main)\n"
        "assert wt_jax.Config is wt_jax.config.Config\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr


def test_a_callable_module_shows_the_function_and_stays_a_module(monkeypatch):
    def double(number: int, *, by: int = 2) -> int:
        """Doubles."""
        return number * by

    module = type(sys)("wt_jax_doubling")
    monkeypatch.setitem(sys.modules, "wt_jax_doubling", module)
    make_callable("wt_jax_doubling", double)
    assert module(4) == 8
    assert module(4, by=3) == 12
    assert inspect.signature(module) == inspect.signature(double)
    assert inspect.getdoc(module.__call__) == "Doubles."
    assert inspect.ismodule(module)
    assert list(inspect.signature(wt_jax.train).parameters) == ["options"]


def test_what_training_gives(trained):
    history = read_history(trained.workdir)
    np.testing.assert_equal(trained.history, history)
    best = int(np.argmin(history["val_segmentation_loss"]))
    assert (trained.epoch, trained.n_epochs, trained.step) == (best + 1, 4, 32)
    assert trained.segmentation_loss == history["val_segmentation_loss"][best]
    assert (trained.stopped_by, trained.status) == (None, 0)
    loss = trained.segmentation_loss
    assert repr(trained) == (
        f"<TrainingResult: epoch {best + 1} of 4, validation segmentation loss {loss:.4f}; "
        f"data: {trained.data}; in {trained.workdir}>"
    )
    figure = wt_jax.visualization.draw_learning_curves(trained.history)
    assert [axis.get_title() for axis in figure.axes][-1] == "speed"


def test_the_config_stays_open_and_the_same_call_goes_on(trained, root, tmp_path, capsys):
    """Two epochs and two more equal four; the plot library is left to the notebook."""
    import matplotlib

    backend = matplotlib.get_backend()
    mine = options(root, tmp_path / "run", epochs=2)
    matplotlib.use("svg")
    try:
        assert wt_jax.train(mine).n_epochs == 2
        mine.train.epochs = 4
        assert wt_jax.train(mine).n_epochs == 4
        assert matplotlib.get_backend() == "svg"
    finally:
        matplotlib.use(backend)
    assert "resumed" in capsys.readouterr().out
    assert_same_run(trained.workdir, tmp_path / "run")


def test_ctrl_c_saves_and_interrupts(trained, root, tmp_path, monkeypatch, capsys):
    mine = options(root, tmp_path / "run")
    with monkeypatch.context() as patch:
        then_stop(patch, 6, signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            wt_jax.train(mine)
    assert "SIGINT: saved step 12" in capsys.readouterr().out
    assert wt_jax.train(mine).stopped_by is None
    assert_same_run(trained.workdir, tmp_path / "run")


def test_a_second_ctrl_c_does_not_wait(root, tmp_path, monkeypatch, capsys):
    then_stop(monkeypatch, 2, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        wt_jax.train(options(root, tmp_path / "run"))
    assert "saved" not in capsys.readouterr().out
    with only_writer(tmp_path / "run"):  # nobody is in there any more
        pass


def test_a_program_of_its_own_handler_is_given_the_result(root, tmp_path, monkeypatch):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    then_stop(monkeypatch, 2, signal.SIGTERM)
    try:
        stopped = wt_jax.train(options(root, tmp_path / "run"))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]
    assert (stopped.stopped_by, stopped.status, stopped.epoch) == (signal.SIGTERM, 143, None)
    assert "no epoch yet; SIGTERM at step 4;" in repr(stopped)


def test_training_in_a_thread(root, tmp_path):
    results = []
    mine = options(root, tmp_path / "run", epochs=1, windows_per_epoch=16)
    thread = threading.Thread(target=lambda: results.append(wt_jax.train(mine)))
    thread.start()
    thread.join()
    assert [result.n_epochs for result in results] == [1]


def test_what_cannot_be_trained_is_a_value_error(trained, root, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"takes a wt_jax.Config, not str 'experiments/main.py'"):
        wt_jax.train("experiments/main.py")
    with pytest.raises(ValueError, match=r"train.epochs=0: must be at least 1"):
        wt_jax.train(options(root, tmp_path / "run", epochs=0))
    with pytest.raises(ValueError, match=r"train.patience \(was 20, is 3\)"):
        wt_jax.train(options(root, trained.workdir, patience=3))
    with only_writer(tmp_path / "run"), pytest.raises(ValueError, match="another run is writing to it"):
        wt_jax.train(options(root, tmp_path / "run"))
    hosts = {"JAX_COORDINATOR_ADDRESS": "localhost:1", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "1"}
    for name, value in hosts.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=r"several processes is started with python -m wt_jax.train"):
        wt_jax.train(options(root, tmp_path / "run"))


def test_what_an_evaluation_gives(trained, root, tmp_path, capsys):
    found = wt_jax.evaluate(trained.workdir, "val", data=root, baselines=True)
    assert found.report["segmentation"]["loss"] == pytest.approx(trained.segmentation_loss, rel=1e-5)
    assert set(found.report["baselines"]) == {"majority", "key_angle", "neighbours"}
    right, obo = found.report["exercise"]["accuracy_recording"], found.report["count"]["obo"]
    assert repr(found) == (
        f"<Evaluation: 4 recordings of split val, exercise right {right:.3f}, off by one at most {obo:.3f}; "
        f"data: {root}, step {found.report['checkpoint_step']}>"
    )
    assert "macro-F1, recordings" in str(found)
    page = found.write(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == found.report
    assert page == tmp_path / "report.html"
    assert "<html" in page.read_text()


def test_an_evaluation_is_of_the_test_split_and_of_the_data_trained_on(trained, root):
    found = wt_jax.evaluate(str(trained.workdir), against=[trained.workdir])
    assert (found.report["split"], found.report["data"]) == ("test", str(root))
    assert found.report["against"]["run"]["count"] == found.report["count"]


def test_a_split_that_there_is_not(trained):
    with pytest.raises(ValueError, match="split='tests': must be one of train, val, test, all"):
        wt_jax.evaluate(trained.workdir, "tests")


def test_a_prediction_and_a_predictor_in_a_line(tmp_path):
    predictor = wt_jax.Predictor.restore(save_run(tmp_path / "run", ANGLES))
    predictor.counting = dataclasses.replace(EVERYTHING, doubt=Doubt(class_offset=9.0, height_factor=1.0))
    assert (
        repr(predictor)
        == f"<Predictor: checkpoint {tmp_path / 'run'}, step 0; {', '.join(ANGLES.data.classes)}>"
    )
    said = predictor.predict_landmarks(walking(90), 30, 640, 360)
    assert repr(said) == f"<Prediction: {said.exercise} {said.confidence:.2f}, {said.counts} in 3.0 s>"
    predictor.counting = dataclasses.replace(EVERYTHING, doubt=Doubt(height_factor=9.0))
    said = predictor.predict_landmarks(walking(90), 30, 640, 360)
    ((name, (low, high)),) = said.ranges.items()
    assert low < high
    counted = f"{said.counts[name]} ({low}-{high})"
    assert repr(said) == f"<Prediction: {said.undecided}, {{{name!r}: {counted}}} in 3.0 s>"
    predictor.counting = Counting(class_threshold=1.0)  # a certainty that it never has
    unsure = predictor.predict_landmarks(walking(90), 30, 640, 360)
    assert repr(unsure) == f"<Prediction: {unsure.undecided}, {{}} in 3.0 s>"
    assert str(unsure.undecided).startswith("undecided: ")
    nobody = predictor.predict_landmarks(np.full((45, 33, 4), np.nan), 30)
    assert repr(nobody) == "<Prediction: nobody seen in 1.5 s>"


def test_a_result_before_the_first_epoch_has_an_end():
    empty = TrainingResult(Path("x"), "synthetic", 8, None, None, {"loss": []}, signal.SIGINT)
    assert repr(empty) == "<TrainingResult: no epoch yet; SIGINT at step 8; data: synthetic; in x>"
    assert empty.status == 130
