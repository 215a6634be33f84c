#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A UDP flow that is verified byte by byte at the far end.

  udp_flow.py receive ADDRESS PORT COUNT      in one namespace
  udp_flow.py send    ADDRESS PORT COUNT      in the other

Each datagram carries its sequence number and a payload computed from it, of varying length.  The
receiver answers with how many distinct ones it has, and the sender keeps at most WINDOW
unanswered, so nothing is lost to a full socket and a loss on the way is really a loss.
"""
import socket
import struct
import sys
import time

WINDOW = 256  # half of net_af_packet's default ring
GIVE_UP_S = 10.0
ANSWER_EVERY = 32
HELLO = b"are you there"


def payload(sequence):
    """18 to 1450 bytes, different for each number."""
    length = 18 + (sequence * 7919) % 1433
    pattern = struct.pack("!Q", (sequence * 0x9E3779B97F4A7C15) & (2**64 - 1))
    return struct.pack("!I", sequence) + (pattern * (length // 8 + 1))[: length - 4]


def udp_socket(address):
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)


def receive(address, port, count):
    s = udp_socket(address)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind((address, port))
    s.settimeout(GIVE_UP_S)
    seen, wrong, twice, peer = bytearray(count), 0, 0, None
    n_seen = 0
    try:
        while n_seen < count:
            data, peer = s.recvfrom(2048)
            if data == HELLO:
                s.sendto(struct.pack("!I", n_seen), peer)
                continue
            sequence = struct.unpack("!I", data[:4])[0] if len(data) >= 4 else count
            if sequence >= count or data != payload(sequence):
                wrong += 1
                continue
            if seen[sequence]:
                twice += 1
                continue
            seen[sequence] = 1
            n_seen += 1
            if n_seen % ANSWER_EVERY == 0 or n_seen == count:
                s.sendto(struct.pack("!I", n_seen), peer)
    except socket.timeout:
        pass
    print(f"udp flow: {n_seen} of {count} received, {wrong} damaged, {twice} twice")
    return 0 if n_seen == count and not wrong and not twice else 1


def send(address, port, count):
    s = udp_socket(address)
    s.connect((address, port))
    s.settimeout(0.05)
    started = time.monotonic()
    while True:  # the receiver may still be starting
        try:
            s.send(HELLO)
            s.recv(64)
            break
        except (socket.timeout, ConnectionRefusedError):
            if time.monotonic() - started > GIVE_UP_S:
                print("udp flow: the receiver does not answer")
                return 1
            time.sleep(0.05)
    answered, started, heard = 0, time.monotonic(), time.monotonic()
    for sequence in range(count):
        s.send(payload(sequence))
        while sequence + 1 - answered >= WINDOW or sequence + 1 == count > answered:
            try:
                answered = max(answered, struct.unpack("!I", s.recv(64)[:4])[0])
                heard = time.monotonic()
            except socket.timeout:
                if time.monotonic() - heard > GIVE_UP_S:
                    print(f"udp flow: no answer after {sequence + 1} sent, {answered} answered")
                    return 1
    rate = count / (time.monotonic() - started)
    print(f"udp flow: {count} sent, {answered} answered, {rate / 1000:.1f} k/s")
    return 0


if __name__ == "__main__":
    role, where, port_text, count_text = sys.argv[1:5]
    sys.exit((receive if role == "receive" else send)(where, int(port_text), int(count_text)))
