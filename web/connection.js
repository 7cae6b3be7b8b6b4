// The WebSocket of one room: reconnects by itself, tells in plain words how it stands.
import { decodeFrame, encodeFrame, KIND } from './wire.js';

const RETRY_MS = [500, 1000, 2000, 4000, 8000];

export class Connection extends EventTarget {
  constructor({ room, role, token }) {
    super();
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.address = `${scheme}://${location.host}/ws?room=${encodeURIComponent(room)}&role=${role}`;
    this.protocols = token ? ['fastsag.v1', `token.${token}`] : ['fastsag.v1'];
    this.tries = 0;
    this.sequence = 0;
    this.fatal = null;
    this.open();
  }

  open() {
    const socket = new WebSocket(this.address, this.protocols);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => { this.tries = 0; };
    socket.onmessage = ({ data }) => this.receive(data);
    socket.onclose = () => this.lost();
    this.socket = socket;
  }

  get ready() { return this.socket.readyState === WebSocket.OPEN; }

  receive(data) {
    if (typeof data !== 'string') {
      const frame = decodeFrame(data);
      if (frame) this.tell('frame', frame);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === 'error' && message.fatal) this.fatal = message;
    this.tell(message.type, message);
  }

  lost() {
    this.tell('lost', { fatal: this.fatal });
    if (this.fatal && this.fatal.code !== 'room_taken') return;
    setTimeout(() => this.open(), RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)]);
    this.fatal = null;
  }

  send(message) { if (this.ready) this.socket.send(JSON.stringify(message)); }

  sendVoice(rate, position, samples) {
    // Half a second queued means that the line is too slow: later voice is worth more than older.
    if (!this.ready || this.socket.bufferedAmount > rate) return false;
    this.socket.send(encodeFrame({ kind: KIND.voice, rate, position, sequence: this.sequence++ }, samples));
    return true;
  }

  tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}
