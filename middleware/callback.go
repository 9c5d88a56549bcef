package middleware

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// finishLogin is the callback: the steps of a sign-in after GitHub sent the visitor back.
func (a *Authenticator) finishLogin(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()

	// 1. The attempt must be this browser's, whole, fresh and not used before. Until then GitHub is
	// not asked anything, and nothing that the request says is believed.
	if len(q["state"]) > 1 || len(q["code"]) > 1 || len(q["error"]) > 1 {
		a.fail(w, r, &Problem{Kind: KindAttempt})
		return
	}
	t, ok := a.attempts.finish(w, r, q.Get("state"))

	// 2. Installing a GitHub App ends here too, though we began nothing. The code that comes along
	// could be anybody's, so it is never exchanged: a sign-in of our own follows.
	if !ok && isInstallation(q) {
		a.begin(w, r, attempt{ReturnTo: a.cfg.AfterLogin, Installation: digits(q.Get("installation_id"))}, nil)
		return
	}
	if !ok {
		a.log.LogAttrs(r.Context(), slog.LevelInfo, "sign-in refused: no such attempt in this browser")
		a.fail(w, r, &Problem{Kind: KindAttempt})
		return
	}

	// From here on the steps are carried out to the end, also if the visitor leaves: half of them
	// would sign their other tabs out.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), routeTimeout)
	defer cancel()
	r = r.WithContext(ctx)

	// 3. GitHub, or the visitor there, may have said no.
	if err := oauth.CallbackError(q); err != nil {
		a.failLogin(w, r, t, err)
		return
	}
	if q.Get("code") == "" {
		a.failLogin(w, r, t, oauth.ErrStartAgain)
		return
	}

	// 4. The code becomes a token, and the token a login in its user's grant.
	session, _, err := a.grants.SignIn(r.Context(), q.Get("code"), oauth.NewSecret(t.Verifier), grant.Login{
		Lifetime:  a.sessions.lifetime(),
		Browser:   a.attempts.browser(r, t.Browser),
		UserAgent: r.UserAgent(),
	})
	if err != nil {
		a.failLogin(w, r, t, err)
		return
	}

	// 5. The session names the login.
	if err := a.startSession(w, r, session); err != nil {
		a.warnIfLeft(r.Context(), a.grants.Discard(r.Context(), session))
		a.failLogin(w, r, t, err)
		return
	}
	if a.stepUpFailed(w, r, t, session) {
		return
	}
	redirect(w, withInstallation(t.ReturnTo, t.Installation), http.StatusSeeOther)
}

// startSession has the browser's session name a login. If another user was signed in here, that
// ends. If the same user is, for example in the next of ten tabs, the session stays as it is, since
// requests of the other tabs are under way with it.
func (a *Authenticator) startSession(w http.ResponseWriter, r *http.Request, login grant.Session) error {
	session, err := a.sessions.open(r)
	if err != nil {
		return &sessionError{err}
	}
	earlier, had := session.get()
	left, idled := session.idled()
	if had && earlier.UserID == login.UserID && a.isSignedIn(r.Context(), earlier) {
		a.warnIfLeft(r.Context(), a.grants.Discard(r.Context(), login))
		return nil
	}
	if err := session.put(w, login); err != nil {
		return &sessionError{err}
	}
	if had && earlier.UserID != login.UserID {
		a.warnIfLeft(r.Context(), a.grants.SignOut(r.Context(), earlier))
	}
	if idled { // Or each would stay until its lifetime is over: in the user's list, and in the way of the last sign-out.
		a.warnIfLeft(r.Context(), a.grants.Discard(r.Context(), left))
	}
	return nil
}

func (a *Authenticator) isSignedIn(ctx context.Context, login grant.Session) bool {
	_, _, err := a.grants.Lookup(ctx, login)
	return !errors.Is(err, grant.ErrSignedOut) // A store that does not answer signs nobody out.
}

// warnIfLeft reports a login that no browser holds and that stayed in its grant. It does no harm: it
// ends by itself.
func (a *Authenticator) warnIfLeft(ctx context.Context, err error) {
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "a login that no browser holds was left in its grant", slog.Any("error", err))
	}
}

// failLogin answers a sign-in that came to nothing, with a way to try again that ends where this one
// would have.
func (a *Authenticator) failLogin(w http.ResponseWriter, r *http.Request, t attempt, err error) {
	p := problemOf(err)
	if errors.Is(err, oauth.ErrSignInAgain) {
		p.Kind = KindAttempt // GitHub refused a token that it had just issued.
	}
	p.ReturnTo = t.ReturnTo
	if !isRefusal(err) { // The gatekeeper has logged who was refused, and strangers must not fill the log with warnings.
		level := slog.LevelWarn
		if errors.Is(err, oauth.ErrStartAgain) { // A visitor's own doing.
			level = slog.LevelInfo
		}
		a.log.LogAttrs(r.Context(), level, "sign-in failed", slog.String("kind", string(p.Kind)), slog.Any("error", err))
	}
	a.fail(w, r, p)
}

// isInstallation tells the redirects that GitHub makes when an App is installed, changed or asked
// for (GitHub docs, "Generating a user access token for a GitHub App"). They carry no state, or one
// that somebody put into a link to the installation.
func isInstallation(q url.Values) bool {
	return q.Has("installation_id") || q.Has("setup_action")
}

// withInstallation tells the page after an installation which one it was. The id is as the request
// said, so it is a hint: the page must ask GitHub which installations the user may see.
func withInstallation(returnTo, id string) string {
	u, err := url.Parse(returnTo)
	if id == "" || err != nil {
		return returnTo
	}
	q := u.Query()
	q.Set("installation_id", id)
	u.RawQuery = q.Encode()
	return u.String()
}

func digits(s string) string {
	if n, err := strconv.ParseUint(s, 10, 63); err == nil {
		return strconv.FormatUint(n, 10)
	}
	return ""
}
