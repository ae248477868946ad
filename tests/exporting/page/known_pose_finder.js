// In the place of pose_finder.js: landmarks that are known, of frames at 30 a second.

export class PoseFinder {
  static async load() {
    const finder = new PoseFinder();
    finder.frames = await (await fetch("landmarks.json")).json();
    return finder;
  }

  begin() {}

  find(_, time_s) {
    const rows = this.frames[Math.round(time_s * 30)];
    return rows ? rows.map(([x, y, z]) => ({ x, y, z, visibility: 1 })) : null;
  }
}
