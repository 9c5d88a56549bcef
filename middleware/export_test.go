package middleware

import (
	"testing"

	"github.com/ghlogin/ghlogin/oauth"
)

// fuzzAttempts seals with a key that nobody else has.
func fuzzAttempts(tb testing.TB) *attempts {
	tb.Helper()
	a, err := newAttempts(Config{CookieKeys: []oauth.Secret{oauth.NewVerifier()}, Host: oauth.GitHub()}, true)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}
