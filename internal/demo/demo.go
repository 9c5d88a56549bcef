// Package demo is what the examples share so that each of them runs with nothing set. It decides one
// thing, whether an example signs in at a real GitHub or at a fake one of its own, and leaves the
// answer in the environment, where the programs read it as they would without this package.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/ghlogin/ghlogin/githubtest"
)

// CallbackPath is where the examples wait for the visitor whom GitHub sends back. It is one path for
// all of them, so that they can share one app registered at a real GitHub.
const CallbackPath = "/auth/github/callback"

// GitHub is the one that an example signs in at.
type GitHub struct {
	// FakeURL is the address of the fake GitHub, "" if it is a real one.
	FakeURL string

	stop func()
}

// Start prepares the environment of this process for an example that is reached at baseURL.
//
// If none of GITHUB_CLIENT_ID, GITHUB_CLIENT_SECRET and GITHUB_BASE_URL is set, it starts a fake GitHub
// on a free loopback port with app registered at it, and sets them all; the fake asks for
// read:user if GITHUB_SCOPES is empty. If one of them is set, they are left as they are, also where
// one is missing: that is for the program to complain about. Either way an unset
// GITHUB_REDIRECT_URL becomes baseURL + [CallbackPath].
func Start(baseURL string, app githubtest.App) (*GitHub, error) {
	redirectURL := cmp.Or(os.Getenv("GITHUB_REDIRECT_URL"), baseURL+CallbackPath)
	gh := &GitHub{stop: func() {}}
	env := map[string]string{"GITHUB_REDIRECT_URL": redirectURL}
	if os.Getenv("GITHUB_CLIENT_ID") == "" && os.Getenv("GITHUB_CLIENT_SECRET") == "" && os.Getenv("GITHUB_BASE_URL") == "" {
		app.Callbacks = []string{redirectURL}
		if err := app.Validate(); err != nil {
			return nil, err
		}
		server := githubtest.New()
		app = server.AddApp(app)
		if err := server.Listen("127.0.0.1:0"); err != nil {
			return nil, err
		}
		gh.FakeURL, gh.stop = server.URL(), server.Close
		env["GITHUB_CLIENT_ID"] = app.ClientID
		env["GITHUB_CLIENT_SECRET"] = app.Secrets[0]
		env["GITHUB_BASE_URL"] = server.URL()
		env["GITHUB_API_URL"] = server.APIURL()
		env["GITHUB_SCOPES"] = cmp.Or(os.Getenv("GITHUB_SCOPES"), "read:user")
	}
	var errs []error
	for name, value := range env {
		errs = append(errs, os.Setenv(name, value))
	}
	return gh, errors.Join(errs...)
}

// Close stops the fake GitHub, if there is one.
func (g *GitHub) Close() { g.stop() }

// Listen binds addr and returns the URL that a browser on this machine reaches it at, without a
// slash at the end. The host is the one in addr, because GitHub compares it with the callback URL that
// is registered; port 0 finds a free port.
func Listen(ctx context.Context, addr string) (net.Listener, string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, "", listenError(addr, err)
	}
	host, _, _ := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, "", errors.Join(err, listener.Close())
	}
	return listener, "http://" + net.JoinHostPort(host, port), nil
}

// listenError says in one sentence why addr can't be listened on, and what to do.
func listenError(addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("another program listens on %s already: stop it, or choose another address with -addr, for example -addr 127.0.0.1:0 for a free port", addr)
	}
	return fmt.Errorf("can't listen on %q: %w: choose another address with -addr, for example -addr 127.0.0.1:8080", addr, err)
}
