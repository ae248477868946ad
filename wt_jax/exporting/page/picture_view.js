// The picture, and the skeleton over it.

import { BONES, HEAD } from "./counting/skeleton.js";

const MOST_PX = 1280; // of a side; the network that finds people looks at a part of 256
const LINE_PX = 2.5; // on the screen
const LEAST_VISIBILITY = 0.5;

/** Draws what `video` shows now, upright. */
export function drawPicture(canvas, video) {
  const scale = Math.min(1, MOST_PX / Math.max(video.videoWidth, video.videoHeight));
  const [width, height] = [Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").drawImage(video, 0, 0, width, height);
}

export function drawSkeleton(canvas, landmarks) {
  const context = canvas.getContext("2d");
  const at = ({ x, y }) => [x * canvas.width, y * canvas.height];
  const isSeen = (i) => landmarks[i].visibility >= LEAST_VISIBILITY;
  const shrunk = Math.max(canvas.width / canvas.clientWidth, canvas.height / canvas.clientHeight);
  const width = LINE_PX * shrunk;
  context.lineCap = "round";
  for (const [colour, more] of [["#0e1116", width], ["#ffd166", 0]]) { // a dark rim: seen before any ground
    context.strokeStyle = colour;
    context.lineWidth = width + more;
    context.beginPath();
    for (const [from, to] of BONES) {
      if (!isSeen(from) || !isSeen(to)) continue;
      context.moveTo(...at(landmarks[from]));
      context.lineTo(...at(landmarks[to]));
    }
    if (HEAD.some(isSeen)) addHead(context, HEAD.map((i) => at(landmarks[i])));
    context.stroke();
  }
  context.fillStyle = "#f2f5f9";
  for (const i of new Set(BONES.flat())) {
    if (!isSeen(i)) continue;
    context.beginPath();
    context.arc(...at(landmarks[i]), width, 0, 2 * Math.PI);
    context.fill();
  }
}

/** A circle about the face. */
function addHead(context, places) {
  const mean = (axis) => places.reduce((sum, place) => sum + place[axis], 0) / places.length;
  const [x, y] = [mean(0), mean(1)];
  const radius = 1.4 * Math.max(...places.map((place) => Math.hypot(place[0] - x, place[1] - y)));
  context.moveTo(x + radius, y);
  context.arc(x, y, radius, 0, 2 * Math.PI);
}
