/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "net/clock.h"
#include "net/socket_address.h"
#include "net/udp_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static struct stun_address parse(const char *text)
{
    struct stun_address address = {0};

    assert_true(address_parse(&address, text));
    return address;
}

static int get_option(int descriptor, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    assert_int_equal(getsockopt(descriptor, level, name, &value, &size), 0);
    return value;
}

static void test_addresses_there_and_back(void **state)
{
    static const char *const texts[] = {"192.0.2.1:3478", "[2001:db8::1]:65535", "0.0.0.0:0",
                                        "[::]:1"};
    union socket_address name;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct stun_address address = parse(texts[i]);
        memset(&name, 0xA5, sizeof name);
        assert_in_range(socket_address_write(&name, &address), sizeof name.v4, sizeof name.v6);
        struct stun_address again = socket_address_read(&name.any);
        assert_true(address_equal(&address, &again));
    }
    struct stun_address none = {0};
    assert_int_equal(socket_address_write(&name, &none), 0);
    name.any.sa_family = AF_UNIX;
    none = socket_address_read(&name.any);
    assert_int_equal(none.family, STUN_FAMILY_NONE);
}

static void test_mapped_addresses_come_out_as_ipv4(void **state)
{
    union socket_address name = {0};
    struct stun_address mapped = parse("[::ffff:192.0.2.1]:80"), plain = parse("192.0.2.1:80");

    (void)state;
    socket_address_write(&name, &mapped);
    assert_int_equal(name.any.sa_family, AF_INET6);
    struct stun_address read_back = socket_address_read(&name.any);
    assert_true(address_equal(&read_back, &plain));
}

static void test_opens_as_asked(void **state)
{
    const struct udp_socket_options plain = {0};
    const struct udp_socket_options all = {
        .reuse_port = true,
        .packet_info = true,
        .dont_fragment = true,
        .receive_buffer = 100000,
        .send_buffer = 50000,
    };
    struct stun_address any = parse("127.0.0.1:0"), local;
    int one = -1, two = -1;

    (void)state;
    assert_int_equal(udp_socket_open(&one, &any, &plain), 0);
    assert_int_equal(get_option(one, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_DONT);
    assert_int_equal(get_option(one, IPPROTO_IP, IP_PKTINFO), 0);
    assert_int_equal(get_option(one, SOL_SOCKET, SO_REUSEPORT), 0);
    assert_true((fcntl(one, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(one, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(socket_local_address(one, &local), 0);
    assert_true(address_equal_ip(&local, &any) && local.port != 0);
    assert_int_equal(socket_remote_address(one, &any), -ENOTCONN);
    /* The port is taken. */
    assert_int_equal(udp_socket_open(&two, &local, &all), -EADDRINUSE);
    assert_int_equal(two, -1);
    close(one);

    assert_int_equal(udp_socket_open(&one, &local, &all), 0);
    assert_int_equal(udp_socket_open(&two, &local, &all), 0);
    assert_int_equal(get_option(one, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_DO);
    assert_int_equal(get_option(one, IPPROTO_IP, IP_PKTINFO), 1);
    assert_true(get_option(one, SOL_SOCKET, SO_RCVBUF) >= 100000);
    assert_true(get_option(one, SOL_SOCKET, SO_SNDBUF) >= 50000);
    close(one);
    close(two);
}

static void test_ipv6_takes_no_ipv4(void **state)
{
    const struct udp_socket_options options = {.packet_info = true};
    struct stun_address any = parse("[::1]:0");
    int one = -1;

    (void)state;
    int status = udp_socket_open(&one, &any, &options);
    if (status == -EADDRNOTAVAIL || status == -EAFNOSUPPORT) {
        skip();
    }
    assert_int_equal(status, 0);
    assert_int_equal(get_option(one, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    assert_int_equal(get_option(one, IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
    assert_int_equal(get_option(one, IPPROTO_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_DONT);
    close(one);
}

static void test_refuses(void **state)
{
    const struct udp_socket_options options = {0};
    struct stun_address none = {0}, foreign = parse("192.0.2.1:0");
    int one = -1;

    (void)state;
    assert_int_equal(udp_socket_open(&one, &none, &options), -EAFNOSUPPORT);
    assert_int_equal(udp_socket_open(&one, &foreign, &options), -EADDRNOTAVAIL);
    assert_int_equal(one, -1);
    assert_int_equal(socket_local_address(-1, &none), -EBADF);
}

/* Larger than the loopback's MTU: it goes in fragments, or this fails with EMSGSIZE. */
static void test_large_datagrams_pass(void **state)
{
    static uint8_t bytes[65507], got[65507];
    const struct udp_socket_options options = {.receive_buffer = 1 << 20, .send_buffer = 1 << 20};
    struct stun_address any = parse("127.0.0.1:0"), local;
    union socket_address name;
    int one = -1, two = -1;

    (void)state;
    assert_int_equal(udp_socket_open(&one, &any, &options), 0);
    assert_int_equal(udp_socket_open(&two, &any, &options), 0);
    assert_int_equal(socket_local_address(two, &local), 0);
    socklen_t size = socket_address_write(&name, &local);
    memset(bytes, 7, sizeof bytes);
    assert_int_equal(sendto(one, bytes, sizeof bytes, 0, &name.any, size), sizeof bytes);
    assert_int_equal(poll(&(struct pollfd){.fd = two, .events = POLLIN}, 1, 20000), 1);
    assert_int_equal(recv(two, got, sizeof got, 0), sizeof got);
    assert_memory_equal(bytes, got, sizeof got);
    close(one);
    close(two);
}

static void test_clock(void **state)
{
    struct monotime before = clock_now(), after = clock_now();

    (void)state;
    assert_true(before.us > 0);
    assert_false(monotime_before(after, before));
    assert_true(clock_unix_seconds() > 1600000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_there_and_back),
        cmocka_unit_test(test_mapped_addresses_come_out_as_ipv4),
        cmocka_unit_test(test_opens_as_asked),
        cmocka_unit_test(test_ipv6_takes_no_ipv4),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_large_datagrams_pass),
        cmocka_unit_test(test_clock),
    };

    return cmocka_run_group_tests_name("net/udp_socket", tests, NULL, NULL);
}
