package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// SignIn prints an address to open, waits until the visitor is back, and returns the code that they
// bring and the verifier that belongs to it. The steps are those of examples/onetime, which is the
// place to read about them. The state, verifier and scopes of a are set here.
func SignIn(ctx context.Context, env Env, app *oauth.Client, a oauth.Authorize) (code string, verifier oauth.Secret, err error) {
	a.State, a.Verifier, a.Scopes = oauth.NewState(), oauth.NewVerifier(), env.Scopes
	address, err := app.AuthorizeURL(a)
	if err != nil {
		return "", oauth.Secret{}, err
	}
	callback, err := url.Parse(app.RedirectURL())
	if err != nil {
		return "", oauth.Secret{}, err
	}
	back := make(chan url.Values, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callback.Path, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if !oauth.NewSecret(q.Get("state")).Equal(oauth.NewSecret(a.State)) {
			http.Error(w, "This is not the sign-in that the program waits for.", http.StatusBadRequest)
			return
		}
		select {
		case back <- q:
		default: // The visitor reloads the page.
		}
		fmt.Fprintln(w, "You can close this window and go back to the terminal.")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(env.Listener) }()
	defer func() {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_ = server.Shutdown(ctx) // Not Close: the browser's answer may be on its way.
	}()

	_, _ = fmt.Fprintln(env.Out, "Open", address)
	select {
	case q := <-back:
		return q.Get("code"), a.Verifier, oauth.CallbackError(q)
	case <-ctx.Done():
		return "", oauth.Secret{}, ctx.Err()
	}
}
