#!/usr/bin/python3
"""Verifies a patch file by docs/format.md, with cbor2 and cryptography alone.

    verify_patch.py FILE.hlp PUB.pem [--base OLD]

Prints what it found as one JSON object and exits 0, or says on stderr why not and exits 1. It shares no
code with the project: where both read the document in the same way, the document is complete.
"""
import argparse
import hashlib
import io
import json
import re
import struct
import sys

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CONTEXT = b"hitless/patch-manifest/1"
NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,29}[a-z0-9_-])?")
LABEL = re.compile(r"[!-~]{1,64}")
MIB = 1 << 20


class Refused(Exception):
    pass


def need(condition, reason):
    if not condition:
        raise Refused(reason)


def item(data, what):
    """Decodes exactly one item, which must be in its deterministic encoding (section 3)."""
    stream = io.BytesIO(data)
    value = cbor2.CBORDecoder(stream).decode()
    need(stream.tell() == len(data), f"{what}: trailing bytes")
    need(cbor2.dumps(value, canonical=True) == data, f"{what}: not deterministic")
    return value


def container(data):
    """Section 2."""
    need(len(data) >= 20, "shorter than its header")
    magic, version, reserved, envelope, blobs = struct.unpack("<4sHHIQ", data[:20])
    need(magic == b"HLP1", "magic")
    need(version == 1, "version")
    need(reserved == 0, "reserved field")
    need(0 < envelope <= MIB + 80 * 1024, "size of the envelope")
    need(blobs <= 1 << 30, "size of the blobs")
    need(len(data) == 20 + envelope + blobs, "sizes and file do not agree")
    return data[20:20 + envelope], data[20 + envelope:]


def signatures(envelope, key):
    """Section 4: returns the payload once the one trusted key has signed it."""
    need(isinstance(envelope, cbor2.CBORTag) and envelope.tag == 98, "no COSE_Sign")
    protected, unprotected, payload, entries = envelope.value
    need(protected == b"" and unprotected == {}, "headers of the body")
    need(isinstance(payload, bytes) and len(payload) <= MIB, "payload")
    need(1 <= len(entries) <= 16, "number of signatures")
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    signed = False
    for header, unprotected, signature in entries:
        need(unprotected == {}, "unprotected header of a signature")
        labels = item(header, "protected header")
        need(set(labels) == {1, 4} and len(labels[4]) == 8, "protected header")
        need(labels[1] == -8, "algorithm")
        if labels[4] != hashlib.sha256(raw).digest()[:8]:
            continue
        structure = ["Signature", b"", header, CONTEXT, payload]
        key.verify(signature, cbor2.dumps(structure, canonical=True))
        signed = True
    need(signed, "not signed by the trusted key")
    return payload


def image(fields):
    digest, size, build_id = fields
    need(len(digest) == 32 and 0 < size <= 1 << 30 and 8 <= len(build_id) <= 32, "an image")
    return {"sha256": digest.hex(), "size": size, "buildID": build_id.hex()}


def component(fields):
    """Section 5.2."""
    need(set(fields) - {9} == set(range(1, 9)), "keys of a component")
    need(fields[1] == 1, "kind")
    need(NAME.fullmatch(fields[2]), "module name")
    interface, machine = fields[3], fields[5]
    need(len(interface) == 2 and max(interface) < 1 << 32, "interface")
    need(len(machine) == 2 and machine[0] < 1 << 16 and machine[1] < 1 << 32, "machine")
    need(fields[4] in (2, 3, 4), "upgrade class")
    base, target = image(fields[6]), image(fields[7])
    need(base["sha256"] != target["sha256"], "a target that is its base")
    codec, size, digest, memory = fields[8]
    need(codec < 256 and 0 < size <= 1 << 30 and len(digest) == 32, "delta")
    need(memory <= base["size"] + target["size"] + 32 * MIB, "memory")
    states = fields.get(9, [None])
    need(1 <= len(states) <= 4, "states")
    return {
        "module": fields[2], "interface": interface, "class": fields[4], "machine": machine,
        "base": base, "target": target,
        "delta": {"codec": codec, "size": size, "sha256": digest.hex(), "memory": memory},
        "states": fields.get(9, []),
    }


def manifest(payload):
    """Section 5.1."""
    fields = item(payload, "manifest")
    need(all(isinstance(key, int) and key >= 0 for key in fields), "keys")
    known = {key for key in fields if key < 64}
    need({1, 5, 6, 7, 10} <= known <= set(range(1, 14)), "keys of the manifest")
    need(fields[1] == 1, "manifest format")
    need(fields.get(3, None) is None, "critical features")
    need(fields.get(2, None) is None, "agent version")
    need(NAME.fullmatch(fields[5]), "product")
    need(LABEL.fullmatch(fields[6]), "release")
    need(fields.get(8, 0) <= fields.get(9, 1 << 64), "validity")
    for label in fields.get(11, []):
        need(LABEL.fullmatch(label), "a resolved id")
    components = [component(entry) for entry in fields[10]]
    need(1 <= len(components) <= 256, "number of components")
    names = [entry["module"] for entry in components]
    need(len(set(names)) == len(names), "a module twice")
    return {
        "identity": hashlib.sha256(payload).hexdigest(), "product": fields[5],
        "release": fields[6], "sequence": fields[7], "notBefore": fields.get(8),
        "notAfter": fields.get(9), "resolves": fields.get(11, []), "components": components,
    }


def check_blobs(components, blobs):
    """Section 6.4."""
    start = 0
    for entry in components:
        delta = entry["delta"]
        blob = blobs[start:start + delta["size"]]
        need(hashlib.sha256(blob).hexdigest() == delta["sha256"], "digest of a delta")
        need(blob[0] == delta["codec"], "codec of a delta")
        start += delta["size"]
    need(start == len(blobs), "blobs that no component describes")


def check_base(components, path):
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    need(any(entry["base"]["sha256"] == digest for entry in components), "another base")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("patch")
    parser.add_argument("key")
    parser.add_argument("--base")
    arguments = parser.parse_args()
    with open(arguments.key, "rb") as file:
        key = serialization.load_pem_public_key(file.read())
    with open(arguments.patch, "rb") as file:
        data = file.read()
    try:
        need(isinstance(key, Ed25519PublicKey), "not an Ed25519 key")
        envelope, blobs = container(data)
        found = manifest(signatures(item(envelope, "envelope"), key))
        check_blobs(found["components"], blobs)
        if arguments.base:
            check_base(found["components"], arguments.base)
    except (Refused, InvalidSignature, ValueError, TypeError, KeyError, EOFError,
            cbor2.CBORError) as error:
        print(f"refused: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    found["envelope"] = len(data) - len(blobs)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
