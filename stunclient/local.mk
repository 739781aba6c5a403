# stunclient: one cmd_*.c a verb, around the machines of src/proto.
bin_PROGRAMS += stunclient/stunclient
noinst_LTLIBRARIES += stunclient/libstunclient.la

stunclient_libstunclient_la_SOURCES = \
	stunclient/cmd_call.c \
	stunclient/cmd_help.c \
	stunclient/cmd_key.c \
	stunclient/cmd_nat.c \
	stunclient/cmd_query.c \
	stunclient/cmd_turn.c \
	stunclient/credentials.c stunclient/credentials.h \
	stunclient/failure.c stunclient/failure.h \
	stunclient/locate.c stunclient/locate.h \
	stunclient/nat_run.c stunclient/nat_run.h \
	stunclient/nat_words.c stunclient/nat_words.h \
	stunclient/option_call.c stunclient/option_call.h \
	stunclient/option_table.c \
	stunclient/options.c stunclient/options.h \
	stunclient/output.c stunclient/output.h \
	stunclient/peer/account.c stunclient/peer/account.h \
	stunclient/peer/channels.c stunclient/peer/channels.h \
	stunclient/peer/home.c stunclient/peer/home.h \
	stunclient/peer/host_key.c stunclient/peer/host_key.h \
	stunclient/peer/joint.c stunclient/peer/joint.h \
	stunclient/peer/known_peers.c stunclient/peer/known_peers.h \
	stunclient/peer/peer.c stunclient/peer/peer.h stunclient/peer/peer_internal.h \
	stunclient/peer/peer_description.c \
	stunclient/peer/peer_path.c \
	stunclient/peer/peer_session.c \
	stunclient/peer/phone.c stunclient/peer/phone.h stunclient/peer/phone_internal.h \
	stunclient/peer/phone_call.c \
	stunclient/peer/phone_words.c \
	stunclient/peer/rendezvous.c stunclient/peer/rendezvous.h \
	stunclient/peer/report.c stunclient/peer/report.h \
	stunclient/peer/servers.c stunclient/peer/servers.h \
	stunclient/peer/sockets.c stunclient/peer/sockets.h \
	stunclient/peer/trace.c stunclient/peer/trace.h \
	stunclient/random.c stunclient/random.h \
	stunclient/reach.c stunclient/reach.h \
	stunclient/secure.c stunclient/secure.h \
	stunclient/shell.c stunclient/shell.h stunclient/shell_internal.h \
	stunclient/shell_dtls.c stunclient/shell_stream.c stunclient/shell_udp.c \
	stunclient/shell_datagram.c stunclient/shell_datagram.h \
	stunclient/turn_findings.c stunclient/turn_findings.h \
	stunclient/turn_test.c stunclient/turn_test.h stunclient/turn_test_internal.h \
	stunclient/turn_test_echo.c stunclient/turn_test_packet.c stunclient/turn_test_private.c \
	stunclient/verbs.c stunclient/verbs.h

# ---- what stands above ICE: DTLS, SCTP and data channels ----------------------------------------
noinst_LTLIBRARIES += stunclient/libpeer.la
stunclient_libpeer_la_SOURCES = \
	stunclient/peer/crc32c.h \
	stunclient/peer/data_channel.c stunclient/peer/data_channel.h \
	stunclient/peer/data_session.c stunclient/peer/data_session.h \
	stunclient/peer/dcep.c stunclient/peer/dcep.h \
	stunclient/peer/dtls_peer.c stunclient/peer/dtls_peer.h \
	stunclient/peer/identity.c stunclient/peer/identity.h \
	stunclient/peer/sctp_packet.c stunclient/peer/sctp_packet.h \
	stunclient/peer/sctp_peer.h
stunclient_libpeer_la_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS) $(LIBCRYPTO_CFLAGS)
stunclient_libpeer_la_LIBADD =
if HAVE_USRSCTP
stunclient_libpeer_la_SOURCES += \
	stunclient/peer/sctp_events.c \
	stunclient/peer/sctp_options.c \
	stunclient/peer/sctp_peer.c stunclient/peer/sctp_peer_internal.h \
	stunclient/peer/sctp_stack.c
stunclient_libpeer_la_CFLAGS += $(USRSCTP_CFLAGS)
stunclient_libpeer_la_LIBADD += $(USRSCTP_LIBS)
else
stunclient_libpeer_la_SOURCES += stunclient/peer/sctp_peer_absent.c
endif
if HOST_X86_64
stunclient_libpeer_la_SOURCES += stunclient/peer/crc32c_x86_64.c
else
stunclient_libpeer_la_SOURCES += stunclient/peer/crc32c_absent.c
endif

stunclient_libstunclient_la_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS) $(OPENSSL_CFLAGS) $(LIBCRYPTO_CFLAGS)

STUNCLIENT_LIBS = stunclient/libstunclient.la stunclient/libpeer.la src/libnet.la src/libproto.la src/libwire.la src/libbase.la \
	src/libcodec.la $(CARES_LIBS) $(LIBEVENT_LIBS) $(OPENSSL_LIBS) $(LIBCRYPTO_LIBS)
stunclient_stunclient_SOURCES = stunclient/main.c
stunclient_stunclient_LDADD = $(STUNCLIENT_LIBS)

dist_doc_DATA += docs/data-channels.md \
	docs/stunclient-call.schema.json \
	docs/stunclient-error.schema.json \
	docs/stunclient-key.schema.json \
	docs/stunclient-nat.schema.json \
	docs/stunclient-query.schema.json \
	docs/stunclient-turn.schema.json
