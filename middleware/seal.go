package middleware

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/ghlogin/ghlogin/oauth"
)

// sealer encrypts and authenticates what a browser keeps for us. The first key seals, every key
// opens, so keys can be replaced while cookies are out. It is safe for concurrent use.
type sealer []cipher.AEAD

// newSealer derives its keys from secrets. Each purpose has keys of its own.
func newSealer(secrets []oauth.Secret, purpose string) (sealer, error) {
	var s sealer
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, []byte(secret.Reveal()), nil, purpose, 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		s = append(s, aead)
	}
	if len(s) == 0 {
		return nil, errors.New("no key to seal cookies with")
	}
	return s, nil
}

// encoding is strict, so that a sealed text has one spelling: not even its last letter can be another.
var encoding = base64.RawURLEncoding.Strict()

// seal returns plain as text that only open, with the same name, gives back.
func (s sealer) seal(plain []byte, name string) string {
	return encoding.EncodeToString(s[0].Seal(nil, nil, plain, []byte(name))) //nolint:gosec // This AEAD makes its own nonce.
}

func (s sealer) open(text, name string) ([]byte, bool) {
	sealed, err := encoding.DecodeString(text)
	if err != nil {
		return nil, false
	}
	for _, aead := range s {
		if plain, err := aead.Open(nil, nil, sealed, []byte(name)); err == nil {
			return plain, true
		}
	}
	return nil, false
}
