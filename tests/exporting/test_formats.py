"""Every format answers as JAX does, whatever the model, in its own runtime."""

import importlib.util
import subprocess
import sys

import jax
import numpy as np
import pytest
from exported_models import changed, untrained, windows
from runs import ANGLES, POINTS

from wt_jax.exporting.answering_graph import answering_graph
from wt_jax.exporting.formats import FORMATS
from wt_jax.inference.sliding_window import batch_outputs

NEEDED = {"stablehlo": "jax", "onnx": "onnxruntime", "tflite": "litert_converter"}
KINDS = [(name, weights) for name in NEEDED for weights in FORMATS[name].weights]
LARGEST = {"float32": 1e-5, "float16": 2e-3, "int8": 0.05}  # what is said spreads over 0.1 at least
MODELS = {
    "angles": ANGLES,
    "points": POINTS,
    # Taps beyond the window, a causal attention, other features.
    "unlike": changed(
        ANGLES, model__causal=True, model__dilations=(3, 16), model__kernel_size=5, data__window_frames=20,
        data__inputs=("angles", "lengths"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def asked():
    """Of each model itself, windows, and what the network says of them."""

    def ask(options):
        trained, (points, mask) = untrained(options), windows(options, 3)
        batch = {"points_BxTxLx3": np.nan_to_num(points), "mask_BxT": mask}
        return trained, points, mask, jax.jit(batch_outputs(options, "cpu"))(trained.params, batch)

    return {name: ask(options) for name, options in MODELS.items()}


@pytest.mark.parametrize(("name", "weights"), KINDS)
@pytest.mark.parametrize("model", MODELS)
def test_a_file_says_what_the_network_says(asked, model, name, weights, tmp_path):
    """Of one window and of three; of what the mask leaves out it does not ask."""
    if importlib.util.find_spec(NEEDED[name]) is None:
        pytest.skip(f"needs {NEEDED[name]}: pip install -e '.[{name}]'")
    if model != "points" and name != "onnx":
        pytest.skip("these take JAX's own program: one model is enough")
    trained, points, mask, expected = asked[model]
    kind = FORMATS[name]
    kind.write(trained, weights, tmp_path / kind.file_name)
    run = kind.run(tmp_path / kind.file_name)
    for n in (1, 3):
        for found, right in zip(run(points[:n], mask[:n]), expected, strict=True):
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, right[:n], atol=LARGEST[weights])
    assert max(np.ptp(right) for right in expected) > 0.1


def test_a_model_that_computes_in_bfloat16_is_exported_in_float32():
    """ONNX Runtime and LiteRT have no products of bfloat16 on CPUs."""
    trained = untrained(changed(POINTS, model__compute_dtype="bfloat16"))
    assert "bf16" not in str(jax.make_jaxpr(answering_graph(trained))(*windows(trained.options, 1)))


def test_stablehlo_runs_without_wt_jax_and_flax(asked, tmp_path):
    """As docs/export.md shows it."""
    trained, points, mask, expected = asked["points"]
    path = tmp_path / "model.stablehlo"
    FORMATS["stablehlo"].write(trained, "float32", path)
    np.savez(tmp_path / "asked.npz", points=points, mask=mask)
    program = (
        "import sys\n"
        "sys.modules.update(wt_jax=None, flax=None)\n"  # importing either raises
        "import jax.export, numpy\n"
        f"asked = numpy.load({str(tmp_path / 'asked.npz')!r})\n"
        f"exported = jax.export.deserialize(bytearray(open({str(path)!r}, 'rb').read()))\n"
        "assert set(exported.platforms) == {'cpu', 'cuda', 'tpu'}\n"
        "probabilities, starts = exported.call(asked['points'], asked['mask'])\n"
        f"numpy.savez({str(tmp_path / 'said.npz')!r}, probabilities=probabilities, starts=starts)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "said.npz")
    for name, right in zip(("probabilities", "starts"), expected, strict=True):
        np.testing.assert_allclose(found[name], right, atol=1e-5)


def test_smaller_weights_make_a_smaller_file(tmp_path):
    """Of a model large enough for them to count."""
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install -e '.[onnx]'")
    trained, sizes = untrained(changed(POINTS, model__filters=64)), {}
    for weights in FORMATS["onnx"].weights:
        FORMATS["onnx"].write(trained, weights, tmp_path / weights)
        sizes[weights] = (tmp_path / weights).stat().st_size
    assert sizes["int8"] < sizes["float16"] < 0.7 * sizes["float32"]
