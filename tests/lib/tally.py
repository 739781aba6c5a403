# SPDX-License-Identifier: BSD-3-Clause
"""Adds up the TAP that `./dev test` has left, shows what failed, and says the closing line.

usage: tally.py --skips FILE FOLDER STAGE...

A stage's TAP is FOLDER/results/STAGE.tap and, of `make check`, every log in FOLDER/BUILD that has a
.trs beside it. Fails when a test failed, a skip is not listed in FILE, a plan was not kept, a stage
has no result at all, or nothing ran.
"""
import argparse
import collections
import fnmatch
import pathlib
import re
import sys

BUILDS = {"default": ["default"], "sanitizers": ["sanitizers"], "minimal": ["minimal"]}
LINE = re.compile(r"(not )?ok\b\s*(\d*)\s*-?\s*([^#]*)(?:#\s*(\w+)\s*(.*))?")
DRIVER = re.compile(r"(PASS|FAIL|XFAIL|XPASS|SKIP): ")  # what automake's driver puts between the lines of TAP
SUMMARY = ": make check"  # the step of a stage that fails when one of its programs did
DETAIL = 25  # lines told of a failure


def shortened(lines):
    """The first and the last of them: what was asked, and what came of it."""
    if len(lines) <= DETAIL:
        return lines
    first = DETAIL // 3
    last = DETAIL - first - 1
    return [*lines[:first], f"... {len(lines) - first - last} lines ...", *lines[-last:]]


class Tally:
    def __init__(self, allowed):
        self.allowed, self.used = allowed, set()
        self.passed, self.failures, self.skips = 0, [], {}

    def fail(self, test, detail=()):
        self.failures.append((test, shortened(list(detail))))

    def skip(self, test, reason):
        rule = next((rule for rule in self.allowed if fnmatch.fnmatch(test, rule[0])
                     and fnmatch.fnmatch(reason, rule[1])), None)
        if rule is None:
            self.fail(test, [f"skipped, and tests/skips does not list it: {reason}"])
        else:
            self.skips[test] = reason

    def read(self, name, text):
        """One program's TAP, from its first line to its last."""
        planned, seen = None, 0
        lines = [line for line in text.splitlines() if not DRIVER.match(line)]
        for at, line in enumerate(lines):
            plan = re.match(r"1\.\.(\d+)(?:\s*# ?SKIP\s*(.*))?", line, re.I)
            if plan:
                planned = int(plan.group(1))
                if plan.group(2) is not None and planned == 0:
                    self.skip(name, plan.group(2))
                continue
            result = LINE.match(line)
            if line.startswith("Bail out!"):
                self.fail(name, [line])
            if not result or not line.startswith(("ok", "not ok")):
                continue
            seen += 1
            title = f"{name}: {result.group(3).strip()}"
            if (result.group(4) or "").upper() == "SKIP":
                self.skip(title, result.group(5))
            elif result.group(1):
                detail = []
                for more in lines[at + 1:]:
                    if not more.startswith("#"):
                        break
                    detail.append(more[2:])
                self.fail(title, detail)
            else:
                self.passed += 1
        return planned, seen

    def read_planned(self, name, text):
        planned, seen = self.read(name, text)
        if planned is None or planned != seen:
            tail = [line for line in text.splitlines() if not DRIVER.match(line)][1 - DETAIL:]
            self.fail(name, [f"planned {planned} tests, ran {seen}", *tail])

    def tell_skips(self):
        """A line for each program and reason."""
        grouped = collections.Counter((test.partition(": ")[0], reason) for test, reason in self.skips.items())
        for (program, reason), count in grouped.items():
            print(f"skipped: {program} ({count} test{'s' * (count > 1)}): {reason}")

    def tell_failures(self):
        """Each with its details, the programs before the `make check` that sums them up; then all names."""
        ordered = sorted(self.failures, key=lambda failure: failure[0].endswith(SUMMARY))
        for test, detail in ordered:
            print(f"FAILED: {test}")
            for line in detail:
                print(f"    {line}")
        if ordered:
            print("\nIn short:")
        for test, _ in ordered:
            print(f"FAILED: {test}")


def read_rules(file):
    """Lines of `TEST GLOB | REASON GLOB | why it is allowed`."""
    rules = []
    for line in file.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            test, reason, why = (part.strip() for part in line.split("|", 2))
            rules.append((test, reason, why))
    return rules


def read_check(tally, stage, folder):
    """What `make check` left: automake keeps each program's TAP beside its .trs."""
    results = sorted(folder.rglob("*.trs"))
    if not results:
        tally.fail(stage, [f"no test ran in {folder}"])
    for file in results:
        name = f"{stage}/{file.relative_to(folder).with_suffix('')}"
        status = re.search(r":global-test-result: (\w+)", file.read_text())
        failed = len(tally.failures)
        tally.read_planned(name, file.with_suffix(".log").read_text(errors="replace"))
        if status and status.group(1) in ("FAIL", "ERROR") and len(tally.failures) == failed:
            tally.fail(name, file.with_suffix(".log").read_text(errors="replace").splitlines()[-DETAIL:])


def read_stage(tally, folder, stage):
    file = folder / "results" / f"{stage}.tap"
    if not file.exists():
        tally.fail(stage, ["left no result"])
        return
    steps, *scripts = re.split(r"^# script: (.*)\n", file.read_text(errors="replace"), flags=re.M)
    tally.read(stage, steps)
    for script, text in zip(scripts[::2], scripts[1::2]):
        tally.read_planned(script.removeprefix("tests/").removesuffix(".py"), text)
    for build in BUILDS.get(stage, []):
        read_check(tally, stage, folder / build)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--skips", type=pathlib.Path, required=True)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("stages", nargs="+")
    options = parser.parse_args()
    tally = Tally(read_rules(options.skips))
    for stage in options.stages:
        read_stage(tally, options.folder, stage)
    tally.tell_skips()
    tally.tell_failures()
    print(f"{tally.passed} passed, {len(tally.failures)} failed, {len(tally.skips)} skipped", flush=True)
    sys.exit(1 if tally.failures or not tally.passed else 0)


main()
