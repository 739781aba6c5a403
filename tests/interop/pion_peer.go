// SPDX-License-Identifier: BSD-3-Clause

// pion/ice behind the lines of tests/interop/ice_peer.c: controlling|controlled [lite].
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/pion/ice/v2"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	controlling, lite := false, false
	for _, word := range os.Args[1:] {
		controlling = controlling || word == "controlling"
		lite = lite || word == "lite"
	}
	config := &ice.AgentConfig{
		NetworkTypes:    []ice.NetworkType{ice.NetworkTypeUDP4},
		IncludeLoopback: true,
		Lite:            lite,
		InterfaceFilter: func(name string) bool { return name == "lo" },
	}
	if lite {
		config.CandidateTypes = []ice.CandidateType{ice.CandidateTypeHost}
	}
	agent, err := ice.NewAgent(config)
	check(err)
	ufrag, password, err := agent.GetLocalUserCredentials()
	check(err)
	kind := map[bool]string{false: "full", true: "lite"}[lite]
	fmt.Println("credentials", ufrag, password, kind)
	gathered := make(chan bool)
	check(agent.OnCandidate(func(candidate ice.Candidate) {
		if candidate == nil {
			close(gathered)
			return
		}
		fmt.Println("candidate:" + candidate.Marshal())
	}))
	check(agent.OnConnectionStateChange(func(state ice.ConnectionState) {
		if state == ice.ConnectionStateFailed {
			fmt.Println("failed")
		}
	}))
	check(agent.GatherCandidates())
	<-gathered
	fmt.Println("end")
	input := bufio.NewScanner(os.Stdin)
	var remoteUfrag, remotePassword string
	for input.Scan() && input.Text() != "end" {
		words := strings.Fields(input.Text())
		if words[0] == "credentials" {
			remoteUfrag, remotePassword = words[1], words[2]
			continue
		}
		candidate, err := ice.UnmarshalCandidate(strings.TrimPrefix(input.Text(), "candidate:"))
		check(err)
		check(agent.AddRemoteCandidate(candidate))
	}
	go func() {
		for input.Scan() {
		}
		os.Exit(0)
	}()
	connect := agent.Accept
	if controlling {
		connect = agent.Dial
	}
	connection, err := connect(context.Background(), remoteUfrag, remotePassword)
	check(err)
	fmt.Println("connected host host")
	go func() {
		for {
			_, _ = connection.Write([]byte("hello from pion"))
			time.Sleep(100 * time.Millisecond)
		}
	}()
	bytes := make([]byte, 1500)
	for {
		size, err := connection.Read(bytes)
		check(err)
		fmt.Println("data", string(bytes[:size]))
	}
}
