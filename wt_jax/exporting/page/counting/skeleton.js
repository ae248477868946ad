// The body: MediaPipe's 33 landmarks by index, and the 25 joint angles, in the order of wt_jax/skeleton.py.

export const N_LANDMARKS = 33;
export const SHOULDERS = [11, 12];
export const HIPS = [23, 24];

/** name -> [from, at, to]: the angle is taken at the middle landmark. */
export const ANGLES = {
  head: [11, 2, 12], neck_left: [23, 11, 2], neck_right: [24, 12, 5],
  shoulder_left: [23, 11, 13], shoulder_right: [24, 12, 14],
  elbow_left: [11, 13, 15], elbow_right: [12, 14, 16],
  wrist_index_left: [13, 15, 19], wrist_index_right: [14, 16, 20],
  wrist_thumb_left: [13, 15, 21], wrist_thumb_right: [14, 16, 22],
  wrist_pinky_left: [13, 15, 17], wrist_pinky_right: [14, 16, 18],
  spine_left: [11, 23, 24], spine_right: [12, 24, 23],
  hip_left: [11, 23, 25], hip_right: [12, 24, 26],
  knee_left: [23, 25, 27], knee_right: [24, 26, 28],
  ankle_left: [25, 27, 31], ankle_right: [26, 28, 32],
  sole_left: [27, 29, 31], sole_right: [28, 30, 32],
  heel_left: [29, 27, 25], heel_right: [30, 28, 26],
};

const NAMES = Object.keys(ANGLES);

/** Places of a limb's two angles, left and right. */
export const sides = (limb) => [NAMES.indexOf(`${limb}_left`), NAMES.indexOf(`${limb}_right`)];

/** Nose, eyes, ears and mouth. */
export const HEAD = Array.from({ length: 11 }, (_, i) => i);

/** Lines to draw between landmarks. */
export const BONES = [
  [11, 12], [11, 23], [12, 24], [23, 24], // torso
  [11, 13], [13, 15], [12, 14], [14, 16], // arms
  [15, 19], [16, 20], // hands
  [23, 25], [25, 27], [24, 26], [26, 28], // legs
  [27, 29], [29, 31], [27, 31], [28, 30], [30, 32], [28, 32], // feet
];
