#!/usr/bin/python3
"""Makes a patch file by docs/format.md, with cbor2 and cryptography alone.

    make_patch.py BASE TARGET FILE.hlp PUB.pem

Draws a new key, writes its public half to PUB.pem and a signed patch with a stored delta to FILE.hlp: what
somebody else's writer would make.
"""
import hashlib
import struct
import sys

import cbor2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

if len(sys.argv) != 5:
    sys.exit(__doc__)
with open(sys.argv[1], "rb") as file:
    base = file.read()
with open(sys.argv[2], "rb") as file:
    target = file.read()

# Codec 0: the number, the size of the target in groups of seven bits, the target.
size, rest = b"", len(target)
while rest > 127:
    size, rest = size + bytes([rest & 127 | 128]), rest >> 7
delta = b"\0" + size + bytes([rest]) + target


def image(data, build_id):
    return [hashlib.sha256(data).digest(), len(data), bytes([build_id]) * 20]


payload = cbor2.dumps({
    1: 1, 5: "upf", 6: "other-writer-1", 7: 9, 9: 4_000_000_000, 11: ["CVE-2026-1"],
    10: [{
        1: 1, 2: "qer", 3: [2, 1], 4: 2, 5: [62, 0],
        6: image(base, 0xb0), 7: image(target, 0xb1),
        8: [0, len(delta), hashlib.sha256(delta).digest(), len(target)],
    }],
}, canonical=True)
key = Ed25519PrivateKey.generate()
raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
header = cbor2.dumps({1: -8, 4: hashlib.sha256(raw).digest()[:8]}, canonical=True)
structure = ["Signature", b"", header, b"hitless/patch-manifest/1", payload]
signature = key.sign(cbor2.dumps(structure, canonical=True))
envelope = cbor2.dumps(
    cbor2.CBORTag(98, [b"", {}, payload, [[header, {}, signature]]]), canonical=True)

with open(sys.argv[3], "wb") as file:
    file.write(struct.pack("<4sHHIQ", b"HLP1", 1, 0, len(envelope), len(delta)))
    file.write(envelope + delta)
with open(sys.argv[4], "wb") as file:
    file.write(key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
