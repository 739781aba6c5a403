# One cmocka program a module: tests/unit/test_X.c. Each has one group, since its output is TAP.
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
UNIT_LIBS = src/libcodec.la $(CMOCKA_LIBS)
# For tests in which memory runs out.
SHORT_MEMORY_FILES = tests/unit/short_memory.c tests/unit/short_memory.h
SHORT_MEMORY_LINK = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free

# ---- base -------------------------------------------------------------------------------------
EXTRA_DIST += tests/unit/seeded.h
BASE_TEST_LIBS = src/libbase.la $(CMOCKA_LIBS)

unit_tests += tests/unit/test_base_address
tests_unit_test_base_address_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_base_address_LDADD = $(BASE_TEST_LIBS)

unit_tests += tests/unit/test_base_address_set
tests_unit_test_base_address_set_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_base_address_set_LDADD = $(BASE_TEST_LIBS)

unit_tests += tests/unit/test_base_base64
tests_unit_test_base_base64_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_base_base64_LDADD = $(BASE_TEST_LIBS)

unit_tests += tests/unit/test_base_hash_map
tests_unit_test_base_hash_map_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_base_hash_map_LDADD = $(BASE_TEST_LIBS)

unit_tests += tests/unit/test_base_json_writer
tests_unit_test_base_json_writer_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_base_json_writer_LDADD = $(BASE_TEST_LIBS)

unit_tests += tests/unit/test_base_log
tests_unit_test_base_log_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_base_log_LDADD = $(BASE_TEST_LIBS)

unit_tests += tests/unit/test_base_outbox
tests_unit_test_base_outbox_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_base_outbox_LDADD = $(BASE_TEST_LIBS)

unit_tests += tests/unit/test_base_siphash
tests_unit_test_base_siphash_CFLAGS = $(UNIT_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_base_siphash_LDADD = $(BASE_TEST_LIBS) $(LIBCRYPTO_LIBS)

unit_tests += tests/unit/test_base_text
tests_unit_test_base_text_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_base_text_LDADD = $(BASE_TEST_LIBS)

unit_tests += tests/unit/test_base_timer_wheel
tests_unit_test_base_timer_wheel_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_base_timer_wheel_LDADD = $(BASE_TEST_LIBS)

unit_tests += tests/unit/test_base_token_bucket
tests_unit_test_base_token_bucket_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_base_token_bucket_LDADD = $(BASE_TEST_LIBS)

# ---- net --------------------------------------------------------------------------------------
NET_TEST_LIBS = src/libnet.la src/libbase.la src/libcodec.la $(LIBEVENT_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_net_acceptor
tests_unit_test_net_acceptor_CFLAGS = $(UNIT_CFLAGS) $(LIBEVENT_CFLAGS)
tests_unit_test_net_acceptor_LDADD = $(NET_TEST_LIBS)

unit_tests += tests/unit/test_net_associations
tests_unit_test_net_associations_CFLAGS = $(UNIT_CFLAGS) $(LIBEVENT_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_net_associations_LDADD = src/libnet.la src/libbase.la src/libcodec.la \
	$(OPENSSL_LIBS) $(LIBEVENT_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_net_connection_limit
tests_unit_test_net_connection_limit_CFLAGS = $(UNIT_CFLAGS) $(LIBEVENT_CFLAGS)
tests_unit_test_net_connection_limit_LDADD = $(NET_TEST_LIBS)

EXTRA_DIST += tests/unit/certificate.h
unit_tests += tests/unit/test_net_dtls
tests_unit_test_net_dtls_CFLAGS = $(UNIT_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_net_dtls_LDADD = src/libnet.la src/libbase.la $(OPENSSL_LIBS) $(LIBEVENT_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_net_mailbox
tests_unit_test_net_mailbox_CFLAGS = $(UNIT_CFLAGS) $(LIBEVENT_CFLAGS)
tests_unit_test_net_mailbox_LDADD = $(NET_TEST_LIBS)

unit_tests += tests/unit/test_net_message_memory
tests_unit_test_net_message_memory_SOURCES = tests/unit/test_net_message_memory.c $(SHORT_MEMORY_FILES)
tests_unit_test_net_message_memory_CFLAGS = $(UNIT_CFLAGS) $(LIBEVENT_CFLAGS)
tests_unit_test_net_message_memory_LDADD = $(NET_TEST_LIBS) $(OPENSSL_LIBS)
tests_unit_test_net_message_memory_LDFLAGS = $(SHORT_MEMORY_LINK)

unit_tests += tests/unit/test_net_message_stream
tests_unit_test_net_message_stream_CFLAGS = $(UNIT_CFLAGS) $(LIBEVENT_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_net_message_stream_LDADD = $(NET_TEST_LIBS) $(OPENSSL_LIBS)

unit_tests += tests/unit/test_net_stream
tests_unit_test_net_stream_CFLAGS = $(UNIT_CFLAGS) $(LIBEVENT_CFLAGS)
tests_unit_test_net_stream_LDADD = $(NET_TEST_LIBS)

unit_tests += tests/unit/test_net_stream_tls
tests_unit_test_net_stream_tls_CFLAGS = $(UNIT_CFLAGS) $(LIBEVENT_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_net_stream_tls_LDADD = $(NET_TEST_LIBS) $(OPENSSL_LIBS)

unit_tests += tests/unit/test_net_udp_socket
tests_unit_test_net_udp_socket_CFLAGS = $(UNIT_CFLAGS) $(LIBEVENT_CFLAGS)
tests_unit_test_net_udp_socket_LDADD = $(NET_TEST_LIBS)

# ---- turnserver -------------------------------------------------------------------------------
TURN_TEST_LIBS = turnserver/libturn.la src/libbase.la src/libcodec.la $(CMOCKA_LIBS)
EXTRA_DIST += tests/unit/config_test.h
CONFIG_TEST_CFLAGS = $(UNIT_CFLAGS) $(LIBCONFIG_CFLAGS) $(OPENSSL_CFLAGS)
CONFIG_TEST_LIBS = turnserver/libsettings.la turnserver/libusers.la src/libnet.la $(TURN_TEST_LIBS) \
	$(LIBEVENT_LIBS) $(LIBCONFIG_LIBS) $(OPENSSL_LIBS)

EXTRA_DIST += tests/unit/auth_test.h

unit_tests += tests/unit/test_auth
tests_unit_test_auth_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_auth_LDADD = $(TURN_TEST_LIBS)

unit_tests += tests/unit/test_auth_exchange
tests_unit_test_auth_exchange_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_auth_exchange_LDADD = src/libproto.la $(TURN_TEST_LIBS)

unit_tests += tests/unit/test_auth_lookup
tests_unit_test_auth_lookup_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_auth_lookup_LDADD = $(TURN_TEST_LIBS)

unit_tests += tests/unit/test_auth_nonce
tests_unit_test_auth_nonce_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_auth_nonce_LDADD = $(TURN_TEST_LIBS)

unit_tests += tests/unit/test_auth_policy
tests_unit_test_auth_policy_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_auth_policy_LDADD = $(TURN_TEST_LIBS)

unit_tests += tests/unit/test_auth_realms
tests_unit_test_auth_realms_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_auth_realms_LDADD = $(TURN_TEST_LIBS)

unit_tests += tests/unit/test_auth_issue
tests_unit_test_auth_issue_CFLAGS = $(UNIT_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_auth_issue_LDADD = $(TURN_TEST_LIBS) $(LIBCRYPTO_LIBS)

unit_tests += tests/unit/test_auth_rest
tests_unit_test_auth_rest_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_auth_rest_LDADD = $(TURN_TEST_LIBS)

unit_tests += tests/unit/test_config
tests_unit_test_config_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_config_LDADD = $(CONFIG_TEST_LIBS)

unit_tests += tests/unit/test_config_file
tests_unit_test_config_file_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_config_file_LDADD = $(CONFIG_TEST_LIBS)

unit_tests += tests/unit/test_config_rendezvous
tests_unit_test_config_rendezvous_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_config_rendezvous_LDADD = turnserver/librendezvous.la $(CONFIG_TEST_LIBS)

unit_tests += tests/unit/test_dns_records
tests_unit_test_dns_records_CFLAGS = $(CONFIG_TEST_CFLAGS)
tests_unit_test_dns_records_LDADD = $(CONFIG_TEST_LIBS)

unit_tests += tests/unit/test_auth_token
tests_unit_test_auth_token_CFLAGS = $(UNIT_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_auth_token_LDADD = $(TURN_TEST_LIBS) $(LIBCRYPTO_LIBS)

unit_tests += tests/unit/test_local_quota
tests_unit_test_local_quota_CFLAGS = $(UNIT_CFLAGS) -pthread
tests_unit_test_local_quota_LDADD = turnserver/libcluster.la $(BASE_TEST_LIBS)

unit_tests += tests/unit/test_peer_rules
tests_unit_test_peer_rules_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_peer_rules_LDADD = $(TURN_TEST_LIBS)

unit_tests += tests/unit/test_port_pool
tests_unit_test_port_pool_CFLAGS = $(UNIT_CFLAGS) -pthread
tests_unit_test_port_pool_LDADD = $(TURN_TEST_LIBS)

# ---- turn machine -----------------------------------------------------------------------------
# The machine and a shell around it without sockets or clock (tests/sim/turn_shell.h).
EXTRA_DIST += tests/unit/raw_message.h tests/unit/turn_test.h
TURN_SHELL_LIBS = tests/sim/libturnshell.la turnserver/libturn.la src/libbase.la src/libcodec.la \
	$(LIBCRYPTO_LIBS)

unit_tests += tests/unit/test_turn_allocate
tests_unit_test_turn_allocate_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_allocate_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_bandwidth
tests_unit_test_turn_bandwidth_CFLAGS = $(UNIT_CFLAGS) -pthread
tests_unit_test_turn_bandwidth_LDADD = turnserver/libcluster.la $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_binding
tests_unit_test_turn_binding_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_binding_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_bytes
tests_unit_test_turn_bytes_CFLAGS = $(UNIT_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_turn_bytes_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_channel
tests_unit_test_turn_channel_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_channel_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_channel_table
tests_unit_test_turn_channel_table_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_channel_table_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_classic
tests_unit_test_turn_classic_CFLAGS = $(UNIT_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_turn_classic_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_dual
tests_unit_test_turn_dual_CFLAGS = $(UNIT_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_turn_dual_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_icmp
tests_unit_test_turn_icmp_CFLAGS = $(UNIT_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_turn_icmp_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_memory
tests_unit_test_turn_memory_SOURCES = tests/unit/test_turn_memory.c $(SHORT_MEMORY_FILES)
tests_unit_test_turn_memory_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_memory_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)
tests_unit_test_turn_memory_LDFLAGS = $(SHORT_MEMORY_LINK)

unit_tests += tests/unit/test_turn_mobility
tests_unit_test_turn_mobility_CFLAGS = $(UNIT_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_turn_mobility_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_parking
tests_unit_test_turn_parking_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_parking_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_permission
tests_unit_test_turn_permission_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_permission_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_permission_table
tests_unit_test_turn_permission_table_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_permission_table_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_redirect
tests_unit_test_turn_redirect_CFLAGS = $(UNIT_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_turn_redirect_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_refresh
tests_unit_test_turn_refresh_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_refresh_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_relay
tests_unit_test_turn_relay_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_relay_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_reservation
tests_unit_test_turn_reservation_CFLAGS = $(UNIT_CFLAGS) -pthread
tests_unit_test_turn_reservation_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_shared
tests_unit_test_turn_shared_CFLAGS = $(UNIT_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_turn_shared_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_source_limit
tests_unit_test_turn_source_limit_CFLAGS = $(UNIT_CFLAGS) -pthread
tests_unit_test_turn_source_limit_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_strangers
tests_unit_test_turn_strangers_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_strangers_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_turn_tcp
tests_unit_test_turn_tcp_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_tcp_LDADD = $(TURN_SHELL_LIBS) $(CMOCKA_LIBS)

# ---- users ------------------------------------------------------------------------------------
unit_tests += tests/unit/test_origin_table
tests_unit_test_origin_table_CFLAGS = $(UNIT_CFLAGS) -pthread
tests_unit_test_origin_table_LDADD = turnserver/libusers.la src/libnet.la $(TURN_TEST_LIBS) \
	$(LIBEVENT_LIBS)

if HAVE_SQLITE
unit_tests += tests/unit/test_user_source
endif
tests_unit_test_user_source_CFLAGS = $(UNIT_CFLAGS) -pthread
tests_unit_test_user_source_LDADD = turnserver/libusers.la src/libnet.la $(TURN_TEST_LIBS) \
	$(LIBEVENT_LIBS)

# ---- rendezvous machine -----------------------------------------------------------------------
EXTRA_DIST += tests/unit/rendezvous_test.h
RENDEZVOUS_TEST_LIBS = turnserver/librendezvous.la turnserver/libturn.la src/libwire.la \
	src/libbase.la src/libcodec.la $(LIBCRYPTO_LIBS) $(CMOCKA_LIBS)

if HAVE_JANSSON
unit_tests += tests/unit/test_rendezvous_call tests/unit/test_rendezvous_hello \
	tests/unit/test_rendezvous_limits tests/unit/test_rendezvous_memory
endif
tests_unit_test_rendezvous_call_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_rendezvous_call_LDADD = $(RENDEZVOUS_TEST_LIBS)
tests_unit_test_rendezvous_memory_SOURCES = tests/unit/test_rendezvous_memory.c $(SHORT_MEMORY_FILES)
tests_unit_test_rendezvous_memory_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_rendezvous_memory_LDADD = $(RENDEZVOUS_TEST_LIBS)
tests_unit_test_rendezvous_memory_LDFLAGS = $(SHORT_MEMORY_LINK)
tests_unit_test_rendezvous_limits_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_rendezvous_limits_LDADD = $(RENDEZVOUS_TEST_LIBS)
tests_unit_test_rendezvous_hello_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_rendezvous_hello_LDADD = $(RENDEZVOUS_TEST_LIBS)

# ---- datapath ---------------------------------------------------------------------------------
DATAPATH_TEST_LIBS = turnserver/libdatapath.la src/libnet.la src/libbase.la $(LIBEVENT_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_datapath_socket
tests_unit_test_datapath_socket_CFLAGS = $(UNIT_CFLAGS) $(LIBEVENT_CFLAGS)
tests_unit_test_datapath_socket_LDADD = $(DATAPATH_TEST_LIBS)

unit_tests += tests/unit/test_datapath_slots
tests_unit_test_datapath_slots_CFLAGS = $(UNIT_CFLAGS) $(LIBEVENT_CFLAGS)
tests_unit_test_datapath_slots_LDADD = $(DATAPATH_TEST_LIBS)

# ---- wire -------------------------------------------------------------------------------------
EXTRA_DIST += tests/unit/stun_test.h tests/vectors/stun_messages.h

unit_tests += tests/unit/test_stun_attributes
tests_unit_test_stun_attributes_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_stun_attributes_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_stun_builder
tests_unit_test_stun_builder_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_stun_builder_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_stun_channel
tests_unit_test_stun_channel_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_stun_channel_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_stun_integrity
tests_unit_test_stun_integrity_CFLAGS = $(UNIT_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_stun_integrity_LDADD = $(UNIT_LIBS) $(LIBCRYPTO_LIBS)

unit_tests += tests/unit/test_stun_memory
tests_unit_test_stun_memory_CFLAGS = $(UNIT_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_unit_test_stun_memory_LDADD = $(UNIT_LIBS) $(LIBCRYPTO_LIBS)

unit_tests += tests/unit/test_stun_names
tests_unit_test_stun_names_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_stun_names_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_stun_random
tests_unit_test_stun_random_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_stun_random_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_stun_vectors
tests_unit_test_stun_vectors_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_stun_vectors_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_stun_view
tests_unit_test_stun_view_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_stun_view_LDADD = $(UNIT_LIBS)

unit_tests += tests/unit/test_client_hello
tests_unit_test_client_hello_CFLAGS = $(UNIT_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_client_hello_LDADD = src/libwire.la $(OPENSSL_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_http_head
tests_unit_test_http_head_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_http_head_LDADD = src/libwire.la $(CMOCKA_LIBS)

unit_tests += tests/unit/test_ed25519
tests_unit_test_ed25519_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ed25519_LDADD = src/libwire.la $(CMOCKA_LIBS)

unit_tests += tests/unit/test_candidate
tests_unit_test_candidate_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_candidate_LDADD = src/libwire.la $(CMOCKA_LIBS)

unit_tests += tests/unit/test_session_description
tests_unit_test_session_description_SOURCES = \
	tests/unit/test_session_description.c tests/unit/session_texts.h
tests_unit_test_session_description_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_session_description_LDADD = src/libwire.la $(CMOCKA_LIBS)

unit_tests += tests/unit/test_proxy_header
tests_unit_test_proxy_header_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_proxy_header_LDADD = src/libwire.la $(CMOCKA_LIBS)

if HAVE_JANSSON
unit_tests += tests/unit/test_rendezvous_client
tests_unit_test_rendezvous_client_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_rendezvous_client_LDADD = src/libproto.la src/libwire.la src/libbase.la \
	src/libcodec.la $(LIBCRYPTO_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_signal
tests_unit_test_signal_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_signal_LDADD = src/libwire.la $(CMOCKA_LIBS)
endif

# ---- proto ------------------------------------------------------------------------------------
PROTO_TEST_LIBS = src/libproto.la src/libbase.la src/libcodec.la $(CMOCKA_LIBS)
EXTRA_DIST += tests/unit/machine_test.h

# Agents on a network of a few lines.
check_LTLIBRARIES += tests/unit/libsmallworld.la
tests_unit_libsmallworld_la_SOURCES = tests/unit/small_world.c tests/unit/small_world.h
tests_unit_libsmallworld_la_CFLAGS = $(UNIT_CFLAGS)
ICE_TEST_LIBS = tests/unit/libsmallworld.la $(PROTO_TEST_LIBS)

unit_tests += tests/unit/test_ice_agent
tests_unit_test_ice_agent_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ice_agent_LDADD = $(ICE_TEST_LIBS)

unit_tests += tests/unit/test_ice_check
tests_unit_test_ice_check_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ice_check_LDADD = $(ICE_TEST_LIBS)

unit_tests += tests/unit/test_ice_candidates
tests_unit_test_ice_candidates_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ice_candidates_LDADD = $(ICE_TEST_LIBS)

unit_tests += tests/unit/test_ice_gather
tests_unit_test_ice_gather_SOURCES = tests/unit/test_ice_gather.c tests/unit/machine_test.h
tests_unit_test_ice_gather_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ice_gather_LDADD = $(ICE_TEST_LIBS)

unit_tests += tests/unit/test_ice_paths
tests_unit_test_ice_paths_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ice_paths_LDADD = $(ICE_TEST_LIBS)

unit_tests += tests/unit/test_host_key
tests_unit_test_host_key_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_host_key_LDADD = stunclient/libstunclient.la src/libproto.la src/libwire.la src/libbase.la \
	src/libcodec.la $(LIBCRYPTO_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_long_term
tests_unit_test_long_term_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_long_term_LDADD = $(PROTO_TEST_LIBS)

unit_tests += tests/unit/test_nat_words
tests_unit_test_nat_words_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_nat_words_LDADD = stunclient/libstunclient.la $(PROTO_TEST_LIBS)

unit_tests += tests/unit/test_negotiation
tests_unit_test_negotiation_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_negotiation_LDADD = $(PROTO_TEST_LIBS)

unit_tests += tests/unit/test_address_race
tests_unit_test_address_race_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_address_race_LDADD = $(PROTO_TEST_LIBS)

unit_tests += tests/unit/test_message_uri
tests_unit_test_message_uri_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_message_uri_LDADD = $(PROTO_TEST_LIBS)

unit_tests += tests/unit/test_relay_service
tests_unit_test_relay_service_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_relay_service_LDADD = $(PROTO_TEST_LIBS)

unit_tests += tests/unit/test_stun_uri
tests_unit_test_stun_uri_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_stun_uri_LDADD = $(PROTO_TEST_LIBS)

unit_tests += tests/unit/test_transaction
tests_unit_test_transaction_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_transaction_LDADD = $(PROTO_TEST_LIBS)

unit_tests += tests/unit/test_turn_client
tests_unit_test_turn_client_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_turn_client_LDADD = $(PROTO_TEST_LIBS)

# ---- above ICE --------------------------------------------------------------------------------
EXTRA_DIST += tests/unit/data_pair.h tests/unit/openssl_clock.h
PEER_TEST_LIBS = stunclient/libpeer.la src/libnet.la src/libbase.la src/libcodec.la \
	$(OPENSSL_LIBS) $(LIBCRYPTO_LIBS) $(CMOCKA_LIBS)

unit_tests += tests/unit/test_dcep
tests_unit_test_dcep_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_dcep_LDADD = stunclient/libpeer.la $(CMOCKA_LIBS)

unit_tests += tests/unit/test_identity
tests_unit_test_identity_CFLAGS = $(UNIT_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_identity_LDADD = $(PEER_TEST_LIBS)

unit_tests += tests/unit/test_sctp_packet
tests_unit_test_sctp_packet_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_sctp_packet_LDADD = stunclient/libpeer.la $(CMOCKA_LIBS)

if HAVE_USRSCTP
unit_tests += tests/unit/test_call_end tests/unit/test_data_channel
endif
tests_unit_test_call_end_CFLAGS = $(UNIT_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_call_end_LDADD = $(PEER_TEST_LIBS)
tests_unit_test_data_channel_CFLAGS = $(UNIT_CFLAGS) $(OPENSSL_CFLAGS)
tests_unit_test_data_channel_LDADD = $(PEER_TEST_LIBS)
