package onvault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/e2e/onvault"
	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
	"github.com/ghlogin/ghlogin/store/vault"
)

const (
	// roleTTL and roleMaxTTL are the lives of the AppRole's tokens: each outage is longer.
	roleTTL    = 2 * time.Second
	roleMaxTTL = 4 * time.Second
	outage     = 8 * time.Second
)

// The names of the replicas: one takes a grant for current for a while, as by default, one for less than
// the outages last, and one reads Vault for each request.
const (
	remembers = "remembers"
	rereads   = "rereads"
	asks      = "asks"
)

func TestVaultSealedStoppedPausedUnderLoad(t *testing.T) {
	t.Parallel()
	v := vaulttest.Start(t, vaulttest.OnDisk(), vaulttest.WithAuditLog())
	w := newWorld(t, v, githubtest.App{}, roleTTL, roleMaxTTL)
	var log output
	logged := func(set *onvault.Settings) {
		set.StoreOptions = append(set.StoreOptions, vault.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	}
	l := &load{names: []string{remembers, rereads, asks}, tallies: make(map[string]*tally)}
	for _, keeps := range []time.Duration{time.Minute, time.Second, 0} {
		l.replicas = append(l.replicas, w.replica(t, func(set *onvault.Settings) { logged(set); staleness(keeps)(set) }))
	}

	// Each outage also meets a visitor whom the first replica does not know.
	visitors := make(map[string]*visitor)
	for _, login := range []string{"octocat", "hubot", "monalisa"} {
		w.gh.SignInAs(login)
		visitors[login] = newVisitor(t)
		visitors[login].signIn(t, l.replicas[0], login)
	}
	unknown := make(map[string]*visitor)
	for i, name := range []string{"sealed", "stopped", "paused"} {
		w.gh.AddUser(githubtest.User{ID: int64(4242 + i), Login: name})
		w.gh.SignInAs(name)
		unknown[name] = newVisitor(t)
		unknown[name].signIn(t, l.replicas[2], name)
	}
	w.gh.ResetCalls()

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	l.begin("healthy")
	l.run(ctx, &wg, visitors)
	if err := pass(ctx, roleMaxTTL+time.Second); err != nil { // So long that the token is replaced.
		t.Fatal(err)
	}
	wantAllServed(t, l, "healthy")

	for _, trouble := range []struct {
		name       string
		begin, end func()
	}{
		{"sealed", v.Seal, v.Unseal},
		{"stopped", v.Stop, func() { v.Restart(); v.Unseal() }},
		{"paused", v.Pause, v.Unpause},
	} {
		l.begin(trouble.name + " begins")
		trouble.begin()
		l.begin(trouble.name)
		if err := pass(ctx, outage); err != nil {
			t.Fatal(err)
		}
		if p := unknown[trouble.name].get(t, l.replicas[0]+"/me"); p.status != http.StatusServiceUnavailable || p.retryAfter == "" {
			t.Errorf("%s: who is not known gets %d, Retry-After %q, want 503 and one", trouble.name, p.status, p.retryAfter)
		}
		for _, name := range []string{remembers, rereads} {
			if n := l.of(trouble.name, name); n.tryLater != 0 || n.pages == 0 {
				t.Errorf("%s: the replica %s answered visitors with a good token in memory with %v, want pages alone", trouble.name, name, n)
			}
		}
		if n := l.of(trouble.name, asks); n.pages != 0 || n.tryLater == 0 {
			t.Errorf("%s: a replica that asks for each request answered with %v, want 503 alone", trouble.name, n)
		}

		logins := strings.Count(log.String(), "logged in to vault a")
		l.begin("after " + trouble.name)
		trouble.end()
		began := time.Now()
		eventually(t, trouble.name+" is over and everybody is served", l.served(len(visitors)*len(l.replicas)))
		t.Logf("%s is over: everybody had a page after %v", trouble.name, time.Since(began).Round(time.Millisecond))
		l.begin("well after " + trouble.name)
		if err := pass(ctx, roleTTL); err != nil {
			t.Fatal(err)
		}
		wantAllServed(t, l, "well after "+trouble.name)
		unknown[trouble.name].wantSignedIn(t, l.replicas[0], trouble.name)
		if n := strings.Count(log.String(), "logged in to vault a"); n == logins {
			t.Errorf("%s: the token ran out meanwhile, and nobody logged in again", trouble.name)
		}
	}
	cancel()
	wg.Wait()
	l.report(t)
	w.wantNoSignIn(t)

	renewals := renewals(t, v.AuditLog())
	again := strings.Count(log.String(), "logged in to vault again")
	afresh := strings.Count(log.String(), "logged in to vault afresh")
	t.Logf("the tokens were renewed %d times, replaced %d times by the keeper and %d times by a request", renewals, again, afresh)
	if renewals == 0 || again == 0 {
		t.Errorf("%d renewals and %d log-ins by the keeper, want some of both", renewals, again)
	}
}

// renewals counts how often Vault renewed a token, by its audit log.
func renewals(t *testing.T, audit []byte) (n int) {
	t.Helper()
	for line := range bytes.Lines(audit) {
		var entry struct {
			Type, Error string
			Request     struct{ Path string }
		}
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Type == "response" && entry.Error == "" && entry.Request.Path == "auth/token/renew-self" {
			n++
		}
	}
	return n
}

// wantAllServed checks that in a phase without trouble nobody got a 503, though Vault's tokens ran out.
func wantAllServed(t *testing.T, l *load, phase string) {
	t.Helper()
	for _, name := range l.names {
		if n := l.of(phase, name); n.pages == 0 || n.tryLater != 0 {
			t.Errorf("%s: the replica %s answered with %v, want pages alone", phase, name, n)
		}
	}
}

func TestTokenIsNotSpentWhileVaultIsAway(t *testing.T) {
	t.Parallel()
	const tokenLife = 6 * time.Second
	v := vaulttest.Start(t, vaulttest.OnDisk())
	w := newWorld(t, v, githubtest.App{TokenLife: tokenLife}, time.Hour, time.Hour)
	base := w.replica(t, nil)
	visitor := newVisitor(t)
	visitor.signIn(t, base, "octocat")
	signedIn := time.Now()
	w.gh.UpdateApp(w.app.ClientID, func(a *githubtest.App) { a.TokenLife = githubtest.DefaultTokenLife })

	v.Seal()
	w.gh.ResetCalls()
	visitor.wantSignedIn(t, base, "octocat") // The token is in memory, and good.
	if err := pass(t.Context(), tokenLife-time.Since(signedIn)); err != nil {
		t.Fatal(err)
	}
	if p := visitor.get(t, base+"/me"); p.status != http.StatusServiceUnavailable || p.retryAfter == "" {
		t.Errorf("with a token that ran out, GET /me = %d, Retry-After %q, want 503 and one", p.status, p.retryAfter)
	}
	if n := w.gh.TokenRequests(""); n != 0 {
		t.Errorf("%d token requests while nothing can be stored, want 0", n)
	}

	// A sign-in whose token can't be stored leaves none behind, once it is known that it isn't.
	w.gh.SignInAs("hubot")
	p, err := newVisitor(t).do(t.Context(), http.MethodGet, base+"/me", true)
	if err != nil || p.status != http.StatusServiceUnavailable || p.retryAfter == "" {
		t.Errorf("signing in = %d, Retry-After %q, error %v, want 503 and one", p.status, p.retryAfter, err)
	}
	v.Unseal()
	w.gh.ResetCalls()
	eventually(t, "the visitor is served again", func() bool { return visitor.get(t, base+"/me").status == http.StatusOK })
	if n, all := w.gh.TokenRequests("refresh_token"), w.gh.TokenRequests(""); n != 1 || all != 1 {
		t.Errorf("%d refreshes among %d token requests, want 1 and 1", n, all)
	}
	eventually(t, "the token of a sign-in that came to nothing is revoked", func() bool {
		return w.gh.LiveTokens(w.app.ClientID, hubot) == 0
	})
}
