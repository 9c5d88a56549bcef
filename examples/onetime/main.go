// Command onetime uses a code once: it signs somebody in, prints who they are, and revokes the token.
// Nothing is stored. It shows package oauth alone, each step of a sign-in in its order.
//
//	go run ./examples/onetime
//
// With nothing set it signs in at a fake GitHub of its own, offline. To use a real one, set
// GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET of an app with the callback URL
// http://127.0.0.1:8080/auth/github/callback. It prints:
//
//	Open http://127.0.0.1:40001/login/oauth/authorize?client_id=...
//	Signed in as octocat, user id 583231.
//	The token is revoked.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo"
	"github.com/ghlogin/ghlogin/oauth"
)

func main() { os.Exit(demo.Main("onetime", githubtest.App{Name: "One-time"}, run)) }

func run(ctx context.Context, env demo.Env) error {
	app, err := oauth.New(env.Config)
	if err != nil {
		return err
	}
	// 1. Send the visitor to GitHub. The state and the verifier stay here.
	state, verifier := oauth.NewState(), oauth.NewVerifier()
	address, err := app.AuthorizeURL(oauth.Authorize{State: state, Verifier: verifier, Scopes: env.Scopes})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(env.Out, "Open", address)

	// 2. Wait until they are back. GitHub, or they themselves, may have said no.
	q, err := callback(ctx, env.Listener, state)
	if err == nil {
		err = oauth.CallbackError(q)
	}
	if err != nil {
		return err
	}

	// 3. Turn the code, which works once, into a token, and ask whose that is.
	token, err := app.Exchange(ctx, q.Get("code"), verifier)
	if err != nil {
		return err
	}
	user, err := app.User(ctx, token.AccessToken)
	if err == nil {
		_, _ = fmt.Fprintf(env.Out, "Signed in as %s, user id %d.\n", user.Login, user.ID)
	}

	// 4. Leave nothing behind, also where nobody could be signed in or the program is interrupted.
	if err := errors.Join(err, app.RevokeToken(context.WithoutCancel(ctx), token.AccessToken)); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(env.Out, "The token is revoked.")
	return nil
}

// callback waits for the visitor with the right state and returns what they bring. Others are turned
// away: a page elsewhere can send a browser here, and must not end the wait, let alone sign in.
func callback(ctx context.Context, listener net.Listener, state string) (url.Values, error) {
	back := make(chan url.Values, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		// Equal takes the same time for every wrong state, and is false for an empty one.
		if !oauth.NewSecret(q.Get("state")).Equal(oauth.NewSecret(state)) {
			http.Error(w, "This is not the sign-in that the program waits for.", http.StatusBadRequest)
			return
		}
		select {
		case back <- q:
		default: // The visitor reloads the page.
		}
		fmt.Fprintln(w, "You can close this window and go back to the terminal.")
	}
	server := &http.Server{Handler: http.HandlerFunc(handler), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Shutdown(ctx) }() // Not Close: the browser's answer may be on its way.
	select {
	case q := <-back:
		return q, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
