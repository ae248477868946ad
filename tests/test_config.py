import ast
import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wt_jax
from wt_jax.config import Config, Data, Model, Train, check, flatten, unflatten
from wt_jax.options import all_options
from wt_jax.runtime.config_flags import markdown, parse, usage

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
MAIN = ["--config", str(EXPERIMENTS / "main.py")]

# The names that others call (issue 2), each with a value that is not its default.
FIXED = {
    "workdir": "elsewhere",
    "seed": 7,
    "data.root": "mine",
    "data.positive_ratio": 0.25,
    "data.classes": ("squats", "lunges", "no-exercise"),
    "labels.kernel": "lorentzian",
    "labels.width_frames": 3.5,
    "model.filters": 64,
    "model.blocks": 3,
    "model.kernel_size": 5,
    "model.dilations": (1, 3),
    "model.heads": 2,
    "model.dropout": 0.5,
    "model.dense_units": (16,),
    "model.causal": True,
    "model.compute_dtype": "bfloat16",
    "loss.segmentation_weight": 2.5,
    "loss.focal_gamma": 2.0,
    "loss.focal_alpha": 0.75,
    "optimizer.learning_rate": 0.001,
    "train.epochs": 3,
    "train.batch_size": 64,
    "train.patience": 4,
    "train.steps_per_dispatch": 2,
    "train.accumulate": 2,
    "overwrite": True,
}


# What the published recipe says, which main.py keeps; it fills in where the recipe is silent.
RECIPE = {
    "data.window_frames": 30, "data.positive_ratio": 0.2, "model.filters": 128, "model.blocks": 8,
    "model.kernel_size": 3, "model.dilations": (1, 2, 4, 8, 16, 32, 64, 128), "model.heads": 4,
    "model.dropout": 0.25, "model.dense_units": (128, 64, 32), "loss.segmentation_weight": 5.0,
    "loss.focal_gamma": 1.0, "loss.focal_alpha": 0.5, "optimizer.learning_rate": 5e-4,
    "optimizer.plateau_factor": 0.5, "optimizer.plateau_patience": 10, "train.epochs": 250,
    "train.batch_size": 32, "train.patience": 20, "train.select": "best",
}  # fmt: skip


def test_main_experiment_and_the_defaults_keep_to_the_published_recipe():
    for config in (parse(MAIN), Config()):
        assert {key: flatten(config)[key] for key in RECIPE} == RECIPE
    assert "angles" in parse(MAIN).data.inputs


def test_the_plain_experiment_is_the_defaults():
    """But for its own validation, which hides how it does on new people: that is what it shows."""
    plain, defaults = (flatten(c) for c in (parse(["--config", str(EXPERIMENTS / "plain.py")]), Config()))
    assert {key for key in defaults if plain[key] != defaults[key]} == {
        "workdir",
        "data.window_split",
        "train.epochs",
    }


@pytest.mark.parametrize(("key", "value"), FIXED.items())
def test_a_key_is_overridden_alone(key, value):
    flat = flatten(parse([*MAIN, f"--config.{key}={value}"]))
    defaults = flatten(parse(MAIN))
    assert flat == {**defaults, key: value} and type(flat[key]) is type(defaults[key])
    assert flat != defaults


def test_overrides_are_written_in_all_usual_forms():
    args = ["--config.model.dilations=1,2,4", "--config.model.dense_units=8", "--config.seed", "3"]
    config = parse(
        [f"--config={MAIN[1]}", *args, "--config.model.causal", "--config.optimizer.weight_decay=0"]
    )
    assert config.model.dilations == (1, 2, 4) and config.model.dense_units == (8,)
    assert config.seed == 3 and config.model.causal is True
    assert config.optimizer.weight_decay == 0.0 and isinstance(config.optimizer.weight_decay, float)
    assert parse([*MAIN, "--config.model.causal", "--noconfig.model.causal"]).model.causal is False


@pytest.mark.parametrize(
    ("arg", "message"),
    [
        ("train.batchsize=64", "unknown key train.batchsize; did you mean train.batch_size?"),
        ("batch_size=64", "unknown key batch_size; did you mean train.batch_size?"),
        ("model.kernal_size=3", "unknown key model.kernal_size; did you mean model.kernel_size?"),
        (
            "zzz=1",
            "unknown key zzz; python -m wt_jax.train --help lists all keys, and so does docs/config.md",
        ),
        ("train=3", "unknown key train; it is a group: train.epochs, train.batch_size, "),
        ("train.batch_size=abc", "train.batch_size=abc: must be a whole number"),
        ("train.batch_size=1.5", "train.batch_size=1.5: must be a whole number"),
        ("model.dropout=much", "model.dropout=much: must be a number"),
        ("model.dilations=(1,2", 'model.dilations=(1,2: must be a tuple, like "(1, 2)"'),
        ("train.batch_size=0", "train.batch_size=0: must be at least 1"),
        ("train.accumulate=5", "train.accumulate=5: must divide train.batch_size=32"),
        ("train.epochs=-1", "train.epochs=-1: must be at least 1"),
        ("model.kernel_size=4", "model.kernel_size=4: must be odd: a centred kernel has a middle"),
        ("model.kernel_size=-1", "model.kernel_size=-1: must be odd"),
        ("model.heads=3", "model.heads=3: must divide model.filters=128"),
        ("model.dilations=()", "model.dilations=(): must be one or more numbers of at least 1"),
        ("model.dilations=(1,0)", "model.dilations=(1, 0): must be one or more numbers of at least 1"),
        ("model.dilations=(1,2.5)", "model.dilations=2.5: must be of type int"),
        ("model.dense_units=()", "model.dense_units=(): must be one or more numbers of at least 1"),
        ("model.dropout=0.95", "model.dropout=0.95: must be in [0, 0.9]"),
        ("model.causal=maybe", "model.causal=maybe: must be true or false"),
        ("model.compute_dtype=float16", "model.compute_dtype='float16': must be float32 or bfloat16"),
        ("labels.kernel=box", "labels.kernel='box': must be gaussian or lorentzian"),
        ("labels.width_frames=0", "labels.width_frames=0.0: must be greater than 0"),
        ("optimizer.learning_rate=nan", "optimizer.learning_rate=nan: must be a finite number"),
        ("optimizer.learning_rate=-1", "optimizer.learning_rate=-1.0: must be greater than 0"),
        ("loss.focal_gamma=-0.5", "loss.focal_gamma=-0.5: must be at least 0"),
        ("data.positive_ratio=1", "data.positive_ratio=1.0: must be between 0 and 1, both excluded"),
        ("data.synthetic=1", "data.synthetic=1.0: must be in [0, 0.95]"),
        ("data.synthetic_people=2", "data.synthetic_people=2: must be at least 3"),
        ("data.inputs=('lengths',)", "data.inputs=('lengths',): must hold angles, and of angles, orient"),
        ("data.window_frames=1", "data.window_frames=1: must be at least 2"),
        ("data.classes=('a','a')", "data.classes=('a', 'a'): must be two or more different folder names"),
        ("data.classes=('no-exercise','no_exercise')", "must be two or more different folder names"),
        ("data.classes=('../a','b')", "data.classes=('../a', 'b'): must be two or more different folder"),
        ("workdir=", "workdir='': must name a folder"),
        (
            "train.batch_size=9" + "9" * 19,
            "train.batch_size=99999999999999999999: must be at most 4294967295",
        ),
        ("model.dilations=(1,99999999999)", "model.dilations=(1, 99999999999): must be at most"),
        ("seed=-1", "seed=-1: must be in [0, 2**32)"),
        ("seed=4294967296", "seed=4294967296: must be in [0, 2**32)"),
    ],
)
def test_bad_overrides_are_named(arg, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse([*MAIN, f"--config.{arg}"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "no experiment given: add --config experiments/main.py"),
        (["--config", "nope.py"], "--config nope.py: no such file; experiments/main.py is the default"),
        (["--config=nope.py"], "--config nope.py: no such file"),
        (["--config"], "no experiment given"),
        (["--config", "/"], "--config /: a folder, not an experiment file"),
        ([*MAIN, "--config", "b.py"], "--config is given 2 times, "),
        ([*MAIN, "--config=b.py", "--config.seed=1"], "main.py, b.py: name one experiment"),
        ([*MAIN, "extra"], "'extra': not understood; options are written --config.section.key=value"),
        (
            [*MAIN, "--batch_size=3"],
            "--batch_size=3: a key is set as --config.KEY=VALUE; did you mean train.batch_size?",
        ),
        ([*MAIN, "--config.train.batch_size"], "Missing value for train.batch_size"),
    ],
)
def test_bad_command_lines_are_answered(args, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(args)


USE = "from wt_jax.config import Config, Train\n\n\ndef get_config():\n    "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def get_config(:\n    pass\n", "mine.py: invalid syntax (mine.py, line 1)"),
        ("x = 1\n", "mine.py: defines no get_config(), which must return a wt_jax.config.Config"),
        ("import nothing_like_it\n", "mine.py: No module named 'nothing_like_it'"),
        ("def get_config():\n    return {}\n", "get_config() must return a wt_jax.config.Config, not dict"),
        (USE + "raise RuntimeError('no disk')\n", "mine.py: no disk"),
        (USE + "raise ValueError('a\\nb\\n  c')\n", "mine.py: a b c"),
        (USE + "raise ValueError\n", "mine.py: ValueError"),
        (USE + "return {}['x']\n", "mine.py: KeyError: 'x'"),
        (USE + "raise SystemExit(0)\n", "mine.py: ends the program (SystemExit(0)): it should only return"),
        ("exit()\n", "mine.py: ends the program (SystemExit(None))"),
        (USE + "raise GeneratorExit\n", "mine.py: GeneratorExit"),
        (USE + "open('/nowhere/x')\n", "mine.py: [Errno 2] No such file or directory: '/nowhere/x'"),
        (USE + "from wt_jax.config import check\n    return check(Config())\n", "must return it unchecked"),
        (USE + "c = Config()\n    c.train.batchsize = 3\n    return c\n", "did you mean batch_size?"),
        (USE + "return Config(train=Train(batch_size='3'))\n", "train.batch_size='3': must be of type int"),
        (USE + "return Config(seed=True)\n", "seed=True: must be of type int"),
        (USE + "return Config(overwrite=1)\n", "overwrite=1: must be of type bool"),
        (USE + "return Config(train=Train(batchsize=3))\n", "mine.py: "),
        (USE + "return Config(train=3)\n", "train=3: must be"),
    ],
)
def test_bad_experiment_files_are_named(tmp_path, text, message):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        parse(["--config", str(tmp_path / "mine.py")])
    assert "Traceback" not in str(error.value)


def test_a_config_that_ends_the_program_is_an_error_of_the_command(tmp_path):
    (tmp_path / "mine.py").write_text("raise SystemExit(0)\n")
    command = [sys.executable, "-m", "wt_jax.train", "--config", str(tmp_path / "mine.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr.startswith(f"error: {tmp_path}/mine.py: ends the program")
        and done.stderr.count("\n") == 1
    )


def test_ctrl_c_in_an_experiment_file_is_no_error_of_it(tmp_path):
    (tmp_path / "mine.py").write_text(USE + "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        parse(["--config", str(tmp_path / "mine.py")])


def test_a_colon_may_be_in_the_name_of_a_file_or_begin_its_argument(tmp_path):
    text = (
        "from wt_jax.config import Config\n\n\ndef get_config(seed='3'):\n    return Config(seed=int(seed))\n"
    )
    for name in ("12:30.py", "mine.py"):
        (tmp_path / name).write_text(text)
    assert parse(["--config", f"{tmp_path}/12:30.py"]).seed == 3
    assert parse([f"--config={tmp_path}/mine.py:7"]).seed == 7
    assert parse(["--config.seed=9", "--config", f"{tmp_path}/12:30.py"]).seed == 9


NUMBERS = [key for key, value in flatten(Config()).items() if type(value) in (int, float)]


@pytest.mark.parametrize("key", NUMBERS)
def test_no_number_may_be_negative(key):
    with pytest.raises(ValueError, match=re.escape(f"{key}=-1")):
        unflatten({key: -1})


def test_wrong_values_are_refused_without_a_command_line():
    for config, message in (
        (Config(model=Model(dilations=[1, "2"])), "model.dilations='2': must be of type int"),
        (Config(model=Model(dilations=3)), 'model.dilations=3: must be a tuple, like "(1, 2)"'),
        (Config(train=Train(patience=2.0)), "train.patience=2.0: must be of type int"),
        (Config(data=Data(classes="squats")), "data.classes='squats': must be a tuple"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            check(config)


def test_a_checked_config_is_fixed_and_hashable():
    config = check(Config(model=Model(dilations=[1, 2])))
    assert config.model.dilations == (1, 2)
    assert hash(config) == hash(check(Config(model=Model(dilations=(1, 2))))) != hash(check(Config()))
    for section, key in ((config, "seed"), (config.train, "epochs"), (config, "train")):
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot set {key} after"):
            setattr(section, key, getattr(section, key))
    before = Config()
    before.train.epochs = 3  # config_flags must be able to
    with pytest.raises(AttributeError, match="unknown key epoch; did you mean epochs"):
        before.train.epoch = 3


def test_flatten_goes_through_json_and_back():
    config = parse([*MAIN, *(f"--config.{key}={value}" for key, value in FIXED.items())])
    flat = json.loads(json.dumps(flatten(config)))
    assert unflatten(flat) == config and hash(unflatten(flat)) == hash(config)
    assert flatten(config) == {**flatten(parse(MAIN)), **FIXED}
    assert unflatten({"seed": 7}) == check(Config(seed=7))
    with pytest.raises(ValueError, match=r"unknown key train\.epoch; did you mean train\.epochs\?"):
        unflatten({**flat, "train.epoch": 1})
    with pytest.raises(ValueError, match=r"unknown key train;"):
        unflatten({"train": 3})


def test_no_exercise_has_an_alias():
    config = parse([*MAIN, "--config.data.classes=('squats','no_exercise')"])
    assert config.data.classes == ("squats", "no-exercise")
    assert config == parse([*MAIN, "--config.data.classes=('squats','no-exercise')"])


def test_every_option_is_read_somewhere():
    """An option that nothing reads promises what is not there. It is read of a variable or an attribute that
    is named for its section, or that is `options`, as the model and the augmentation call theirs."""
    read = set()
    for path in Path(wt_jax.__file__).parent.rglob("*.py"):
        if path.name not in ("config.py", "options.py", "config_flags.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    owner = node.value
                    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
                    read.add(f"{name}.{node.attr}")
    for option in all_options(Config()):
        section, _, name = option.key.rpartition(".")
        assert {f"{section}.{name}", f"options.{name}"} & read, option.key


def test_the_page_of_all_keys_is_current():
    page = Path(__file__).parents[1] / "docs" / "config.md"
    assert page.read_text() == markdown(), "python docs/write_config.py writes it anew"


def test_help_names_every_key_with_its_default_and_meaning():
    said = usage("Trains.")
    words = " ".join(said.split())
    for option in all_options(Config()):
        assert f"--config.{option.key}=" in said and option.about["meaning"] in words, option.key
    assert (
        said.count("python -m wt_jax.train --config experiments/") == 3
        and len(max(said.split("\n"), key=len)) <= 120
    )


def test_what_may_differ_when_a_run_is_taken_up_and_between_hosts():
    marked = {o.key: (o.about["is_place"], o.about["may_change"]) for o in all_options(Config())}
    assert {key for key, (is_place, _) in marked.items() if is_place} == {
        "workdir",
        "data.root",
        "data.recordings",
        "data.mocap",
    }
    assert {key for key, (_, may_change) in marked.items() if may_change} == {
        "workdir", "overwrite", "strict_resume",
        "data.root", "data.recordings", "data.mocap", "data.max_minutes", "data.resident",
        "model.kernel", "train.epochs", "train.save_minutes", "train.accumulate", "train.eval_batch_size",
    }  # fmt: skip
