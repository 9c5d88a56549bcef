// Command nonexpiring stores a token that never expires: somebody signs in once, and the program acts
// for them later, as often as it likes, without a code. It shows [grant.Manager] with a store and
// without the middleware, as a worker would use it.
//
//	go run ./examples/nonexpiring
//
// With nothing set it signs in at a fake GitHub of its own, offline. To use a real one, set
// GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET of an app with the callback URL
// http://127.0.0.1:8080/auth/github/callback. It prints:
//
//	Open http://127.0.0.1:40001/login/oauth/authorize?client_id=...
//	octocat, user id 583231, is signed in; the token never expires.
//	Acting for user id 583231: GitHub answers octocat.
//	Acting for user id 583231: GitHub answers octocat.
//	Signed out: the token is forgotten and revoked.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/internal/demo"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

func main() {
	os.Exit(demo.Main("nonexpiring", githubtest.App{Name: "Non-expiring", NoExpiry: true}, run))
}

func run(ctx context.Context, env demo.Env) (err error) {
	app, err := oauth.New(env.Config)
	if err != nil {
		return err
	}
	// The memory store forgets with the process: with another one, the next process goes on.
	manager, err := grant.New(app, memory.New())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, demo.Close(ctx, manager)) }() // It waits for the revocation.

	// Once: the visitor signs in, and their token is stored.
	code, verifier, err := demo.SignIn(ctx, env, app, oauth.Authorize{})
	if err != nil {
		return err
	}
	session, user, err := manager.SignIn(ctx, code, verifier, grant.Login{Lifetime: time.Hour})
	if err != nil {
		return err
	}
	token, err := manager.Token(ctx, user.ID)
	if err != nil {
		return err
	}
	life := "never expires"
	if token.Expires() {
		life = "expires at " + token.Expiry.Format(time.TimeOnly) + " UTC, which examples/expiring is about"
	}
	_, _ = fmt.Fprintf(env.Out, "%s, user id %d, is signed in; the token %s.\n", user.Login, user.ID, life)

	// Later, as often as need be: all that it takes is the user id.
	for range 2 {
		login, err := whoami(ctx, manager, user.ID)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(env.Out, "Acting for user id %d: GitHub answers %s.\n", user.ID, login)
	}

	if err := manager.SignOut(ctx, session); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(env.Out, "Signed out: the token is forgotten and revoked.")
	return nil
}

// whoami asks GitHub, as the user, who they are. Any other call to the API goes the same way.
func whoami(ctx context.Context, manager *grant.Manager, userID int64) (login string, err error) {
	hc, err := manager.Client(ctx, userID)
	if err != nil {
		return "", err
	}
	host := manager.Host()
	gh, err := github.NewClient(github.WithHTTPClient(hc), github.WithURLs(&host.API, &host.Upload))
	if err != nil {
		return "", err
	}
	user, _, err := gh.Users.Get(ctx, "")
	return user.GetLogin(), err
}
