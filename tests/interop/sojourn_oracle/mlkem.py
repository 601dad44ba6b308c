# SPDX-License-Identifier: ISC
"""ML-KEM-768 as FIPS 203 describes it; the numbers are those of its algorithms.
All randomness is given by the caller."""
import hashlib

Q, K = 3329, 3
ETA, DU, DV = 2, 10, 4
KEY_SIZE, CIPHERTEXT_SIZE, SEED_SIZE, MESSAGE_SIZE = 1184, 1088, 64, 32


class KemError(Exception):
    """A key or ciphertext that FIPS 203 section 7 does not let pass."""


def reversed_bits(number):
    return int(f"{number:07b}"[::-1], 2)


ZETAS = [pow(17, reversed_bits(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * reversed_bits(i) + 1, Q) for i in range(128)]


def hash_g(data):
    both = hashlib.sha3_512(data).digest()
    return both[:32], both[32:]


def pack(numbers, bits):
    """5: ByteEncode."""
    whole = sum(number << bits * i for i, number in enumerate(numbers))
    return whole.to_bytes(32 * bits, "little")


def unpack(data, bits):
    """6: ByteDecode; for 12 bits not reduced, so that the caller can look."""
    whole, mask = int.from_bytes(data, "little"), (1 << bits) - 1
    return [whole >> bits * i & mask for i in range(256)]


def compress(numbers, bits):
    return [((number << bits) + Q // 2) // Q & (1 << bits) - 1 for number in numbers]


def decompress(numbers, bits):
    return [number * Q + (1 << bits - 1) >> bits for number in numbers]


def sample_ntt(seed):
    """7: uniform, by rejection."""
    size = 1024
    while True:
        data, out = hashlib.shake_128(seed).digest(size), []
        for at in range(0, size - 2, 3):
            first = data[at] | (data[at + 1] & 15) << 8
            second = data[at + 1] >> 4 | data[at + 2] << 4
            out += [number for number in (first, second) if number < Q]
        if len(out) >= 256:
            return out[:256]
        size *= 2


def sample_small(seed, number):
    """8: SamplePolyCBD of PRF(seed, number)."""
    bits = int.from_bytes(hashlib.shake_256(seed + bytes([number])).digest(64 * ETA), "little")
    return [((bits >> 4 * i & 1) + (bits >> 4 * i + 1 & 1) - (bits >> 4 * i + 2 & 1) - (bits >> 4 * i + 3 & 1)) % Q
            for i in range(256)]


def ntt(numbers):
    """9"""
    out, i, length = list(numbers), 1, 128
    while length >= 2:
        for start in range(0, 256, 2 * length):
            zeta, i = ZETAS[i], i + 1
            for at in range(start, start + length):
                turned = zeta * out[at + length] % Q
                out[at + length], out[at] = (out[at] - turned) % Q, (out[at] + turned) % Q
        length //= 2
    return out


def back(numbers):
    """10: the inverse."""
    out, i, length = list(numbers), 127, 2
    while length <= 128:
        for start in range(0, 256, 2 * length):
            zeta, i = ZETAS[i], i - 1
            for at in range(start, start + length):
                first, second = out[at], out[at + length]
                out[at], out[at + length] = (first + second) % Q, zeta * (second - first) % Q
        length *= 2
    return [number * 3303 % Q for number in out]


def product(first, second):
    """11, 12"""
    out = []
    for i, gamma in enumerate(GAMMAS):
        a, b, c, d = first[2 * i], first[2 * i + 1], second[2 * i], second[2 * i + 1]
        out += [(a * c + b * d * gamma) % Q, (a * d + b * c) % Q]
    return out


def total(first, second):
    return [(a + b) % Q for a, b in zip(first, second)]


def inner(first, second):
    out = [0] * 256
    for one, other in zip(first, second):
        out = total(out, product(one, other))
    return out


def matrix(rho):
    return [[sample_ntt(rho + bytes([column, row])) for column in range(K)] for row in range(K)]


def key_pair(seed):
    """16, seed: d and z. (encapsulation key, decapsulation key)"""
    d, z = seed[:32], seed[32:]
    rho, sigma = hash_g(d + bytes([K]))
    secret = [ntt(sample_small(sigma, i)) for i in range(K)]
    noise = [ntt(sample_small(sigma, K + i)) for i in range(K)]
    public = [total(inner(row, secret), noise[i]) for i, row in enumerate(matrix(rho))]
    key = b"".join(pack(one, 12) for one in public) + rho
    return key, b"".join(pack(one, 12) for one in secret) + key + hashlib.sha3_256(key).digest() + z


def encrypt(key, message, coins):
    """14"""
    public, rho = [unpack(key[384 * i:384 * i + 384], 12) for i in range(K)], key[384 * K:]
    random = [ntt(sample_small(coins, i)) for i in range(K)]
    columns = list(zip(*matrix(rho)))
    head = [total(back(inner(columns[i], random)), sample_small(coins, K + i)) for i in range(K)]
    tail = total(back(inner(public, random)), sample_small(coins, 2 * K))
    tail = total(tail, decompress(unpack(message, 1), 1))
    return b"".join(pack(compress(one, DU), DU) for one in head) + pack(compress(tail, DV), DV)


def decrypt(secret, ciphertext):
    """15"""
    size = 32 * DU
    head = [decompress(unpack(ciphertext[size * i:size * i + size], DU), DU) for i in range(K)]
    tail = decompress(unpack(ciphertext[size * K:], DV), DV)
    keys = [unpack(secret[384 * i:384 * i + 384], 12) for i in range(K)]
    masked = back(inner(keys, [ntt(one) for one in head]))
    return pack(compress([(a - b) % Q for a, b in zip(tail, masked)], 1), 1)


def check_key(key):
    """Section 7.2: length and modulus."""
    if len(key) != KEY_SIZE or any(number >= Q for i in range(K) for number in unpack(key[384 * i:384 * i + 384], 12)):
        raise KemError("an encapsulation key that is none")


def check_secret(secret):
    """Section 7.3: length and hash."""
    key = secret[384 * K:384 * K + KEY_SIZE]
    if len(secret) != 768 * K + 96 or hashlib.sha3_256(key).digest() != secret[-64:-32]:
        raise KemError("a decapsulation key that is none")


def encapsulate(key, message):
    """20, message: 32 random bytes. (shared secret, ciphertext)"""
    check_key(key)
    shared, coins = hash_g(message + hashlib.sha3_256(key).digest())
    return shared, encrypt(key, message, coins)


def decapsulate(secret, ciphertext):
    """21; a ciphertext that nobody made gives a secret that nobody knows."""
    check_secret(secret)
    if len(ciphertext) != CIPHERTEXT_SIZE:
        raise KemError("a ciphertext that is none")
    key, key_hash, z = secret[384 * K:-64], secret[-64:-32], secret[-32:]
    message = decrypt(secret[:384 * K], ciphertext)
    shared, coins = hash_g(message + key_hash)
    if encrypt(key, message, coins) != ciphertext:
        return hashlib.shake_256(z + ciphertext).digest(32)
    return shared
