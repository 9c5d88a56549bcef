package oauth

import "time"

// Token is what GitHub gives for a code or for a refresh token. It is a value: copy it freely, but
// treat the slice in it as read-only.
//
// Whether a token expires is read from GitHub's answer. Both kinds of app issue both kinds of token,
// so the kind of app says nothing about it.
type Token struct {
	// AccessToken authenticates API calls as the user.
	AccessToken Secret

	// RefreshToken gets the next token. It works once: a refresh spends it and kills AccessToken at
	// the same moment (GitHub docs, Refreshing user access tokens). Zero if the token can't be
	// refreshed.
	RefreshToken Secret

	// Scopes are the scopes that were granted, in GitHub's order. They may be fewer than were asked
	// for, and are nil for GitHub Apps, whose tokens have permissions instead.
	Scopes []string

	// Expiry is when AccessToken stops working, in UTC. Zero means never.
	Expiry time.Time

	// RefreshExpiry is when RefreshToken stops working, in UTC. Zero means that this is unknown or
	// that there is no refresh token.
	RefreshExpiry time.Time
}

// Expires reports whether the access token has an end.
func (t Token) Expires() bool {
	return !t.Expiry.IsZero()
}

// ExpiredAt reports whether the access token is past its end at now. A token that doesn't expire is
// never past it.
func (t Token) ExpiredAt(now time.Time) bool {
	return t.Expires() && !now.Before(t.Expiry)
}

// Refreshable reports whether the token has a refresh token. That one may be past RefreshExpiry.
func (t Token) Refreshable() bool {
	return !t.RefreshToken.IsZero()
}
