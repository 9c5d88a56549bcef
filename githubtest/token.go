package githubtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const tokenPath = "/login/oauth/access_token" //nolint:gosec // a path, not a token

// Error codes of the token endpoint (GitHub docs, Troubleshooting OAuth app access token request
// errors; Refreshing user access tokens).
const (
	errBadCode         = "bad_verification_code"
	errBadClient       = "incorrect_client_credentials"
	errRedirectURI     = "redirect_uri_mismatch"
	errUnverifiedEmail = "unverified_user_email"
	errBadRefresh      = "bad_refresh_token"
	errGrantType       = "unsupported_grant_type"
	errNoDeviceFlow    = "device_flow_disabled"
	errScope           = "invalid_scope"   // RFC 6749; not documented by GitHub
	errRequest         = "invalid_request" // RFC 6749; not documented by GitHub
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// tokenRequest holds the parameters of a token request.
type tokenRequest map[string]string

// grantType is optional for codes (GitHub docs, Authorizing OAuth apps).
func (p tokenRequest) grantType() string {
	if p["grant_type"] == "" {
		return "authorization_code"
	}
	return p["grant_type"]
}

// tokenParams reads the parameters of a token request from the query and from a body in form or
// JSON encoding. Where both name a parameter, the body wins. Client credentials in a Basic header
// work too, which GitHub accepts without documenting it.
func tokenParams(r *http.Request) (tokenRequest, error) {
	p := tokenRequest{}
	add := func(values url.Values) {
		for name := range values {
			p[name] = values.Get(name)
		}
	}
	add(r.URL.Query())
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if strings.HasSuffix(mediaType, "json") {
		var fields map[string]any
		if err := json.Unmarshal(body, &fields); err != nil {
			return nil, errors.New("problems parsing JSON")
		}
		for name, value := range fields {
			p[name] = fmt.Sprint(value)
		}
	} else {
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, errors.New("problems parsing the form")
		}
		add(values)
	}
	if id, secret, ok := r.BasicAuth(); ok && p["client_id"] == "" {
		p["client_id"], _ = url.QueryUnescape(id)
		p["client_secret"], _ = url.QueryUnescape(secret)
	}
	return p, nil
}

// oauthError is an error answer of the token endpoint.
type oauthError struct{ code, description string }

// tokenErrors are the descriptions that belong to the codes.
var tokenErrors = map[string]string{
	errBadCode:         "The code passed is incorrect or expired.",
	errBadClient:       "The client_id and/or client_secret passed are incorrect.",
	errRedirectURI:     "The redirect_uri MUST match the registered callback URL for this application.",
	errUnverifiedEmail: "The user must have a verified primary email.",
	errBadRefresh:      "The refresh token passed is incorrect or expired.",
	errGrantType:       "The grant_type is not supported.",
	errNoDeviceFlow:    "Device Flow must be explicitly enabled for this App",
}

// refuse makes the error answer for a documented code.
func refuse(code string) *oauthError { return &oauthError{code, tokenErrors[code]} }

// noteGrantType puts a token request's grant type into its log entry.
func (s *Server) noteGrantType(r *http.Request, body []byte) {
	probe := r.Clone(r.Context())
	probe.Body = io.NopCloser(bytes.NewReader(body))
	if p, err := tokenParams(probe); err == nil {
		s.note(r, func(c *Call) { c.GrantType = p.grantType() })
	}
}

// serveToken is POST /login/oauth/access_token.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	p, err := tokenParams(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.know(p["code_verifier"])
	entry := entryOf(r)
	t, refused := s.token(p, entry)
	answer := tokenAnswer(t, refused)
	if refused != nil {
		entry.OAuthError = refused.code
	}
	s.mu.Unlock()
	writeToken(w, r, answer)
}

// token does the work of a token request: who asks, then for what. s.mu is held.
func (s *Server) token(p tokenRequest, entry *Call) (*token, *oauthError) {
	a := s.apps[p["client_id"]]
	if a != nil {
		entry.ClientID = a.ClientID
	}
	if p.grantType() == deviceGrant {
		return nil, refuse(errNoDeviceFlow)
	}
	// The credentials come first, so that a wrong secret spends neither a code nor a refresh token.
	if a == nil || !a.hasSecret(p["client_secret"]) {
		return nil, refuse(errBadClient)
	}
	switch p.grantType() {
	case "authorization_code":
		return s.exchange(a, p, entry)
	case "refresh_token":
		return s.refresh(a, p, entry)
	}
	return nil, refuse(errGrantType)
}

// exchange turns a code into a token; s.mu is held.
func (s *Server) exchange(a *app, p tokenRequest, entry *Call) (*token, *oauthError) {
	c := s.state.codes[p["code"]]
	if c == nil || c.used || c.clientID != a.ClientID || !time.Now().Before(c.expires) {
		return nil, refuse(errBadCode)
	}
	s.noteUser(entry, c.userID)
	// A code is spent by the first attempt of its own app, failed or not. GitHub documents that it
	// works once; that a failed attempt spends it is the stricter reading.
	c.used = true
	if uri := p["redirect_uri"]; uri != "" && uri != c.redirectURI {
		return nil, refuse(errRedirectURI)
	}
	if !s.verifierFits(c.challenge, p["code_verifier"]) {
		// GitHub documents no code for this. It is the code for whatever is wrong with what came
		// back from the browser, and the app's reaction is the same: start the sign-in again.
		return nil, &oauthError{errBadCode, "The code passed is incorrect or expired: the code_verifier does not belong to it."}
	}
	u := s.users[c.userID]
	if u == nil || u.EmailUnverified {
		return nil, refuse(errUnverifiedEmail)
	}
	scopes := s.grantScopes(a, u.ID, c.scopes)
	return s.issue(a, u.ID, scopes, !a.NoExpiry || c.offline), nil
}

// verifierFits checks PKCE (RFC 7636, with S256 as the only method). A verifier without a challenge
// is refused too: it means that the challenge was lost or stripped on the way.
func (s *Server) verifierFits(challenge, verifier string) bool {
	if s.noPKCE {
		return true
	}
	if challenge == "" {
		return verifier == ""
	}
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:]) == challenge
}

// refresh turns a refresh token into a new pair. The old refresh token and the old access token
// stop working at once (GitHub docs, Refreshing user access tokens). s.mu is held.
func (s *Server) refresh(a *app, p tokenRequest, entry *Call) (*token, *oauthError) {
	old := s.state.byRefresh[p["refresh_token"]]
	if old == nil || old.clientID != a.ClientID {
		return nil, refuse(errBadRefresh)
	}
	s.noteUser(entry, old.userID)
	if !old.refreshable() {
		return nil, refuse(errBadRefresh)
	}
	// The scope can't be changed by a refresh; GitHub documents no code for trying.
	if scope := p["scope"]; scope != "" {
		if wanted, _, unknown := parseScopes(scope); len(unknown) > 0 || scopeSet(wanted) != scopeSet(old.scopes) {
			return nil, &oauthError{errScope, "The scope can't be changed when a token is refreshed."}
		}
	}
	old.kill()
	return s.issue(a, old.userID, slices.Clone(old.scopes), true), nil
}

// noteUser puts the user into a log entry; s.mu is held.
func (s *Server) noteUser(entry *Call, userID int64) {
	if u := s.users[userID]; u != nil {
		entry.UserID, entry.UserLogin = u.ID, u.Login
	}
}

// field is one parameter of a token answer, in order.
type field struct {
	name  string
	value any // string or int64
}

// tokenAnswer lays out the answer's fields (GitHub docs, Generating a user access token;
// Authorizing OAuth apps).
func tokenAnswer(t *token, refused *oauthError) []field {
	if refused != nil {
		return []field{
			{"error", refused.code},
			{"error_description", refused.description},
			{"error_uri", "https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/#" +
				strings.ReplaceAll(refused.code, "_", "-")},
		}
	}
	fields := []field{{"access_token", t.access}}
	if t.refresh != "" {
		fields = append(
			fields,
			field{"expires_in", int64(t.expires.Sub(t.created) / time.Second)},
			field{"refresh_token", t.refresh},
			field{"refresh_token_expires_in", int64(t.refreshExpires.Sub(t.created) / time.Second)},
		)
	}
	// Scopes are joined by commas here although a request has them separated by spaces.
	return append(fields, field{"scope", strings.Join(t.scopes, ",")}, field{"token_type", "bearer"})
}

// writeToken answers in JSON if Accept asks for it and in form encoding otherwise. GitHub can do
// XML too; the fake can't. Errors have the status 200 like everything else.
func writeToken(w http.ResponseWriter, r *http.Request, fields []field) {
	w.Header().Set("Cache-Control", "max-age=0, private, must-revalidate")
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		object := map[string]any{}
		for _, f := range fields {
			object[f.name] = f.value
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(object)
		return
	}
	values := url.Values{}
	for _, f := range fields {
		switch v := f.value.(type) {
		case string:
			values.Set(f.name, v)
		case int64:
			values.Set(f.name, strconv.FormatInt(v, 10))
		}
	}
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	_, _ = io.WriteString(w, values.Encode())
}
