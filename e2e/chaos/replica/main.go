// Command replica is one of a fleet's servers, for tests that kill it. It holds a grant.Manager on Vault and
// makes API calls when it is told to.
//
// It serves on the listener that it inherits as file 3, writes its diary to standard output, and ends when
// its standard input does: with the harness, however that ended. Its environment is CHAOS_NAME,
// GITHUB_BASE_URL, GITHUB_CLIENT_ID, GITHUB_CLIENT_SECRET, GITHUB_REDIRECT_URL, VAULT_ADDR,
// GHLOGIN_VAULT_MOUNT, CHAOS_ROLE_ID and CHAOS_SECRET_ID_FILE.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/ghlogin/ghlogin/e2e/chaos"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/vault"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "replica:", err)
		os.Exit(1)
	}
}

// run serves until the harness is gone or the process is killed.
func run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()

	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	st, err := openVault(ctx)
	if err != nil {
		return err
	}
	manager, err := newManager(st)
	if err != nil {
		return err
	}
	write(chaos.Note{Op: chaos.Ready, Began: time.Now()})

	// Long, because it also ends connections that were dialed and not needed at first: the harness's client does not send a call
	// again that met such an end.
	web := &http.Server{Handler: (&server{manager}).routes(), ReadHeaderTimeout: time.Hour}
	context.AfterFunc(ctx, func() { _ = web.Close() })
	if err := web.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}

// openVault logs in, again and again while Vault is away: the fleet's manager would start the process anew.
func openVault(ctx context.Context) (*vault.Store, error) {
	cfg := vault.Config{Address: os.Getenv("VAULT_ADDR"), Mount: os.Getenv("GHLOGIN_VAULT_MOUNT")}
	login := vault.AppRole(os.Getenv("CHAOS_ROLE_ID"), os.Getenv("CHAOS_SECRET_ID_FILE"))
	for {
		st, err := vault.Open(ctx, cfg, login)
		if err == nil || ctx.Err() != nil {
			return st, err
		}
		fmt.Fprintln(os.Stderr, "replica:", err)
		wait(ctx, 300*time.Millisecond)
	}
}

// newManager takes the manager as it comes: its margin, its memory of ten seconds, its lease of thirty.
func newManager(st *vault.Store) (*grant.Manager, error) {
	host, err := oauth.HostFromURL(os.Getenv("GITHUB_BASE_URL"))
	if err != nil {
		return nil, err
	}
	app, err := oauth.New(oauth.Config{
		Host:          host,
		ClientID:      os.Getenv("GITHUB_CLIENT_ID"),
		ClientSecrets: []oauth.Secret{oauth.NewSecret(os.Getenv("GITHUB_CLIENT_SECRET"))},
		RedirectURL:   os.Getenv("GITHUB_REDIRECT_URL"),
	}, oauth.WithHTTPClient(&http.Client{Transport: signed{&http.Transport{}}}))
	if err != nil {
		return nil, err
	}
	// A herd's connections are kept, or the test would measure how they are made.
	return grant.New(app, diary{st}, grant.WithTransport(traced{&http.Transport{MaxIdleConnsPerHost: 1024}}))
}

// signed says to the fake GitHub which replica asks.
type signed struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (s signed) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("X-Chaos-Replica", os.Getenv("CHAOS_NAME"))
	return s.next.RoundTrip(req)
}
