"""Tests of tools/bench_tables with a program in fastsag's place: what it writes, where, and what it leaves alone."""

import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """#!/usr/bin/env python3
import json, pathlib, sys
asked = dict(zip(sys.argv[2::2], sys.argv[3::2]))
if "paper" in sys.argv: sys.exit("fastsag: no memory")
if "--plot" in asked: pathlib.Path(asked["--plot"]).write_text("<svg/>")
point = lambda s: {"median_s": {"window": s}}
pathlib.Path(sys.argv[sys.argv.index("--save") + 1]).write_text(json.dumps({
    "rows": [{"block": "window", "median_s": .01 * int(asked.get("--rooms", 1)), "p95_s": None}],
    "seconds_a_room": .01, "rooms_in_real_time": 100,
    "growth": {of: [point(1), point(3)] for of in ("rooms", "steps", "hop_s")}}))
print("preset lite on cpu\\n\\n| block | way |\\n|---|---|\\n| window | bf16 |")
"""
PAGE = """# How fast

Words.

<!-- bench lite -->
old
<!-- end -->
Between.
<!-- bench rooms -->
<!-- end -->

<!-- bench growth -->
<!-- end -->

<!-- bench paper -->
kept
<!-- end -->
The end.
"""


class BenchTables(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        (self.folder / "fastsag").write_text(PROGRAM)
        (self.folder / "fastsag").chmod(0o755)
        self.page = self.folder / "bench.md"
        self.page.write_text(PAGE)

    def run_tool(self, *arguments):
        return subprocess.run([ROOT / "tools/bench_tables", *arguments, "-o", self.page], capture_output=True, text=True,
                              env={**os.environ, "FASTSAG_BIN": str(self.folder)})

    def test_writes_a_table_with_machine_date_and_command(self):
        done = self.run_tool("lite")
        self.assertEqual(done.returncode, 0, done.stderr)
        text = self.page.read_text()
        self.assertRegex(text, r"<!-- bench lite -->\n\d+ cores of .+, \d{4}-\d\d-\d\d:\n\n"
                               r"    build/release/bin/fastsag bench --preset lite --threads 1 --baseline --seconds 10\n\n"
                               r"\| block \| way \|\n\|---\|---\|\n\| window \| bf16 \|\n<!-- end -->\nBetween\.")
        self.assertNotIn("old", text)
        self.assertEqual(text.split("Between.")[1], PAGE.split("Between.")[1], "all else stays")
        self.assertEqual(self.run_tool("lite").returncode, 0)
        self.assertEqual(self.page.read_text(), text, "and again")

    def test_rooms_and_growth_are_sums_of_runs(self):
        self.assertEqual(self.run_tool("rooms", "growth").returncode, 0)
        text = self.page.read_text()
        self.assertIn("--preset lite --threads T --rooms N --seconds 5\n", text)
        self.assertEqual(text.count("| 100 |\n"), 6)
        self.assertIn("| 2 | 16 | 160.0 | - | 10.0 | 100 |", text)
        self.assertIn("--plot docs/bench-growth.svg", text)
        self.assertIn("16 rooms take 3.0 times as long as one", text)
        self.assertTrue((self.folder / "bench-growth.svg").exists())

    def test_what_fails_is_said_and_the_page_stays(self):
        for words, names in (("no table pape; there are lite rooms", ["pape"]),
                             ('has 0 places "<!-- bench small -->"; expected one', ["small"]),
                             ("fastsag bench --preset paper --precision auto --baseline --seconds 5 failed: fastsag: no memory", ["paper"])):
            done = self.run_tool(*names)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(words, done.stderr)
            self.assertEqual(self.page.read_text(), PAGE)


if __name__ == "__main__":
    unittest.main()
