package githubtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ghlogin/ghlogin/githubtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestListenTwiceOrAfterCloseFails(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t)
	if err := gh.Listen("127.0.0.1:0"); err == nil {
		t.Error("listens twice")
	}
	other := githubtest.New()
	u, err := url.Parse(gh.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Listen(u.Host); err == nil || !strings.Contains(err.Error(), u.Host) {
		t.Errorf("taken address: %v", err)
	}
	other.Close()
	if err := other.Listen("127.0.0.1:0"); err == nil {
		t.Error("listens after Close")
	}
}

func TestURLsHaveTheShapeOfAnEnterpriseServer(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t)
	if !strings.HasPrefix(gh.URL(), "http://127.0.0.1:") || gh.APIURL() != gh.URL()+"/api/v3/" {
		t.Errorf("%s, %s", gh.URL(), gh.APIURL())
	}
}

func TestAvatarsAreServedOffline(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp(), githubtest.WithUser(githubtest.User{Login: "<octocat"}))
	u, _, err := client(t, gh, gh.IssueToken(clientID, "<octocat").AccessToken).Users.Get(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	r, _ := get(t, browser(t), u.GetAvatarURL())
	if r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "image/svg+xml") {
		t.Errorf("%s, %s", r.Status, r.Header.Get("Content-Type"))
	}
	if !strings.Contains(r.Body, ">&lt;</text>") {
		t.Errorf("the letter is not escaped in %s", r.Body)
	}
	if r, _ := get(t, browser(t), gh.URL()+"/_fake/avatars/x"); r.StatusCode != http.StatusNotFound {
		t.Errorf("nobody's avatar: %s", r.Status)
	}
}

func TestMadeUpRegistrationLooksLikeGitHubs(t *testing.T) {
	t.Parallel()
	gh := githubtest.New()
	defer gh.Close()
	oauth, bot := gh.AddApp(githubtest.App{}), gh.AddApp(githubtest.App{Kind: githubtest.GitHubApp, Name: "My Bot"})
	if !strings.HasPrefix(oauth.ClientID, "Ov23li") || len(oauth.ClientID) != 20 || len(oauth.Secrets[0]) != 40 {
		t.Errorf("%+v", oauth)
	}
	if !strings.HasPrefix(bot.ClientID, "Iv23li") || bot.Slug != "my-bot" {
		t.Errorf("%+v", bot)
	}
}

func TestValidateReportsEverythingWrong(t *testing.T) {
	t.Parallel()
	err := githubtest.App{
		Kind: 7, Secrets: []string{""}, TokenLife: -1, WebhookURL: "x", Callbacks: append(make([]string, 10), "/callback"),
	}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"kind 7", "secret is empty", "negative", "webhook", "at most 10", `"/callback"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q doesn't name %q", err, want)
		}
	}
}

func TestMistakesOfTheTestPanic(t *testing.T) {
	t.Parallel()
	gh := githubtest.New(oauthApp())
	defer gh.Close()
	for name, mistake := range map[string]func(){
		"bad app":         func() { gh.AddApp(githubtest.App{Kind: 7}) },
		"client id twice": func() { gh.AddApp(githubtest.App{ClientID: clientID}) },
		"bad edit":        func() { gh.UpdateApp(clientID, func(a *githubtest.App) { a.TokenLife = -1 }) },
		"no such app":     func() { gh.RevokeUser("none", 583231) },
		"no such user":    func() { gh.SignInAs("none") },
		"no such id":      func() { gh.RevokeUser(clientID, 1) },
		"no such scope":   func() { gh.IssueToken(clientID, "octocat", "none") },
		"login taken":     func() { gh.RenameUser(583231, "HUBOT") },
		"no login":        func() { gh.AddUser(githubtest.User{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			mistake()
		}()
	}
	if gh.SignInAs("octocat"); len(gh.Calls()) != 0 {
		t.Error("unreachable if a panic left the lock held")
	}
}

func TestMemoryTransportTellsTheDateThatLivesAreReckonedFrom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gh := githubtest.New()
		defer gh.Close()
		time.Sleep(time.Hour)
		r, _ := get(t, &http.Client{Transport: gh.Transport()}, gh.URL()+"/meta")
		if got, want := r.Header.Get("Date"), time.Now().UTC().Format(http.TimeFormat); got != want {
			t.Errorf("Date %q, want %q", got, want)
		}
	})
}
