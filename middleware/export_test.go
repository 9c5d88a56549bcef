package middleware

import (
	"testing"

	"github.com/ghlogin/ghlogin/oauth"
)

// fuzzAttempts seals with a key that nobody else has.
func fuzzAttempts(t *testing.T) *attempts {
	t.Helper()
	a, err := newAttempts(Config{CookieKeys: []oauth.Secret{oauth.NewVerifier()}, Host: oauth.GitHub()}, true)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
