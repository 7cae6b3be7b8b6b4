// The 24-byte audio frame of protocol/PROTOCOL.md.
export const KIND = { voice: 1, accompaniment: 2, mix: 3 };
const HEADER_BYTES = 24;

export function encodeFrame({ kind, rate, position, sequence }, samples) {
  const bytes = new ArrayBuffer(HEADER_BYTES + 2 * samples.length);
  const view = new DataView(bytes);
  view.setUint8(0, 1);
  view.setUint8(1, kind);
  view.setUint8(2, 0); // PCM s16
  view.setUint8(3, 1);
  view.setUint32(4, rate, true);
  view.setBigInt64(8, BigInt(position), true);
  view.setUint32(16, sequence, true);
  view.setUint32(20, samples.length, true);
  const pcm = new Int16Array(bytes, HEADER_BYTES);
  for (let i = 0; i < samples.length; ++i) pcm[i] = Math.round(Math.max(-1, Math.min(1, samples[i])) * 32767);
  return bytes;
}

export function decodeFrame(bytes) {
  if (bytes.byteLength < HEADER_BYTES) return null;
  const view = new DataView(bytes);
  if (view.getUint8(0) !== 1 || view.getUint8(2) !== 0) return null;
  const channels = view.getUint8(3);
  const count = view.getUint32(20, true);
  if (channels < 1 || bytes.byteLength !== HEADER_BYTES + 2 * channels * count) return null;
  const pcm = new Int16Array(bytes, HEADER_BYTES);
  const samples = new Float32Array(count);
  for (let i = 0; i < count; ++i) samples[i] = pcm[i * channels] / 32768;
  return {
    kind: view.getUint8(1),
    rate: view.getUint32(4, true),
    position: Number(view.getBigInt64(8, true)),
    sequence: view.getUint32(16, true),
    samples,
  };
}
