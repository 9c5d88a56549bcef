package githubtest

import (
	"net/http"
	"net/url"
	"strings"
)

const authorizePath = "/login/oauth/authorize"

// Errors that authorize redirects with (GitHub docs, Troubleshooting authorization request errors).
const (
	errAccessDenied = "access_denied"
	errSuspended    = "application_suspended"
)

var authorizeErrors = map[string]string{
	errAccessDenied: "The user has denied your application access.",
	errSuspended:    "Your application has been suspended. Contact support@github.com.",
	errRedirectURI:  "The redirect_uri MUST match the registered callback URL for this application.",
	errRequest:      "The request is missing a parameter or has one that is malformed.",
	errScope:        "The scopes requested are invalid.",
}

// authorization is an authorize request that passed its checks and waits for the user.
type authorization struct {
	app         *app
	redirectURI string // where the code goes
	errorURI    string // where an error goes
	state       string
	hasState    bool
	scopes      []string
	offline     bool
	challenge   string
	login       string // the account that the app suggests
	allowSignup bool
	pickAccount bool
}

// serveAuthorize is GET /login/oauth/authorize: check the request, then either go on at once or ask
// the user.
func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	entry := entryOf(r)
	s.mu.Lock()
	a := s.apps[q.Get("client_id")]
	if a == nil {
		s.mu.Unlock()
		s.showNotFound(w, r)
		return
	}
	entry.ClientID = a.ClientID
	req, failed := s.checkAuthorize(a, q)
	if failed != "" {
		entry.OAuthError = failed
		s.mu.Unlock()
		if req.errorURI == "" {
			s.showMessage(w, r, http.StatusBadRequest, "This app has no callback URL",
				"Register a callback URL for the app; until then there is no place to go back to.")
			return
		}
		s.redirectError(w, req, failed)
		return
	}
	if u := s.userWithoutPage(r, req); u != nil {
		target := s.authorizeAs(req, u, entry)
		s.mu.Unlock()
		redirect(w, target)
		return
	}
	page := s.authorizePage(r, req)
	s.mu.Unlock()
	s.show(w, r, http.StatusOK, page)
}

// checkAuthorize reads the parameters and returns the error code of the first wrong one; s.mu is
// held.
func (s *Server) checkAuthorize(a *app, q url.Values) (req *authorization, failed string) {
	req = &authorization{
		app: a, state: q.Get("state"), hasState: q.Has("state"), login: q.Get("login"),
		allowSignup: q.Get("allow_signup") != "false", pickAccount: q.Get("prompt") == "select_account",
	}
	var redirectOK bool
	req.redirectURI, req.errorURI, redirectOK = a.matchRedirect(q.Get("redirect_uri"))
	if a.Suspended {
		return req, errSuspended
	}
	if !redirectOK {
		return req, errRedirectURI
	}
	if !s.noPKCE {
		req.challenge = q.Get("code_challenge")
		if !challengeOK(req.challenge, q.Get("code_challenge_method")) {
			return req, errRequest
		}
	}
	if a.Kind == GitHubApp {
		return req, "" // permissions in place of scopes; the parameter is not used
	}
	var unknown []string
	req.scopes, req.offline, unknown = parseScopes(q.Get("scope"))
	if len(unknown) > 0 {
		// GitHub documents nothing for scopes that don't exist; an unknown one is better refused
		// than lost.
		return req, errScope
	}
	return req, ""
}

// challengeOK checks PKCE: both parameters or none, S256 only, and exactly 43 characters of
// base64url (GitHub docs, Authorizing OAuth apps). The error code for a wrong one is RFC 7636's,
// since GitHub documents none.
func challengeOK(challenge, method string) bool {
	if challenge == "" && method == "" {
		return true
	}
	if method != "S256" || len(challenge) != 43 {
		return false
	}
	return strings.Trim(challenge, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// userWithoutPage returns the user for whom the page is skipped, or nil. GitHub skips it for a
// person who is signed in and granted these scopes to the app before, unless the app asks for the
// account picker. s.mu is held.
func (s *Server) userWithoutPage(r *http.Request, req *authorization) *user {
	if s.autoUser != 0 {
		return s.users[s.autoUser]
	}
	u := s.browserUser(r)
	if u == nil || req.pickAccount || req.login != "" && !strings.EqualFold(req.login, u.Login) {
		return nil
	}
	g := s.state.grants[grantKey{req.app.ClientID, u.ID}]
	if g == nil || !allowsAll(g.scopes, req.scopes) {
		return nil
	}
	return u
}

// authorizeAs records the user's consent and returns the callback address with a code; s.mu is
// held.
func (s *Server) authorizeAs(req *authorization, u *user, entry *Call) string {
	s.noteUser(entry, u.ID)
	// The consent is remembered now, not at the exchange: the page is skipped even if the app drops
	// the code.
	scopes := s.grantScopes(req.app, u.ID, req.scopes)
	params := url.Values{"code": {s.newCode(code{
		clientID: req.app.ClientID, userID: u.ID, redirectURI: req.redirectURI,
		scopes: scopes, offline: req.offline, challenge: req.challenge,
	})}}
	if req.hasState {
		params.Set("state", req.state)
	}
	return addQuery(req.redirectURI, params)
}

// redirectError sends the browser to the registered callback with an error.
func (s *Server) redirectError(w http.ResponseWriter, req *authorization, failed string) {
	params := url.Values{
		"error":             {failed},
		"error_description": {authorizeErrors[failed]},
		"error_uri": {"https://docs.github.com/apps/managing-oauth-apps/troubleshooting-authorization-request-errors/#" +
			strings.ReplaceAll(failed, "_", "-")},
	}
	if req.hasState {
		params.Set("state", req.state)
	}
	redirect(w, addQuery(req.errorURI, params))
}

// redirect answers 302.
func redirect(w http.ResponseWriter, target string) {
	w.Header().Set("Location", target)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusFound)
}

// decideAuthorize is POST /login/oauth/authorize: the user pressed a button.
func (s *Server) decideAuthorize(w http.ResponseWriter, r *http.Request) {
	entry := entryOf(r)
	s.mu.Lock()
	form := s.takeForm(r)
	if form == nil || form.authorize == nil {
		s.mu.Unlock()
		s.showStaleForm(w, r)
		return
	}
	req := form.authorize
	entry.ClientID = req.app.ClientID
	if r.PostFormValue("action") != "authorize" {
		entry.OAuthError = errAccessDenied
		s.mu.Unlock()
		s.redirectError(w, req, errAccessDenied)
		return
	}
	u := s.userByLogin(r.PostFormValue("user"))
	if u == nil {
		s.mu.Unlock()
		s.showMessage(w, r, http.StatusBadRequest, "Nobody was chosen", "Go back and choose who signs in.")
		return
	}
	target := s.authorizeAs(req, u, entry)
	s.rememberBrowser(w, u)
	s.mu.Unlock()
	redirect(w, target)
}
