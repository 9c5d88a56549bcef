package middleware

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// RequireScopes is [Authenticator.Require] for handlers that need more of an OAuth App's scopes than a sign-in asks for. Who
// lacks one is sent to GitHub again, if they are a browser's navigation: GitHub shows what is new, and the page
// comes next. The rest get 403 and problem JSON, with the scopes that are missing and where to go for them. What was granted
// stays with the user's token.
//
// Coverage counts, so a token with repo passes where repo:status is asked for. GitHub Apps have permissions instead of
// scopes; there it lets nobody pass. Call it while the server is set up; a scope that can't be one is a panic, as a bad pattern
// of [http.ServeMux] is.
//
//	mux.Handle("/deploy", auth.RequireScopes("repo")(deploy))
func (a *Authenticator) RequireScopes(scopes ...string) func(http.Handler) http.Handler {
	if err := oauth.ValidateScopes(scopes); err != nil {
		panic(fmt.Sprintf("middleware: RequireScopes: %v", err))
	}
	a.steps.add(scopes)
	return func(next http.Handler) http.Handler {
		return a.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, _ := UserFromContext(r.Context())
			missing, err := a.grants.MissingScopes(r.Context(), user.ID, scopes...)
			switch {
			case err != nil:
				a.Fail(w, r, err)
			case len(missing) == 0:
				next.ServeHTTP(w, r)
			case isNavigation(r):
				a.begin(w, r, attempt{ReturnTo: a.here(r), Scopes: missing}, nil)
			default:
				// Without a way back to here, which is a script's address and no page, or takes no GET.
				a.fail(w, r, &Problem{Kind: KindScopes, MissingScopes: missing})
			}
		}))
	}
}

// SwitchAccountURL is [Authenticator.LoginURL] for who wants to use another of their accounts at GitHub, which then asks
// which.
func (a *Authenticator) SwitchAccountURL(returnTo string) string {
	return withQuery(a.LoginURL(returnTo), url.Values{"prompt": {"select_account"}})
}

// SettingsURL is the page at GitHub where a user sees what they granted to the app, and can take it back (GitHub docs,
// "Authorizing OAuth apps").
func (a *Authenticator) SettingsURL() string {
	return a.cfg.Host.Web + "/settings/connections/applications/" + url.PathEscape(a.cfg.ClientID)
}

// steps are the scopes that handlers ask for, beyond those of a sign-in: what a link may ask for, too.
type steps struct {
	mu    sync.Mutex
	known []string
}

func (s *steps) add(scopes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = append(s.known, scopes...)
}

// among returns those of a link's scopes that some handler asks for, each once: nobody else's link can ask for more, nor make the
// attempt's cookie larger than a browser keeps.
func (s *steps) among(list string) (asked []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for scope := range strings.FieldsSeq(list) {
		if slices.Contains(s.known, scope) && !slices.Contains(asked, scope) {
			asked = append(asked, scope)
		}
	}
	return asked
}

// scopesOf returns what an attempt asks GitHub for. A token replaces the one before, so whoever steps up asks for what that
// had, too.
func (a *Authenticator) scopesOf(r *http.Request, t attempt) []string {
	scopes := slices.Clone(a.cfg.Scopes)
	if len(t.Scopes) == 0 {
		return scopes
	}
	if v := visitFrom(r.Context()); v != nil && v.signedIn && v.auth == a {
		if token, err := a.grants.Token(r.Context(), v.identity.User.ID); err == nil {
			scopes = append(scopes, oauth.MissingScopes(scopes, token.Scopes)...)
		}
	}
	return append(scopes, oauth.MissingScopes(scopes, t.Scopes)...)
}

// stepUpFailed answers a visitor who came back from GitHub without the scopes that they were sent for: to send them there
// again could go on for ever. It reports whether it did.
func (a *Authenticator) stepUpFailed(w http.ResponseWriter, r *http.Request, t attempt, login grant.Session) bool {
	if len(t.Scopes) == 0 {
		return false
	}
	missing, err := a.grants.MissingScopes(r.Context(), login.UserID, t.Scopes...)
	if err != nil || len(missing) == 0 {
		return false
	}
	a.log.LogAttrs(r.Context(), slog.LevelWarn, "GitHub did not grant the scopes that a page needs: the user said no, or the app is a GitHub App, which has permissions instead and no use for RequireScopes",
		slog.String("scopes", strings.Join(missing, " ")))
	a.fail(w, r, &Problem{Kind: KindScopes, MissingScopes: missing, ReturnTo: t.ReturnTo})
	return true
}

func withQuery(address string, more url.Values) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	maps.Copy(q, more)
	u.RawQuery = q.Encode()
	return u.String()
}
