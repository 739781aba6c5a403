# The programs on loopback, against Python peers; the library as its users meet it.
e2e_tests = \
	tests/e2e/test_abuse_peers.py \
	tests/e2e/test_abuse_strangers.py \
	tests/e2e/test_call_ends.py \
	tests/e2e/test_call_names.py \
	tests/e2e/test_call_network.py \
	tests/e2e/test_call_restart.py \
	tests/e2e/test_call_words.py \
	tests/e2e/test_calls.py \
	tests/e2e/test_client_dtls.py \
	tests/e2e/test_client_names.py \
	tests/e2e/test_client_nat.py \
	tests/e2e/test_client_query.py \
	tests/e2e/test_client_relay.py \
	tests/e2e/test_client_tls.py \
	tests/e2e/test_client_turn.py \
	tests/e2e/test_client_usage.py \
	tests/e2e/test_layers.py \
	tests/e2e/test_library.py \
	tests/e2e/test_rendezvous_wire.py \
	tests/e2e/test_rows.py \
	tests/e2e/test_server_config.py \
	tests/e2e/test_server_dns.py \
	tests/e2e/test_server_manual.py \
	tests/e2e/test_server_notify.py \
	tests/e2e/test_server_privileges.py \
	tests/e2e/test_server_reload.py \
	tests/e2e/test_server_try.py \
	tests/e2e/test_signal.py \
	tests/e2e/test_stun_behavior.py \
	tests/e2e/test_stun_binding.py \
	tests/e2e/test_stun_classic.py \
	tests/e2e/test_stun_link_local.py \
	tests/e2e/test_tls_names.py \
	tests/e2e/test_tls_upstream.py \
	tests/e2e/test_turn_auth.py \
	tests/e2e/test_turn_bandwidth.py \
	tests/e2e/test_turn_dtls.py \
	tests/e2e/test_turn_dual.py \
	tests/e2e/test_turn_icmp.py \
	tests/e2e/test_turn_ip_fields.py \
	tests/e2e/test_turn_memory.py \
	tests/e2e/test_turn_mobility.py \
	tests/e2e/test_turn_oauth.py \
	tests/e2e/test_turn_proxy.py \
	tests/e2e/test_turn_redirect.py \
	tests/e2e/test_turn_realms.py \
	tests/e2e/test_turn_relay.py \
	tests/e2e/test_turn_rules.py \
	tests/e2e/test_turn_shared.py \
	tests/e2e/test_turn_streams.py \
	tests/e2e/test_turn_tcp_relay.py \
	tests/e2e/test_turn_tls.py \
	tests/e2e/test_users.py \
	tests/e2e/test_users_redis.py
TESTS += $(e2e_tests)
EXTRA_DIST += $(e2e_tests) tests/e2e/client.py tests/e2e/e2e.py tests/e2e/secure.py tests/e2e/service.py tests/e2e/telephone.py

# What test_signal.py asks the codec by.
check_PROGRAMS += tests/e2e/signal_lines
tests_e2e_signal_lines_LDADD = src/libwire.la src/libbase.la
