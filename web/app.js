// The page: one button, one room. Microphone -> worklet -> WebSocket -> accompaniment -> worklet -> ears.
import { Connection } from './connection.js';
import { steerHarmony } from './harmony.js';
import { Picture } from './picture.js';
import { Ring } from './ring.js';
import { KIND } from './wire.js';
import { fatalTrouble, microphoneTrouble, story } from './words.js';

const STATE = { head: 0, playhead: 1, voicePeak: 2, accompanimentPeak: 3, missing: 4 };
const RING_S = 60;
const DRUMS = 9; // the channel whose keys are no pitches
const JITTER_S = 0.2; // frames come when they are due; a busy line or page may hold them up so long
const $ = id => document.getElementById(id);

const query = new URLSearchParams(location.search);
const settings = {
  room: query.get('room') ?? 'main',
  token: new URLSearchParams(location.hash.slice(1)).get('token'),
  mode: query.get('mode') === 'live' ? 'live' : 'delayed',
  seed: Number(query.get('seed') ?? 1),
  style: query.get('style'), // null: as the server is set
};

const hint = $('hint').textContent;
let hello = null, status = null, plan = null, audio = null;
const picture = new Picture($('picture'));
const connection = new Connection({ ...settings, role: 'singer' });
const askHarmonyAgain = steerHarmony(connection);

// ---- audio ----------------------------------------------------------------------------------------------------------

async function openAudio() {
  const microphone = await navigator.mediaDevices.getUserMedia({
    // The browser's voice processing bends music; the singer is asked to wear headphones instead.
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 },
  });
  const { context, source } = contextFor(microphone);
  await context.audioWorklet.addModule('worklet.js');
  const voice = Ring.make(RING_S * context.sampleRate);
  const accompaniment = Ring.make(RING_S * hello.sample_rate);
  const state = new Float64Array(new SharedArrayBuffer(8 * 8));
  const node = new AudioWorkletNode(context, 'room', {
    numberOfInputs: 1, numberOfOutputs: 3, outputChannelCount: [2, 1, 1],
    processorOptions: {
      voice: voice.buffer, accompaniment: accompaniment.buffer, state: state.buffer, roomRate: hello.sample_rate,
    },
  });
  source.connect(node);
  node.connect(context.destination, 0);
  const analysers = [1, 2].map(output => {
    const analyser = new AnalyserNode(context, { fftSize: 4096, smoothingTimeConstant: 0, minDecibels: -85, maxDecibels: -25 });
    node.connect(analyser, output);
    return analyser;
  });
  node.port.onmessage = () => sendVoice();
  microphone.getAudioTracks()[0].onended = () => { stopSinging(); alarm('The microphone went away. Plug it in, then press Sing again.'); };
  return { context, microphone, node, voice, accompaniment, state, analysers, sent: 0, rate: context.sampleRate, ownLatency: 0 };
}

function contextFor(microphone) {
  const context = new AudioContext({ sampleRate: hello.sample_rate, latencyHint: 'interactive' });
  try {
    return { context, source: context.createMediaStreamSource(microphone) };
  } catch { // some browsers refuse a microphone of another rate: take theirs, the worklet converts
    context.close();
    const own = new AudioContext({ latencyHint: 'interactive' });
    return { context: own, source: own.createMediaStreamSource(microphone) };
  }
}

function sendVoice() {
  const frame = Math.round(audio.rate * 0.02);
  for (let end = audio.voice.end; audio.sent + frame <= end; audio.sent += frame) {
    const samples = new Float32Array(frame);
    for (let i = 0; i < frame; ++i) samples[i] = audio.voice.at(audio.sent + i, end);
    connection.sendVoice(audio.rate, audio.sent, samples);
  }
}

async function startSinging() {
  alarm(null);
  $('sing').disabled = true;
  try {
    audio = await openAudio();
  } catch (error) {
    alarm(microphoneTrouble(error));
    return;
  } finally {
    $('sing').disabled = false;
  }
  await audio.context.resume();
  begin();
  $('sing').setAttribute('aria-pressed', 'true');
  $('sing-label').textContent = 'Stop';
  navigator.wakeLock?.request('screen').then(lock => { audio.lock = lock; }, () => {});
  paint();
  tell();
}

function begin() {
  audio.sent = 0;
  audio.voice.reset();
  audio.accompaniment.reset();
  picture.clear();
  plan = status = null;
  connection.send({ type: 'start', codec: 'pcm_s16', sample_rate: audio.rate, mode: settings.mode, seed: settings.seed });
  connection.send({ type: 'set', accompaniment_gain_db: Number($('gain').value) });
  if (settings.style) connection.send({ type: 'set', style: settings.style });
  askHarmonyAgain();
  steer();
  audio.node.port.postMessage({ running: true, position: 0 });
}

function stopSinging() {
  if (!audio) return;
  connection.send({ type: 'stop' });
  audio.microphone.getTracks().forEach(track => track.stop());
  audio.context.close();
  audio.lock?.release();
  audio = null;
  $('sing').setAttribute('aria-pressed', 'false');
  $('sing-label').textContent = 'Sing';
  $('words').textContent = 'Press the button and sing again.';
  tell();
}

// Where the playhead is: behind the voice by the room's delay, or ahead of it by the sound's way out and in again.
function steer() {
  if (!audio) return;
  const rate = audio.rate;
  const way = (audio.context.outputLatency || audio.context.baseLatency || 0.02) + 0.01;
  const behind = (status?.delay_ms || 2200) / 1000 + JITTER_S;
  const delay = settings.mode === 'live' ? -Math.round(way * rate) : Math.round(behind * rate);
  if (Math.abs(delay - (audio.delay ?? Infinity)) < 0.01 * rate) return;
  audio.delay = delay;
  audio.node.port.postMessage({ delay, monitor: settings.mode === 'delayed' });
}

// ---- what the server says -------------------------------------------------------------------------------------------

connection.addEventListener('hello', ({ detail }) => {
  hello = detail;
  $('sing').disabled = false;
  offerStyles(hello);
  alarm(null);
  if (audio) begin();
  tell();
});
connection.addEventListener('status', ({ detail }) => {
  status = detail;
  $('hint').textContent = detail.notice ? `It goes on, but ${detail.notice}` : hint;
  steer();
});
connection.addEventListener('plan', ({ detail }) => {
  plan = detail;
  const rate = hello.sample_rate;
  picture.plan(plan.notes.filter(n => n.channel !== DRUMS).map(n => ({ from: n.from_sample / rate, to: (n.from_sample + n.samples) / rate, pitch: n.pitch, velocity: n.velocity })));
  $('key').textContent = plan.key ? `key of ${plan.key} ·` : '';
  $('tempo').textContent = plan.tempo_bpm ? `${Math.round(plan.tempo_bpm)} bpm` : '';
});
connection.addEventListener('frame', ({ detail }) => {
  if (audio && detail.kind === KIND.accompaniment) audio.accompaniment.write(detail.position, detail.samples);
});
connection.addEventListener('error', ({ detail }) => { if (detail.fatal || detail.code === 'engine') alarm(fatalTrouble(detail)); });
connection.addEventListener('lost', ({ detail }) => {
  hello = null;
  if (!audio) $('sing').disabled = true;
  alarm(detail.fatal ? fatalTrouble(detail.fatal) : 'The connection to the server is lost. Trying again …');
  tell();
});

// ---- what is shown --------------------------------------------------------------------------------------------------

function alarm(text) {
  $('alert').hidden = !text;
  $('alert').textContent = text ?? '';
}

function tell() {
  const state = !hello ? 'lost' : audio ? 'singing' : 'ready';
  $('connection').dataset.state = state;
  $('connection').textContent = { lost: 'not connected', singing: `singing in “${settings.room}”`, ready: 'ready' }[state];
}

function paint() {
  if (!audio) return;
  requestAnimationFrame(paint);
  const { state, rate, analysers } = audio;
  const now = state[STATE.playhead] / rate;
  const meter = x => Math.max(0, Math.min(1, (20 * Math.log10(x + 1e-6) + 50) / 50));
  const level = meter(state[STATE.voicePeak]);
  $('meter-voice').style.transform = `scaleX(${level})`;
  $('meter-accompaniment').style.transform = `scaleX(${meter(state[STATE.accompanimentPeak])})`;
  $('sing').style.setProperty('--level', level);
  if (now >= 0) picture.advance(now, ...analysers);
  showChords(now);
  const accompanied = audio.accompaniment.end / hello?.sample_rate;
  $('words').textContent = story({
    mode: settings.mode, heard: accompanied > 0, playing: now < accompanied + 0.5,
    delayMs: 1000 * audio.delay / rate, leadMs: status?.lead_ms ?? 0, level: state[STATE.voicePeak],
  });
}

function showChords(now) {
  if (!plan || !hello) return;
  const at = now * hello.sample_rate;
  let current = '–', next = '–';
  for (const chord of plan.chords) {
    if (chord.from_sample <= at) current = chord.name;
    else if (chord.name !== current) { next = chord.name; break; }
  }
  $('chord-now').textContent = current === 'N' ? '–' : current;
  $('chord-next').textContent = next === 'N' ? '–' : next;
}

// ---- controls -------------------------------------------------------------------------------------------------------

$('sing').onclick = () => (audio ? stopSinging() : startSinging());
for (const radio of document.querySelectorAll('input[name=mode]')) {
  radio.checked = radio.value === settings.mode;
  radio.onchange = () => {
    settings.mode = radio.value;
    connection.send({ type: 'set', mode: settings.mode });
    steer();
  };
}
$('gain').oninput = () => {
  $('gain-text').textContent = `${$('gain').value} dB`;
  connection.send({ type: 'set', accompaniment_gain_db: Number($('gain').value) });
};
function offerStyles({ styles, style }) {
  $('style').closest('label').hidden = styles.length < 2;
  for (const option of $('style').options) option.hidden = option.disabled = !styles.includes(option.value);
  if (settings.style && !styles.includes(settings.style)) settings.style = null;
  $('style').value = settings.style ?? style;
}
$('style').onchange = () => {
  settings.style = $('style').value;
  connection.send({ type: 'set', style: settings.style });
};
$('another').onclick = () => {
  settings.seed = 1 + Math.floor(Math.random() * 1e9);
  connection.send({ type: 'set', seed: settings.seed });
};
if (!window.crossOriginIsolated || !navigator.mediaDevices) alarm(microphoneTrouble(null));

// For tests and the curious: the room as the page sees it.
window.fastsag = { get audio() { return audio; }, get status() { return status; }, get plan() { return plan; }, get hello() { return hello; }, STATE };
