// The page: loads the models, takes a camera or a file, shows what is counted, saves it.

import { makeColours } from "./colours.js";
import { UNKNOWN } from "./counting/decoding.js";
import { countText, csvOf, documentOf, exerciseText } from "./counting/prediction.js";
import { Stream } from "./counting/stream.js";
import { loadNetwork } from "./network.js";
import { drawPicture, drawSkeleton } from "./picture_view.js";
import { PoseFinder } from "./pose_finder.js";
import { openCamera, openFile } from "./source.js";
import { drawTimeline } from "./timeline_view.js";

const RATE_FRAMES = 30; // over which the frames a second shown are measured
const LEAST_RATE_HZ = 8; // of a camera: with fewer the gaps between pictures are too long to count well
const page = Object.fromEntries(
  ["stage", "picture", "video", "notice", "classes", "exercise", "count", "remark", "counts", "rate", "timeline"]
    .concat(["camera", "file", "pause", "reset", "stop", "turn", "json", "csv"])
    .map((id) => [id, document.getElementById(id)]),
);

let card, infer, finder, colourOf; // loaded once
let source = null; // what is looked at
let stream = null; // what counts it
let counting = Promise.resolve(); // of the frames so far, one after the other
let facing = "user";
let [looked, seen] = [0, 0]; // frames, and those with somebody in them
let size = {}; // of the newest
let lookedAt_ms = []; // when, of late
let awake = null; // what keeps the screen on
let shown = null; // arguments of drawTimeline
let lastExercise = null;

async function load() {
  say("Loading the models …");
  card = await (await fetch("model.json")).json();
  colourOf = makeColours(card);
  const exercises = card.classes.filter((name) => name !== card.no_exercise);
  page.classes.textContent = `Counts ${exercises.join(", ")}: from a camera or a video.`;
  [infer, finder] = await Promise.all([loadNetwork("model.onnx", card), PoseFinder.load("pose_landmarker.task")]);
  say("");
  setPhase("ready");
}

/** loading, ready, running, paused or over: which controls there are. */
function setPhase(phase) {
  document.body.dataset.phase = phase;
  const isOpen = phase === "running" || phase === "paused";
  page.camera.disabled = page.file.disabled = isOpen || phase === "loading";
  for (const button of [page.pause, page.reset, page.stop]) button.disabled = !isOpen;
  page.turn.disabled = !isOpen || source.isFile;
  page.pause.firstChild.data = phase === "paused" ? "Go on " : "Pause ";
}

async function start(open) {
  if (page.camera.disabled) return; // another one is looked at
  page.camera.disabled = page.file.disabled = true;
  try {
    say("");
    source = await open(page.video);
    page.picture.classList.toggle("mirrored", !source.isFile && facing === "user");
    finder.begin();
    begin();
    await source.play(look, finish);
    setPhase("running");
    navigator.wakeLock?.request("screen").then((lock) => (awake = lock), () => {});
  } catch (error) {
    fail(error);
  }
}

function look(video, time_s) {
  try {
    drawPicture(page.picture, video);
    const landmarks = finder.find(page.picture, time_s);
    const { width, height } = page.picture;
    const counted = stream;
    counting = counting
      .then(() => counted.push(landmarks, time_s, { width, height }))
      .then((state) => showState(counted, state));
    counting.catch(fail);
    if (landmarks) drawSkeleton(page.picture, landmarks);
    size = { width_px: video.videoWidth, height_px: video.videoHeight };
    looked++;
    seen += Boolean(landmarks);
    lookedAt_ms = [...lookedAt_ms.slice(-RATE_FRAMES), performance.now()];
  } catch (error) {
    fail(error);
  }
}

/** Counts from 0. */
function begin() {
  looked = seen = 0;
  lookedAt_ms = [];
  lastExercise = shown = null;
  for (const link of [page.json, page.csv]) offer(link, null);
  showCounts("–", 0, "", {});
  stream = new Stream(card, infer);
}

function showState(of, state) {
  if (of !== stream || !state) return; // the last frames of a count that was set to 0
  const isRest = state.exercise === card.no_exercise;
  if (!isRest) lastExercise = state.exercise;
  const remark = state.undecided ? exerciseText(state) : state.unknown ? unknownText(state.unknown) : "";
  showCounts(state.exercise, state.counts[lastExercise] ?? 0, remark, state.counts);
  showRate();
  if (shown?.state !== state) {
    shown = { state, isLive: true };
    redraw();
  }
}

function showCounts(exercise, count, remark, counts) {
  page.exercise.textContent = exercise;
  page.remark.textContent = remark;
  if (page.count.textContent !== `${count}`) {
    page.count.textContent = count;
    page.count.classList.remove("counted");
    void page.count.offsetWidth; // begins the animation again
    page.count.classList.add("counted");
  }
  const several = Object.entries(counts).length > 1 ? Object.entries(counts) : [];
  page.counts.replaceChildren(
    ...several.map(([name, text]) => {
      const item = document.createElement("li");
      item.textContent = `${name} ${text}`;
      item.style.setProperty("--class", colourOf(name));
      return item;
    }),
  );
}

const unknownText = (count) => `${UNKNOWN}: ${count}`;

function redraw() {
  if (shown) drawTimeline(page.timeline, shown.state, card, colourOf, shown.isLive);
}

function showRate() {
  if (!source) return;
  const rate_hz = (1000 * (lookedAt_ms.length - 1)) / (lookedAt_ms.at(-1) - lookedAt_ms[0]) || 0;
  const missed = source.dropped ? `, ${source.dropped} missed` : "";
  page.rate.textContent = `${rate_hz.toFixed(0)} pictures a second${missed}`;
  const isSlow = !source.isFile && looked > RATE_FRAMES && rate_hz < LEAST_RATE_HZ;
  say(isSlow ? "Too few pictures a second to count well: close other programs, or use a video file." : "");
}

/** The end of a file, or of somebody's patience: what there is to say of all of it. */
async function finish() {
  if (!source) return;
  const ended = source;
  source = null;
  ended.close();
  awake?.release();
  for (const button of [page.pause, page.reset, page.stop, page.turn]) button.disabled = true;
  try {
    await counting;
    showPrediction(await stream.flush(), ended);
    setPhase("over");
  } catch (error) {
    fail(error);
  }
}

function showPrediction({ prediction, timeline, first_s }, ended) {
  const toFrame = (time_s) => Math.round((time_s - first_s) * card.frame_rate_hz);
  const longest = prediction.counts[prediction.exercise] === undefined ? lastExercise : prediction.exercise;
  const texts = Object.fromEntries(Object.keys(prediction.counts).map((name) => [name, countText(prediction, name)]));
  const [least, most] = prediction.ranges[longest] ?? [0, 0];
  const remarks = [
    least < most ? `between ${least} and ${most}` : "",
    prediction.unknown_repetitions.length ? unknownText(prediction.unknown_repetitions.length) : "",
  ];
  showCounts(exerciseText(prediction), prediction.counts[longest] ?? 0, remarks.filter(Boolean).join("; "), texts);
  const segments = prediction.segments.map(({ exercise, start_s, end_s }) => ({
    exercise,
    first: toFrame(start_s),
    last: toFrame(end_s) - 1,
  }));
  const starts = prediction.repetitions.map(({ start_s }) => toFrame(start_s));
  shown = { state: { timeline, first: 0, segments, starts }, isLive: false };
  redraw();
  const said = Object.entries(texts).map(([name, text]) => `${name} ${text}`);
  page.timeline.ariaLabel = `Exercise and start signal over time: ${said.join(", ") || "no repetitions"}`;
  const about = {
    path: ended.name,
    video_sha256: null,
    pose_model_sha256: null,
    fps: null,
    duration_s: timeline.valid.length / card.frame_rate_hz,
    frames: looked,
    frames_with_person: seen,
    ...size,
  };
  const name = ended.name.replace(/\.[^.]+$/, "");
  const text = JSON.stringify(documentOf(prediction, about, card), null, 2);
  offer(page.json, new File([text], `${name}.json`, { type: "application/json" }));
  offer(page.csv, new File([csvOf(prediction)], `${name}.csv`, { type: "text/csv" }));
}

/** A link that saves a file; null takes the last one back. */
function offer(link, file) {
  if (link.href) URL.revokeObjectURL(link.href);
  link.ariaDisabled = !file;
  if (file) Object.assign(link, { href: URL.createObjectURL(file), download: file.name });
  else link.removeAttribute("href");
}

async function togglePause() {
  const isRunning = document.body.dataset.phase === "running";
  if (isRunning) source.pause();
  else await source.resume();
  setPhase(isRunning ? "paused" : "running");
}

async function turn() {
  facing = facing === "user" ? "environment" : "user";
  source.close();
  setPhase("ready");
  await start((video) => openCamera(video, facing));
}

function say(text, isError = false) {
  page.notice.textContent = text;
  page.notice.classList.toggle("error", isError);
}

function fail(error) {
  source?.close();
  awake?.release();
  source = stream = null;
  counting = Promise.resolve();
  say(error.name === "NotAllowedError" ? "The camera was not allowed." : error.message, true);
  if (infer && finder) setPhase("ready");
}

const keys = { " ": page.pause, r: page.reset, Escape: page.stop, t: page.turn };
document.addEventListener("keydown", (event) => {
  const button = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  const hasOwnUse = event.key === " " && event.target.matches("button, a, input"); // space presses what has focus
  if (!button || button.disabled || hasOwnUse || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  button.click();
});

page.camera.onclick = () => start((video) => openCamera(video, facing));
page.file.onchange = () => {
  const [file] = page.file.files;
  page.file.value = ""; // so that the same file can be chosen again
  if (file) start((video) => openFile(video, file));
};
page.pause.onclick = () => togglePause().catch(fail);
page.reset.onclick = begin;
page.stop.onclick = finish;
page.turn.onclick = () => turn().catch(fail);
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    page.stage.classList.toggle("dropping", kind === "dragenter" || kind === "dragover");
    const file = kind === "drop" && event.dataTransfer.files[0];
    if (file) start((video) => openFile(video, file));
  });
}
new ResizeObserver(redraw).observe(page.timeline);

load().catch((error) => say(`The models cannot be loaded: ${error.message}`, true));
navigator.serviceWorker?.register("service_worker.js");
