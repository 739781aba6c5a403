// SPDX-License-Identifier: BSD-3-Clause

// A call by pion's whole stack, behind the lines that call_task.py describes.
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"sync"
	"time"

	"github.com/pion/webrtc"
)

const chunk = 16384

type message struct {
	Description *webrtc.SessionDescription `json:"description,omitempty"`
	Candidate   *webrtc.ICECandidateInit   `json:"candidate,omitempty"`
	Result      *result                    `json:"result,omitempty"`
	Note        string                     `json:"note,omitempty"`
}

type result struct {
	Received int    `json:"received"`
	Hash     string `json:"sha256"`
	Sent     string `json:"sent"`
}

type task struct {
	Caller, Lite, Trickle bool
	Bytes                 int
	IceServers            []webrtc.ICEServer
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "pion_call:", err)
		os.Exit(1)
	}
}

var telling sync.Mutex

func tell(what message) {
	telling.Lock()
	defer telling.Unlock()
	check(json.NewEncoder(os.Stdout).Encode(what))
}

// talk is what goes through the data channel.
type talk struct {
	task
	channel *webrtc.DataChannel
	digest  hash.Hash
	result
	done chan bool
}

func (t *talk) use(channel *webrtc.DataChannel) {
	t.channel, t.digest = channel, sha256.New()
	channel.OnOpen(func() {
		tell(message{Note: "open"})
		if t.Caller {
			go t.send()
		}
	})
	channel.OnMessage(func(got webrtc.DataChannelMessage) {
		t.Received += len(got.Data)
		t.digest.Write(got.Data)
		if !t.Caller {
			check(channel.Send(got.Data))
		}
		if len(got.Data) == 0 {
			t.Hash = hex.EncodeToString(t.digest.Sum(nil))
			tell(message{Result: &t.result})
			if t.Caller {
				check(channel.Close())
			}
		}
	})
	channel.OnClose(func() { t.done <- true })
}

func (t *talk) send() {
	data := make([]byte, t.Bytes)
	_, err := rand.Read(data)
	check(err)
	sum := sha256.Sum256(data)
	t.Sent = hex.EncodeToString(sum[:])
	for len(data) > 0 {
		size := chunk
		if size > len(data) {
			size = len(data)
		}
		check(t.channel.Send(data[:size]))
		data = data[size:]
	}
	check(t.channel.Send(nil)) // the end of this direction
}

type call struct {
	task
	connection *webrtc.PeerConnection
	early      []webrtc.ICECandidateInit
}

// describe says what our end is like: with all candidates where they do not trickle.
func (c *call) describe(description webrtc.SessionDescription, err error) {
	check(err)
	gathered := webrtc.GatheringCompletePromise(c.connection)
	check(c.connection.SetLocalDescription(description))
	if !c.Trickle {
		<-gathered
	}
	tell(message{Description: c.connection.LocalDescription()})
}

func (c *call) hear(said message) {
	switch {
	case said.Description != nil:
		check(c.connection.SetRemoteDescription(*said.Description))
		if !c.Caller {
			c.describe(c.connection.CreateAnswer(nil))
		}
		for _, one := range c.early {
			check(c.connection.AddICECandidate(one))
		}
		c.early = nil
	case said.Candidate != nil && c.connection.RemoteDescription() == nil:
		c.early = append(c.early, *said.Candidate)
	case said.Candidate != nil:
		check(c.connection.AddICECandidate(*said.Candidate))
	}
}

func main() {
	var c call
	input := json.NewDecoder(bufio.NewReader(os.Stdin))
	check(input.Decode(&c.task))
	engine := webrtc.SettingEngine{}
	engine.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	configuration := webrtc.Configuration{ICEServers: c.IceServers}
	if c.Lite {
		engine.SetLite(true)
		configuration.ICEServers = nil
	}
	connection, err := webrtc.NewAPI(webrtc.WithSettingEngine(engine)).NewPeerConnection(configuration)
	check(err)
	c.connection = connection
	t := &talk{task: c.task, done: make(chan bool, 2)}
	connection.OnDataChannel(t.use)
	connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		tell(message{Note: state.String()})
		if state == webrtc.PeerConnectionStateFailed {
			t.done <- false
		}
	})
	if c.Trickle {
		connection.OnICECandidate(func(one *webrtc.ICECandidate) {
			if one == nil {
				tell(message{Candidate: &webrtc.ICECandidateInit{}})
				return
			}
			told := one.ToJSON()
			tell(message{Candidate: &told})
		})
	}
	if c.Caller {
		channel, err := connection.CreateDataChannel("echo", nil)
		check(err)
		t.use(channel)
		c.describe(connection.CreateOffer(nil))
	}
	go func() {
		for {
			var said message
			if input.Decode(&said) != nil {
				t.done <- true
				return
			}
			c.hear(said)
		}
	}()
	<-t.done
	time.Sleep(300 * time.Millisecond) // what was closed is told
	check(connection.Close())
}
