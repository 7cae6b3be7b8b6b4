// The scrolling picture: on the left what was sung (teal) and played (amber), up to the line that is now; on the right
// the notes that are coming. Pitch runs upwards over six octaves, in both halves on the same scale.
const PAST_S = 7, FUTURE_S = 2.5;
const LOW_HZ = 65.4, OCTAVES = 6;

function colours(stops) {
  return Array.from({ length: 256 }, (_, i) => {
    const x = i / 255 * (stops.length - 1), k = Math.min(Math.floor(x), stops.length - 2), t = x - k;
    return stops[k].map((c, j) => Math.round(c + t * (stops[k + 1][j] - c)));
  });
}
const VOICE = colours([[17, 20, 28], [20, 60, 66], [48, 140, 132], [95, 211, 198], [236, 255, 250]]);
const PIANO = colours([[17, 20, 28], [66, 44, 16], [150, 104, 40], [246, 185, 91], [255, 246, 226]]);

export class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.past = document.createElement('canvas');
    this.notes = [];
    this.last = null;
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
  }

  resize() {
    const scale = Math.min(devicePixelRatio || 1, 2);
    this.canvas.width = Math.max(2, this.canvas.clientWidth * scale);
    this.canvas.height = Math.max(2, this.canvas.clientHeight * scale);
    this.past.width = Math.round(this.canvas.width * PAST_S / (PAST_S + FUTURE_S));
    this.past.height = this.canvas.height;
    this.pastContext = this.past.getContext('2d');
    this.pastContext.fillStyle = '#11141c';
    this.pastContext.fillRect(0, 0, this.past.width, this.past.height);
    this.pixelsPerSecond = this.past.width / PAST_S;
    this.draw(this.last ?? 0);
  }

  // notes: [{from, to, pitch, velocity}] in seconds of the timeline
  plan(notes) { this.notes = notes; }

  clear() { this.last = null; this.notes = []; this.resize(); }

  // One column of each half from two analysers, then everything moves left.
  advance(seconds, voice, accompaniment) {
    if (this.last === null || seconds < this.last) this.last = seconds;
    const columns = Math.min(this.past.width, Math.floor((seconds - this.last) * this.pixelsPerSecond));
    if (columns > 0) {
      this.last += columns / this.pixelsPerSecond;
      const g = this.pastContext, w = this.past.width, half = Math.floor(this.past.height / 2);
      g.drawImage(this.past, -columns, 0);
      this.paint(g, voice, VOICE, w - columns, 0, columns, half);
      this.paint(g, accompaniment, PIANO, w - columns, half, columns, this.past.height - half);
    }
    this.draw(seconds);
  }

  paint(g, analyser, palette, x, top, width, height) {
    const n = analyser.frequencyBinCount;
    this.spectrum ??= new Uint8Array(n);
    analyser.getByteFrequencyData(this.spectrum);
    const image = g.createImageData(width, height), hertz = analyser.context.sampleRate / 2 / n;
    for (let y = 0; y < height; ++y) {
      const f = LOW_HZ * 2 ** (OCTAVES * (1 - y / height)), bin = f / hertz, k = Math.floor(bin), t = bin - k;
      const value = this.spectrum[k] * (1 - t) + this.spectrum[Math.min(k + 1, n - 1)] * t;
      const [r, gr, b] = palette[Math.round(value)];
      for (let c = 0; c < width; ++c) {
        const i = 4 * (y * width + c);
        image.data[i] = r; image.data[i + 1] = gr; image.data[i + 2] = b; image.data[i + 3] = 255;
      }
    }
    g.putImageData(image, x, top);
  }

  draw(now) {
    const g = this.context, { width, height } = this.canvas, half = height / 2, line = this.past.width;
    g.fillStyle = '#11141c';
    g.fillRect(0, 0, width, height);
    g.drawImage(this.past, 0, 0);
    const y = pitch => half + half * (1 - (440 * 2 ** ((pitch - 69) / 12) > 0 ? Math.log2(440 * 2 ** ((pitch - 69) / 12) / LOW_HZ) / OCTAVES : 0));
    const thick = Math.max(3, half / (12 * OCTAVES) * 1.6);
    for (const note of this.notes) {
      if (note.to < now) continue;
      const from = Math.max(line, line + (note.from - now) * this.pixelsPerSecond);
      const to = Math.min(width, line + (note.to - now) * this.pixelsPerSecond - 2);
      if (to <= from) continue;
      g.globalAlpha = 0.35 + 0.65 * Math.min(1, note.velocity / 100);
      g.fillStyle = note.from <= now ? '#fff1d6' : '#f6b95b';
      g.beginPath();
      g.roundRect(from, y(note.pitch) - thick / 2, Math.max(2, to - from), thick, thick / 2);
      g.fill();
    }
    g.globalAlpha = 1;
    g.strokeStyle = '#2a3040';
    g.beginPath(); g.moveTo(0, half); g.lineTo(width, half); g.stroke();
    g.strokeStyle = '#eef1f780';
    g.beginPath(); g.moveTo(line + .5, 0); g.lineTo(line + .5, height); g.stroke();
    const font = Math.round(height / 22 + 5);
    g.font = `${font}px system-ui, sans-serif`;
    g.fillStyle = '#5fd3c6'; g.fillText('voice', 12, font + 8);
    g.fillStyle = '#f6b95b'; g.fillText('accompaniment', 12, half + font + 8);
    g.fillStyle = '#99a3b8'; g.fillText('now', line + 8, font + 8);
  }
}
