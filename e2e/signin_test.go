package e2e

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

func TestUserSignsInReadsMeSignsOutAndIsSignedOut(t *testing.T) {
	t.Parallel()
	tab := newBrowser(t)
	s := startSite(t)

	do(tab, t, chromedp.Navigate(s.home), chromedp.Click(signInButton))
	do(tab, t, chromedp.Click(chromedp.CSS("#user-hubot")), chromedp.Click(authorizeButton))
	if got := read(tab, t, chromedp.Text(login)); got != "hubot" {
		t.Fatalf("signed in as %q, want hubot", got)
	}

	me := s.home + "me"
	if resp := read(tab, t, chromedp.NavigateResponse(me)); resp.Status != 200 || resp.MimeType != "application/json" {
		t.Fatalf("/me: status %d, %s", resp.Status, resp.MimeType)
	}
	var user struct {
		Login string
		ID    int64
	}
	if err := json.Unmarshal([]byte(read(tab, t, chromedp.Evaluate[string]("document.body.innerText"))), &user); err != nil {
		t.Fatal(err)
	}
	if user.Login != "hubot" || user.ID != 480938 {
		t.Errorf("/me = %+v", user)
	}

	do(tab, t, chromedp.Navigate(s.home), chromedp.Click(signOutButton), chromedp.WaitVisible(signInButton))
	if n := s.gh.LiveTokens(s.app.ClientID, 480938); n != 0 {
		t.Errorf("%d tokens are alive after the sign-out, want 0", n)
	}

	// GitHub would sign in again without a question, as long as it knows the browser.
	forget := network.DeleteCookiesParams{Name: "fakegithub_session", URL: s.gh.URL()}
	if _, err := chromedp.Call(tab, network.DeleteCookies, forget); err != nil {
		t.Fatal(err)
	}
	history := read(tab, t, chromedp.NavigationEntries())
	back := int64(-1)
	for _, entry := range history.Entries {
		if entry.URL == me {
			back = entry.ID
		}
	}
	if back < 0 {
		t.Fatal("the browser's history has no /me")
	}
	// A page out of the browser's cache loads nothing, so the wait would be for the whole limit.
	soon, cancel := context.WithTimeout(tab, 10*time.Second)
	defer cancel()
	if err := chromedp.Do(soon, chromedp.NavigateToHistoryEntry(back)); err != nil {
		t.Fatalf("the back button to /me didn't ask the server: %v", err)
	}
	wantAuthorizePage(t, s, read(tab, t, chromedp.Location()), "the back button to /me")
	do(tab, t, chromedp.Navigate(me))
	wantAuthorizePage(t, s, read(tab, t, chromedp.Location()), "a visit of /me")
}

// wantAuthorizePage checks that a browser was sent to sign in.
func wantAuthorizePage(t *testing.T, s site, location, what string) {
	t.Helper()
	if !strings.HasPrefix(location, s.gh.URL()+"/login/oauth/authorize?") {
		t.Errorf("%s led to %s, want GitHub's page to authorize", what, location)
	}
}

func TestCancelAtGitHubIsAPageWithAWayOn(t *testing.T) {
	t.Parallel()
	tab := newBrowser(t)
	s := startSite(t)

	do(tab, t, chromedp.Navigate(s.home+"repos?page=7"))
	resp, err := chromedp.RunResponse(tab, chromedp.Click(cancelButton))
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status != 403 || !strings.HasPrefix(resp.URL, s.home) {
		t.Errorf("status %d at %s, want 403", resp.Status, resp.URL)
	}
	do(tab, t, chromedp.Click(wayOn), chromedp.Click(authorizeButton), chromedp.WaitVisible(signOutButton))
	if got := read(tab, t, chromedp.Location()); got != s.home+"repos?page=7" {
		t.Errorf("the second try ended at %s", got)
	}
}

func TestTamperedStateIsAPageWithAWayOnAndSignsNobodyIn(t *testing.T) {
	t.Parallel()
	tab := newBrowser(t)
	s := startSite(t)

	do(tab, t, chromedp.Navigate(s.home+"me"))
	u, err := url.Parse(read(tab, t, chromedp.Location()))
	if err != nil {
		t.Fatal(err)
	}
	state := u.Query().Get("state")
	if state == "" {
		t.Fatalf("no state in %s", u)
	}
	tampered := s.home + "auth/github/callback?code=planted&state=" + strings.ToUpper(state[:8]) + "x" + state[9:]
	if resp := read(tab, t, chromedp.NavigateResponse(tampered)); resp.Status != 400 || resp.MimeType != "text/html" {
		t.Errorf("status %d, %s, want 400 and a page", resp.Status, resp.MimeType)
	}
	if n := s.gh.TokenRequests(""); n != 0 {
		t.Errorf("%d token requests for a code that came with a tampered state, want 0", n)
	}
	do(tab, t, chromedp.Click(wayOn), chromedp.WaitVisible(authorizeButton))
	do(tab, t, chromedp.Navigate(s.home), chromedp.WaitVisible(signInButton))
}
