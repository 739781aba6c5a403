# What both programs share, bottom up: codec and base <- proto <- net.
# A convenience library a room; libpostern is the codec alone, with its symbols shown.

noinst_LTLIBRARIES += src/libcodec.la src/libbase.la src/libproto.la src/libnet.la

src_libcodec_la_SOURCES = \
	src/postern/address.h src/postern/stun.h \
	src/wire/wire_internal.h \
	src/wire/attributes.c src/wire/builder.c src/wire/channel.c src/wire/crc32.c \
	src/wire/crypto.c src/wire/integrity.c src/wire/names.c src/wire/view.c
src_libcodec_la_CPPFLAGS = $(AM_CPPFLAGS) \
	-DPOSTERN_API='__attribute__((visibility("default")))'
src_libcodec_la_CFLAGS = $(AM_CFLAGS) $(LIBCRYPTO_CFLAGS)
src_libcodec_la_LIBADD = $(LIBCRYPTO_LIBS)

lib_LTLIBRARIES += src/libpostern.la
src_libpostern_la_SOURCES =
src_libpostern_la_LIBADD = src/libcodec.la $(LIBCRYPTO_LIBS)
src_libpostern_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined \
	-Wl,--version-script=$(top_srcdir)/src/libpostern.map
EXTRA_src_libpostern_la_DEPENDENCIES = $(top_srcdir)/src/libpostern.map
EXTRA_DIST += src/libpostern.map docs/ice.md docs/measurements.md
posternincludedir = $(includedir)/postern
posterninclude_HEADERS = src/postern/address.h src/postern/stun.h
pkgconfig_DATA = src/postern.pc

src_libbase_la_SOURCES = \
	src/base/address.c src/base/address.h \
	src/base/address_set.c src/base/address_set.h \
	src/base/base64.c src/base/base64.h \
	src/base/container.h \
	src/base/hash_map.c src/base/hash_map.h \
	src/base/json_writer.c src/base/json_writer.h \
	src/base/log.c src/base/log.h \
	src/base/monotime.h \
	src/base/normal_form.h \
	src/base/outbox.c src/base/outbox.h \
	src/base/siphash.c src/base/siphash.h \
	src/base/source_limit.c src/base/source_limit.h \
	src/base/text.c src/base/text.h \
	src/base/timer_wheel.c src/base/timer_wheel.h \
	src/base/token_bucket.h
if HAVE_UNISTRING
src_libbase_la_SOURCES += src/base/normal_form.c
src_libbase_la_LIBADD = $(UNISTRING_LIBS)
else
src_libbase_la_SOURCES += src/base/normal_form_absent.c
endif

src_libproto_la_SOURCES = \
	src/proto/ice/agent.c src/proto/ice/candidate_table.c src/proto/ice/check.c src/proto/ice/check_in.c \
	src/proto/ice/checklist.c src/proto/ice/consent.c src/proto/ice/event.c \
	src/proto/ice/gather.c src/proto/ice/gather_internal.h src/proto/ice/gather_leg.c \
	src/proto/ice/gather_server.c src/proto/ice/ice.h src/proto/ice/ice_internal.h \
	src/proto/ice/knock.c src/proto/ice/lite.c src/proto/ice/nomination.c \
	src/proto/ice/old_session.c src/proto/ice/opener.c src/proto/ice/pair.c \
	src/proto/ice/relay.c \
	src/proto/long_term.c src/proto/long_term.h \
	src/proto/address_race.c src/proto/address_race.h \
	src/proto/message_uri.c src/proto/message_uri.h \
	src/proto/nat_hairpin.c src/proto/nat_hairpin.h \
	src/proto/nat_lifetime.c src/proto/nat_lifetime.h \
	src/proto/nat_probe.c src/proto/nat_probe.h src/proto/nat_probe_internal.h \
	src/proto/nat_report.h src/proto/nat_verdict.c \
	src/proto/negotiation.c src/proto/negotiation.h \
	src/proto/relay_service.c src/proto/relay_service.h \
	src/proto/rendezvous_client.c src/proto/rendezvous_client.h \
	src/proto/rendezvous_client_call.c src/proto/rendezvous_client_internal.h \
	src/proto/rendezvous_client_hello.c src/proto/rendezvous_client_output.c \
	src/proto/stun_transaction.c src/proto/stun_transaction.h \
	src/proto/stun_uri.c src/proto/stun_uri.h \
	src/proto/turn_client.c src/proto/turn_client.h src/proto/turn_client_internal.h \
	src/proto/turn_client_peer.c src/proto/turn_client_relay.c src/proto/turn_client_request.c \
	src/proto/turn_client_move.c \
	src/proto/turn_client_tcp.c
src_libproto_la_CFLAGS = $(AM_CFLAGS) $(LIBCRYPTO_CFLAGS)
src_libproto_la_LIBADD = -lm

# The wire formats that are not of libpostern: what may stand before STUN on a connection, the
# messages of the rendezvous service, and what two peers tell each other by it.
noinst_LTLIBRARIES += src/libwire.la
src_libwire_la_SOURCES = \
	src/wire/candidate.c src/wire/candidate.h \
	src/wire/client_hello.c src/wire/client_hello.h \
	src/wire/ed25519.c src/wire/ed25519.h \
	src/wire/http_head.c src/wire/http_head.h \
	src/wire/proxy_header.c src/wire/proxy_header.h \
	src/wire/session_description.c src/wire/session_description.h \
	src/wire/session_fingerprint.c src/wire/session_fingerprint.h \
	src/wire/signal.h src/wire/signal_build.c \
	src/wire/signal_fields.c src/wire/signal_fields.h \
	src/wire/signal_names.c \
	src/wire/signal_proof.c src/wire/signal_proof.h \
	src/wire/span.h
src_libwire_la_CFLAGS = $(AM_CFLAGS) $(LIBCRYPTO_CFLAGS)
src_libwire_la_LIBADD = src/libbase.la $(LIBCRYPTO_LIBS)
if HAVE_JANSSON
src_libwire_la_SOURCES += src/wire/signal_parse.c
src_libwire_la_CFLAGS += $(JANSSON_CFLAGS)
src_libwire_la_LIBADD += $(JANSSON_LIBS)
else
src_libwire_la_SOURCES += src/wire/signal_parse_absent.c
endif

src_libnet_la_SOURCES = \
	src/net/acceptor.c src/net/acceptor.h src/net/acceptor_internal.h \
	src/net/association.c \
	src/net/associations.c src/net/associations.h src/net/associations_internal.h \
	src/net/clock.c src/net/clock.h \
	src/net/connection.c \
	src/net/connection_limit.c src/net/connection_limit.h \
	src/net/dtls.c src/net/dtls.h \
	src/net/dtls_cookie.c src/net/dtls_cookie.h \
	src/net/mailbox.c src/net/mailbox.h \
	src/net/message_http.c \
	src/net/message_stream.c src/net/message_stream.h src/net/message_stream_internal.h \
	src/net/opening.c src/net/opening.h \
	src/net/resolver.c src/net/resolver.h src/net/resolver_backend.h \
	src/net/interface.c src/net/interface.h \
	src/net/socket_address.h \
	src/net/stream.c src/net/stream.h \
	src/net/system_trust.c src/net/system_trust.h \
	src/net/tcp_race.c src/net/tcp_race.h \
	src/net/tcp_socket.c src/net/tcp_socket.h \
	src/net/timer.c src/net/timer.h \
	src/net/tls_certificates.c src/net/tls_certificates.h \
	src/net/tls_context.c src/net/tls_context.h \
	src/net/tunnel.c src/net/tunnel.h \
	src/net/udp_icmp.c \
	src/net/udp_socket.c src/net/udp_socket.h
src_libnet_la_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS) $(OPENSSL_CFLAGS)
src_libnet_la_LIBADD = src/libwire.la $(LIBEVENT_LIBS) $(OPENSSL_LIBS)
if HAVE_CARES
src_libnet_la_SOURCES += src/net/resolver_cares.c
src_libnet_la_CFLAGS += $(CARES_CFLAGS)
else
src_libnet_la_SOURCES += src/net/resolver_evdns.c
endif
if HAVE_WSLAY
src_libnet_la_SOURCES += src/net/websocket.c
src_libnet_la_LIBADD += $(WSLAY_LIBS)
else
src_libnet_la_SOURCES += src/net/websocket_absent.c
endif
