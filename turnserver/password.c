/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/password.h"

#include <string.h>
#include <termios.h>
#include <unistd.h>

bool password_read(char password[PASSWORD_SIZE_MAX + 2], FILE *input)
{
    struct termios settings;
    int descriptor = fileno(input);
    bool terminal = isatty(descriptor) && tcgetattr(descriptor, &settings) == 0;
    if (terminal) {
        struct termios silent = settings;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        fputs("Password: ", stderr);
        tcsetattr(descriptor, TCSAFLUSH, &silent);
    }
    bool good = fgets(password, PASSWORD_SIZE_MAX + 2, input) != NULL;
    if (terminal) {
        tcsetattr(descriptor, TCSAFLUSH, &settings);
        fputc('\n', stderr);
    }
    size_t size = good ? strcspn(password, "\n") : 0;
    password[size] = '\0';
    return size > 0 && size <= PASSWORD_SIZE_MAX;
}
