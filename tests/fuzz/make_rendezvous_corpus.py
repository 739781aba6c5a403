#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds of fuzz_signal_message and fuzz_rendezvous:
tests/fuzz/make_rendezvous_corpus.py [CORPUS FOLDER]

The seeds are committed; run this after a change here or of the protocol's page, from which the
messages come. Files that it does not name stay.
"""
import json
import pathlib
import re
import sys

here = pathlib.Path(__file__).resolve().parent
PAGE = (here.parents[1] / "docs/rendezvous.md").read_text()

MESSAGES = [line for block in re.findall(r"```json\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
MORE = {
    "escapes": r'{"type":"ping","rid":"\ud83d\ude00\u00e9\n\"\\","a":[[{"b":null}],true,false,-1.5e-3]}',
    "half": r'{"type":"ping","rid":"\ud83d"}',
    "deep": '{"type":"ping","a":[[[[[[[[1]]]]]]]]}',
    "twice": '{"type":"ping","type":"pong"}',
    "long": json.dumps({"type": "call", "to": "b" * 300}),
}
OFFER = '"description":{"type":"offer","sdp":"v=0"}'
BOTH = "o0\nh0a\no1\nh1b\n"
CALL = BOTH + 'm0{"type":"call","to":"bob",' + OFFER + "}\n"
SCRIPTS = {
    "call": CALL + 'm1{"type":"ringing","call":"%0"}\nm1{"type":"accept","call":"%0","rid":"r"}\n'
    'm0{"type":"candidate","call":"%0","candidate":null}\nm1{"type":"report","call":"%0","path":"direct","ms":3}\n'
    'm0{"type":"bye","call":"%0","reason":"done"}\n',
    "reject": CALL + 'm1{"type":"reject","call":"%0","reason":"busy"}\nm0{"type":"bye","call":"%0"}\n',
    "crossing": CALL + 'm1{"type":"call","to":"alice"}\nm0{"type":"accept","call":"%1"}\nm1{"type":"bye","call":"%1"}\n',
    "resume": CALL + 'c1\nm0{"type":"description","call":"%0",' + OFFER + '}\no1\nh1b~\nm1{"type":"bye","call":"%0"}\n',
    "late": CALL + "c1\nT\no1\nh1b~\n",
    "rings": CALL + 't9\nm0{"type":"ping"}\nm1{"type":"pong"}\nT\nT\n',
    "pings": BOTH + "T\nt9\nT\nT\n",
    "replaced": CALL + "o2\nh2b\no3\nh3a/desk\no4\nh4a/sofa\no5\nh5a/bed\n",
    "elsewhere": "o0\nh0e\no1\nh1e/2\no2\nh2e\nc2\nq\nm0{\"type\":\"turn\"}\n",
    "no answer": "o0\nh0e\nt9\nt9\nq\n",
    "realms": "o0\nh0a\no1\nh1c\np\n" + 'm0{"type":"call","to":"carol\\\\example.net"}\nm1{"type":"bye","call":"%0"}\n',
    "deaf": CALL + "w1\n" + ('m0{"type":"description","call":"%0","description":{"type":"offer","sdp":"'
                             + "x" * 900 + '"}}\n') * 20 + "r1\n",
    "shut down": CALL + "x\no5\n",
    "wrong": 'o0\nm0GET / HTTP/1.1\no0\nb0\no0\nm0{"type":"open","v":2}\no0\nm0{"type":"dance"}\n',
    "hello": "o0\n" + "".join(f"m0{one}\n" for one in MESSAGES if '"hello"' in one),
}


def main():
    corpus = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "corpus"
    seeds = {"fuzz_signal_message": dict(MORE), "fuzz_rendezvous": SCRIPTS}
    for number, message in enumerate(MESSAGES):
        seeds["fuzz_signal_message"][f"{json.loads(message)['type']}_{number}"] = message
    for target, files in seeds.items():
        (corpus / target).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (corpus / target / name.replace(" ", "_")).write_text(text)


main()
