# What the Python tests share. selftest.py tests it.
TESTS += tests/lib/selftest.py
EXTRA_DIST += \
	tests/README.md \
	tests/ROWS.md \
	tests/lib/coverage.py \
	tests/lib/dtls.py \
	tests/lib/json_schema.py \
	tests/lib/messages.py \
	tests/lib/oauth_token.py \
	tests/lib/own_network.py \
	tests/lib/pki.py \
	tests/lib/postern.py \
	tests/lib/selftest.py \
	tests/lib/stunwire.py \
	tests/lib/tally.py \
	tests/lib/tap.py \
	tests/skips
