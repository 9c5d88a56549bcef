package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

// twoGitHubs is a site where visitors sign in at github.com, at an Enterprise Server, or at both: two Authenticators on one
// mux and one store.
type twoGitHubs struct {
	*site
	work     *githubtest.Server
	workAuth *middleware.Authenticator
	workApp  githubtest.App
}

const workHost = "https://git.example.com"

func newTwoGitHubs(t *testing.T, opts ...middleware.Option) *twoGitHubs {
	t.Helper()
	st := memory.New()
	two := &twoGitHubs{work: githubtest.New()}
	t.Cleanup(two.work.Close)
	// The same number as octocat's at github.com, and another person.
	two.work.AddUser(githubtest.User{ID: 583231, Login: "mallory", Name: "Not the Octocat"})
	two.work.SignInAs("mallory")
	public := middleware.WithHTTPClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		return only(two.gh.Transport(), "github.com", "api.github.com").RoundTrip(r)
	})})
	two.site = newSite(t, withStore(st), withOptions(append(slices.Clone(opts), public)...), withWrap(func(public *middleware.Authenticator, h http.Handler) http.Handler {
		two.workAuth = two.newWork(t, st, opts)
		mux := http.NewServeMux()
		mux.Handle("/", h)
		mux.Handle("/public", public.Require(whoIsIt(public)))
		mux.Handle("/work", two.workAuth.Require(whoIsIt(two.workAuth)))
		return public.Middleware(two.workAuth.Middleware(mux))
	}))
	return two
}

func (two *twoGitHubs) newWork(t *testing.T, st store.Store, opts []middleware.Option) *middleware.Authenticator {
	t.Helper()
	host, err := oauth.HostFromURL(workHost)
	if err != nil {
		t.Fatal(err)
	}
	const callback = origin + "/auth/work/callback"
	two.workApp = two.work.AddApp(githubtest.App{Callbacks: []string{callback}})
	auth, err := middleware.New(middleware.Config{
		ClientID:      two.workApp.ClientID,
		ClientSecrets: []oauth.Secret{oauth.NewSecret(two.workApp.Secrets[0])},
		RedirectURL:   callback,
		Host:          host,
	}, st, append([]middleware.Option{middleware.WithHTTPClient(&http.Client{Transport: only(two.work.Transport(), "git.example.com")})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = auth.Close(context.WithoutCancel(t.Context())) })
	return auth
}

// only refuses requests for other hosts, which the fake would answer all the same.
func only(next http.RoundTripper, hosts ...string) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		if !slices.Contains(hosts, r.URL.Host) {
			return nil, fmt.Errorf("a request for %s goes to none of %v", r.URL.Host, hosts)
		}
		return next.RoundTrip(r)
	})
}

// whoIsIt asks the GitHub whose user the context has.
func whoIsIt(a *middleware.Authenticator) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, _ := middleware.UserFromContext(r.Context())
		gh, _ := middleware.ClientFromContext(r.Context())
		me, _, err := gh.Users.Get(r.Context(), "")
		if err != nil {
			a.Fail(w, r, err)
			return
		}
		_, _ = fmt.Fprintf(w, "%s is %s at %s", user.Login, me.GetLogin(), a.Manager().Host().Name)
	}
}

// browser is a visitor who reaches both GitHubs by their names.
func (two *twoGitHubs) browser(t *testing.T) *browser {
	t.Helper()
	b := two.site.browser(t)
	rest := b.client.Transport
	b.client.Transport = transport(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "git.example.com" {
			return two.work.Transport().RoundTrip(r)
		}
		return rest.RoundTrip(r)
	})
	return b
}

func wantPage(t *testing.T, b *browser, path, want string) {
	t.Helper()
	if p := b.get(path); p.body != want || p.at() != origin+path {
		t.Errorf("%s ends at %s: %q, want %q", path, p.at(), p.body, want)
	}
}

// wantStill is wantPage without a new sign-in, which GitHub would grant without a question.
func wantStill(t *testing.T, b *browser, path, want string) {
	t.Helper()
	if p := b.still(func() page { return b.get(path) }); p.body != want {
		t.Errorf("%s = %d %q, want %q without a sign-in", path, p.StatusCode, p.body, want)
	}
}

func TestSeveralGitHubsOnOneMux(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]middleware.Option{
		"sessions of their own": nil,
		"the app's sessions":    {middleware.WithSessionManager(secureSessions())},
		"cookie sessions":       {middleware.WithCookieSessions(cookieKey("k"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			two := newTwoGitHubs(t, opts...)
			both, one := two.browser(t), two.browser(t)
			wantPage(t, both, "/public", "octocat is octocat at github.com")
			wantPage(t, both, "/work", "mallory is mallory at git.example.com")
			wantStill(t, both, "/public", "octocat is octocat at github.com")
			wantStill(t, both, "/work", "mallory is mallory at git.example.com")
			wantPage(t, one, "/work", "mallory is mallory at git.example.com")

			// Who is signed in at the one is nobody at the other.
			p := one.do(http.MethodGet, "/public", accept("application/json"))
			if v := problemJSON(t, p); p.StatusCode != http.StatusUnauthorized || v["login_url"] != "/auth/github/login" {
				t.Errorf("/public of who is signed in elsewhere = %d %v", p.StatusCode, v)
			}
			one.wantSignedIn("mallory")

			// To sign out of the one leaves the other, and the token is revoked where it came from.
			if p := both.do(http.MethodPost, "/auth/github/logout"); p.StatusCode != http.StatusOK {
				t.Errorf("sign-out = %d", p.StatusCode)
			}
			wantStill(t, both, "/work", "mallory is mallory at git.example.com")
			if p := both.do(http.MethodGet, "/public", accept("application/json")); p.StatusCode != http.StatusUnauthorized {
				t.Errorf("/public after the sign-out = %d", p.StatusCode)
			}
			if n := two.work.LiveTokens(two.workApp.ClientID, 583231); n == 0 {
				t.Error("the sign-out of github.com revoked a token at the other")
			}
		})
	}
}

// Both callbacks are this site's: a code from the one GitHub must not be taken for the other's.
func TestAnAttemptAtOneGitHubIsNoneAtTheOther(t *testing.T) {
	t.Parallel()
	two := newTwoGitHubs(t)
	b := two.browser(t)
	back, err := url.Parse(b.begin("/auth/github/login"))
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, b.get("/auth/work/callback?"+back.RawQuery), http.StatusBadRequest, "This sign-in is no longer valid")
	if n := two.work.TokenRequests(""); n != 0 {
		t.Errorf("a code of github.com's was shown to the other %d times", n)
	}
	b.wantSignedOut()
}

// Each of them has a user with the same number, and another person behind it.
func TestNoTokenCrossesFromOneGitHubToTheOther(t *testing.T) {
	t.Parallel()
	two := newTwoGitHubs(t)
	b := two.browser(t)
	b.get("/public")
	b.get("/work")
	for _, gh := range []*githubtest.Server{two.gh, two.work} {
		for _, c := range gh.Calls() {
			if c.Status == http.StatusUnauthorized {
				t.Errorf("%s came to a GitHub that knows the token not", c.Path)
			}
		}
	}
	token, err := two.auth.Manager().Token(t.Context(), 583231)
	other, err2 := two.workAuth.Manager().Token(t.Context(), 583231)
	if err != nil || err2 != nil || token.AccessToken.Equal(other.AccessToken) {
		t.Errorf("two people with one number share a token, or have none: %v, %v", err, err2)
	}
}
