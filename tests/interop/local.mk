# Foreign peers: `./dev test peers browser` fetches and runs them.
EXTRA_DIST += \
	tests/interop/aioice_peer.py \
	tests/interop/aiortc_call.py \
	tests/interop/aiortc_peer.py \
	tests/interop/call_task.py \
	tests/interop/chromium_call.js \
	tests/interop/chromium_echo.js \
	tests/interop/data_ends.py \
	tests/interop/foreign.py \
	tests/interop/foreign_call.py \
	tests/interop/go_program.py \
	tests/interop/nice_options.c \
	tests/interop/nice_pair.c \
	tests/interop/nice_peer.c \
	tests/interop/pion_call.go \
	tests/interop/pion_data_peer.go \
	tests/interop/pion_echo.go \
	tests/interop/pion_peer.go \
	tests/interop/rendezvous_page.html \
	tests/interop/test_aioice.py \
	tests/interop/test_aiortc_data_channel.py \
	tests/interop/test_chromium.py \
	tests/interop/test_chromium_rendezvous.py \
	tests/interop/test_chromium_calls.py \
	tests/interop/test_coturn_dtls.py \
	tests/interop/test_coturn_server.py \
	tests/interop/test_coturn_tools.py \
	tests/interop/test_foreign_calls.py \
	tests/interop/test_ice.py \
	tests/interop/test_libnice.py \
	tests/interop/test_openssh.py \
	tests/interop/test_pion.py \
	tests/interop/test_pion_data_channel.py \
	tests/interop/webrtcbin_call.py

# ICE agents that speak by lines: ours, and libnice's.
check_PROGRAMS += tests/interop/ice_peer
tests_interop_ice_peer_CFLAGS = $(AM_CFLAGS)
tests_interop_ice_peer_LDADD = src/libproto.la src/libnet.la src/libwire.la src/libbase.la src/libcodec.la
if HAVE_NICE
check_PROGRAMS += tests/interop/nice_peer
endif
tests_interop_nice_peer_SOURCES = tests/interop/nice_peer.c
tests_interop_nice_peer_CFLAGS = $(NICE_CFLAGS)
tests_interop_nice_peer_LDADD = $(NICE_LIBS)

# A data session over plain UDP, for tests against other stacks and for measurements.
if HAVE_USRSCTP
check_PROGRAMS += tests/interop/data_peer
endif
tests_interop_data_peer_SOURCES = tests/interop/data_peer.c
tests_interop_data_peer_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
tests_interop_data_peer_LDADD = stunclient/libpeer.la src/libnet.la src/libbase.la src/libcodec.la \
	$(LIBEVENT_LIBS) $(OPENSSL_LIBS) $(LIBCRYPTO_LIBS)
