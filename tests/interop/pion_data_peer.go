// SPDX-License-Identifier: BSD-3-Clause

// pion's DTLS, SCTP and data channel over a plain UDP socket, without ICE: the words of data_peer.c, without
// its echo.
//
//	pion_data_peer client|server receive|send BYTES [message=SIZE] [nohash]
package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/dtls/v2"
	"github.com/pion/dtls/v2/pkg/crypto/selfsign"
	"github.com/pion/logging"
	"github.com/pion/sctp"
)

const low, high = 1 << 19, 1 << 20 // bytes that wait in pion: it has no bound of its own

func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "pion_data_peer:", err)
		os.Exit(1)
	}
}

func fingerprint(certificate []byte) string {
	sum := sha256.Sum256(certificate)
	text := fmt.Sprintf("% X", sum)
	return "sha-256 " + strings.ReplaceAll(text, " ", ":")
}

// way is a socket and who is at its other end: it is there before the other end sends.
type way struct {
	*net.UDPConn
	remote *net.UDPAddr
}

func (w way) Read(bytes []byte) (int, error) {
	size, _, err := w.ReadFromUDP(bytes)
	return size, err
}

func (w way) Write(bytes []byte) (int, error) { return w.WriteToUDP(bytes, w.remote) }
func (w way) RemoteAddr() net.Addr            { return w.remote }

// meet says where we are, hears where the other end is, and gives the way there.
func meet(mine string) (net.Conn, string) {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	die(err)
	die(socket.SetReadBuffer(4 << 20))
	die(socket.SetWriteBuffer(4 << 20))
	fmt.Println("local", socket.LocalAddr().(*net.UDPAddr).Port, mine)
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	die(err)
	words := strings.SplitN(strings.TrimSpace(line), " ", 3)
	port, err := strconv.Atoi(words[1])
	die(err)
	return way{socket, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}}, words[2]
}

func secure(client bool, certificate tls.Certificate, conn net.Conn, theirs string) net.Conn {
	config := &dtls.Config{
		Certificates:         []tls.Certificate{certificate},
		InsecureSkipVerify:   true,
		ClientAuth:           dtls.RequireAnyClientCert,
		ExtendedMasterSecret: dtls.RequireExtendedMasterSecret,
		// As pion's WebRTC has it, though there are no media here.
		SRTPProtectionProfiles: []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80},
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) == 0 || fingerprint(raw[0]) != theirs {
				return errors.New("the fingerprint differs")
			}
			return nil
		},
	}
	var secured *dtls.Conn
	var err error
	if client {
		secured, err = dtls.Client(conn, config)
	} else {
		secured, err = dtls.Server(conn, config)
	}
	die(err)
	return secured
}

func send(channel *datachannel.DataChannel, wanted, size int) {
	room := make(chan struct{}, 1)
	channel.SetBufferedAmountLowThreshold(low)
	channel.OnBufferedAmountLow(func() {
		select {
		case room <- struct{}{}:
		default:
		}
	})
	message := make([]byte, size)
	for sent := 0; sent < wanted; sent += size {
		_, err := channel.WriteDataChannel(message, false)
		die(err)
		if channel.BufferedAmount() > high {
			<-room
		}
	}
	for wait := make([]byte, 65536); ; { // until the other end closes
		if _, err := channel.Read(wait); err != nil {
			return
		}
	}
}

func receive(channel *datachannel.DataChannel, wanted int, hashing bool) (int, string) {
	message, hash, received := make([]byte, 262144), sha256.New(), 0
	for received < wanted {
		size, err := channel.Read(message)
		die(err)
		received += size
		if hashing {
			hash.Write(message[:size])
		}
	}
	die(channel.Close())
	return received, fmt.Sprintf("%x", hash.Sum(nil))
}

func main() {
	client, verb := os.Args[1] == "client", os.Args[2]
	wanted, err := strconv.Atoi(os.Args[3])
	die(err)
	size, hashing, received, sum := 65536, true, 0, ""
	for _, word := range os.Args[4:] {
		hashing = hashing && word != "nohash"
		if strings.HasPrefix(word, "message=") {
			size, err = strconv.Atoi(word[8:])
			die(err)
		}
	}
	certificate, err := selfsign.GenerateSelfSigned()
	die(err)
	conn, theirs := meet(fingerprint(certificate.Certificate[0]))
	association, err := sctp.Client(sctp.Config{
		NetConn: secure(client, certificate, conn, theirs), LoggerFactory: logging.NewDefaultLoggerFactory()})
	die(err)
	loggers := logging.NewDefaultLoggerFactory()
	var channel *datachannel.DataChannel
	if verb == "send" {
		channel, err = datachannel.Dial(association, map[bool]uint16{true: 0, false: 1}[client],
			&datachannel.Config{Label: "pipe", LoggerFactory: loggers})
	} else {
		channel, err = datachannel.Accept(association, &datachannel.Config{LoggerFactory: loggers})
	}
	die(err)
	begin := time.Now()
	if verb == "send" {
		send(channel, wanted, size)
	} else {
		received, sum = receive(channel, wanted, hashing)
	}
	seconds := time.Since(begin).Seconds()
	time.Sleep(300 * time.Millisecond) // what was closed is told
	_ = association.Close()
	time.Sleep(100 * time.Millisecond)
	var usage syscall.Rusage
	die(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	cpu := float64(usage.Utime.Sec+usage.Stime.Sec) + float64(usage.Utime.Usec+usage.Stime.Usec)/1e6
	die(json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"ok": true, "text": "", "seconds": seconds, "cpu_seconds": cpu, "rss_kib": usage.Maxrss,
		"received": received, "sha256": sum}))
}
