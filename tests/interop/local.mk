# Foreign peers: `./dev test peers browser` fetches and runs them.
EXTRA_DIST += \
	tests/interop/chromium_echo.js \
	tests/interop/foreign.py \
	tests/interop/test_chromium.py \
	tests/interop/test_coturn_dtls.py \
	tests/interop/test_coturn_server.py \
	tests/interop/test_coturn_tools.py
