package fxmodule_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/ghlogin/ghlogin/fxmodule"
	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store"
	"github.com/ghlogin/ghlogin/store/memory"
)

// failingStore takes nothing once it is away.
type failingStore struct {
	store.Store
	away atomic.Bool
}

func (f *failingStore) Put(ctx context.Context, key string, e store.Entry) (string, error) {
	if f.away.Load() {
		return "", errors.New("away")
	}
	return f.Store.Put(ctx, key, e)
}

// deadline is a context that says when it will end, and gives whoever heeds that some more time.
type deadline struct {
	context.Context
	at time.Time
}

func (d deadline) Deadline() (time.Time, bool) { return d.at, true }

// Once its stop timeout is over fx says so and nothing else, and stops nothing more.
func TestStopSaysHowManyTokensCouldNotBeStoredAndGoesOn(t *testing.T) {
	t.Parallel()
	gh := githubtest.New()
	defer gh.Close()
	gh.AddApp(githubtest.App{
		ClientID: config.ClientID, Secrets: []string{config.ClientSecrets[0].Reveal()}, Kind: githubtest.GitHubApp, Callbacks: []string{config.RedirectURL},
	})
	gh.SignInAs("octocat")
	st := &failingStore{Store: memory.New()}
	var auth *middleware.Authenticator
	var stopped atomic.Bool
	app := fx.New(fxmodule.Module, fx.Supply(config), fx.NopLogger,
		fxmodule.Option(middleware.WithHTTPClient(&http.Client{Transport: gh.Transport()})),
		fx.Provide(func(lc fx.Lifecycle) store.Store {
			lc.Append(fx.StopHook(func() { stopped.Store(true) }))
			return st
		}), fx.Populate(&auth))
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	site := auth.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, _ := middleware.HTTPClientFromContext(r.Context())
		resp, err := client.Get(auth.Manager().Host().API + "user")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
	}))
	var cookies []*http.Cookie
	visit := func(address string) (status int, location string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		cookies = append(cookies, w.Result().Cookies()...)
		return w.Code, w.Header().Get("Location")
	}
	_, toGitHub := visit("https://app.example/auth/github/login")
	begin, err := http.NewRequestWithContext(t.Context(), http.MethodGet, toGitHub, nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := gh.Transport().RoundTrip(begin)
	if err != nil {
		t.Fatal(err)
	}
	_ = back.Body.Close()
	visit(back.Header.Get("Location"))

	// GitHub refreshes a token, and the store is away when it comes.
	gh.ExpireTokens(config.ClientID, 583231)
	gh.Inject(githubtest.Fault{Match: func(r *http.Request) bool {
		if githubtest.MatchGrantType("refresh_token")(r) {
			st.away.Store(true)
		}
		return false
	}})
	if status, _ := visit("https://app.example/"); status != http.StatusOK || !st.away.Load() {
		t.Fatalf("the page = %d; refreshed: %t", status, st.away.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = app.Stop(deadline{ctx, time.Now().Add(100 * time.Millisecond)})
	if err == nil || !strings.Contains(err.Error(), "1 refreshed tokens could not be stored") {
		t.Errorf("Stop = %v, want an error that a token could not be stored", err)
	}
	if !stopped.Load() {
		t.Error("what was made before was not stopped")
	}
}
