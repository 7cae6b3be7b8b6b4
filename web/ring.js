// Samples by absolute position in shared memory: one thread writes, one reads, nobody waits.
// The reader gets zeros where nothing was written yet or where it has been overwritten.
const HEAD = 0;

export class Ring {
  static bytes(capacity) { return 16 + 4 * capacity; }

  constructor(buffer) {
    this.buffer = buffer;
    this.head = new BigInt64Array(buffer, 0, 2);
    this.samples = new Float32Array(buffer, 16);
    this.capacity = this.samples.length;
  }

  static make(capacity) { return new Ring(new SharedArrayBuffer(Ring.bytes(capacity))); }

  get end() { return Number(Atomics.load(this.head, HEAD)); }

  reset(position = 0) {
    this.samples.fill(0);
    Atomics.store(this.head, HEAD, BigInt(position));
  }

  // Writes at a position; a skipped stretch becomes silence.
  write(position, samples, count = samples.length) {
    const end = this.end;
    for (let p = Math.max(end, position - this.capacity); p < position; ++p) this.samples[p % this.capacity] = 0;
    for (let i = 0; i < count; ++i) {
      const p = position + i;
      if (p >= 0) this.samples[p % this.capacity] = samples[i];
    }
    Atomics.store(this.head, HEAD, BigInt(Math.max(end, position + count)));
  }

  at(position, end = this.end) {
    return position >= 0 && position < end && position >= end - this.capacity ? this.samples[position % this.capacity] : 0;
  }
}
