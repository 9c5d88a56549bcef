package middleware_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

const leakKey = "cookie-key-0123456789-abcdefghijklmnop"

// leaks gathers what anybody might see of a site, and what nobody may.
type leaks struct {
	seen    map[string]*strings.Builder // By where.
	secrets map[string]string           // What they are, by text.
}

func (l *leaks) see(where, text string) {
	if l.seen[where] == nil {
		l.seen[where] = new(strings.Builder)
	}
	l.seen[where].WriteString(text + "\n")
}

// dump prints a value in every way that a program might, with all that an error wraps.
func (l *leaks) dump(where string, v any) {
	l.see(where, fmt.Sprintf("%v\n%+v\n%#v\n%q\n%s\n%x\n%d", v, v, v, v, v, v, v))
	if text, err := json.Marshal(v); err == nil {
		l.see(where, string(text))
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("dump", "v", v)
	l.see(where, log.String())
	err, ok := v.(error)
	if !ok {
		return
	}
	if next := errors.Unwrap(err); next != nil {
		l.dump(where, next)
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, next := range joined.Unwrap() {
			l.dump(where, next)
		}
	}
}

func (l *leaks) hide(what string, texts ...string) {
	for _, text := range texts {
		if text != "" {
			l.secrets[text] = what
		}
	}
}

// check searches everything seen for every secret, in each form that it might have taken.
func (l *leaks) check(t *testing.T) {
	t.Helper()
	searches := 0
	for where, b := range l.seen {
		text := b.String()
		for secret, what := range l.secrets {
			for _, form := range secretForms(secret) {
				searches++
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("a %s stands in the %s: …%s…", what, where, strings.ReplaceAll(text[max(0, at-80):at], secret, "SECRET"))
				}
			}
		}
	}
	t.Logf("%d secrets, %d places, %d searches", len(l.secrets), len(l.seen), searches)
}

func secretForms(secret string) []string {
	decimal := strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]")
	quoted := strconv.Quote(secret)
	return slices.Compact([]string{
		secret, url.QueryEscape(secret), quoted[1 : len(quoted)-1], decimal, hex.EncodeToString([]byte(secret)),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
	})
}

// Everything is done that can be done with a site, in good and in bad, and seen in every way. Nothing of it says a secret.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]middleware.Option{
		"sessions in memory": nil,
		"cookie sessions":    {middleware.WithCookieSessions()},
	} {
		for _, pages := range []string{"our pages", "the app's pages"} {
			t.Run(name+", "+pages, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { leakEverywhere(t, pages == "our pages", more...) })
			})
		}
	}
}

func leakEverywhere(t *testing.T, ourPages bool, more ...middleware.Option) { //nolint:thelper // It is the test itself.
	l := &leaks{seen: make(map[string]*strings.Builder), secrets: make(map[string]string)}
	spans, metrics := tracetest.NewInMemoryExporter(), sdkmetric.NewManualReader()
	options := append(slices.Clone(more),
		middleware.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))),
		middleware.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics))),
		middleware.WithObserver(func(_ context.Context, e grant.Event) { l.dump("events", e); l.dump("events", e.Err) }))
	if !ourPages {
		options = append(options, middleware.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, p *middleware.Problem) {
			l.dump("problems", p)
			l.dump("problems", p.Err)
			http.Error(w, fmt.Sprintf("%+v", p), p.Status())
		}))
	}
	keys := []oauth.Secret{oauth.NewSecret(leakKey)}
	st := memory.New()
	s := newSite(t, withApp(githubtest.App{Kind: githubtest.GitHubApp}), withStore(st), withOptions(options...),
		withConfig(func(c *middleware.Config) { c.CookieKeys = keys }))
	hook, err := s.auth.Webhook(oauth.NewSecret(hookSecret))
	if err != nil {
		t.Fatal(err)
	}
	l.hide("cookie key", leakKey)
	l.hide("webhook secret", hookSecret)

	b := s.browser(t)
	hideCookies := func() {
		for _, c := range b.cookies("") {
			l.hide("cookie", c.Value)
		}
	}
	visit := func(what string, p page) {
		t.Helper()
		l.see("pages", what+" "+p.Status+"\n"+p.body)
		for name, values := range p.Header {
			if name != "Set-Cookie" && name != "Location" { // Where they belong.
				l.see("headers", name+": "+strings.Join(values, " "))
			}
		}
		hideCookies()
	}
	hideState := func(location string) {
		if u, err := url.Parse(location); err == nil {
			l.hide("state", u.Query().Get("state"))
		}
	}
	fault := func(f githubtest.Fault) func() { return s.gh.Inject(f) }

	// Sign-ins that come to nothing: each with a code, a state and a verifier that were real.
	for _, f := range []githubtest.Fault{
		{Match: githubtest.MatchGrantType("authorization_code"), Status: http.StatusBadGateway, Body: "<html>bad gateway</html>", Times: 1},
		{Match: githubtest.MatchGrantType("authorization_code"), Status: http.StatusOK, Body: "{", Times: 1},
		{Match: githubtest.MatchGrantType("authorization_code"), LoseAnswer: true, Times: 1},
		{Match: githubtest.MatchPath("/user"), Status: http.StatusForbidden, Body: `{"message":"no"}`, Times: 1},
		{Match: githubtest.MatchPath("/user"), LoseAnswer: true, Times: 1},
	} {
		remove := fault(f)
		callback := b.begin("/auth/github/login?return_to=/me")
		hideState(callback)
		hideCookies()
		visit("a sign-in that fails", b.get(callback))
		remove()
		visit("the same again", b.get(callback))
		visit("a callback with an error", b.get(callback+"&error=access_denied&error_description="+url.QueryEscape(callback)))
	}
	// One that works, a page, a refresh that fails, one that works.
	visit("signed in", b.get("/me"))
	s.gh.SignInAs("octocat")
	b.signIn()
	visit("a page", b.get("/me"))
	const life = 8 * time.Hour
	for _, f := range []githubtest.Fault{
		{Match: githubtest.MatchGrantType("refresh_token"), Status: http.StatusBadGateway, Times: 1},
		{Match: githubtest.MatchGrantType("refresh_token"), Status: http.StatusOK, Body: `{"error":"incorrect_client_credentials"}`, Times: 2},
		{Match: githubtest.MatchPath("/user"), Status: http.StatusInternalServerError, Body: `{"message":"boom"}`, Times: 1},
	} {
		time.Sleep(life)
		remove := fault(f)
		visit("a refresh", b.get("/me"))
		remove()
		time.Sleep(10 * time.Minute)
		visit("and after it", b.get("/me"))
	}

	// What a handler has in its hands, printed, and in the trace of a panic.
	handler := s.auth.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		gh, ok := middleware.ClientFromContext(r.Context())
		if !ok {
			t.Error("the handler has no client, so nothing of it is seen")
			return
		}
		hc, _ := middleware.HTTPClientFromContext(r.Context())
		user, _ := middleware.UserFromContext(r.Context())
		synctest.Wait() // What is printed is read without its locks.
		for what, v := range map[string]any{"context": r.Context(), "client": hc, "transport": hc.Transport, "go-github": gh, "user": user} {
			l.dump("what a handler has: "+what, v)
		}
		_, _, err := gh.Repositories.Get(r.Context(), "octocat", "not there")
		l.dump("go-github's errors", err)
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		_, _, err = gh.Users.Get(ctx, "")
		l.dump("go-github's errors", err)
		synctest.Wait()
		defer func() { l.see("panics", fmt.Sprint(recover())+string(debug.Stack())) }()
		panic(fmt.Sprintf("%+v %+v %#v", hc, gh, s.auth))
	}))
	r := httptest.NewRequest(http.MethodGet, origin+"/", nil)
	for _, c := range b.cookies("") {
		r.AddCookie(c)
	}
	handler.ServeHTTP(httptest.NewRecorder(), r)
	synctest.Wait()
	for what, v := range map[string]any{
		"authenticator": s.auth, "manager": s.auth.Manager(), "config": s.cfg, "webhook": hook, "store": st, "keys": keys,
		"settings": struct {
			cfg   middleware.Config
			keys  []oauth.Secret
			auth  *middleware.Authenticator
			store *memory.Store
			hook  http.Handler
		}{s.cfg, keys, s.auth, st, hook},
	} {
		l.dump(what, v)
	}

	// Webhooks, forged and real; a sign-out with GitHub away; a visitor with cookies of nobody's.
	for _, change := range []func(*http.Request){
		func(*http.Request) {}, withHeader("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64)), withHeader("X-Hub-Signature-256"),
	} {
		w := deliver(hook, octocatRevoked, change)
		l.see("pages", w.Body.String())
	}
	remove := fault(githubtest.Fault{Match: func(r *http.Request) bool { return r.Method == http.MethodDelete }, Status: http.StatusBadGateway})
	visit("signed out", b.signOut())
	time.Sleep(time.Minute)
	remove()
	time.Sleep(time.Hour)
	for _, c := range b.cookies("") {
		b.setCookie(c.Name, c.Value+"x")
	}
	visit("cookies of nobody's", b.get("/me"))

	l.hide("token, code, verifier or client secret", s.gh.Secrets()...)
	l.see("log", s.log.String())
	text, err := json.Marshal(spans.GetSpans().Snapshots())
	if err != nil {
		t.Fatal(err)
	}
	l.see("spans", string(text)+fmt.Sprintf("%+v", spans.GetSpans()))
	var collected metricdata.ResourceMetrics
	if err := metrics.Collect(t.Context(), &collected); err != nil {
		t.Fatal(err)
	}
	l.see("metrics", fmt.Sprintf("%+v", collected))

	// A place where nothing was seen, and a kind of secret that there was none of, would prove nothing.
	for where, word := range map[string]string{
		"log": "token refreshed", "spans": "ghlogin.sign_in", "metrics": "ghlogin.token_requests", "pages": "octocat", "events": "signed_in",
		"panics": "goroutine", "go-github's errors": "404",
	} {
		if l.seen[where] == nil || !strings.Contains(l.seen[where].String(), word) {
			t.Errorf("the %s does not speak of %q, so searching it proves nothing", where, word)
		}
	}
	kinds := make(map[string]int)
	for _, what := range l.secrets {
		kinds[what]++
	}
	for _, what := range []string{"cookie", "state", "token, code, verifier or client secret"} {
		if kinds[what] < 2 {
			t.Errorf("%d secrets of the kind %q, so searching for them proves nothing", kinds[what], what)
		}
	}
	l.check(t)
}
