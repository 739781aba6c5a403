# Foreign peers: `./dev test peers browser` fetches and runs them.
EXTRA_DIST += \
	tests/interop/chromium_echo.js \
	tests/interop/foreign.py \
	tests/interop/test_chromium.py \
	tests/interop/test_coturn_dtls.py \
	tests/interop/test_coturn_server.py \
	tests/interop/test_coturn_tools.py

# A data session over plain UDP, for tests against other stacks and for measurements.
if HAVE_USRSCTP
check_PROGRAMS += tests/interop/data_peer
endif
tests_interop_data_peer_SOURCES = tests/interop/data_peer.c
tests_interop_data_peer_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
tests_interop_data_peer_LDADD = stunclient/libpeer.la src/libnet.la src/libbase.la src/libcodec.la \
	$(LIBEVENT_LIBS) $(OPENSSL_LIBS) $(LIBCRYPTO_LIBS)
