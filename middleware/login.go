package middleware

import (
	"net/http"
	"net/url"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// login begins a sign-in: it seals what the callback will need into a cookie of this attempt, and
// sends the visitor to GitHub. Nothing is stored on the server.
//
// It takes return_to, a local path; prompt=select_account, to change accounts; and login, a name to
// suggest.
func (a *Authenticator) login(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	a.begin(w, r, attempt{ReturnTo: a.returnPath(q.Get("return_to"))}, q)
}

func (a *Authenticator) begin(w http.ResponseWriter, r *http.Request, t attempt, q url.Values) {
	verifier := oauth.NewVerifier()
	t.State = oauth.NewState()
	t.Verifier = verifier.Reveal()
	t.Expires = time.Now().Add(attemptLifetime).UTC()

	authorize := oauth.Authorize{
		State:          t.State,
		Verifier:       verifier,
		Scopes:         a.cfg.Scopes,
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
		a.Fail(w, r, err)
		return
	}
	// 302 and not 307, which would have a browser post a form on to GitHub.
	http.Redirect(w, r, to, http.StatusFound)
}

func bounded(s string, n int) string {
	if len(s) > n {
		return ""
	}
	return s
}
