# SPDX-License-Identifier: BSD-3-Clause
"""A call by GStreamer's webrtcbin (libnice, OpenSSL, usrsctp), led as call_task.py tells."""
import json
import sys
import threading
import time
import urllib.parse

import gi

for name in ("Gst", "GstSdp", "GstWebRTC"):
    gi.require_version(name, "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC

import call_task

TYPES = {"offer": GstWebRTC.WebRTCSDPType.OFFER, "answer": GstWebRTC.WebRTCSDPType.ANSWER}


def with_lite(sdp):
    return sdp.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n", 1)


class Call:
    def __init__(self, task):
        self.task, self.closable = task, None
        self.over, self.gathered, self.hung_up = (threading.Event() for _ in range(3))
        self.pipeline = Gst.Pipeline()
        self.element = Gst.ElementFactory.make("webrtcbin", None)
        self.element.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.element)
        self.element.connect("on-ice-candidate", self.on_candidate)
        self.element.connect("on-data-channel", lambda _, channel: self.use(channel))
        self.element.connect("notify::ice-gathering-state", self.on_gathering)
        self.element.connect("notify::connection-state", self.on_state)
        for server in task["iceServers"]:
            self.add_server(server)
        self.pipeline.set_state(Gst.State.PLAYING)

    def add_server(self, server):
        for url in server["urls"]:
            scheme, _, rest = url.partition(":")
            if scheme == "stun":
                self.element.set_property("stun-server", f"stun://{rest}")
            elif scheme == "turn":
                user, password = (urllib.parse.quote(server[key], safe="") for key in ("username", "credential"))
                self.element.emit("add-turn-server", f"turn://{user}:{password}@{rest}")

    def ask(self, signal, *arguments):
        """What is in the reply lives no longer than the reply."""
        promise = Gst.Promise.new()
        self.element.emit(signal, *arguments, promise)
        promise.wait()
        reply = promise.get_reply()
        if reply is not None and reply.has_field("error"):
            raise RuntimeError(f"{signal}: {reply.to_string()}")
        return reply

    # What webrtcbin says.

    def on_candidate(self, _, index, text):
        if self.task["trickle"]:
            call_task.tell(candidate={"candidate": text, "sdpMid": "0", "sdpMLineIndex": index})

    def on_gathering(self, *_):
        if self.element.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            self.gathered.set()
            if self.task["trickle"]:
                self.on_candidate(None, 0, "")

    def on_state(self, *_):
        state = self.element.get_property("connection-state")
        call_task.tell(note=state.value_nick)
        if state == GstWebRTC.WebRTCPeerConnectionState.FAILED:
            self.over.set()

    # The channel.

    def use(self, channel):
        talk = call_task.Talk(self.task, lambda data: channel.emit("send-data", GLib.Bytes.new(data)), empties=False)

        def on_data(_, data):
            if talk.message(data.get_data() if data else b""):
                self.closable = channel  # not from here: a lock is held
                self.over.set()

        channel.connect("on-message-data", on_data)
        channel.connect("on-message-string", lambda _, text: on_data(_, None))  # it confounds both kinds of empty ones
        channel.connect("on-close", lambda _: self.over.set())
        if channel.get_property("ready-state") == GstWebRTC.WebRTCDataChannelState.OPEN:
            talk.opened()
        else:
            channel.connect("on-open", lambda _: talk.opened())

    # What the other side says.

    def describe(self, kind):
        reply = self.ask(f"create-{kind}", None)
        description = reply.get_value(kind)
        self.ask("set-local-description", description)
        if not self.task["trickle"]:
            self.gathered.wait()
            description = self.element.get_property("local-description")
        sdp = description.sdp.as_text()
        call_task.tell(description={"type": kind, "sdp": with_lite(sdp) if self.task["lite"] else sdp})

    def take_description(self, told):
        text = with_lite(told["sdp"]) if self.task["conflict"] else told["sdp"]  # it controls such a peer
        _, message = GstSdp.SDPMessage.new_from_text(text)
        self.ask("set-remote-description", GstWebRTC.WebRTCSessionDescription.new(TYPES[told["type"]], message))
        if not self.task["caller"]:
            self.describe("answer")

    def listen(self):
        for line in sys.stdin:
            told = json.loads(line)
            if "description" in told:
                self.take_description(told["description"])
            elif told["candidate"]:
                candidate = told["candidate"]
                self.element.emit("add-ice-candidate", candidate.get("sdpMLineIndex", 0), candidate["candidate"] or None)
        self.hung_up.set()
        self.over.set()

    def run(self):
        if self.task["caller"]:
            self.use(self.element.emit("create-data-channel", "echo", None))
            self.describe("offer")
        threading.Thread(target=self.listen, daemon=True).start()
        self.over.wait()
        if self.closable:
            time.sleep(0.5)  # closing loses what was sent last
            self.closable.emit("close")
            self.hung_up.wait(10)  # a pipeline that has stopped answers nothing any more
        self.pipeline.set_state(Gst.State.NULL)


Gst.init(None)
Call(call_task.read_task()).run()
