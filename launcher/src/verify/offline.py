"""Wakes the loopback of a network that has nothing else, and becomes the program that its arguments name."""

import fcntl
import os
import socket
import struct
import sys

SIOCSIFFLAGS, IFF_UP = 0x8914, 1

with open("/proc/net/dev") as file:
    others = {line.split(":")[0].strip() for line in file if ":" in line} - {"lo"}
if others:
    sys.exit(f"there is a network here: {', '.join(sorted(others))}")
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
os.execvp(sys.argv[1], sys.argv[1:])
