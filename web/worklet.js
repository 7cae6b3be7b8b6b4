// The audio thread: counts the microphone's samples (their positions are the room's timeline), hands them to the page,
// and plays what belongs to the playhead. One callback does both, so voice and accompaniment cannot drift apart.
//
// Outputs: 0 what is heard, 1 the voice at the playhead, 2 the accompaniment at the playhead (for the picture).
// Allocates nothing after construction; talks through shared rings and one small message every 20 ms.
import { Ring } from './ring.js';

const FADE_S = 0.03;

class RoomProcessor extends AudioWorkletProcessor {
  constructor({ processorOptions: options }) {
    super();
    this.voice = new Ring(options.voice);
    this.accompaniment = new Ring(options.accompaniment);
    this.ratio = options.roomRate / sampleRate; // accompaniment samples a sample of ours
    this.state = new Float64Array(options.state); // see app.js: STATE
    this.head = 0;
    this.delay = null; // in samples of ours: the playhead is head - delay
    this.oldDelay = null;
    this.fade = 0;
    this.fadeLength = Math.round(FADE_S * sampleRate);
    this.sinceTick = 0;
    this.tick = Math.round(0.02 * sampleRate);
    this.block = new Float32Array(128);
    this.gate = 0; // 1 where the accompaniment is there, ramps to 0 where it is missing
    this.missing = 0;
    this.running = false;
    this.port.onmessage = ({ data }) => {
      if ('running' in data) this.start(data.running, data.position ?? 0);
      if ('delay' in data) this.steer(data.delay);
      if ('monitor' in data) this.monitor = data.monitor;
    };
    this.monitor = true;
  }

  start(running, position) {
    this.running = running;
    this.head = position;
    this.missing = 0;
  }

  steer(delay) {
    if (this.delay === null || !this.running) this.delay = delay;
    else if (delay !== this.delay && this.fade === 0) {
      this.oldDelay = this.delay;
      this.delay = delay;
      this.fade = this.fadeLength;
    }
  }

  // Accompaniment at a position of our rate: cubic between room samples where the rates differ.
  played(position, end) {
    if (this.ratio === 1) return this.accompaniment.at(position, end);
    const x = position * this.ratio, i = Math.floor(x), t = x - i;
    const a = this.accompaniment.at(i - 1, end), b = this.accompaniment.at(i, end);
    const c = this.accompaniment.at(i + 1, end), d = this.accompaniment.at(i + 2, end);
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
  }

  process(inputs, outputs) {
    const n = outputs[0][0].length;
    if (!this.running || this.delay === null) return true;
    const input = inputs[0][0];
    for (let i = 0; i < n; ++i) this.block[i] = input ? input[i] : 0;
    this.voice.write(this.head, this.block, n);

    const heard = outputs[0], voiceOut = outputs[1][0], accompanimentOut = outputs[2][0];
    const end = this.accompaniment.end, voiceEnd = this.voice.end;
    let voicePeak = 0, accompanimentPeak = 0;
    for (let i = 0; i < n; ++i) {
      const p = this.head + i - this.delay;
      let v = this.voice.at(p, voiceEnd), a = this.played(p, end);
      if (this.fade > 0) {
        const g = this.fade / this.fadeLength, q = this.head + i - this.oldDelay;
        v = (1 - g) * v + g * this.voice.at(q, voiceEnd);
        a = (1 - g) * a + g * this.played(q, end);
        --this.fade;
      }
      const there = p * this.ratio + 2 < end - this.fadeLength;
      this.gate = Math.max(0, Math.min(1, this.gate + (there ? 1 : -1) / this.fadeLength));
      if (!there && p >= 0 && end > 0) ++this.missing;
      a *= this.gate;
      const out = a + (this.monitor ? v : 0);
      for (const channel of heard) channel[i] = out;
      voiceOut[i] = v;
      accompanimentOut[i] = a;
      voicePeak = Math.max(voicePeak, Math.abs(this.block[i]));
      accompanimentPeak = Math.max(accompanimentPeak, Math.abs(a));
    }
    this.head += n;
    const s = this.state;
    s[0] = this.head;
    s[1] = this.head - this.delay;
    s[2] = Math.max(voicePeak, s[2] * 0.985);
    s[3] = Math.max(accompanimentPeak, s[3] * 0.985);
    s[4] = this.missing;
    this.sinceTick += n;
    if (this.sinceTick >= this.tick) {
      this.sinceTick = 0;
      this.port.postMessage(0); // the page sends what the ring holds; timers would sleep in a hidden tab
    }
    return true;
  }
}

registerProcessor('room', RoomProcessor);
