# systemd unit, sysusers, example configuration
