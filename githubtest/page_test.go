package githubtest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
)

func TestPageOffersEverybodyWithLabelsAndTwoButtons(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	f := open(t, browser(t), authorizeURL(gh))
	if got := strings.Join(f.users, " "); got != "octocat hubot monalisa" {
		t.Errorf("users %q", got)
	}
	if f.checked != "octocat" {
		t.Errorf("preselected %q", f.checked)
	}
	if !strings.Contains(f.labels["user-monalisa"], "monalisa") {
		t.Errorf("labels %v", f.labels)
	}
	if f.buttons["authorize"] == "" || f.buttons["cancel"] == "" {
		t.Errorf("buttons %v", f.buttons)
	}
	if !strings.Contains(f.title, "fake GitHub") {
		t.Errorf("the title %q doesn't say what this is", f.title)
	}
	if f := open(t, browser(t), authorizeURL(gh, "login", "HuBot")); f.checked != "hubot" {
		t.Errorf("with a hint for hubot, %q is preselected", f.checked)
	}
}

func TestPageEscapesTheAppsName(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(func(a *githubtest.App) { a.Name = "<script>alert(1)</script>" }))
	open(t, browser(t), authorizeURL(gh)) // complains about scripts
}

func TestPageMayLoadAndPostNothingForeign(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	res, _ := get(t, browser(t), authorizeURL(gh, "redirect_uri", "http://127.0.0.1:4567/callback"))
	want := "default-src 'none'; style-src 'self'; form-action 'self' http://127.0.0.1:4567; frame-ancestors 'none'; base-uri 'none'"
	if got := res.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("policy %q, want %q", got, want)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, forbidden := range []string{"<style", "style=", "onclick", "https://", "<svg"} {
		if strings.Contains(res.Body, forbidden) {
			t.Errorf("the page has %q in it", forbidden)
		}
	}
}

func TestPagesHaveTheirStyleSheet(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	for address, title := range map[string]string{
		authorizeURL(gh): "Sign in to Demo", gh.URL() + "/": "A fake GitHub is running",
	} {
		page, _ := get(t, browser(t), address)
		if !strings.Contains(page.Body, `href="/_fake/style.css"`) || !strings.Contains(page.Body, "<h1>"+title+"</h1>") {
			t.Errorf("%s: %s", address, page.Body)
		}
	}
	css, _ := get(t, browser(t), gh.URL()+"/_fake/style.css")
	if css.StatusCode != http.StatusOK || !strings.HasPrefix(css.Header.Get("Content-Type"), "text/css") {
		t.Errorf("%s, %s", css.Status, css.Header.Get("Content-Type"))
	}
	if !strings.Contains(css.Body, "prefers-color-scheme: dark") {
		t.Error("no dark mode")
	}
}

func TestStrangeHostsCannotWidenThePolicy(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(func(a *githubtest.App) { a.Callbacks = []string{"http://example.com/"} }))
	for host, want := range map[string]string{
		"a;script-src.example.com": "form-action 'self' http: ",
		"a,b.example.com":          "form-action 'self' http: ",
	} {
		res, _ := get(t, browser(t), authorizeURL(gh, "redirect_uri", "http://"+host+"/"))
		if got := res.Header.Get("Content-Security-Policy"); !strings.Contains(got, want) || strings.Contains(got, "script-src") {
			t.Errorf("host %s: policy %q", host, got)
		}
	}
	v6 := githubtest.Start(t, oauthApp(func(a *githubtest.App) { a.Callbacks = []string{"http://[::1]/"} }))
	res, _ := get(t, browser(t), authorizeURL(v6, "redirect_uri", "http://[::1]:4567/"))
	if got := res.Header.Get("Content-Security-Policy"); !strings.Contains(got, "form-action 'self' http:;") {
		t.Errorf("IPv6: policy %q", got)
	}
}

func TestAuthorizeButtonSignsTheChosenUserIn(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	client := browser(t)
	f := open(t, client, authorizeURL(gh, "scope", "gist"))
	_, location := f.press(t, client, "authorize", "monalisa")
	tok, err := config(gh).Exchange(t.Context(), location.Query().Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	if location.Query().Get("state") != "st&te" {
		t.Errorf("state %q", location.Query().Get("state"))
	}
	if got := status(t, gh, tok.AccessToken); got != http.StatusOK {
		t.Error(got)
	}
	calls := gh.Calls()
	if last := calls[len(calls)-1]; last.UserLogin != "monalisa" {
		t.Errorf("signed in as %q", last.UserLogin)
	}
	// The form can't be answered twice, for example by going back.
	if res, _ := f.press(t, client, "authorize", "hubot"); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("second answer: %s", res.Status)
	}
}

func TestCancelButtonGoesBackWithAccessDenied(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	client := browser(t)
	_, location := open(t, client, authorizeURL(gh, "redirect_uri", "http://127.0.0.1:4567/callback")).press(t, client, "cancel", "octocat")
	q := location.Query()
	if location.Host != "127.0.0.1:4567" || q.Get("error") != "access_denied" || q.Get("state") != "st&te" || q.Has("code") {
		t.Errorf("went to %s", location)
	}
	if q.Get("error_description") == "" || q.Get("error_uri") == "" {
		t.Errorf("no words: %v", q)
	}
}

func TestFormOfAnotherSiteIsRefused(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	f := form{
		action: gh.URL() + "/login/oauth/authorize", hidden: url.Values{"form": {"guessed"}},
		buttons: map[string]string{"authorize": "authorize"},
	}
	res, location := f.press(t, browser(t), "authorize", "octocat")
	if res.StatusCode != http.StatusUnprocessableEntity || location != nil {
		t.Errorf("%s, redirect %v", res.Status, location)
	}
}

func TestPageIsSkippedOnlyForWhatWasGrantedInThisBrowser(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	client := browser(t)
	_, location := open(t, client, authorizeURL(gh, "scope", "user")).press(t, client, "authorize", "hubot")
	if location.Query().Get("code") == "" {
		t.Fatalf("no code: %s", location)
	}
	skipped := func(client *http.Client, params ...string) bool {
		res, _ := get(t, client, authorizeURL(gh, params...))
		return res.StatusCode == http.StatusFound
	}
	for _, test := range []struct {
		name   string
		params []string
		want   bool
	}{
		{"the same scope", []string{"scope", "user"}, true},
		{"a narrower scope", []string{"scope", "user:email"}, true},
		{"no scope", nil, true},
		{"more", []string{"scope", "user repo"}, false},
		{"with the account picker", []string{"scope", "user", "prompt", "select_account"}, false},
		{"for the same account", []string{"login", "hubot"}, true},
		{"for another account", []string{"login", "octocat"}, false},
	} {
		if got := skipped(client, test.params...); got != test.want {
			t.Errorf("%s: page skipped %v, want %v", test.name, got, test.want)
		}
	}
	if skipped(browser(t), "scope", "user") {
		t.Error("page skipped in another browser")
	}
	if f := open(t, client, authorizeURL(gh, "prompt", "select_account")); f.checked != "hubot" {
		t.Errorf("preselected %q, signed in is hubot", f.checked)
	}
	gh.RevokeUser(clientID, 480938)
	if skipped(client, "scope", "user") {
		t.Error("page skipped after the user revoked the app")
	}
}

func TestUserRevokesTheAppOnItsSettingsPage(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	client := browser(t)
	_, location := open(t, client, authorizeURL(gh)).press(t, client, "authorize", "octocat")
	tok, err := config(gh).Exchange(t.Context(), location.Query().Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	page := gh.URL() + "/settings/connections/applications/" + clientID
	if res, _ := get(t, browser(t), page); res.StatusCode != http.StatusNotFound || !strings.Contains(res.Body, "Sign in to the app first") {
		t.Errorf("a stranger sees it, or not what to do: %s %s", res.Status, res.Body)
	}
	f := open(t, client, page)
	if res, _ := f.press(t, browser(t), "revoke", ""); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a stranger answers the form: %s", res.Status)
	}
	if got := status(t, gh, tok.AccessToken); got != http.StatusOK {
		t.Errorf("a stranger revoked it: %d", got)
	}
	if res, _ := open(t, client, page).press(t, client, "revoke", ""); res.StatusCode != http.StatusOK {
		t.Errorf("revoke: %s", res.Status)
	}
	if got := status(t, gh, tok.AccessToken); got != http.StatusUnauthorized {
		t.Errorf("the token answers %d", got)
	}
}

// For the race detector.
func TestAppsAndUsersChangeWhileTheirPagesAreAnswered(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	page := gh.URL() + "/settings/connections/applications/" + clientID
	for range 5 {
		client := browser(t)
		open(t, client, authorizeURL(gh)).press(t, client, "authorize", "octocat")
		f := open(t, client, page)
		var changes sync.WaitGroup
		changes.Go(func() {
			for i := range 200 {
				gh.UpdateApp(clientID, func(a *githubtest.App) { a.Name = fmt.Sprint("Demo ", i) })
				gh.RenameUser(583231, fmt.Sprint("octocat-", i))
			}
		})
		if res, _ := get(t, browser(t), page); res.StatusCode != http.StatusNotFound {
			t.Errorf("a stranger's look: %s", res.Status)
		}
		if res, _ := f.press(t, client, "revoke", ""); res.StatusCode != http.StatusOK {
			t.Errorf("revoke: %s", res.Status)
		}
		changes.Wait()
		gh.RenameUser(583231, "octocat")
	}
}

func TestInstallingComesBackWithACodeAndNoState(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(gitHubApp))
	client, page := browser(t), gh.URL()+"/apps/demo/installations/new?state=mine"
	if res, location := open(t, client, page).press(t, client, "cancel", "octocat"); res.StatusCode != http.StatusOK || location != nil {
		t.Errorf("after Cancel: %s, redirect %v", res.Status, location)
	}
	_, location := open(t, client, page).press(t, client, "authorize", "octocat")
	q := location.Query()
	if q.Get("code") == "" || q.Get("installation_id") == "" || q.Get("setup_action") != "install" || q.Has("state") {
		t.Errorf("first time: %v", q)
	}
	if _, err := config(gh).Exchange(t.Context(), q.Get("code")); err != nil {
		t.Errorf("the code doesn't work: %v", err)
	}
	_, location = open(t, client, page).press(t, client, "authorize", "octocat")
	again := location.Query()
	if again.Has("code") || again.Get("installation_id") != q.Get("installation_id") || again.Get("setup_action") != "update" || again.Has("state") {
		t.Errorf("second time: %v", again)
	}
	gh.SignInAs("hubot")
	if _, location := get(t, client, page); location == nil || location.Query().Get("setup_action") != "install" {
		t.Errorf("without a browser: %v", location)
	}
	if res, _ := get(t, client, gh.URL()+"/apps/other/installations/new"); res.StatusCode != http.StatusNotFound {
		t.Errorf("unknown app: %s", res.Status)
	}
}
