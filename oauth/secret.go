package oauth

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a Secret shows in place of its text.
const redacted = "REDACTED"

// Secret is a text that must not be seen: a client secret, an access or refresh token, a PKCE
// verifier. It prints as REDACTED under every verb of package fmt, in JSON, in text encodings and in
// log/slog; Reveal is the only way to the text.
//
// The zero Secret is empty. A Secret is immutable and safe for concurrent use. Two of them cannot be
// compared with ==, which would take a time that depends on the text: use Equal.
type Secret struct {
	_ [0]func() // Makes == and use as a map key a compile error.

	// text is a pointer because fmt ignores the methods of a value in an unexported field and prints
	// its fields: a string would show there, a pointer shows as an address.
	text *string
}

// NewSecret returns a Secret that holds s. An empty s gives the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{text: &s}
}

// Reveal returns the text. Call it only where the text leaves for GitHub or for encrypted storage.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether s is empty.
func (s Secret) IsZero() bool {
	return s.Reveal() == ""
}

// Equal reports whether s and other hold the same text, in a time that depends on their lengths only.
// An empty Secret equals nothing, not even another empty one, so that a check against a value that
// was never set fails.
func (s Secret) Equal(other Secret) bool {
	if s.IsZero() || other.IsZero() {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Format implements fmt.Formatter: it writes REDACTED whatever the verb and the flags.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, redacted)
}

// String returns REDACTED.
func (s Secret) String() string {
	return redacted
}

// GoString returns REDACTED.
func (s Secret) GoString() string {
	return redacted
}

// MarshalJSON encodes s as the JSON string "REDACTED". A program that stores secrets must ask for
// their text with Reveal.
func (s Secret) MarshalJSON() ([]byte, error) {
	return json.Marshal(redacted)
}

// MarshalText encodes s as REDACTED.
func (s Secret) MarshalText() ([]byte, error) {
	return []byte(redacted), nil
}

// UnmarshalText reads the text as it stands, so that a Secret can be filled from a configuration
// file, JSON or a flag. It refuses REDACTED: that is a Secret which somebody wrote with an encoder
// and whose text is lost.
func (s *Secret) UnmarshalText(text []byte) error {
	if string(text) == redacted {
		return errors.New(`a secret that reads "REDACTED" was written by an encoder and is lost: ` +
			"write the text that Reveal returns instead")
	}
	*s = NewSecret(string(text))
	return nil
}

// LogValue implements slog.LogValuer: it gives REDACTED.
func (s Secret) LogValue() slog.Value {
	return slog.StringValue(redacted)
}
