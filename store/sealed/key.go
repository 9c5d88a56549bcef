package sealed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// keyBytes is the length of a key as it is made and kept.
	keyBytes = 32

	// idBytes is the length of a key's id before it is written in hexadecimal.
	idBytes = 4

	// makeOne ends the errors about keys.
	makeOne = "make a key with `openssl rand -base64 32`"
)

// Key seals and opens values. It prints as its id under every verb of package fmt, in text encodings
// and in log/slog; there is no way back to the text it was made from.
//
// The zero Key is no key, and [New] refuses it. A Key is immutable and safe for concurrent use.
type Key struct {
	_ [0]func() // Makes ==, which would compare nothing secret, a compile error.

	// box is a pointer because fmt ignores the methods of a value in an unexported field and prints
	// its fields: the cipher would show there, a pointer to it shows as an address.
	box *box
}

// ParseKey reads a key from the text that `openssl rand -base64 32` prints: 32 random bytes in
// standard base64. Space around it, such as the newline of a file, is ignored. The error shows nothing
// of the text.
func ParseKey(text string) (Key, error) {
	secret, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	switch {
	case strings.TrimSpace(text) == "":
		return Key{}, errors.New("sealed: the key is empty; " + makeOne)
	case err != nil:
		return Key{}, errors.New("sealed: the key is not standard base64; " + makeOne)
	case len(secret) != keyBytes:
		return Key{}, fmt.Errorf("sealed: the key has %d bytes, want %d; %s", len(secret), keyBytes, makeOne)
	case bytes.Count(secret, secret[:1]) == keyBytes:
		return Key{}, errors.New("sealed: the key is one byte over and over, as in a template that nobody filled in; " + makeOne)
	}
	return newKey(secret)
}

// NewKey makes a random key that ends with the process, for tests and for stores that end with it,
// too. A key that must open values tomorrow comes from [ParseKey].
func NewKey() (Key, error) {
	secret := make([]byte, keyBytes)
	_, _ = rand.Read(secret) // Never fails: the program ends if the system has no randomness.
	return newKey(secret)
}

// newKey derives what the key is used for, each use from a label of its own, so that the id tells
// nothing about the cipher's key.
func newKey(secret []byte) (Key, error) {
	id, err := hkdf.Key(sha256.New, secret, nil, "ghlogin/store/sealed id", idBytes)
	if err != nil {
		return Key{}, fmt.Errorf("sealed: deriving the key's id: %w", err)
	}
	cipherKey, err := hkdf.Key(sha256.New, secret, nil, "ghlogin/store/sealed aes-256-gcm", 32)
	if err != nil {
		return Key{}, fmt.Errorf("sealed: deriving the cipher's key: %w", err)
	}
	block, err := aes.NewCipher(cipherKey)
	if err != nil {
		return Key{}, fmt.Errorf("sealed: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return Key{}, fmt.Errorf("sealed: %w", err)
	}
	return Key{box: &box{id: hex.EncodeToString(id), aead: aead}}, nil
}

// ID returns the key's id, eight hexadecimal digits derived from it, or "" for the zero Key. It is
// no secret, the same wherever the same key is read, and stands beside each value that the key sealed.
func (k Key) ID() string {
	if k.box == nil {
		return ""
	}
	return k.box.id
}

// String returns the key's id in words, "key 9f86d081" or "no key".
func (k Key) String() string {
	if k.box == nil {
		return "no key"
	}
	return "key " + k.box.id
}

// Format implements [fmt.Formatter]: it writes what String returns, whatever the verb and the flags.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText encodes k as what String returns, for JSON and for logs. It cannot be read back.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// box is a cipher with the id that stands beside what it sealed.
type box struct {
	id   string
	aead cipher.AEAD
}

// seal returns plain encrypted for the store key, nonce first.
func (b *box) seal(plain []byte, storeKey string) []byte {
	return b.aead.Seal(nil, nil, plain, bound(storeKey)) //nolint:gosec // This AEAD makes its own nonce.
}

// open undoes seal for the same store key.
func (b *box) open(sealed []byte, storeKey string) ([]byte, error) {
	return b.aead.Open(nil, nil, sealed, bound(storeKey))
}

// bound is what a box is tied to without holding it: one byte of format, then the store key.
func bound(storeKey string) []byte {
	return append([]byte{format}, storeKey...)
}
