package middleware

import (
	"testing"

	"github.com/ghlogin/ghlogin/oauth"
)

// A cookie that was moved under another one's name is none: another app's session, for example, where two share their keys.
func TestSealedValueOpensUnderItsOwnNameAndPurposeAlone(t *testing.T) {
	t.Parallel()
	keys := []oauth.Secret{oauth.NewSecret("0123456789abcdef0123456789abcdef")}
	s, err := newSealer(keys, "session")
	if err != nil {
		t.Fatal(err)
	}
	other, err := newSealer(keys, "attempt")
	if err != nil {
		t.Fatal(err)
	}
	sealed := s.seal([]byte("plain"), "one")
	if plain, ok := s.open(sealed, "one"); !ok || string(plain) != "plain" {
		t.Fatalf("open = %q, %v", plain, ok)
	}
	for _, name := range []string{"", "two", "one ", "on"} {
		if _, ok := s.open(sealed, name); ok {
			t.Errorf("it opens as %q", name)
		}
	}
	if _, ok := other.open(sealed, "one"); ok {
		t.Error("it opens for another purpose")
	}
}
