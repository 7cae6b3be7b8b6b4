"""A real browser with a fake microphone sings into the real daemon, and what its audio thread plays is examined."""
import base64
import os
import pathlib
import tempfile
import time
import unittest

import numpy as np
from playwright.sync_api import sync_playwright

from daemon import Daemon
from singer import RATE, write_microphone

SCREENSHOTS = pathlib.Path(os.environ.get("FASTSAG_SCREENSHOTS", tempfile.gettempdir()))
CHROMIUM = os.environ.get("FASTSAG_CHROMIUM", "/usr/bin/chromium")
SIZES = {"laptop": (1280, 800), "phone": (390, 844)}

# Taps the three outputs of the room's worklet: heard, voice at the playhead, accompaniment at the playhead.
RECORD = """async seconds => {
  const { context, node } = window.fastsag.audio;
  const merger = context.createChannelMerger(3);
  const tap = context.createScriptProcessor(4096, 3, 1);
  for (const k of [0, 1, 2]) {
    const mono = new GainNode(context, { channelCount: 1, channelCountMode: 'explicit', channelInterpretation: 'speakers' });
    node.connect(mono, k);
    mono.connect(merger, 0, k);
  }
  const blocks = [[], [], []];
  tap.onaudioprocess = ({ inputBuffer }) => [0, 1, 2].forEach(k => blocks[k].push(inputBuffer.getChannelData(k).slice()));
  merger.connect(tap); tap.connect(context.destination);
  await new Promise(done => setTimeout(done, seconds * 1000));
  tap.disconnect();
  const pack = list => {
    const bytes = new Uint8Array(list.length * 4096 * 4);
    list.forEach((block, i) => bytes.set(new Uint8Array(block.buffer), i * 4096 * 4));
    let text = '';
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return btoa(text);
  };
  return blocks.map(pack);
}"""
# The rings as the page holds them: samples by position, the newest last.
RINGS = """() => {
  const { voice, accompaniment } = window.fastsag.audio;
  const tail = ring => {
    const end = ring.end, begin = Math.max(0, end - 20 * 48000), out = new Float32Array(end - begin);
    for (let p = begin; p < end; ++p) out[p - begin] = ring.at(p, end);
    let text = ''; const bytes = new Uint8Array(out.buffer);
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return { begin, samples: btoa(text) };
  };
  return { voice: tail(voice), accompaniment: tail(accompaniment) };
}"""


def floats(text):
    return np.frombuffer(base64.b64decode(text), np.float32)


def level_db(x):
    return 10 * np.log10(np.mean(np.square(x, dtype=np.float64)) + 1e-12)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        microphone = os.path.join(cls.folder.name, "voice.wav")
        print("the microphone plays", write_microphone(microphone), flush=True)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        cls.playwright = sync_playwright().start()
        cls.flags = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={microphone}",
                     "--autoplay-policy=no-user-gesture-required", "--no-sandbox"]
        cls.browser = cls.playwright.chromium.launch(executable_path=CHROMIUM,
                                                     args=cls.flags + ["--use-fake-ui-for-media-stream"])
        cls.daemon = Daemon()
        print(f"fastsagd was ready after {cls.daemon.start_seconds:.1f} s", flush=True)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.playwright.stop()
        code = cls.daemon.stop()
        cls.folder.cleanup()
        assert code == 0, f"fastsagd ended with {code} on SIGTERM:\n" + "".join(cls.daemon.lines)

    def open(self, query="", size="laptop", browser=None, strict=False):
        # Looking inside the page takes eval(), which its own policy forbids; `strict` leaves the policy as it is.
        context = (browser or self.browser).new_context(
            viewport=dict(zip(("width", "height"), SIZES[size])), bypass_csp=not strict)
        self.addCleanup(context.close)
        page = context.new_page()
        self.problems = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        page.goto(self.daemon.address + "/" + query)
        page.wait_for_selector("#connection[data-state=ready]", timeout=10000)
        return page

    def sing(self, page, seconds):
        page.click("#sing")
        page.wait_for_function("window.fastsag.audio?.accompaniment.end > 0", timeout=15000)
        time.sleep(seconds)

    def test_delayed_mix_is_heard_and_aligned(self):
        page = self.open("?room=delayed")
        self.sing(page, 6)
        page.screenshot(path=SCREENSHOTS / "laptop.png")
        heard, voice, accompaniment = map(floats, page.evaluate(RECORD, 6))
        rings = page.evaluate(RINGS)
        status, state = page.evaluate("[window.fastsag.status, [...window.fastsag.audio.state]]")
        print(f"voice {level_db(voice):.1f} dBFS, accompaniment {level_db(accompaniment):.1f} dBFS, status {status}",
              flush=True)

        self.assertGreater(level_db(accompaniment), -45, "an accompaniment that a person hears")
        self.assertGreater(level_db(voice), -45, "the voice itself is in the mix")
        self.assertLess(np.abs(heard - voice - accompaniment).max(), 1e-5, "what is heard is voice + accompaniment")
        self.assertLess(np.abs(np.diff(accompaniment)).max(), 0.35, "a click")
        self.assertEqual(status["gaps"], 0)

        # Which position does the recording hold? The voice tells; the accompaniment must be of the same position.
        played = voice[20000:28192]
        ring = floats(rings["voice"]["samples"])
        # the lag of the least squared difference
        likeness = np.fft.irfft(np.fft.rfft(ring, 2 ** 21) * np.conj(np.fft.rfft(played, 2 ** 21)))
        energy = np.concatenate([[0], np.cumsum(np.square(ring, dtype=np.float64))])
        places = len(ring) - len(played)
        offset = int(np.argmin(energy[len(played):][:places] - energy[:places] - 2 * likeness[:places]))
        self.assertLess(np.abs(ring[offset:offset + len(played)] - played).max(), 1e-6, "the voice as it was sung")
        position = rings["voice"]["begin"] + offset
        there = floats(rings["accompaniment"]["samples"])
        begin = position - rings["accompaniment"]["begin"]
        difference = np.abs(there[begin:begin + len(played)] - accompaniment[20000:28192]).max()
        self.assertLess(difference, 1e-6, "accompaniment of another position than the voice heard with it")
        self.assertLessEqual(status["delay_ms"], 2500, "voice to ear within 2.5 s")
        self.assertEqual(self.problems, [])

    def test_live_is_there_before_its_moment(self):
        page = self.open("?room=live&mode=live")
        self.sing(page, 8)
        before = page.evaluate("window.fastsag.audio.state[4]")
        _, _, accompaniment = map(floats, page.evaluate(RECORD, 5))
        missing = page.evaluate("window.fastsag.audio.state[4]") - before
        status = page.evaluate("window.fastsag.status")
        print(f"accompaniment {level_db(accompaniment):.1f} dBFS, missing {missing} samples, status {status}", flush=True)
        self.assertEqual(status["mode"], "live")
        self.assertGreater(level_db(accompaniment), -45)
        self.assertEqual(missing, 0, "samples that were not there in time")
        self.assertLessEqual(status["lead_ms"], 1500)

    def test_phone_shows_all_of_it(self):
        page = self.open("?room=phone", size="phone")
        self.sing(page, 7)
        page.screenshot(path=SCREENSHOTS / "phone.png")
        for element in ("#sing", "#picture", "#chord-now", "#meter-accompaniment", "#words"):
            box = page.locator(element).bounding_box()
            self.assertGreaterEqual(box["x"], 0, element)
            self.assertLessEqual(box["x"] + box["width"], SIZES["phone"][0] + 0.5, f"{element} sticks out of a phone")
        self.assertFalse(page.evaluate("document.documentElement.scrollWidth > innerWidth"), "the page scrolls sideways")

    def test_a_chart_and_a_key_steer_the_harmony(self):
        page = self.open("?room=chart")
        page.click(".harmony summary")
        page.fill("#chart", "| C | Hm |")
        page.click("#play-chart")
        page.wait_for_selector("#harmony-words:has-text('chart:1:7: \"Hm\" is no chord')")
        page.fill("#chart", "{tempo: 120}\n| Gb Ebm |")
        page.click("#play-chart")
        page.select_option("#lock", "F#")
        self.sing(page, 4)
        page.wait_for_function("window.fastsag.plan.chords.some(c => c.confidence == 1 && c.name == 'Ebm')", timeout=15000)
        plan = page.evaluate("window.fastsag.plan")
        self.assertEqual((plan["key"], plan["tempo_bpm"]), ("F#", 120))
        self.assertLessEqual({c["name"] for c in plan["chords"] if c["confidence"] == 1}, {"F#", "Ebm"})
        page.screenshot(path=SCREENSHOTS / "harmony.png", full_page=True)
        self.assertEqual(self.problems, [])

    def test_page_keeps_its_own_policy(self):
        page = self.open("?room=strict", strict=True)
        page.click("#sing")
        page.wait_for_selector("#words:has-text('in step')", timeout=20000)
        self.assertEqual(self.problems, [])

    def test_refused_microphone_is_explained(self):
        browser = self.playwright.chromium.launch(executable_path=CHROMIUM, args=self.flags + ["--deny-permission-prompts"])
        self.addCleanup(browser.close)
        page = self.open("?room=refused", browser=browser, strict=True)
        page.click("#sing")
        page.wait_for_selector("#alert:not([hidden])", timeout=10000)
        self.assertIn("microphone was refused", page.inner_text("#alert"))
        self.assertEqual(page.get_attribute("#sing", "aria-pressed"), "false")

    def test_lost_connection_is_said_and_comes_back(self):
        daemon = Daemon()
        page = self.browser.new_page(bypass_csp=True)
        self.addCleanup(page.close)
        page.goto(daemon.address + "/")
        page.wait_for_selector("#connection[data-state=ready]", timeout=10000)
        self.sing(page, 1)
        port = daemon.port
        daemon.stop()
        page.wait_for_selector("#alert:not([hidden])", timeout=10000)
        self.assertIn("connection to the server is lost", page.inner_text("#alert"))
        daemon = Daemon(port=port)
        page.wait_for_selector("#alert", state="hidden", timeout=20000)
        page.wait_for_function("window.fastsag.audio.accompaniment.end > 48000", timeout=15000)
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    unittest.main()
