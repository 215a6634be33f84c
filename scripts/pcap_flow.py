#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Captures for net_pcap: make one, and compare what came out with what went in.

  pcap_flow.py make FILE COUNT SEED      Ethernet/IPv4/UDP packets of 60 to 1514 bytes
  pcap_flow.py compare IN OUT            the same packets in the same order, or exit 1
"""
import random
import struct
import sys


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(sequence, rng):
    body = struct.pack("!I", sequence) + rng.randbytes(rng.randrange(14, 1468))
    source, target = bytes([10, 99, 0, 1]), bytes([10, 99, 0, 2])
    length = 8 + len(body)
    udp = struct.pack("!HHHH", 4000 + sequence % 1000, 5001, length, 0) + body
    udp_sum = checksum(source + target + struct.pack("!BBH", 0, 17, length) + udp) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", udp_sum) + udp[8:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, sequence & 0xFFFF, 0, 64, 17, 0) + source + target
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return bytes.fromhex("02000000000b02000000000a0800") + ip + udp


def make(path, count, seed):
    rng = random.Random(seed)
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for sequence in range(count):
            data = packet(sequence, rng)
            f.write(struct.pack("<IIII", 0, sequence % 1000000, len(data), len(data)) + data)
    return 0


def packets(path):
    with open(path, "rb") as f:
        header = f.read(24)
        order = "<" if header[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
        while True:
            record = f.read(16)
            if len(record) < 16:
                return
            yield f.read(struct.unpack(order + "IIII", record)[2])


def compare(path_in, path_out):
    wanted, got = list(packets(path_in)), list(packets(path_out))
    same = wanted == got
    print(f"capture: {len(wanted)} packets in, {len(got)} out, contents {'equal' if same else 'DIFFER'}")
    return 0 if same else 1


if __name__ == "__main__":
    if sys.argv[1] == "make":
        sys.exit(make(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    sys.exit(compare(sys.argv[2], sys.argv[3]))
