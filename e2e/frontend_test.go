package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

// What stands on the page of examples/api.
const (
	signInWindow = chromedp.CSS("#sign-in-window")
	showOrgs     = chromedp.CSS("#show-orgs")
	grantLink    = chromedp.CSS("#grant")
	grantWindow  = chromedp.CSS("#grant-window")
	firstOrg     = chromedp.CSS("#orgs li")
)

var buildAPI = sync.OnceValues(func() (string, error) {
	path := filepath.Join(shared.dir, "api")
	return path, demotest.BuildAs("../examples/api", path)
})

// startFrontEnd is startSite for examples/api.
func startFrontEnd(t *testing.T) (site, *demotest.Program) {
	t.Helper()
	bin, err := buildAPI()
	if err != nil {
		t.Fatal(err)
	}
	gh := githubtest.Start(t)
	app := gh.AddApp(githubtest.App{Name: "API", Callbacks: []string{"http://127.0.0.1/auth/github/callback"}})
	p := demotest.Start(t, bin, []string{
		"GITHUB_CLIENT_ID=" + app.ClientID, "GITHUB_CLIENT_SECRET=" + app.Secrets[0], "GITHUB_BASE_URL=" + gh.URL(),
		"GITHUB_SCOPES=read:user",
	}, "-addr", "127.0.0.1:0")
	return site{home: p.Line(t, "Open "), gh: gh, app: app}, p
}

// inWindow does steps in the window that a click on button opens, and returns when that has closed.
func inWindow(tab context.Context, t *testing.T, button chromedp.CSS, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	opened := chromedp.WaitNewTarget(tab, func(info *target.Info) bool { return info.URL != "" })
	do(tab, t, chromedp.Click(button))
	window := openTab(tab, t, chromedp.WithTargetID(<-opened))
	closed, err := chromedp.Detached(window)
	if err != nil {
		t.Fatal(err)
	}
	do(window, t, steps...)
	select {
	case <-closed:
	case <-window.Done():
		t.Fatal("the window did not close")
	}
}

func TestFrontEndSignsInByAWindowThatClosesItself(t *testing.T) {
	t.Parallel()
	tab := newBrowser(t)
	s, p := startFrontEnd(t)

	do(tab, t, chromedp.Navigate(s.home), chromedp.WaitVisible(signInWindow))
	inWindow(tab, t, signInWindow, chromedp.Click(chromedp.CSS("#user-octocat")), chromedp.Click(authorizeButton))
	do(tab, t, chromedp.WaitVisible(signOutButton))
	if got := read(tab, t, chromedp.Text(login)); got != "octocat" {
		t.Errorf("signed in as %q, want octocat", got)
	}

	do(tab, t, chromedp.Click(showOrgs), chromedp.WaitVisible(grantWindow))
	inWindow(tab, t, grantWindow, chromedp.Click(authorizeButton))
	do(tab, t, chromedp.WaitVisible(firstOrg))
	if got := read(tab, t, chromedp.Text(firstOrg)); got != "octo-org" {
		t.Errorf("the first organization is %q", got)
	}

	do(tab, t, chromedp.Click(signOutButton), chromedp.WaitVisible(signInButton))
	p.Interrupt(t) // The token that the second trip replaced is revoked a while later, or now.
	if status, _, stderr := p.Wait(t); status != 0 || stderr != "" {
		t.Errorf("status %d: %s", status, stderr)
	}
	if n := s.gh.LiveTokens(s.app.ClientID, 583231); n != 0 {
		t.Errorf("%d tokens are alive after the sign-out, want 0", n)
	}
}

func TestFrontEndSignsInByARedirectAndTellsItsOtherTabs(t *testing.T) {
	t.Parallel()
	tab := newBrowser(t)
	s, _ := startFrontEnd(t)

	do(tab, t, chromedp.Navigate(s.home), chromedp.Click(signInButton))
	do(tab, t, chromedp.Click(chromedp.CSS("#user-hubot")), chromedp.Click(authorizeButton), chromedp.WaitVisible(signOutButton))
	do(tab, t, chromedp.Click(showOrgs), chromedp.Click(grantLink), chromedp.Click(authorizeButton))
	do(tab, t, chromedp.Click(showOrgs), chromedp.WaitVisible(firstOrg))
	if got := read(tab, t, chromedp.Location()); got != s.home {
		t.Errorf("both trips end at %s, want %s", got, s.home)
	}

	other := openTab(tab, t)
	do(other, t, chromedp.Navigate(s.home), chromedp.WaitVisible(signOutButton))
	do(tab, t, chromedp.Click(signOutButton), chromedp.WaitVisible(signInButton))
	do(other, t, chromedp.WaitVisible(signInButton))
	if left := read(other, t, chromedp.Evaluate[string]("document.body.textContent")); strings.Contains(left, "hubot") {
		t.Error("a tab still shows who was signed in")
	}
}

func TestFrontEndPictures(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("GHLOGIN_SCREENSHOTS")
	if dir == "" {
		t.Skip("no pictures are asked for; set GHLOGIN_SCREENSHOTS to a folder to make them")
	}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 380} {
			tab := newBrowser(t)
			s, _ := startFrontEnd(t)
			look(tab, t, scheme)
			do(tab, t, chromedp.EmulateViewport(width, 800))
			shoot := func(name string) {
				save(t, filepath.Join(dir, fmt.Sprintf("api-%s-%s-%d.png", name, scheme, width)), read(tab, t, chromedp.FullScreenshot(100)))
			}
			do(tab, t, chromedp.Navigate(s.home), chromedp.WaitVisible(signInButton))
			shoot("signed-out")
			do(tab, t, chromedp.Click(signInButton), chromedp.Click(authorizeButton), chromedp.WaitVisible(signOutButton))
			shoot("signed-in")
			do(tab, t, chromedp.Click(showOrgs), chromedp.WaitVisible(grantLink))
			shoot("scope-missing")
			do(tab, t, chromedp.Click(grantLink), chromedp.Click(authorizeButton))
			do(tab, t, chromedp.Click(showOrgs), chromedp.WaitVisible(firstOrg))
			shoot("orgs")
			do(tab, t, chromedp.Navigate(s.home+"popup.html"), chromedp.WaitVisible(body))
			shoot("window")
		}
	}
}
