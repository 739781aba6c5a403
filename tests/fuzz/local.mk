# Fuzz targets. A new one is a file, three lines here, and seeds:
#   tests/fuzz/fuzz_X.c           defines LLVMFuzzerTestOneInput (see tests/fuzz/fuzz.h)
#   fuzz_targets += …, _LDADD     below; _SOURCES only if it has more than that one file
#   tests/fuzz/corpus/fuzz_X/     at least one file, made by make_corpus.py or by hand; a finding's
#                                 input is added here when it is mended
# `make check` replays the corpora; `./dev fuzz [SECONDS] [TARGET…]` fuzzes (tests/fuzz/run).

fuzz_targets =

# ---- base, net --------------------------------------------------------------------------------

fuzz_targets += tests/fuzz/fuzz_address
tests_fuzz_fuzz_address_LDADD = $(FUZZ_MAIN) src/libbase.la

fuzz_targets += tests/fuzz/fuzz_associations
tests_fuzz_fuzz_associations_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS) $(OPENSSL_CFLAGS)
tests_fuzz_fuzz_associations_LDADD = $(FUZZ_MAIN) src/libnet.la src/libbase.la src/libcodec.la \
	$(LIBEVENT_LIBS) $(OPENSSL_LIBS)

fuzz_targets += tests/fuzz/fuzz_dtls_hello
tests_fuzz_fuzz_dtls_hello_LDADD = $(FUZZ_MAIN) src/libnet.la src/libbase.la $(OPENSSL_LIBS)

fuzz_targets += tests/fuzz/fuzz_message_stream
tests_fuzz_fuzz_message_stream_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS)
tests_fuzz_fuzz_message_stream_LDADD = $(FUZZ_MAIN) src/libnet.la src/libbase.la $(LIBEVENT_LIBS)

fuzz_targets += tests/fuzz/fuzz_net_stream
tests_fuzz_fuzz_net_stream_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS)
tests_fuzz_fuzz_net_stream_LDADD = $(FUZZ_MAIN) src/libnet.la src/libbase.la src/libcodec.la $(LIBEVENT_LIBS)

# ---- wire -------------------------------------------------------------------------------------

fuzz_targets += tests/fuzz/fuzz_candidate
tests_fuzz_fuzz_candidate_LDADD = $(FUZZ_MAIN) src/libwire.la

fuzz_targets += tests/fuzz/fuzz_channel
tests_fuzz_fuzz_channel_LDADD = $(FUZZ_MAIN) src/libcodec.la

fuzz_targets += tests/fuzz/fuzz_client_hello
tests_fuzz_fuzz_client_hello_LDADD = $(FUZZ_MAIN) src/libwire.la

fuzz_targets += tests/fuzz/fuzz_http_head
tests_fuzz_fuzz_http_head_LDADD = $(FUZZ_MAIN) src/libwire.la

fuzz_targets += tests/fuzz/fuzz_proxy_header
tests_fuzz_fuzz_proxy_header_LDADD = $(FUZZ_MAIN) src/libwire.la

fuzz_targets += tests/fuzz/fuzz_session_description
tests_fuzz_fuzz_session_description_LDADD = $(FUZZ_MAIN) src/libwire.la

fuzz_targets += tests/fuzz/fuzz_signal_message
tests_fuzz_fuzz_signal_message_LDADD = $(FUZZ_MAIN) src/libwire.la src/libbase.la

fuzz_targets += tests/fuzz/fuzz_stun_builder
tests_fuzz_fuzz_stun_builder_LDADD = $(FUZZ_MAIN) src/libcodec.la

fuzz_targets += tests/fuzz/fuzz_stun_rebuild
tests_fuzz_fuzz_stun_rebuild_LDADD = $(FUZZ_MAIN) src/libcodec.la

fuzz_targets += tests/fuzz/fuzz_stun_stream
tests_fuzz_fuzz_stun_stream_LDADD = $(FUZZ_MAIN) src/libcodec.la

fuzz_targets += tests/fuzz/fuzz_stun_view
tests_fuzz_fuzz_stun_view_LDADD = $(FUZZ_MAIN) src/libcodec.la

# ---- proto ------------------------------------------------------------------------------------

FUZZ_PROTO_LIBS = $(FUZZ_MAIN) src/libproto.la src/libbase.la src/libcodec.la

fuzz_targets += tests/fuzz/fuzz_ice
tests_fuzz_fuzz_ice_LDADD = $(FUZZ_PROTO_LIBS)

fuzz_targets += tests/fuzz/fuzz_nat
tests_fuzz_fuzz_nat_LDADD = $(FUZZ_PROTO_LIBS)

fuzz_targets += tests/fuzz/fuzz_rendezvous_client
tests_fuzz_fuzz_rendezvous_client_LDADD = $(FUZZ_MAIN) src/libproto.la src/libwire.la src/libbase.la \
	src/libcodec.la $(LIBCRYPTO_LIBS)

fuzz_targets += tests/fuzz/fuzz_stun_uri
tests_fuzz_fuzz_stun_uri_LDADD = $(FUZZ_PROTO_LIBS)

fuzz_targets += tests/fuzz/fuzz_turn_client
tests_fuzz_fuzz_turn_client_LDADD = $(FUZZ_PROTO_LIBS)

# ---- turnserver -------------------------------------------------------------------------------

FUZZ_TURN_LIBS = $(FUZZ_MAIN) turnserver/libturn.la src/libbase.la src/libcodec.la

fuzz_targets += tests/fuzz/fuzz_auth
tests_fuzz_fuzz_auth_LDADD = $(FUZZ_TURN_LIBS)

fuzz_targets += tests/fuzz/fuzz_auth_token
tests_fuzz_fuzz_auth_token_CFLAGS = $(AM_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_fuzz_fuzz_auth_token_LDADD = $(FUZZ_TURN_LIBS) $(LIBCRYPTO_LIBS)

fuzz_targets += tests/fuzz/fuzz_peer_rules
tests_fuzz_fuzz_peer_rules_LDADD = $(FUZZ_TURN_LIBS)

fuzz_targets += tests/fuzz/fuzz_rendezvous
tests_fuzz_fuzz_rendezvous_LDADD = $(FUZZ_MAIN) turnserver/librendezvous.la turnserver/libturn.la \
	src/libwire.la src/libbase.la src/libcodec.la

fuzz_targets += tests/fuzz/fuzz_turn_server
tests_fuzz_fuzz_turn_server_LDADD = tests/sim/libturnshell.la $(FUZZ_TURN_LIBS)

# ---- turnserver: configuration ----------------------------------------------------------------

fuzz_targets += tests/fuzz/fuzz_config
tests_fuzz_fuzz_config_LDADD = $(FUZZ_MAIN) turnserver/libsettings.la turnserver/libusers.la \
	turnserver/libturn.la src/libnet.la src/libbase.la src/libcodec.la $(LIBCONFIG_LIBS) $(OPENSSL_LIBS)

# ---- stunclient: above ICE --------------------------------------------------------------------

FUZZ_PEER_LIBS = $(FUZZ_MAIN) stunclient/libpeer.la src/libnet.la src/libbase.la src/libcodec.la \
	$(OPENSSL_LIBS) $(LIBCRYPTO_LIBS)

fuzz_targets += tests/fuzz/fuzz_dcep
tests_fuzz_fuzz_dcep_LDADD = $(FUZZ_PEER_LIBS)

if HAVE_USRSCTP
fuzz_targets += tests/fuzz/fuzz_sctp
endif
tests_fuzz_fuzz_sctp_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
tests_fuzz_fuzz_sctp_LDADD = $(FUZZ_PEER_LIBS)

# ---- how they are linked and run --------------------------------------------------------------

if FUZZING
FUZZ_MAIN = $(FUZZ_LDFLAGS)
EXTRA_PROGRAMS += $(fuzz_targets)
CLEANFILES += $(fuzz_targets)
else
FUZZ_MAIN = tests/fuzz/libreplay.la
check_LTLIBRARIES += tests/fuzz/libreplay.la
tests_fuzz_libreplay_la_SOURCES = tests/fuzz/replay_main.c
check_PROGRAMS += $(fuzz_targets)
TESTS += $(fuzz_targets)
endif

EXTRA_DIST += \
	tests/fuzz/corpus \
	tests/fuzz/fuzz.h \
	tests/fuzz/fuzz_client.h \
	tests/fuzz/make_client_corpus.py \
	tests/fuzz/make_corpus.py \
	tests/fuzz/make_ice_corpus.py \
	tests/fuzz/make_peer_corpus.py \
	tests/fuzz/make_rendezvous_corpus.py \
	tests/fuzz/make_turn_corpus.py \
	tests/fuzz/replay_main.c \
	tests/fuzz/run \
	tests/fuzz/stun_reads.h

# For tests/fuzz/run.
.PHONY: fuzz-targets list-fuzz-targets
fuzz-targets: $(fuzz_targets)
list-fuzz-targets:
	@for target in $(fuzz_targets); do basename $$target; done
