package githubtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/ghlogin/ghlogin/githubtest"
)

// authorizeURL builds an address by hand, so that parameters can be wrong.
func authorizeURL(gh *githubtest.Server, params ...string) string {
	q := url.Values{"client_id": {clientID}, "state": {"st&te"}}
	for i := 0; i+1 < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	return gh.URL() + "/login/oauth/authorize?" + q.Encode()
}

func TestRedirectURIRules(t *testing.T) {
	t.Parallel()
	kind := func(k githubtest.Kind, callbacks ...string) githubtest.App {
		return githubtest.App{ClientID: clientID, Kind: k, Callbacks: callbacks}
	}
	site := kind(githubtest.OAuthApp, "http://example.com/path")
	loopback := kind(githubtest.OAuthApp, "http://127.0.0.1/callback")
	several := kind(githubtest.OAuthApp, "http://example.com/path", "http://127.0.0.1/callback")
	exact := kind(githubtest.GitHubApp, "http://example.com/path", "http://127.0.0.1:8080/callback")
	wildcard := kind(githubtest.GitHubApp, "http://example.com/path")
	wildcard.Wildcard = true
	for _, test := range []struct {
		name, uri string
		app       githubtest.App
		ok        bool
	}{
		{"the same", "http://example.com/path", site, true},
		{"below", "http://example.com/path/subdir/other", site, true},
		{"sub-domain", "http://oauth.example.com/path", site, true},
		{"sub-domain and below", "http://oauth.example.com/path/subdir", site, true},
		{"with a query", "http://example.com/path?next=1", site, true},
		{"another path", "http://example.com/bar", site, false},
		{"the root", "http://example.com/", site, false},
		{"a path that only starts alike", "http://example.com/pathetic", site, false},
		{"another port", "http://example.com:8080/path", site, false},
		{"another port of a sub-domain", "http://oauth.example.com:8080/path", site, false},
		{"another host", "http://example.org/path", site, false},
		{"a host that only ends alike", "http://badexample.com/path", site, false},
		{"another scheme", "https://example.com/path", site, false},
		{"dot segments", "http://example.com/path/../bar", site, false},
		{"escaped dot segments", "http://example.com/path/%2e%2e/bar", site, false},
		{"user info", "http://example.com@example.org/path", site, false},
		{"user info before the right host", "http://me@example.com/path", site, false},
		{"fragment", "http://example.com/path#x", site, false},
		{"backslash", `http://example.com/path\..\bar`, site, false},
		{"not a URL", "::", site, false},
		{"loopback port", "http://127.0.0.1:34567/callback", loopback, true},
		{"loopback port and below", "http://127.0.0.1:34567/callback/x", loopback, true},
		{"other loopback host", "http://localhost:34567/callback", loopback, false},
		{"loopback scheme", "https://127.0.0.1:34567/callback", loopback, false},
		{"second of several", "http://127.0.0.1:34567/callback", several, true},
		{"below one of several", "http://example.com/path/subdir", several, false},
		{"sub-domain of one of several", "http://oauth.example.com/path", several, false},
		{"GitHub App: the second", "http://127.0.0.1:8080/callback", exact, true},
		{"GitHub App: below", "http://example.com/path/subdir", exact, false},
		{"GitHub App: extra parameter", "http://example.com/path?next=1", exact, false},
		{"GitHub App: loopback port", "http://127.0.0.1:8081/callback", exact, false},
		{"GitHub App with wildcard: below", "http://example.com/path/subdir", wildcard, true},
		{"GitHub App with wildcard: another path", "http://example.com/bar", wildcard, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			gh := githubtest.Start(t, githubtest.WithApp(test.app))
			q := signIn(t, gh, "octocat", authorizeURL(gh, "redirect_uri", test.uri))
			if got := q.Get("error"); test.ok && (got != "" || q.Get("code") == "") || !test.ok && got != "redirect_uri_mismatch" {
				t.Errorf("error %q, want ok: %v", got, test.ok)
			}
			if q.Get("state") != "st&te" {
				t.Errorf("state came back as %q", q.Get("state"))
			}
		})
	}
}

func TestRedirectsGoToTheRequestedAddressAndErrorsToTheRegisteredOne(t *testing.T) {
	t.Parallel()
	app := githubtest.App{ClientID: clientID, Callbacks: []string{"http://127.0.0.1/callback?keep=1"}}
	gh := githubtest.Start(t, githubtest.WithApp(app))
	gh.SignInAs("octocat")
	for _, test := range []struct{ name, uri, want string }{
		{"without redirect_uri", "", "http://127.0.0.1/callback"},
		{"with one", "http://127.0.0.1:4567/callback/deeper", "http://127.0.0.1:4567/callback/deeper"},
		{"with a wrong one", "http://evil.example/callback", "http://127.0.0.1/callback"},
		{"with a wrong one on loopback", "http://127.0.0.1:4567/", "http://127.0.0.1:4567/callback"},
	} {
		params := []string{"redirect_uri", test.uri}
		if test.uri == "" {
			params = nil
		}
		_, location := get(t, browser(t), authorizeURL(gh, params...))
		if got := location.Scheme + "://" + location.Host + location.Path; got != test.want {
			t.Errorf("%s: redirected to %s, want %s", test.name, got, test.want)
		}
	}
	_, location := get(t, browser(t), authorizeURL(gh))
	if location.Query().Get("keep") != "1" {
		t.Errorf("the callback's own query is gone: %s", location.RawQuery)
	}
	gh.UpdateApp(clientID, func(a *githubtest.App) { a.Suspended = true })
	_, location = get(t, browser(t), authorizeURL(gh, "redirect_uri", "http://127.0.0.1:4567/callback/deeper"))
	q := location.Query()
	if location.Host != "127.0.0.1:4567" || location.Path != "/callback" || q.Get("error") != "application_suspended" ||
		q.Get("error_description") == "" || q.Get("error_uri") == "" || q.Get("state") != "st&te" || q.Has("code") {
		t.Errorf("suspended app: %s %v", location.Path, q)
	}
}

func TestStateIsEchoedOnlyIfSent(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	q := signIn(t, gh, "octocat", gh.URL()+"/login/oauth/authorize?client_id="+clientID)
	if q.Has("state") || q.Get("code") == "" {
		t.Errorf("callback got %v", q)
	}
}

func TestUnknownClientGetsNotFoundAndNoRedirect(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	gh.SignInAs("octocat")
	for _, id := range []string{"", "Ov23liUnknownUnknown"} {
		res, location := get(t, browser(t), authorizeURL(gh, "client_id", id, "redirect_uri", "http://evil.example"))
		if res.StatusCode != http.StatusNotFound || location != nil {
			t.Errorf("client id %q: %s, redirect %v", id, res.Status, location)
		}
	}
}

func TestAppWithoutCallbackHasNoPlaceToRedirectTo(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, githubtest.WithApp(githubtest.App{ClientID: clientID}))
	gh.SignInAs("octocat")
	res, location := get(t, browser(t), authorizeURL(gh, "redirect_uri", "http://127.0.0.1:1/callback"))
	if res.StatusCode != http.StatusBadRequest || location != nil {
		t.Errorf("%s, redirect %v", res.Status, location)
	}
}

func TestPKCEParametersAreCheckedAtAuthorize(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	good := oauth2.S256ChallengeFromVerifier(oauth2.GenerateVerifier())
	for _, test := range []struct{ name, challenge, method, want string }{
		{"S256", good, "S256", ""},
		{"none", "", "", ""},
		{"plain", good, "plain", "invalid_request"},
		{"no method", good, "", "invalid_request"},
		{"no challenge", "", "S256", "invalid_request"},
		{"42 characters", good[:42], "S256", "invalid_request"},
		{"44 characters", good + "A", "S256", "invalid_request"},
		{"padding", good[:42] + "=", "S256", "invalid_request"},
	} {
		params := []string{}
		if test.challenge != "" {
			params = append(params, "code_challenge", test.challenge)
		}
		if test.method != "" {
			params = append(params, "code_challenge_method", test.method)
		}
		if got := signIn(t, gh, "octocat", authorizeURL(gh, params...)).Get("error"); got != test.want {
			t.Errorf("%s: error %q, want %q", test.name, got, test.want)
		}
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, asked, want string
		change            func(*githubtest.App)
	}{
		{"nothing", "", "", nil},
		{"two", "repo gist", "repo,gist", nil},
		{"included in a broader one", "user gist user:email", "user,gist", nil},
		{"repeated", "gist gist", "gist", nil},
		{"with commas", "user,gist", "user,gist", nil},
		{"offline_access is no scope", "gist offline_access", "gist", nil},
		{"a GitHub App has none", "repo", "", gitHubApp},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			change := test.change
			if change == nil {
				change = func(*githubtest.App) {}
			}
			gh := githubtest.Start(t, oauthApp(change))
			tok, err := exchange(t, gh, test.asked)
			if err != nil {
				t.Fatal(err)
			}
			if got := tok.Extra("scope"); got != test.want {
				t.Errorf("asked for %q, got %q, want %q", test.asked, got, test.want)
			}
		})
	}
	gh := githubtest.Start(t, oauthApp())
	if got := signIn(t, gh, "octocat", authorizeURL(gh, "scope", "gist reop")).Get("error"); got != "invalid_scope" {
		t.Errorf("unknown scope: error %q", got)
	}
}

func TestSignInWithoutScopeGetsTheUnionOfAllGrantedBefore(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	for _, step := range []struct{ asked, want string }{{"user", "user"}, {"repo", "repo"}, {"", "user,repo"}} {
		tok, err := exchange(t, gh, strings.Fields(step.asked)...)
		if err != nil {
			t.Fatal(err)
		}
		if got := tok.Extra("scope"); got != step.want {
			t.Errorf("asked for %q, got %q, want %q", step.asked, got, step.want)
		}
	}
	gh.RevokeUser(clientID, 583231)
	tok, err := exchange(t, gh)
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Extra("scope"); got != "" {
		t.Errorf("scopes %q survived a revocation", got)
	}
}
