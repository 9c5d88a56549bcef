package githubtest

import (
	"crypto/rand"
	"slices"
	"time"
)

// maxLiveTokens is how many tokens one user, app and scope set may have; another one revokes the
// oldest (GitHub docs, Authorizing OAuth apps). The docs say it of OAuth Apps; the fake holds
// GitHub Apps to it too.
const maxLiveTokens = 10

// codeLife is how long a code can be exchanged (GitHub docs, Authorizing OAuth apps).
const codeLife = 10 * time.Minute

// state is what GitHub remembers about sign-ins.
type state struct {
	byAccess  map[string]*token
	byRefresh map[string]*token
	codes     map[string]*code
	grants    map[grantKey]*grant
	sessions  map[string]int64        // browser cookie to user id
	forms     map[string]*pendingForm // forms that are open in a browser, by their hidden value
	installs  map[grantKey]*installation

	lastTokenID, lastInstallID int64
}

func newState() state {
	return state{
		byAccess: map[string]*token{}, byRefresh: map[string]*token{}, codes: map[string]*code{},
		grants: map[grantKey]*grant{}, sessions: map[string]int64{}, forms: map[string]*pendingForm{},
		installs: map[grantKey]*installation{}, lastInstallID: 50_000_000,
	}
}

// grantKey names an app's authorization by a user.
type grantKey struct {
	clientID string
	userID   int64
}

// grant is an app's authorization by a user: what was granted over time, and the tokens that came
// of it.
type grant struct {
	scopes []string
	tokens []*token // oldest first; may hold dead ones
}

// code is what authorize hands to the browser. It is bound to the app, the redirect URI and the
// challenge.
type code struct {
	clientID    string
	userID      int64
	redirectURI string
	scopes      []string
	offline     bool
	challenge   string
	expires     time.Time
	used        bool
}

// token is an access token with its refresh token, if it has one.
type token struct {
	id       int64
	access   string
	refresh  string // empty for tokens that never expire
	clientID string
	kind     Kind
	userID   int64
	scopes   []string
	created  time.Time

	expires        time.Time // zero for never
	refreshExpires time.Time
	revoked        bool // the access token is dead
	refreshDead    bool // the refresh token was used or revoked
}

func (t *token) alive() bool {
	return !t.revoked && (t.expires.IsZero() || time.Now().Before(t.expires))
}

func (t *token) refreshable() bool {
	return t.refresh != "" && !t.refreshDead && time.Now().Before(t.refreshExpires)
}

// kill ends the access token and its refresh token.
func (t *token) kill() { t.revoked, t.refreshDead = true, true }

// IssuedToken is a token as the token endpoint gives it.
type IssuedToken struct {
	// AccessToken starts with gho_ (OAuth App) or ghu_ (GitHub App).
	AccessToken string
	// RefreshToken starts with ghr_; empty if the token never expires.
	RefreshToken string
	// Scopes are the granted scopes, always empty for GitHub Apps.
	Scopes []string
	// ExpiresAt is zero if the token never expires.
	ExpiresAt time.Time
	// RefreshExpiresAt is zero if there is no refresh token.
	RefreshExpiresAt time.Time
}

// IssueToken signs the user in without a browser and returns a live token. It counts toward the ten
// live tokens like any other. The scope offline_access works as in the authorize URL. It panics on
// an unknown client id, login or scope.
func (s *Server) IssueToken(clientID, login string, scopes ...string) IssuedToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, u := s.mustApp(clientID), s.mustUser(login)
	var wanted []string
	offline := false
	for _, scope := range scopes {
		known, off, unknown := parseScopes(scope)
		if len(unknown) > 0 {
			panic("githubtest: no scope is called " + unknown[0])
		}
		wanted, offline = append(wanted, known...), offline || off
	}
	granted := s.grantScopes(a, u.ID, normalizeScopes(wanted))
	t := s.issue(a, u.ID, granted, !a.NoExpiry || offline)
	return IssuedToken{
		AccessToken: t.access, RefreshToken: t.refresh, Scopes: slices.Clone(t.scopes),
		ExpiresAt: t.expires, RefreshExpiresAt: t.refreshExpires,
	}
}

// grantScopes records what the user grants and returns what the new token gets: the wanted scopes
// or, if none are wanted, all that were ever granted (GitHub docs, Authorizing OAuth apps). s.mu is
// held.
func (s *Server) grantScopes(a *app, userID int64, wanted []string) []string {
	g := s.grantOf(a.ClientID, userID)
	if a.Kind == GitHubApp {
		return nil
	}
	g.scopes = unionScopes(g.scopes, wanted)
	if len(wanted) == 0 {
		return slices.Clone(g.scopes)
	}
	return wanted
}

// grantOf returns the authorization and makes one if there is none; s.mu is held.
func (s *Server) grantOf(clientID string, userID int64) *grant {
	key := grantKey{clientID, userID}
	g := s.state.grants[key]
	if g == nil {
		g = &grant{}
		s.state.grants[key] = g
	}
	return g
}

// issue makes a token; s.mu is held.
func (s *Server) issue(a *app, userID int64, scopes []string, expiring bool) *token {
	s.state.lastTokenID++
	now := time.Now()
	t := &token{
		id: s.state.lastTokenID, access: "gho_" + randomText(36), clientID: a.ClientID, kind: a.Kind,
		userID: userID, scopes: scopes, created: now,
	}
	if a.Kind == GitHubApp {
		t.access = "ghu_" + randomText(36)
	}
	if expiring {
		t.expires = now.Add(a.TokenLife)
		t.refresh, t.refreshExpires = "ghr_"+randomText(76), now.Add(a.RefreshLife)
		s.state.byRefresh[t.refresh] = t
	}
	s.state.byAccess[t.access] = t
	s.know(t.access, t.refresh)
	s.keepTen(s.grantOf(a.ClientID, userID), t)
	return t
}

// keepTen adds a token to its grant and revokes the oldest of its scope set beyond ten; s.mu is
// held.
func (s *Server) keepTen(g *grant, t *token) {
	g.tokens = slices.DeleteFunc(g.tokens, func(t *token) bool { return !t.alive() && !t.refreshable() })
	g.tokens = append(g.tokens, t)
	live, set := 0, scopeSet(t.scopes)
	for _, other := range slices.Backward(g.tokens) {
		if scopeSet(other.scopes) != set {
			continue
		}
		if live++; live > maxLiveTokens {
			other.kill()
		}
	}
}

// newCode makes a code; s.mu is held.
func (s *Server) newCode(c code) string {
	c.expires = time.Now().Add(codeLife)
	value := randomHex(10)
	s.state.codes[value] = &c
	s.know(value)
	return value
}

// RevokeToken kills one access token and its refresh token, as when it was found in a public
// repository. Unknown tokens are ignored.
func (s *Server) RevokeToken(access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.state.byAccess[access]; t != nil {
		t.kill()
	}
}

// ExpireTokens lets the access tokens of a user at an app expire now. Their refresh tokens live on.
// Tokens that never expire stay.
func (s *Server) ExpireTokens(clientID string, userID int64) {
	s.eachToken(clientID, userID, func(t *token) {
		if !t.expires.IsZero() {
			t.expires = time.Now()
		}
	})
}

// ExpireRefreshTokens lets the refresh tokens of a user at an app expire now. The access tokens
// live on.
func (s *Server) ExpireRefreshTokens(clientID string, userID int64) {
	s.eachToken(clientID, userID, func(t *token) { t.refreshExpires = time.Now() })
}

func (s *Server) eachToken(clientID string, userID int64, do func(*token)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.state.grants[grantKey{clientID, userID}]; g != nil {
		for _, t := range g.tokens {
			do(t)
		}
	}
}

// LiveTokens counts the tokens of a user at an app whose access token or refresh token still works.
func (s *Server) LiveTokens(clientID string, userID int64) int {
	n := 0
	s.eachToken(clientID, userID, func(t *token) {
		if t.alive() || t.refreshable() {
			n++
		}
	})
	return n
}

// dropGrant forgets an authorization with all its tokens and unused codes; s.mu is held.
func (s *Server) dropGrant(clientID string, userID int64) {
	key := grantKey{clientID, userID}
	if g := s.state.grants[key]; g != nil {
		for _, t := range g.tokens {
			t.kill()
		}
	}
	delete(s.state.grants, key)
	for _, c := range s.state.codes {
		if c.clientID == clientID && c.userID == userID {
			c.used = true
		}
	}
}

// randomText returns n letters and digits.
func randomText(n int) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	b := make([]byte, n)
	_, _ = rand.Read(b)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}
