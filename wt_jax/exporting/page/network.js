// The exported network, in ONNX Runtime's WebAssembly.

import { env, InferenceSession, Tensor } from "./packages/onnxruntime-web/ort.wasm.min.mjs";
import { N_LANDMARKS } from "./counting/skeleton.js";

env.wasm.numThreads = 1; // more need headers that plain static servers do not send
env.wasm.wasmPaths = new URL("packages/onnxruntime-web/", import.meta.url).href;

/** Returns infer({points, mask}) of one window: a promise of {probabilities, starts}. */
export async function loadNetwork(url, { window_frames }) {
  const session = await InferenceSession.create(url);
  return async ({ points, mask }) => {
    const outputs = await session.run({
      points: new Tensor("float32", points, [1, window_frames, N_LANDMARKS, 3]),
      mask: new Tensor("bool", mask, [1, window_frames]),
    });
    return { probabilities: outputs.class_probabilities.data, starts: outputs.start_signal.data };
  };
}
