package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
)

func TestNoOtherOriginSignsAnybodyOut(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"evil.test", "evil.app.test"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			tab := newBrowser(t)
			town := newTown(t)
			town.evil.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { writePage(w, "<p>evil</p>") })
			town.signIn(tab, t)
			logout, evil := town.home+"auth/github/logout", town.at(host, "")

			do(tab, t, chromedp.Navigate(evil))
			if status, at := submit(tab, t, logout); status != 403 || at != logout {
				t.Errorf("a form of %s: %d at %s", host, status, at)
			}
			town.wantLogin(tab, t, "octocat", "after a form of "+host)

			do(tab, t, chromedp.Navigate(evil))
			script[any](tab, t, `fetch("`+logout+`", {method: "POST", mode: "no-cors", credentials: "include"})`)
			town.wantLogin(tab, t, "octocat", "after a fetch of "+host)

			do(tab, t, chromedp.Navigate(evil))
			script[any](tab, t, `new Promise(done => { const i = new Image(); i.onload = i.onerror = () => done(); i.src = "`+logout+`" })`)
			script[any](tab, t, `navigator.sendBeacon("`+logout+`", "x")`)
			town.wantLogin(tab, t, "octocat", "after an image and a beacon of "+host)

			do(tab, t, chromedp.Navigate(evil), chromedp.Navigate(logout))
			town.wantLogin(tab, t, "octocat", "after a link")

			signOut(tab, t)
			town.wantLogin(tab, t, "nobody", "after the site's own button")
		})
	}
}

// outsider is an attacker at the same site with a program instead of a browser.
func (town *town) outsider(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	dial := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	own := &http.Transport{DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial.DialContext(ctx, network, "127.0.0.1:"+town.port)
	}}
	t.Cleanup(own.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: own}
}

// get follows redirects, up to the callback if unfinished.
func get(t *testing.T, c *http.Client, address string, unfinished bool) (callback string) {
	t.Helper()
	c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if unfinished && strings.HasSuffix(r.URL.Path, "/callback") {
			callback = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return callback
}

// A sub-domain may set cookies for the whole site. With the attacker's own, good cookies it would sign the victim in as the
// attacker; with bad ones it would keep the victim out.
func TestSubDomainTossesCookiesInVain(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]middleware.Option{
		"our own sessions": nil,
		"cookie sessions":  {middleware.WithCookieSessions(oauth.NewSecret(strings.Repeat("k", 32)))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab := newBrowser(t)
			town := newTown(t, opts...)
			town.gh.AddUser(githubtest.User{ID: 666, Login: "attacker"})
			town.gh.SignInAs("attacker")
			attacker := town.outsider(t)
			get(t, attacker, town.home+"auth/github/login", false)
			link := get(t, attacker, town.home+"auth/github/login", true)
			home, err := url.Parse(town.home)
			if err != nil {
				t.Fatal(err)
			}
			stolen := attacker.Jar.Cookies(home)
			if len(stolen) != 2 || link == "" {
				t.Fatalf("the attacker has %d cookies and the link %q, want a session, an attempt and a link", len(stolen), link)
			}
			tossed := tossedCookies(stolen)
			town.evil.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
				for _, line := range tossed {
					w.Header().Add("Set-Cookie", line)
				}
				writePage(w, "<p>evil</p>")
			})
			var sent []string // What the browser brings to the site.
			town.mux.HandleFunc("/cookies", func(w http.ResponseWriter, r *http.Request) {
				sent = nil
				for _, c := range r.Cookies() {
					sent = append(sent, c.Name)
				}
				writePage(w, "<p>cookies</p>")
			})
			town.gh.SignInAs("octocat")

			do(tab, t, chromedp.Navigate(town.at("evil.app.test", "")), chromedp.Navigate(town.home+"cookies"))
			if len(sent) < 20 {
				t.Fatalf("the browser took %d cookies of the sub-domain: this test shows nothing", len(sent))
			}
			for _, c := range stolen {
				for _, got := range sent {
					if got == c.Name {
						t.Errorf("the browser took %s from a sub-domain", got)
					}
				}
			}
			town.wantLogin(tab, t, "nobody", "with the attacker's session")
			if resp := read(tab, t, chromedp.NavigateResponse(link)); resp.Status != 400 {
				t.Errorf("the attacker's callback = %d", resp.Status)
			}
			town.wantLogin(tab, t, "nobody", "with the attacker's attempt and callback")
			town.signIn(tab, t) // It is not kept out either.
			do(tab, t, chromedp.Navigate(town.at("evil.app.test", "")))
			town.wantLogin(tab, t, "octocat", "with cookies tossed after the sign-in")
			signOut(tab, t)
			town.wantLogin(tab, t, "nobody", "after the sign-out")
		})
	}
}

// tossedCookies are the Set-Cookie headers of an attacker: their own cookies by every name that a browser or a
// server might take for the right one, and a crowd beside them.
func tossedCookies(stolen []*http.Cookie) []string {
	const scope = "; Domain=app.test; Secure; HttpOnly; SameSite=None; Max-Age=3600"
	var lines []string
	for _, c := range stolen {
		bare := strings.TrimPrefix(c.Name, "__Host-")
		for _, name := range []string{c.Name, strings.ToLower(c.Name), strings.ToUpper(c.Name), "__Secure-" + bare, bare, " " + c.Name, "=" + c.Name, "\t" + c.Name} {
			for _, path := range []string{"/", "/auth/github/callback", "/auth"} {
				lines = append(lines, name+"="+c.Value+"; Path="+path+scope)
			}
		}
	}
	for i := range 60 {
		lines = append(lines, fmt.Sprintf("ghlogin-attempt-%d=%s; Path=/%s", i, strings.Repeat("x", 20), scope))
	}
	return lines
}

// A browser may show a page again without asking: from its cache, or as it left it.
func TestBackButtonAfterSignOutShowsNothing(t *testing.T) {
	t.Parallel()
	tab := newBrowser(t)
	gh := githubtest.Start(t)
	mux := http.NewServeMux()
	home := serve(t, mux)
	auth, _ := newAuth(t, gh, home)
	var asked atomic.Int64
	mux.Handle("/", auth.Middleware(http.HandlerFunc(startPage)))
	mux.HandleFunc("/public", func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		writePage(w, "<p>what everybody may see</p>")
	})
	mux.Handle("/private", auth.Require(http.HandlerFunc(privatePage)))

	do(tab, t, chromedp.Navigate(home+"private"))
	if _, err := chromedp.RunResponse(tab, chromedp.Click(authorizeButton)); err != nil {
		t.Fatal(err)
	}
	if text := read(tab, t, chromedp.Text(body)); text != private {
		t.Fatalf("the page says %q", text)
	}
	do(tab, t, chromedp.Navigate(home+"public"), chromedp.Navigate(home))
	signOut(tab, t)
	if got := read(tab, t, chromedp.Text(login)); got != "nobody" {
		t.Fatalf("after the sign-out %s is signed in", got)
	}
	// GitHub would sign the visitor in again without a question.
	gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/login/oauth/authorize"), Status: 503, Body: "GitHub is away"})

	if text := backTo(tab, t, home+"public"); !strings.Contains(text, "everybody") || asked.Load() != 1 {
		t.Errorf("the back button shows %q and asks %d times: this browser keeps no pages, so the test shows nothing", text, asked.Load()-1)
	}
	if text := backTo(tab, t, home+"private"); text != "GitHub is away" {
		t.Errorf("the back button shows %q", text)
	}
}

// backTo goes back to a page of the tab's history as its button does, and returns what is seen then.
func backTo(tab context.Context, t *testing.T, address string) string {
	t.Helper()
	history := read(tab, t, chromedp.NavigationEntries())
	id := int64(-1)
	for _, entry := range history.Entries {
		if entry.URL == address {
			id = entry.ID
		}
	}
	if id < 0 {
		t.Fatalf("the tab's history has no %s", address)
	}
	const look = `JSON.stringify([performance.timeOrigin + location.href, document.readyState, document.body ? document.body.innerText : ""])`
	var before, now [3]string
	if err := json.Unmarshal([]byte(read(tab, t, chromedp.Evaluate[string](look))), &before); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(tab, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: id}); err != nil {
		t.Fatal(err)
	}
	// A page that the browser kept loads nothing, so there may be no event to wait for.
	for now[0] == "" || now[0] == before[0] || now[1] != "complete" {
		state, err := chromedp.Run(tab, chromedp.Evaluate[string](look))
		if tab.Err() != nil {
			t.Fatal(tab.Err())
		}
		if err == nil { // In between two pages there is nothing to look at.
			err = json.Unmarshal([]byte(state), &now)
		}
		if err != nil {
			now = [3]string{}
		}
	}
	return now[2]
}
