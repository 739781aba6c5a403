# SPDX-License-Identifier: BSD-3-Clause
"""tests/ROWS.md names tests that are there."""
import re

import postern
import tap

TESTS = postern.source / "tests"
ROWS = [line for line in (TESTS / "ROWS.md").read_text().splitlines() if line.startswith("| ") and "`" in line]
NAMED = re.compile(r"`((?:e2e|unit|sim|interop|natlab)/[\w.]+): (\w+)`")


@tap.test
def every_test_is_there():
    """each `file: name` of the table is a test of that file"""
    missing = []
    for file, name in NAMED.findall((TESTS / "ROWS.md").read_text()):
        text = (TESTS / file).read_text() if (TESTS / file).exists() else ""
        pattern = rf"^@tap\.test.*\n(?:@.*\n)*def {name}\(" if file.endswith(".py") else rf"\b\w+\({name}[,)]"
        if not re.search(pattern, text, re.M):
            missing.append(f"{file}: {name}")
    tap.equal(missing, [])


@tap.test
def every_row_has_one():
    """each row names tests, and says who made their bytes"""
    bad = [row for row in ROWS if len(row.split(" | ")) != 3 or not NAMED.search(row.split(" | ")[1])]
    tap.equal(bad, [])
    tap.equal([row for row in ROWS if not set(row.split(" | ")[2]) & set("SHF")], [], "rows whose bytes are all our codec's")
    tap.true(len(ROWS) > 50, f"{len(ROWS)} rows")


tap.main()
