package middleware

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// login begins a sign-in: it seals what the callback will need into a cookie of this attempt, and
// sends the visitor to GitHub. Nothing is stored on the server.
//
// It takes return_to, a local path; prompt=select_account, to change accounts; login, a name to
// suggest; and scope, of those that some handler requires.
func (a *Authenticator) login(w http.ResponseWriter, r *http.Request) {
	if to := a.sameMachine(r); to != "" {
		redirect(w, to, http.StatusFound)
		return
	}
	q := r.URL.Query()
	scopes := a.steps.among(q.Get("scope"))
	if len(scopes) > 0 {
		r, _ = a.identify(w, r)
	}
	a.begin(w, r, attempt{ReturnTo: a.returnPath(q.Get("return_to")), Scopes: scopes}, q)
}

func (a *Authenticator) begin(w http.ResponseWriter, r *http.Request, t attempt, q url.Values) {
	verifier := oauth.NewVerifier()
	t.State = oauth.NewState()
	t.Verifier = verifier.Reveal()
	t.Expires = time.Now().Add(attemptLifetime).UnixMilli()

	authorize := oauth.Authorize{
		State:          t.State,
		Verifier:       verifier,
		Scopes:         a.scopesOf(r, t),
		OfflineAccess:  a.cfg.OfflineAccess,
		DisallowSignup: a.cfg.DisallowSignup,
		Login:          bounded(q.Get("login"), 100),
	}
	if q.Get("prompt") == "select_account" {
		authorize.Prompt = "select_account"
	}
	to, err := a.app.AuthorizeURL(authorize)
	if err == nil {
		err = a.attempts.begin(w, r, t)
	}
	if err != nil {
		a.log.LogAttrs(r.Context(), slog.LevelError, "a sign-in could not begin", slog.Any("error", err))
		a.fail(w, r, &Problem{Kind: KindInternal, Err: err})
		return
	}
	// 302 and not 307, which would have a browser post a form on to GitHub.
	redirect(w, to, http.StatusFound)
}

// redirect sends the visitor to an address of ours or GitHub's, as it is: http.Redirect would take a
// path like /a//b apart.
func redirect(w http.ResponseWriter, to string, status int) {
	w.Header().Set("Location", to)
	w.WriteHeader(status)
}

// sameMachine returns where to begin instead if the visitor is on another of a developer's names for
// their own machine, say localhost, than GitHub will send them back to, say 127.0.0.1: a browser keeps
// cookies apart by name, so the callback would find none. Elsewhere it returns "".
func (a *Authenticator) sameMachine(r *http.Request) string {
	here, err := url.Parse("//" + r.Host)
	there, err2 := url.Parse(a.cfg.RedirectURL)
	if err != nil || err2 != nil || here.Hostname() == there.Hostname() || here.Port() != there.Port() ||
		!isLoopback(here.Hostname()) || !isLoopback(there.Hostname()) {
		return ""
	}
	to := url.URL{Scheme: there.Scheme, Host: there.Host, Path: a.cfg.LoginPath, RawQuery: r.URL.RawQuery}
	return to.String()
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func bounded(s string, n int) string {
	if len(s) > n {
		return ""
	}
	return s
}
