# sbin_PROGRAMS += turnserver/turnserver
