// SPDX-License-Identifier: BSD-3-Clause

// A client of pion/turn that sends payloads through a relay to a peer that echoes.
//
//	pion_echo PORT udp|tcp USER PASSWORD PEER
//
// Prints how many came back; status 0: all did. Payloads have 5 bytes and more: pion 2.1 cannot
// read shorter frames of a stream.
package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v2"
)

var sizes = []int{5, 6, 7, 160, 1200}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func connect(server, transport string) net.PacketConn {
	if transport == "tcp" {
		connection, err := net.Dial("tcp", server)
		check(err)
		return turn.NewSTUNConn(connection)
	}
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(err)
	return socket
}

func echo(relay net.PacketConn, peer net.Addr) (count int) {
	buffer := make([]byte, 2000)
	for number, size := range sizes {
		payload := bytes.Repeat([]byte{byte('a' + number)}, size)
		_, err := relay.WriteTo(payload, peer)
		check(err)
		check(relay.SetReadDeadline(time.Now().Add(5 * time.Second)))
		got, from, err := relay.ReadFrom(buffer)
		check(err)
		if bytes.Equal(buffer[:got], payload) && from.String() == peer.String() {
			count++
		}
	}
	return count
}

func main() {
	server := "127.0.0.1:" + os.Args[1]
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server, TURNServerAddr: server, Conn: connect(server, os.Args[2]),
		Username: os.Args[3], Password: os.Args[4], Realm: "", LoggerFactory: logging.NewDefaultLoggerFactory(),
	})
	check(err)
	check(client.Listen())
	relay, err := client.Allocate()
	check(err)
	peer, err := net.ResolveUDPAddr("udp4", os.Args[5])
	check(err)
	fmt.Println("relay", relay.LocalAddr())
	count := echo(relay, peer)
	check(relay.Close())
	client.Close()
	fmt.Printf("%d of %d came back\n", count, len(sizes))
	if count != len(sizes) {
		os.Exit(1)
	}
}
