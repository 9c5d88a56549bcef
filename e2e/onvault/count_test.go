package onvault_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/ghlogin/ghlogin/e2e/onvault"
	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/vaulttest"
)

// arrive signs in and stops before the page that the visitor wanted: that is a request of its own.
func (v *visitor) arrive(t *testing.T, base string) {
	t.Helper()
	for address := base + "/auth/github/login?return_to=/me"; ; {
		p := v.get(t, address)
		if p.location == "/me" {
			return
		}
		if p.location == "" {
			t.Fatalf("the sign-in ended with status %d %.200q", p.status, p.body)
		}
		address = p.location
	}
}

func TestOperationsCounted(t *testing.T) {
	t.Parallel()
	const tokenLife = 6 * time.Second
	for _, tt := range []struct {
		name             string
		staleness        time.Duration
		steady, rotation traffic
	}{
		{"with what is known for a moment", time.Minute, traffic{}, traffic{reads: 1, writes: 2}},
		{"with nothing known", 0, traffic{reads: 2}, traffic{reads: 3, writes: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, vaulttest.Start(t), githubtest.App{TokenLife: tokenLife}, time.Hour, time.Hour)
			m := newMeter(t, w)
			base := w.replica(t, func(set *onvault.Settings) {
				set.Vault.Address = m.address
				staleness(tt.staleness)(set)
			})
			want := func(what string, want traffic) {
				t.Helper()
				got := m.take()
				got.renewals, got.others = 0, 0 // The token's renewal has its own time.
				t.Logf("%s: %v", what, got)
				if got != want {
					t.Errorf("%s: %v, want %v", what, got, want)
				}
			}
			if start := m.take(); start.logins != 1 {
				t.Errorf("start: %v, want one log-in", start)
			}

			visitor := newVisitor(t)
			if p := visitor.get(t, base+"/me"); p.status != http.StatusFound {
				t.Errorf("GET /me = %d, want a redirect to sign in", p.status)
			}
			want("a visitor who is not signed in", traffic{})
			visitor.arrive(t, base)
			signedIn := time.Now()
			want("sign-in", traffic{reads: 1, writes: 1})
			visitor.wantSignedIn(t, base, "octocat")
			want("steady request", tt.steady)

			w.gh.UpdateApp(w.app.ClientID, func(a *githubtest.App) { a.TokenLife = githubtest.DefaultTokenLife })
			if err := pass(t.Context(), tokenLife-time.Since(signedIn)); err != nil {
				t.Fatal(err)
			}
			visitor.wantSignedIn(t, base, "octocat")
			if n := w.gh.TokenRequests("refresh_token"); n != 1 {
				t.Fatalf("%d refreshes, want 1", n)
			}
			want("request with a rotation", tt.rotation)
			for range 10 {
				visitor.wantSignedIn(t, base, "octocat")
			}
			want("ten steady requests", traffic{reads: 10 * tt.steady.reads})

			other := newVisitor(t)
			other.arrive(t, base)
			want("sign-in of a second browser", traffic{reads: 1, writes: 1})
			if p := other.signOut(t, base); p.status != http.StatusSeeOther {
				t.Errorf("signing out answers %d", p.status)
			}
			want("sign-out of one of two", traffic{reads: 1, writes: 1})
			if p := visitor.signOut(t, base); p.status != http.StatusSeeOther {
				t.Errorf("signing out answers %d", p.status)
			}
			want("sign-out of the last", traffic{reads: 1, writes: 1})
			if p := visitor.get(t, base+"/me"); p.status != http.StatusFound {
				t.Errorf("GET /me = %d after the sign-out, want a redirect to sign in", p.status)
			}
			want("a visitor who has signed out", traffic{})
		})
	}
}
