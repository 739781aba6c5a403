/* SPDX-License-Identifier: BSD-3-Clause */
/* Session descriptions in the words of other programs, put together by hand. */
#ifndef UNIT_SESSION_TEXTS_H
#define UNIT_SESSION_TEXTS_H

#define SESSION_TEXT_HASH                                                               \
    "D2:B9:31:8F:DF:24:D8:0E:ED:D2:EF:25:9E:AF:6F:B8:34:AE:53:9C:E6:F3:8F:F2:64:15:FA:" \
    "E8:7F:53:2D:38"

#define SESSION_TEXT_CHROMIUM                                                   \
    "v=0\r\n"                                                                   \
    "o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n"                            \
    "s=-\r\n"                                                                   \
    "t=0 0\r\n"                                                                 \
    "a=group:BUNDLE 0\r\n"                                                      \
    "a=extmap-allow-mixed\r\n"                                                  \
    "a=msid-semantic: WMS\r\n"                                                  \
    "m=application 46154 UDP/DTLS/SCTP webrtc-datachannel\r\n"                  \
    "c=IN IP4 203.0.113.7\r\n"                                                  \
    "a=candidate:3885250869 1 udp 2113937151 "                                  \
    "78f1b2e3-0d8e-4a4e-8f3c-2f6d1a9b7c55.local 46154 typ host generation 0 "   \
    "network-cost 999\r\n"                                                      \
    "a=candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr " \
    "0.0.0.0 rport 0 generation 0 network-cost 999\r\n"                         \
    "a=candidate:1518280447 1 tcp 1518280447 192.0.2.17 9 typ host tcptype "    \
    "active generation 0 network-cost 999\r\n"                                  \
    "a=ice-ufrag:EsAw\r\n"                                                      \
    "a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\n"                                    \
    "a=ice-options:trickle\r\n"                                                 \
    "a=fingerprint:sha-256 " SESSION_TEXT_HASH "\r\n"                           \
    "a=setup:actpass\r\n"                                                       \
    "a=mid:0\r\n"                                                               \
    "a=sctp-port:5000\r\n"                                                      \
    "a=max-message-size:262144\r\n"

/* Sound and picture first, the data channel last; gathered later (trickle). */
#define SESSION_TEXT_CHROMIUM_MEDIA                              \
    "v=0\r\n"                                                    \
    "o=- 7512302391837271621 2 IN IP4 127.0.0.1\r\n"             \
    "s=-\r\n"                                                    \
    "t=0 0\r\n"                                                  \
    "a=group:BUNDLE 0 1 2\r\n"                                   \
    "a=extmap-allow-mixed\r\n"                                   \
    "a=msid-semantic: WMS 6bd5d5a4\r\n"                          \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n"    \
    "c=IN IP4 0.0.0.0\r\n"                                       \
    "a=rtcp:9 IN IP4 0.0.0.0\r\n"                                \
    "a=ice-ufrag:7sFv\r\n"                                       \
    "a=ice-pwd:dOTZKZNVlO9RSGsEGM63JXT2\r\n"                     \
    "a=ice-options:trickle\r\n"                                  \
    "a=fingerprint:sha-256 " SESSION_TEXT_HASH "\r\n"            \
    "a=setup:actpass\r\n"                                        \
    "a=mid:0\r\n"                                                \
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n" \
    "a=sendrecv\r\n"                                             \
    "a=rtcp-mux\r\n"                                             \
    "a=rtpmap:111 opus/48000/2\r\n"                              \
    "a=fmtp:111 minptime=10;useinbandfec=1\r\n"                  \
    "a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6\r\n"               \
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"                      \
    "c=IN IP4 0.0.0.0\r\n"                                       \
    "a=ice-ufrag:7sFv\r\n"                                       \
    "a=ice-pwd:dOTZKZNVlO9RSGsEGM63JXT2\r\n"                     \
    "a=fingerprint:sha-256 " SESSION_TEXT_HASH "\r\n"            \
    "a=setup:actpass\r\n"                                        \
    "a=mid:1\r\n"                                                \
    "a=sendrecv\r\n"                                             \
    "a=rtpmap:96 VP8/90000\r\n"                                  \
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"       \
    "c=IN IP4 0.0.0.0\r\n"                                       \
    "a=ice-ufrag:7sFv\r\n"                                       \
    "a=ice-pwd:dOTZKZNVlO9RSGsEGM63JXT2\r\n"                     \
    "a=ice-options:trickle\r\n"                                  \
    "a=fingerprint:sha-256 " SESSION_TEXT_HASH "\r\n"            \
    "a=setup:actpass\r\n"                                        \
    "a=mid:2\r\n"                                                \
    "a=sctp-port:5000\r\n"                                       \
    "a=max-message-size:262144\r\n"

/* Fingerprint and options belong to the session. */
#define SESSION_TEXT_FIREFOX                                                    \
    "v=0\r\n"                                                                   \
    "o=mozilla...THIS_IS_SDPARTA-99.0 5417298174987423119 0 IN IP4 0.0.0.0\r\n" \
    "s=-\r\n"                                                                   \
    "t=0 0\r\n"                                                                 \
    "a=sendrecv\r\n"                                                            \
    "a=fingerprint:sha-256 " SESSION_TEXT_HASH "\r\n"                           \
    "a=group:BUNDLE 0\r\n"                                                      \
    "a=ice-options:trickle\r\n"                                                 \
    "a=msid-semantic:WMS *\r\n"                                                 \
    "m=application 52815 UDP/DTLS/SCTP webrtc-datachannel\r\n"                  \
    "c=IN IP4 192.0.2.9\r\n"                                                    \
    "a=candidate:0 1 UDP 2122252543 192.0.2.9 52815 typ host\r\n"               \
    "a=candidate:2 1 UDP 2122187007 2001:db8::9 37019 typ host\r\n"             \
    "a=candidate:4 1 TCP 2105524479 192.0.2.9 9 typ host tcptype active\r\n"    \
    "a=sendrecv\r\n"                                                            \
    "a=end-of-candidates\r\n"                                                   \
    "a=ice-pwd:9d6cd4a5c1b0a8dfeebf1e0ee1a2c6e3\r\n"                            \
    "a=ice-ufrag:3b5b4a9d\r\n"                                                  \
    "a=mid:0\r\n"                                                               \
    "a=setup:actpass\r\n"                                                       \
    "a=sctp-port:5000\r\n"                                                      \
    "a=max-message-size:1073741823\r\n"

/* The older form of the section (draft-ietf-mmusic-sctp-sdp-05), as aiortc offers it. */
#define SESSION_TEXT_AIORTC                                                   \
    "v=0\r\n"                                                                 \
    "o=- 3899462874 3899462874 IN IP4 0.0.0.0\r\n"                            \
    "s=-\r\n"                                                                 \
    "t=0 0\r\n"                                                               \
    "a=group:BUNDLE 0\r\n"                                                    \
    "a=msid-semantic:WMS *\r\n"                                               \
    "m=application 50137 DTLS/SCTP 5000\r\n"                                  \
    "c=IN IP4 10.0.0.5\r\n"                                                   \
    "a=mid:0\r\n"                                                             \
    "a=sctpmap:5000 webrtc-datachannel 65535\r\n"                             \
    "a=max-message-size:65536\r\n"                                            \
    "a=candidate:6815297761af8b2b0f5f4d9b4f9c0b33 1 udp 2130706431 10.0.0.5 " \
    "50137 typ host\r\n"                                                      \
    "a=candidate:98acfc1b2fb3be8ab47b2d36b2a0ff4e 1 udp 1694498815 "          \
    "198.51.100.4 50137 typ srflx raddr 10.0.0.5 rport 50137\r\n"             \
    "a=end-of-candidates\r\n"                                                 \
    "a=ice-ufrag:5+Ix\r\n"                                                    \
    "a=ice-pwd:uK8IlylxzDMUhrkVzdmj0M\r\n"                                    \
    "a=fingerprint:sha-256 " SESSION_TEXT_HASH "\r\n"                         \
    "a=setup:actpass\r\n"

/* A lite agent's answer, lines that end with LF alone, and a second hash. */
#define SESSION_TEXT_LITE                                                       \
    "v=0\n"                                                                     \
    "o=- 1 18446744073709551615 IN IP6 ::1\n"                                   \
    "s= \n"                                                                     \
    "c=IN IP6 ::1\n"                                                            \
    "t=0 0\n"                                                                   \
    "a=ice-lite\n"                                                              \
    "a=ice-ufrag:lite\n"                                                        \
    "a=ice-pwd:0123456789012345678901\n"                                        \
    "a=setup:passive\n"                                                         \
    "a=fingerprint:SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:"   \
    "E5:7C:AB\n"                                                                \
    "a=fingerprint:sha-3-512 00:11\n"                                           \
    "m=application 9 TCP/DTLS/SCTP webrtc-datachannel\n"                        \
    "a=ice-options:rtp+ecn ice2 trickle\n"                                      \
    "a=candidate:1 1 udp 2130706431 2001:db8::1 3478 typ host\n"                \
    "a=candidate:1 1 carrier-pigeon 2130706431 2001:db8::1 3478 typ host\n"     \
    "a=fingerprint:sha-256 d2:b9:31:8f:df:24:d8:0e:ed:d2:ef:25:9e:af:6f:b8:34:" \
    "ae:53:9c:e6:f3:8f:f2:64:15:fa:e8:7f:53:2d:38"

#endif
