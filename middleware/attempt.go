package middleware

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

const (
	// attemptLifetime is how long a visitor may take at GitHub. GitHub's code lives as long (GitHub
	// docs, "Authorizing OAuth apps").
	attemptLifetime = 10 * time.Minute

	// maxAttemptBytes bounds the attempts that one browser carries, some twenty with short paths; the
	// oldest goes. Proxies refuse a request with more than some 8 KiB of cookies.
	maxAttemptBytes = 6 << 10

	// maxCleared bounds the attempts that one answer takes back. More are no browser's of ours, and would
	// have a small request answered by a large one.
	maxCleared = 32
)

// attempt is one sign-in under way. It travels in a sealed cookie of its own, so that ten tabs that
// a browser restores at once all land on their own page, and so that visitors who never come back
// cost the server nothing.
type attempt struct {
	State        string `json:"s"`
	Verifier     string `json:"v"`
	ReturnTo     string `json:"r"`
	Expires      int64  `json:"x"` // Unix time in milliseconds.
	Browser      string `json:"b"` // Of its own, or of the oldest attempt that the browser carried.
	Installation string `json:"i,omitempty"`

	// Scopes are asked for beyond those of every sign-in: see RequireScopes.
	Scopes []string `json:"c,omitempty"`
}

// attempts keeps attempts in cookies.
type attempts struct {
	sealer sealer
	prefix string // Of the cookies' names.
	secure bool
}

func newAttempts(cfg Config, secure bool) (*attempts, error) {
	s, err := newSealer(cfg.CookieKeys, "ghlogin sign-in attempt")
	if err != nil {
		return nil, err
	}
	return &attempts{sealer: s, prefix: cookieName(cfg, secure) + "-attempt-", secure: secure}, nil
}

// cookieName is the name of the session cookie, and what the others begin with. The __Host- prefix has
// a browser take them from this host over https alone: a sub-domain can't plant them. It needs
// Secure, which http on loopback can't have.
func cookieName(cfg Config, secure bool) string {
	name := "ghlogin-" + cfg.appID()
	if secure {
		return "__Host-" + name
	}
	return name
}

// name finds an attempt's cookie by its state, without showing the state.
func (a *attempts) name(state string) string {
	sum := sha256.Sum256([]byte(state))
	return a.prefix + hex.EncodeToString(sum[:8])
}

// begin sends t to the browser, and takes back the oldest attempts if it carries too many.
func (a *attempts) begin(w http.ResponseWriter, r *http.Request, t attempt) error {
	t.Browser = a.browser(r, rand.Text())
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false) // An "&" of the return path would take six bytes.
	if err := encoder.Encode(t); err != nil {
		return err
	}
	name := a.name(t.State)
	value := a.sealer.seal(plain.Bytes(), name)
	a.makeRoom(w, r, len(name)+len(value))
	http.SetCookie(w, a.cookie(name, value, int(attemptLifetime/time.Second)))
	return nil
}

func (a *attempts) makeRoom(w http.ResponseWriter, r *http.Request, size int) {
	all := a.carried(r)
	for _, c := range all {
		size += len(c.cookie.Name) + len(c.cookie.Value)
	}
	for n := 0; n < min(len(all), maxCleared) && size > maxAttemptBytes; n++ {
		oldest := all[n].cookie
		size -= len(oldest.Name) + len(oldest.Value)
		a.clear(w, oldest.Name)
	}
}

// carried is an attempt that a browser sent.
type carried struct {
	cookie  *http.Cookie
	attempt attempt // Zero for a cookie that doesn't open, which so counts as the oldest.
}

// carried returns what r carries, the oldest first.
func (a *attempts) carried(r *http.Request) []carried {
	var all []carried
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, a.prefix) {
			t, _ := a.open(c)
			all = append(all, carried{c, t})
		}
	}
	slices.SortStableFunc(all, func(x, y carried) int { return cmp.Compare(x.attempt.Expires, y.attempt.Expires) })
	return all
}

// browser returns the name of the browser that r is from. Tabs that sign in at once carry each other's
// attempts, and the oldest of them gives the name.
func (a *attempts) browser(r *http.Request, otherwise string) string {
	for _, c := range a.carried(r) {
		if c.attempt.Browser != "" {
			return c.attempt.Browser
		}
	}
	return otherwise
}

// finish returns the attempt that began with state in this browser, and clears its cookie, so that a
// callback counts once. It reports false for a state that is empty, tampered with, expired, or from
// another browser.
func (a *attempts) finish(w http.ResponseWriter, r *http.Request, state string) (attempt, bool) {
	c, err := r.Cookie(a.name(state))
	if err != nil {
		return attempt{}, false
	}
	a.clear(w, c.Name)
	t, ok := a.open(c)
	// Secrets compare in constant time, and empty equals nothing: an empty state that met an empty
	// attempt was another library's login CSRF.
	ok = ok && oauth.NewSecret(t.State).Equal(oauth.NewSecret(state)) && time.Now().UnixMilli() < t.Expires
	return t, ok
}

func (a *attempts) open(c *http.Cookie) (t attempt, ok bool) {
	plain, ok := a.sealer.open(c.Value, c.Name)
	if !ok || json.Unmarshal(plain, &t) != nil {
		return attempt{}, false
	}
	return t, true
}

func (a *attempts) clear(w http.ResponseWriter, name string) {
	http.SetCookie(w, a.cookie(name, "", -1))
}

func (a *attempts) cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is off on loopback alone.
		Name:     name,
		Value:    value,
		Path:     "/",
		MaxAge:   maxAge,
		HttpOnly: true,
		Secure:   a.secure,
		SameSite: http.SameSiteLaxMode, // Strict would not come back with GitHub's redirect.
	}
}
