package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

// problem is what the page reads of problem JSON.
type problem struct {
	Status        int
	Kind          string
	LoginURL      string   `json:"login_url"`
	MissingScopes []string `json:"missing_scopes"`
}

// fails reads the problem that an answer is, which the page needs as it stands there.
func fails(t *testing.T, page demotest.Page, status int, kind string) problem {
	t.Helper()
	var p problem
	if page.Status != status || page.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%s: status %d, %s; want %d and problem JSON", page.URL, page.Status, page.Header.Get("Content-Type"), status)
	}
	if err := json.Unmarshal([]byte(page.Body), &p); err != nil || p.Status != status || p.Kind != kind || p.LoginURL == "" {
		t.Fatalf("%v: the problem is %+v, want %s and a login_url", err, p, kind)
	}
	return p
}

// to is where a problem leads, with another page to end at, as web/app.js has it.
func (p problem) to(t *testing.T, home, end string) string {
	t.Helper()
	base, err := url.Parse(home)
	if err != nil {
		t.Fatal(err)
	}
	u, err := base.Parse(p.LoginURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("return_to", end)
	u.RawQuery = q.Encode()
	return u.String()
}

func TestAPI(t *testing.T) {
	t.Parallel()
	bin := demotest.Build(t, ".")

	t.Run("a script is told where to sign in, and where to go for a scope that is missing", func(t *testing.T) {
		t.Parallel()
		home := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0").Line(t, "Open ")
		b := demotest.NewBrowser(t)
		p := fails(t, b.GetJSON(t, home+"api/me"), http.StatusUnauthorized, "sign-in-required")
		page := b.Authorize(t, b.Get(t, p.to(t, home, "/popup.html")), "octocat")
		if page.URL.Path != "/popup.html" || page.Status != http.StatusOK || !strings.Contains(page.Body, "/popup.js") {
			t.Errorf("the sign-in ends at %s, status %d:\n%s", page.URL, page.Status, page.Body)
		}
		var me struct {
			Login     string
			LogoutURL string `json:"logout_url"`
		}
		if err := json.Unmarshal([]byte(b.GetJSON(t, home+"api/me").Body), &me); err != nil || me.Login != "octocat" {
			t.Fatalf("/api/me = %+v, %v", me, err)
		}

		p = fails(t, b.GetJSON(t, home+"api/orgs"), http.StatusForbidden, "scope-missing")
		if len(p.MissingScopes) != 1 || p.MissingScopes[0] != "read:org" {
			t.Errorf("missing are %q, want read:org", p.MissingScopes)
		}
		asked := b.Get(t, p.to(t, home, "/"))
		if got := asked.URL.Query().Get("scope"); got != "read:user read:org" {
			t.Errorf("GitHub is asked for %q", got)
		}
		if page := b.Authorize(t, asked, "octocat"); page.URL.Path != "/" || page.Status != http.StatusOK {
			t.Errorf("it ends at %s, status %d", page.URL, page.Status)
		}
		if page := b.GetJSON(t, home+"api/orgs"); page.Status != http.StatusOK || page.Body != "[\"octo-org\"]\n" {
			t.Errorf("/api/orgs: status %d, %s", page.Status, page.Body)
		}

		b.Post(t, strings.TrimSuffix(home, "/")+me.LogoutURL, nil)
		fails(t, b.GetJSON(t, home+"api/me"), http.StatusUnauthorized, "sign-in-required")
	})
	t.Run("the page runs its own scripts alone, and none that stands in it", func(t *testing.T) {
		t.Parallel()
		home := demotest.Start(t, bin, nil, "-addr", "127.0.0.1:0").Line(t, "Open ")
		b := demotest.NewBrowser(t)
		for _, path := range []string{"", "popup.html"} {
			page := b.Get(t, home+path)
			policy := page.Header.Get("Content-Security-Policy")
			if page.Status != http.StatusOK || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("/%s: status %d, policy %q", path, page.Status, policy)
			}
			if strings.Contains(page.Body, "<script>") || strings.Contains(page.Body, "style=") || strings.Contains(page.Body, " onclick") {
				t.Errorf("/%s has a script or style of its own, which the policy stops:\n%s", path, page.Body)
			}
		}
	})
	t.Run("bad settings are one message, and an interrupt is status 0", func(t *testing.T) {
		t.Parallel()
		demotest.RefusesBadInput(t, bin, []string{"GITHUB_CLIENT_SECRET=hunter2"}, "hunter2", "GITHUB_CLIENT_ID")
		demotest.EndsOnInterrupt(t, bin)
	})
}
