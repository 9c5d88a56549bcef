// Command background works for users who are away: somebody signs in, asks to be watched and leaves, and a worker goes on to
// ask GitHub for them, until they have themselves forgotten or take their grant back at GitHub.
//
//	go run ./examples/background
//
// With nothing set it signs in at a fake GitHub of its own, offline. To use a real one, set GITHUB_CLIENT_ID and
// GITHUB_CLIENT_SECRET of an app with the callback URL http://127.0.0.1:8080/auth/github/callback. It prints:
//
//	Open http://127.0.0.1:8080/
//	For user id 583231: GitHub answers octocat.
//
// This file is the worker, site.go what visitors see.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

var every = flag.Duration("every", 5*time.Second, "`time` between two rounds of the worker")

func main() {
	os.Exit(demo.Server{Name: "background", App: githubtest.App{Name: "Background"}}.Main(run))
}

func run(ctx context.Context, site demo.Site) error {
	cfg, err := middleware.ConfigFromEnv()
	if err != nil {
		return err
	}
	cfg.KeepTokens = true // Without it the last sign-out forgets the token and revokes it.
	auth, err := middleware.New(cfg, memory.New(), middleware.WithLogger(site.Log))
	if err != nil {
		return err
	}
	app := &app{auth: auth, out: site.Out, watched: map[int64]bool{}}
	ctx, end := context.WithCancel(ctx)
	var worker sync.WaitGroup
	worker.Go(func() { app.work(ctx) })
	defer worker.Wait()
	defer end() // For a server that can't go on, too.
	return site.Serve(ctx, auth.Middleware(app.routes()), auth)
}

// work goes through all users every so often, until ctx ends.
func (a *app) work(ctx context.Context) {
	for tick := time.NewTicker(*every); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, id := range a.all() {
			login, err := a.whoami(ctx, id)
			switch {
			case errors.Is(err, oauth.ErrSignInAgain): // Forgotten here, or taken back at GitHub.
				a.watch(id, false)
				_, _ = fmt.Fprintf(a.out, "For user id %d nothing can be done any more: %v\n", id, err)
			case err != nil: // An outage: the next round tries again.
				_, _ = fmt.Fprintf(a.out, "For user id %d nothing could be done this time: %v\n", id, err)
			default:
				_, _ = fmt.Fprintf(a.out, "For user id %d: GitHub answers %s.\n", id, login)
			}
		}
	}
}

// whoami asks GitHub, as the user, who they are. Any other call to the API goes the same way.
func (a *app) whoami(ctx context.Context, id int64) (login string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second) // The client has no limit of its own.
	defer cancel()
	client, err := a.auth.Manager().Client(ctx, id)
	if err != nil {
		return "", err
	}
	host := a.auth.Manager().Host()
	gh, err := github.NewClient(github.WithHTTPClient(client), github.WithURLs(&host.API, &host.Upload))
	if err != nil {
		return "", err
	}
	user, _, err := gh.Users.Get(ctx, "")
	return user.GetLogin(), err
}
