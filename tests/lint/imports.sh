#!/bin/sh
# SPDX-License-Identifier: ISC
# imports.sh ARCHIVE - what the core asks of the world, proved by the linker
#
# No system call, no clock, no file, no hidden randomness: every undefined
# symbol of the core must be in a short list. The heap is reached from memory.c
# alone, libcrypto from the four files behind crypto.h alone; of libcrypto,
# function by function, so that nothing that draws random bytes slips in.
set -eu
archive=$1
table=$(mktemp)
trap 'rm -f "$table"' EXIT

# object symbol, undefined ones; without what the compilers add themselves
nm -A --undefined-only "$archive" |
	sed -n 's/.*[:\/]core_\([a-z_0-9]*\)\.c\.o: *U \([^ @]*\).*/\1 \2/p' |
	grep -v -E ' (_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__asan|__ubsan|__sanitizer)' >"$table" || true
[ -s "$table" ] || { echo "no symbols found in $archive"; exit 1; }

bad=$(awk '
BEGIN {
	n = split("memcpy memmove memset memcmp memchr strlen strcmp strncmp strcspn __assert_fail __memcpy_chk __memset_chk __memmove_chk", list, " ")
	for (i = 1; i <= n; i++) any[list[i]] = 1
	n = split("EVP_CIPHER_CTX_new EVP_CIPHER_CTX_free EVP_CIPHER_CTX_reset EVP_CIPHER_CTX_ctrl EVP_CIPHER_CTX_set_padding EVP_CIPHER_fetch EVP_CIPHER_free EVP_EncryptInit_ex2 EVP_EncryptUpdate EVP_EncryptFinal_ex EVP_DecryptInit_ex2 EVP_DecryptUpdate EVP_DecryptFinal_ex EVP_MD_CTX_new EVP_MD_CTX_free EVP_MD_fetch EVP_MD_free EVP_DigestInit_ex2 EVP_DigestUpdate EVP_DigestFinal_ex EVP_DigestSignInit_ex EVP_DigestSign EVP_DigestVerifyInit_ex EVP_DigestVerify EVP_PKEY_new_raw_private_key_ex EVP_PKEY_new_raw_public_key_ex EVP_PKEY_get_raw_public_key EVP_PKEY_free EVP_PKEY_CTX_new_from_pkey EVP_PKEY_CTX_new_from_name EVP_PKEY_CTX_free EVP_PKEY_CTX_set_params EVP_PKEY_derive_init EVP_PKEY_derive_set_peer_ex EVP_PKEY_derive EVP_PKEY_fromdata EVP_PKEY_fromdata_init EVP_KEM_fetch EVP_KEM_free EVP_PKEY_encapsulate_init EVP_PKEY_encapsulate EVP_PKEY_decapsulate_init EVP_PKEY_decapsulate EVP_PKEY_keygen_init EVP_PKEY_generate OSSL_PARAM_construct_octet_string OSSL_PARAM_construct_utf8_string OSSL_PARAM_construct_BN OSSL_PARAM_construct_end OPENSSL_cleanse CRYPTO_memcmp ERR_clear_error OpenSSL_version", list, " ")
	for (i = 1; i <= n; i++) libcrypto[list[i]] = 1
	# Key generation here is from a seed that the caller gave (ML-KEM).
	outside["sj_mech_publickey"] = outside["sj_store_memory"] = 1
}
$2 in any || $2 in outside || $2 ~ /^sj_/ { next }
$1 == "memory" && ($2 == "malloc" || $2 == "free") { next }
($1 == "crypto" || $1 == "crypto_packet" || $1 == "crypto_key" || $1 == "crypto_verify") && $2 in libcrypto { next }
{ print "core/" $1 ".c imports " $2 }' "$table")
[ -z "$bad" ] || { echo "$bad"; exit 1; }

# What the core exports starts with sj_.
bad=$(nm --defined-only --extern-only "$archive" | awk 'NF == 3 && $3 !~ /^sj_/ { print "exported: " $3 }')
[ -z "$bad" ] || { echo "$bad"; exit 1; }
echo "$(wc -l <"$table") imports, all of them known"
