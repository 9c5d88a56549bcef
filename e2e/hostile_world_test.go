package e2e

import (
	"context"
	"fmt"
	"html"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

// private stands on pages for people who are signed in.
const private = "what nobody else may see"

// town is a site with sign-in at https://app.test, and a neighbor on each other name of .test: on evil.test, which is
// another site, and on evil.app.test, which is the same site to a browser but another origin.
type town struct {
	home string // With a slash at the end.
	auth *middleware.Authenticator
	gh   *githubtest.Server
	app  githubtest.App
	port string
	mux  *http.ServeMux // Of the site.
	evil *http.ServeMux // Of the neighbors.
}

// newTown starts a town whose visitors are octocat at GitHub, which asks them nothing.
func newTown(t *testing.T, opts ...middleware.Option) *town {
	t.Helper()
	town := &town{gh: githubtest.Start(t), mux: http.NewServeMux(), evil: http.NewServeMux()}
	town.gh.SignInAs("octocat")
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // The browser tells that the certificate is of nobody.
	_, town.port, _ = net.SplitHostPort(server.Listener.Addr().String())
	town.home = town.at("app.test", "")
	town.auth, town.app = newAuth(t, town.gh, town.home, opts...)
	town.mux.HandleFunc("/", startPage)
	town.mux.Handle("/private", town.auth.Require(http.HandlerFunc(privatePage)))
	site := town.auth.Middleware(town.mux)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "app.test:"+town.port {
			site.ServeHTTP(w, r)
			return
		}
		town.evil.ServeHTTP(w, r)
	})
	server.StartTLS()
	t.Cleanup(server.Close)
	return town
}

func (town *town) at(host, path string) string {
	return "https://" + host + ":" + town.port + "/" + path
}

func newAuth(t *testing.T, gh *githubtest.Server, home string, opts ...middleware.Option) (*middleware.Authenticator, githubtest.App) {
	t.Helper()
	app := gh.AddApp(githubtest.App{Name: "Town", Callbacks: []string{home + "auth/github/callback"}})
	host, err := oauth.HostFromURL(gh.URL())
	if err != nil {
		t.Fatal(err)
	}
	auth, err := middleware.New(middleware.Config{
		ClientID: app.ClientID, ClientSecrets: []oauth.Secret{oauth.NewSecret(app.Secrets[0])}, RedirectURL: home + "auth/github/callback", Host: host,
	}, memory.New(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := auth.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return auth, app
}

// startPage says who is signed in, and has the site's own button for signing out.
func startPage(w http.ResponseWriter, r *http.Request) {
	who := "nobody"
	if user, ok := middleware.UserFromContext(r.Context()); ok {
		who = user.Login
	}
	w.Header().Set("Cache-Control", "no-store")
	writePage(w, `<p id="login">`+html.EscapeString(who)+`</p><form method="post" action="/auth/github/logout"><button id="sign-out">Sign out</button></form>`)
}

func privatePage(w http.ResponseWriter, _ *http.Request) { writePage(w, "<p>"+private+"</p>") }

func writePage(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Town</title><body>%s</body></html>`, body)
}

// wantLogin checks who a tab's browser is signed in as.
func (town *town) wantLogin(tab context.Context, t *testing.T, want, when string) {
	t.Helper()
	do(tab, t, chromedp.Navigate(town.home))
	if got := read(tab, t, chromedp.Text(login)); got != want {
		t.Errorf("%s: signed in as %s, want %s", when, got, want)
	}
}

func (town *town) signIn(tab context.Context, t *testing.T) {
	t.Helper()
	do(tab, t, chromedp.Navigate(town.home+"auth/github/login"))
	town.wantLogin(tab, t, "octocat", "after a sign-in")
}

// signOut presses the site's own button on its start page.
func signOut(tab context.Context, t *testing.T) {
	t.Helper()
	if _, err := chromedp.RunResponse(tab, chromedp.Click(signOutButton)); err != nil {
		t.Fatal(err)
	}
}

// script runs an expression in a tab and waits for its promise.
func script[T any](tab context.Context, t *testing.T, expression string) T {
	t.Helper()
	return read(tab, t, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// submit posts an empty form to address from the page in the tab, and returns what is answered.
func submit(tab context.Context, t *testing.T, address string) (status int64, at string) {
	t.Helper()
	resp, err := chromedp.RunResponse(tab, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[any](`{
			const form = document.createElement("form")
			form.method = "post"
			form.action = "`+address+`"
			document.body.append(form)
			form.submit()
		}`))
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	return resp.Status, strings.TrimSuffix(resp.URL, "#")
}

// serve has h answer on a port of its own, and returns its address with a slash at the end.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL + "/"
}
