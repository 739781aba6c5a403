# SPDX-License-Identifier: BSD-3-Clause
"""Which lines a build with --enable-coverage has run, by file, the least covered first.

usage: coverage.py BUILD
"""
import collections
import json
import os
import pathlib
import subprocess
import sys

ROOMS = ("src/", "turnserver/", "stunclient/")


def lines_run(build, source):
    """{file: {line: times run}}, over all objects that a file was compiled into."""
    runs = collections.defaultdict(collections.Counter)
    for notes in build.rglob("*.gcno"):
        done = subprocess.run(["gcov", "--json-format", "--stdout", notes], capture_output=True, text=True, cwd=build)
        for report in done.stdout.splitlines():
            for file in json.loads(report)["files"]:
                name = os.path.relpath(os.path.join(build, file["file"]), source)
                if name.startswith(ROOMS):
                    for line in file["lines"]:
                        runs[name][line["line_number"]] += line["count"]
    return runs


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    runs = lines_run(build, pathlib.Path(__file__).resolve().parents[2])
    if not runs:
        sys.exit(f"{build} has no coverage data")
    table = sorted((sum(map(bool, lines.values())) / len(lines), len(lines), name) for name, lines in runs.items())
    for share, count, name in table:
        print(f"{100 * share:5.1f}%  {count:6}  {name}")
    total = sum(count for _, count, _ in table)
    print(f"{100 * sum(share * count for share, count, _ in table) / total:5.1f}%  {total:6}  all")


main()
