# SPDX-License-Identifier: BSD-3-Clause
"""Tests that speak TAP, with nothing but the standard library.

    import tap

    @tap.test                                  # named by its docstring's first line, or its name
    def answers_binding(): ...

    @tap.test(workers=[1, 3])                  # once for each value: "... (workers=1)"
    def relays(workers): ...

    tap.main()                                 # runs all, prints the plan, exits 1 on a failure

A test fails by raising anything; its traceback becomes diagnostics. `tap.skip(reason)` skips it.
`tap.cleanup(function, ...)` is called when the test has ended, last given first; when it raises,
the test has failed. A test that runs longer than its `timeout` (seconds, 180) fails.
"""
import itertools
import os
import re
import signal
import socket
import sys
import threading
import time
import traceback

_tests = []
_cleanups = []


class Skip(Exception):
    """Raised by skip()."""


class Timeout(Exception):
    """A test took too long."""


def skip(reason):
    raise Skip(reason)


def skip_all(reason):
    """Call before any output: the whole script is skipped."""
    print(f"1..0 # SKIP {reason}", flush=True)
    sys.exit(0)


def diag(text):
    for line in str(text).splitlines() or [""]:
        print(f"# {line}", flush=True)


def diag_table(rows):
    """Rows of texts, in columns."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    for row in rows:
        diag("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def cleanup(function, *arguments):
    _cleanups.append((function, arguments))


def serve(listener, talk, at_once=True):
    """Gives each connection at a listening socket to talk(connection), in a thread for all or, `at_once`, for each, until
    the test ends or what this returns is called. The socket is closed only when its thread has left it: else the
    thread might go on at another socket that has got the same number."""

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if at_once:
                threading.Thread(target=talk, args=(connection,), daemon=True).start()
            else:
                talk(connection)

    def end():
        try:
            listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it was ended before
        thread.join(20)
        listener.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    cleanup(end)
    return end


def test(function=None, *, timeout=180, name=None, **cases):
    """Registers a test; keyword lists make one test of each combination of their values."""

    def register(function):
        title = name or (function.__doc__ or function.__name__.replace("_", " ")).strip()
        title = title.splitlines()[0].rstrip(".").replace("#", "no.")
        for values in itertools.product(*cases.values()):
            arguments = dict(zip(cases, values))
            told = ", ".join(f"{key}={value}" for key, value in arguments.items())
            _tests.append((f"{title} ({told})" if told else title, function, arguments, timeout))
        return function

    return register(function) if function else register


def equal(got, expected, what=""):
    if got != expected:
        raise AssertionError(f"{what or 'value'}: got {got!r}, expected {expected!r}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def raises(exception, function, *arguments):
    """Returns the exception that was raised as it should be."""
    try:
        function(*arguments)
    except exception as error:
        return error
    raise AssertionError(f"{exception.__name__} was not raised")


def _on_alarm(_signal, _frame):
    raise Timeout("took too long")


def _run(function, arguments, timeout):
    """Returns a list of problems, as text, and the reason of a skip or None."""
    problems, skipped = [], None
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.alarm(timeout)
    try:
        function(**arguments)
    except Skip as reason:
        skipped = str(reason)
    except KeyboardInterrupt:
        raise
    except BaseException:  # an exit from inside a test is a failure, too
        problems.append(traceback.format_exc())
    finally:
        signal.alarm(0)
        while _cleanups:
            call, call_arguments = _cleanups.pop()
            signal.alarm(90)
            try:
                call(*call_arguments)
            except Exception:
                problems.append(traceback.format_exc())
            signal.alarm(0)
    return problems, skipped


def main(argv=None):
    """Runs the tests (those that match a pattern of argv, if any are given) and exits."""
    patterns = sys.argv[1:] if argv is None else argv
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that cleanups run
    part, parts = map(int, os.environ.get("TAP_PART", "1/1").split("/"))  # "2/3": every third, from the second on
    number = failed = 0
    for title, function, arguments, timeout in _tests[part - 1::parts]:
        if patterns and not any(re.search(pattern, title) for pattern in patterns):
            continue
        number += 1
        start = time.monotonic()
        problems, skipped = _run(function, arguments, timeout)
        if problems:
            failed += 1
            print(f"not ok {number} - {title}")
            diag("\n".join(problems))
        elif skipped is not None:
            print(f"ok {number} - {title} # SKIP {skipped}")
        else:
            print(f"ok {number} - {title}")
        if os.environ.get("TAP_TIMES"):
            diag(f"{time.monotonic() - start:.2f} s")
        sys.stdout.flush()
    print(f"1..{number}", flush=True)
    sys.exit(1 if failed or not number else 0)
