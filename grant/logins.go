package grant

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxUserAgent bounds what is kept of a User-Agent header, in bytes.
const maxUserAgent = 200

// LoginInfo is one of a user's logins, for a page that shows them with a button to end each. What several tabs of a browser
// began at once is one.
type LoginInfo struct {
	// ID names the login to [Manager.SignOutLogin], and nothing else: no session can be made from it, so it may stand in a page.
	ID string

	// Created is when the user signed in, in UTC, and Expires when the login ends by itself.
	Created, Expires time.Time

	// LastSeen is when the login was last used, in UTC, as far as that is noted: see [WithLastSeen].
	LastSeen time.Time

	// UserAgent is what the browser called itself at the sign-in: at most 200 bytes of printable text, or "" where it is
	// not known. Whoever signs in chooses it, so a page must escape it, as html/template does, and nothing may rest on it.
	UserAgent string

	// Current says that it is the login of the session that was asked with.
	Current bool
}

// Logins returns the logins of s's user that stand, that of s first and then the one that was seen last. It costs one read of
// the store. A session without a LoginID asks for the user alone, and none is Current. Errors are [*StoreError] and
// [*FormatError].
func (m *Manager) Logins(ctx context.Context, s Session) ([]LoginInfo, error) {
	r, err := m.lookupNow(ctx, s.UserID)
	if err != nil || r.ClientID != m.app.ClientID() {
		return nil, err
	}
	return r.loginInfos(s.LoginID, m.clock()), nil
}

func (r *record) loginInfos(current string, now time.Time) []LoginInfo {
	byID := make(map[string]LoginInfo)
	for loginID, l := range r.Logins {
		if !r.signedIn(loginID, now) {
			continue
		}
		id := l.publicID(loginID)
		info, another := byID[id]
		if !another || l.Created.Before(info.Created) {
			info.Created = l.Created
		}
		if l.Expires.After(info.Expires) {
			info.Expires = l.Expires
		}
		if l.lastSeen().After(info.LastSeen) {
			info.LastSeen = l.lastSeen()
		}
		info.ID, info.UserAgent = id, cmp.Or(info.UserAgent, l.UserAgent)
		info.Current = info.Current || loginID == current
		byID[id] = info
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b LoginInfo) int {
		switch {
		case a.Current:
			return -1
		case b.Current:
			return 1
		}
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID))
	})
}

// publicID names a login, and the others of its browser, to whoever may see it: a session can be made from a login id
// by whoever can forge sessions, so the id itself is shown to nobody.
func (l login) publicID(loginID string) string {
	sum := sha256.Sum256([]byte("ghlogin login " + cmp.Or(l.Browser, loginID)))
	return hex.EncodeToString(sum[:16])
}

func (l login) lastSeen() time.Time {
	if l.Seen.IsZero() {
		return l.Created
	}
	return l.Seen
}

// dropPublic takes out the logins that have the public id. It reports whether there were any.
func (r *record) dropPublic(id string) bool {
	before := len(r.Logins)
	maps.DeleteFunc(r.Logins, func(loginID string, l login) bool { return l.publicID(loginID) == id })
	return len(r.Logins) < before
}

// dropOthers takes out all logins but those of one browser. It reports whether there were any.
func (r *record) dropOthers(loginID string) bool {
	before, kept := len(r.Logins), r.Logins[loginID].publicID(loginID)
	maps.DeleteFunc(r.Logins, func(other string, l login) bool { return l.publicID(other) != kept })
	return len(r.Logins) < before
}

// printable returns the beginning of s, without what would not show, or show as something else: control characters, marks
// that change the direction of writing, and bytes that are no text.
func printable(s string, most int) string {
	var b strings.Builder
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			continue
		}
		if b.Len()+utf8.RuneLen(r) > most {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
