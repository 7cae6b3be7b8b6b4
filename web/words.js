// What the page says, in plain words.
export function microphoneTrouble(error) {
  if (!window.isSecureContext)
    return 'Browsers give the microphone only to secure pages. Open this page by https, or on this computer as http://localhost.';
  switch (error?.name) {
    case 'NotAllowedError': return 'The microphone was refused. Allow it in the address bar (the camera or lock symbol), then press Sing again.';
    case 'NotFoundError': return 'No microphone was found. Plug one in, then press Sing again.';
    case 'NotReadableError': return 'The microphone is in use by another program. Close that program, then press Sing again.';
    default: return `The microphone could not be opened (${error?.message ?? 'unknown reason'}).`;
  }
}

export function fatalTrouble({ code, message }) {
  switch (code) {
    case 'room_taken': return 'Somebody is singing in this room already. Waiting until the room is free …';
    case 'unauthorised': return 'This server wants a token: add #token=… to the address.';
    case 'too_many': return 'The server is full. Try again later.';
    default: return message;
  }
}

const seconds = ms => `${(ms / 1000).toFixed(1)} s`;

export function story({ mode, heard, delayMs, leadMs, playing, level }) {
  if (!heard) return level > 0.01 ? 'I hear you. The piano is thinking …' : 'Sing – I am listening.';
  if (!playing) return 'The accompaniment is catching up …';
  return mode === 'live'
    ? `The piano plays with you; it plans ${seconds(leadMs)} ahead.`
    : `You hear yourself and the piano in step, ${seconds(delayMs)} later.`;
}
