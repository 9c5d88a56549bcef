package grant

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// format is the number of the layout below. A reader that meets another one reports it and changes
// nothing, so that an old replica can't damage what a newer one wrote. A field that may get lost can be added without
// another number: old replicas don't know it, and drop it when they write.
const format = 1

// maxLogins bounds the sign-ins of one user that are kept; the one that was not used for the longest goes. It keeps a script
// that signs in again and again from growing the grant without end.
const maxLogins = 64

// tombstoneLife is how long a forgotten grant's empty record stays: longer than any writer that
// began before could still be at work.
const tombstoneLife = 24 * time.Hour

// record is a grant as it stands in the store: JSON that an operator can read.
type record struct {
	Format   int    `json:"format"`
	ClientID string `json:"client_id"`

	// WriteID is random with each change. After a Put whose answer got lost it tells one's own write
	// from another's. A refresh's names its phase.
	WriteID string `json:"write_id"`

	// Before are the beginnings of the write ids before it, the newest last: by them it shows that a write counted which
	// others have built on, or undone, before its writer looked again.
	Before []string `json:"before,omitempty"`

	User   oauth.User       `json:"user"`
	Token  token            `json:"token,omitzero"`
	Logins map[string]login `json:"logins,omitempty"`

	// Lineage is random with each sign-in that brings a token, Generation counts that token's
	// refreshes. Together they name a token without showing it: see id.
	Lineage    string `json:"lineage,omitempty"`
	Generation int64  `json:"generation"`

	Lease      lease     `json:"lease,omitzero"`
	Failure    failure   `json:"failure,omitzero"`
	NeedsLogin Reason    `json:"needs_login,omitempty"`
	Forgotten  time.Time `json:"forgotten,omitzero"`
}

// token is an [oauth.Token] as it is stored.
type token struct {
	AccessToken   written   `json:"access_token"`
	RefreshToken  written   `json:"refresh_token,omitzero"`
	Scopes        []string  `json:"scopes,omitzero"`
	Issued        time.Time `json:"issued"`
	Expiry        time.Time `json:"expiry,omitzero"`
	RefreshExpiry time.Time `json:"refresh_expiry,omitzero"`
}

// written is a secret that JSON shows, and nothing else does: the one place where tokens leave the
// type that hides them.
type written struct{ oauth.Secret }

// MarshalJSON implements [json.Marshaler].
func (s written) MarshalJSON() ([]byte, error) { return json.Marshal(s.Reveal()) }

// login is one browser's sign-in.
type login struct {
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Browser string    `json:"browser,omitempty"`

	UserAgent string `json:"user_agent,omitempty"`
	// Seen is when it was last used, as far as that is noted; zero is not since it was created.
	Seen time.Time `json:"seen,omitzero"`
}

// lease says that Owner is refreshing. It may be taken over when the version that carries it has
// stood unchanged for Length on the watcher's own clock; no time of day is in it.
type lease struct {
	Owner  string        `json:"owner"`
	Length time.Duration `json:"length_ns"`
}

// failure is what came of the last refresh that brought no token.
type failure struct {
	Code      string    `json:"code,omitempty"`
	At        time.Time `json:"at"`
	NotBefore time.Time `json:"not_before"` // No replica tries again before.
	Count     int       `json:"count"`

	// Misconfigured says that GitHub refused the app's credentials, not the user's.
	Misconfigured bool `json:"misconfigured,omitempty"`

	// Unknown says that GitHub may have carried out a refresh whose answer got lost, or whose owner
	// was not heard of again. It stands until a refresh succeeds: it tells a lost pair from a
	// revoked one.
	Unknown bool `json:"unknown,omitempty"`
}

// id names the token that a record holds.
type id struct {
	lineage    string
	generation int64
}

func (r *record) id() id { return id{r.Lineage, r.Generation} }

// lagsBehind says whether r is an older state of the token that i names: what a replica of the store may
// answer.
func (r *record) lagsBehind(i id) bool { return r.Lineage == i.lineage && r.Generation < i.generation }

// clone returns a copy whose logins can be changed.
func (r *record) clone() *record {
	c := *r
	c.Logins = maps.Clone(r.Logins)
	return &c
}

// forget makes r a tombstone: nothing of the user or their token is left in it.
func (r *record) forget(now time.Time) {
	*r = record{ClientID: r.ClientID, WriteID: r.WriteID, Before: r.Before, Forgotten: now.UTC()}
}

const (
	// keptWrites is how many write ids before the last are kept: more than come between a writer's Put and its next look.
	keptWrites = 4
	// writeNameLength is how much of each: 40 random bits.
	writeNameLength = 8
)

// sign gives r, which is written over what it was made from, a write id.
func (r *record) sign(writeID string) {
	before := r.Before[max(0, len(r.Before)-keptWrites+1):]
	if r.WriteID != "" {
		before = append(slices.Clone(before), writeName(r.WriteID))
	}
	r.WriteID, r.Before = writeID, before
}

// follows says whether r was built on a write of that id, or on what was built on it, as far as that is kept.
func (r *record) follows(writeID string) bool { return slices.Contains(r.Before, writeName(writeID)) }

func writeName(writeID string) string { return writeID[:min(writeNameLength, len(writeID))] }

// signedIn says whether a login id stands in the grant.
func (r *record) signedIn(loginID string, now time.Time) bool {
	l, ok := r.Logins[loginID]
	return ok && now.Before(l.Expires)
}

// dropLogin takes a login out, with those that came from the same browser. It reports whether it was
// there.
func (r *record) dropLogin(loginID string) bool {
	l, ok := r.Logins[loginID]
	delete(r.Logins, loginID)
	maps.DeleteFunc(r.Logins, func(_ string, other login) bool { return l.Browser != "" && other.Browser == l.Browser })
	return ok
}

// addLogin adds a login, drops those that have ended, and keeps the number bounded.
func (r *record) addLogin(loginID string, l login) {
	r.dropEndedLogins(l.Created)
	if r.Logins == nil {
		r.Logins = make(map[string]login)
	}
	for len(r.Logins) >= maxLogins {
		unused := "" // For the longest: the first that was created may be the one in use.
		for id, other := range r.Logins {
			if unused == "" || other.lastSeen().Before(r.Logins[unused].lastSeen()) {
				unused = id
			}
		}
		delete(r.Logins, unused)
	}
	r.Logins[loginID] = l
}

func (r *record) dropEndedLogins(now time.Time) {
	maps.DeleteFunc(r.Logins, func(_ string, l login) bool { return !now.Before(l.Expires) })
}

// expires is when a store may drop r; zero is never.
func (r *record) expires(keepTokens bool) time.Time {
	switch {
	case !r.Forgotten.IsZero():
		return r.Forgotten.Add(tombstoneLife)
	case keepTokens:
		return r.Token.RefreshExpiry
	}
	var last time.Time
	for _, l := range r.Logins {
		if l.Expires.After(last) {
			last = l.Expires
		}
	}
	return last
}

func (r *record) encode() ([]byte, error) {
	r.Format = format
	return json.Marshal(r)
}

// decode reads the whole before its format, since that is right nearly always and each reading costs: what another format
// means by the other fields is not ours to guess, and so nothing of such a record is returned.
func decode(value []byte) (*record, error) {
	r := new(record)
	switch err := json.Unmarshal(value, r); {
	case err != nil:
		// The JSON error is not wrapped: it can quote the value, and the value holds tokens.
		return nil, &FormatError{Format: formatOf(value)}
	case r.Format != format:
		return nil, &FormatError{Format: r.Format}
	}
	return r, nil
}

// formatOf is the format of a value that can't be decoded; 0 if there is none.
func formatOf(value []byte) int {
	var head struct {
		Format int `json:"format"`
	}
	if json.Unmarshal(value, &head) != nil {
		return 0
	}
	return head.Format
}

// FormatError says that what stands in the store is no grant that this version of the library can
// read. Nothing was overwritten. It matches [oauth.ErrMisconfigured].
type FormatError struct {
	// Format is the number found; 0 if there was none.
	Format int
}

// Error implements error.
func (e *FormatError) Error() string {
	if e.Format == 0 || e.Format == format {
		return "grant: the stored value is not a grant; check that nothing else writes under this prefix of the store"
	}
	return fmt.Sprintf("grant: stored in format %d, but this version reads format %d; run one version of ghlogin, the newer, on all replicas (nothing was overwritten)", e.Format, format)
}

// Is matches [oauth.ErrMisconfigured].
func (e *FormatError) Is(target error) bool { return target == oauth.ErrMisconfigured }

func storedToken(t oauth.Token, issued time.Time) token {
	return token{
		AccessToken:   written{t.AccessToken},
		RefreshToken:  written{t.RefreshToken},
		Scopes:        t.Scopes,
		Issued:        issued.UTC(),
		Expiry:        t.Expiry,
		RefreshExpiry: t.RefreshExpiry,
	}
}

func (t token) oauth() oauth.Token {
	return oauth.Token{
		AccessToken:   t.AccessToken.Secret,
		RefreshToken:  t.RefreshToken.Secret,
		Scopes:        t.Scopes,
		Expiry:        t.Expiry,
		RefreshExpiry: t.RefreshExpiry,
	}
}
