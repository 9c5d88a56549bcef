package grant_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// watcher is all that can be seen of a manager from outside.
type watcher struct {
	log    bytes.Buffer
	spans  *tracetest.SpanRecorder
	reader *metric.ManualReader

	mu     sync.Mutex
	events []grant.Event
}

func (v *watcher) options() []grant.Option {
	v.spans, v.reader = tracetest.NewSpanRecorder(), metric.NewManualReader()
	return []grant.Option{
		grant.WithLogger(slog.New(slog.NewTextHandler(&v.log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		grant.WithTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(v.spans))),
		grant.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(v.reader))),
		grant.WithObserver(func(_ context.Context, e grant.Event) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.events = append(v.events, e)
		}),
	}
}

func (v *watcher) kinds() []grant.EventKind {
	v.mu.Lock()
	defer v.mu.Unlock()
	var kinds []grant.EventKind
	for _, e := range v.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (v *watcher) metrics(t *testing.T) string {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := v.reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What an operator would want to hear of, and an app to act upon.
func TestEveryTurnIsSeenFromOutside(t *testing.T) {
	t.Parallel()
	lease := map[string]any{"owner": "dead", "length_ns": 30 * time.Second}
	for name, tt := range map[string]struct {
		happens func(t *testing.T, w *world, m *grant.Manager, s grant.Session)
		want    []grant.EventKind
	}{
		"refresh": {func(t *testing.T, w *world, m *grant.Manager, s grant.Session) {
			t.Helper()
			w.gh.Inject(githubtest.Fault{Match: isRefresh, Delay: time.Second}) // Nobody comes when it is over.
			herd(t, 3, m)
			if err := m.SignOut(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}, []grant.EventKind{grant.EventRefreshed, grant.EventSignedOut, grant.EventForgotten}},
		"takeover": {func(t *testing.T, w *world, m *grant.Manager, _ grant.Session) {
			t.Helper()
			w.change(t, "583231", func(v map[string]any) { v["lease"], v["write_id"] = lease, "another's" })
			herd(t, 3, m)
		}, []grant.EventKind{grant.EventLeaseAwaited, grant.EventLeaseTakenOver, grant.EventRefreshed}},
		"adoption": {func(t *testing.T, w *world, m *grant.Manager, _ grant.Session) {
			t.Helper()
			w.gh.Inject(githubtest.Fault{Match: isRefresh, Delay: time.Second})
			other := w.manager(t)
			go herd(t, 3, other)
			time.Sleep(100 * time.Millisecond)
			herd(t, 3, m)
		}, []grant.EventKind{grant.EventLeaseAwaited, grant.EventAdopted}},
		"revocation": {func(t *testing.T, w *world, m *grant.Manager, _ grant.Session) {
			t.Helper()
			w.gh.RevokeUser(w.app.ClientID, octocat)
			_, _ = m.Token(t.Context(), octocat)
		}, []grant.EventKind{grant.EventNeedsLogin}},
		"sign-in with a code of one's own making": {func(t *testing.T, _ *world, m *grant.Manager, _ grant.Session) {
			t.Helper()
			if _, _, err := m.SignIn(t.Context(), "made-up", oauth.NewVerifier(), grant.Login{Lifetime: time.Hour}); err == nil {
				t.Error("SignIn succeeded")
			}
		}, []grant.EventKind{grant.EventSignInFailed}},
		"sign-in where GitHub refuses the app": {func(t *testing.T, w *world, _ *grant.Manager, _ grant.Session) {
			t.Helper()
			v := new(watcher)
			m := w.managerOf(t, w.oauth(t, "mistyped"), v.options()...)
			code, verifier := w.authorize(t, "octocat")
			_, _, err := m.SignIn(t.Context(), code, verifier, grant.Login{Lifetime: time.Hour})
			if metrics := v.metrics(t); !errors.Is(err, oauth.ErrMisconfigured) || !strings.Contains(metrics, `"misconfigured"`) || !strings.Contains(metrics, `"sign_in_failed"`) {
				t.Errorf("SignIn = %v; the metrics are %s", err, metrics)
			}
		}, nil},
		"outage of GitHub": {func(t *testing.T, w *world, m *grant.Manager, _ grant.Session) {
			t.Helper()
			w.gh.Inject(githubtest.Fault{Match: isRefresh, Times: 1, Status: http.StatusBadGateway})
			_, _ = m.Token(t.Context(), octocat)
		}, []grant.EventKind{grant.EventRefreshFailed}},
		"outage of the store": {func(t *testing.T, w *world, m *grant.Manager, _ grant.Session) {
			t.Helper()
			w.store.set(nil, failAfter(1))
			herd(t, 3, m)
			w.store.set(nil, nil)
			time.Sleep(10 * time.Second)
		}, []grant.EventKind{grant.EventPairHeld, grant.EventPairStored}},
		"sign-out meanwhile": {func(t *testing.T, w *world, m *grant.Manager, s grant.Session) {
			t.Helper()
			w.gh.Inject(githubtest.Fault{Match: isRefresh, Delay: time.Second})
			go func() { _, _ = m.Token(t.Context(), octocat) }()
			time.Sleep(100 * time.Millisecond)
			if err := m.SignOut(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}, []grant.EventKind{grant.EventSignedOut, grant.EventForgotten, grant.EventGaveWay}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, v := newWorld(t, gitHubApp), new(watcher)
				m := w.manager(t, v.options()...)
				s := w.signIn(t, m, "octocat")
				time.Sleep(tokenLife)
				tt.happens(t, w, m, s)
				synctest.Wait()
				want := append([]grant.EventKind{grant.EventSignedIn}, tt.want...)
				if got := v.kinds(); !slices.Equal(got, want) {
					t.Errorf("events %v, want %v", got, want)
				}
				metrics := v.metrics(t)
				for _, kind := range want {
					if !strings.Contains(metrics, fmt.Sprintf("%q", kind)) {
						t.Errorf("no metric counts %s", kind)
					}
				}
				if records := strings.Count(v.log.String(), "\n"); records < len(want) {
					t.Errorf("%d records in the log for %d events:\n%s", records, len(want), v.log.String())
				}
			})
		})
	}
}

func TestMetricsAndSpansOfARotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, v := newWorld(t, gitHubApp), new(watcher)
		m := w.manager(t, append(v.options(), grant.WithStaleness(10*time.Second))...)
		w.signIn(t, m, "octocat")
		herd(t, 5, m)
		time.Sleep(tokenLife)
		herd(t, 5, m)
		metrics := v.metrics(t)
		for _, want := range []string{"ghlogin.events", "ghlogin.refresh.duration", "ghlogin.token_requests", "ghlogin.pairs.held", "ghlogin.grants.kept", "ghlogin.lookups"} {
			if !strings.Contains(metrics, want) {
				t.Errorf("there is no metric %s", want)
			}
		}
		var names []string
		for _, span := range v.spans.Ended() {
			names = append(names, span.Name())
		}
		if want := []string{"ghlogin.sign_in", "ghlogin.refresh"}; !slices.Equal(names, want) {
			t.Errorf("spans %v, want %v", names, want)
		}
		for _, secret := range append(w.gh.Secrets(), w.app.Secrets...) {
			if strings.Contains(metrics+v.log.String()+fmt.Sprint(v.spans.Ended(), v.events), secret) {
				t.Errorf("a secret shows outside")
			}
		}
	})
}

// A user withdrew a token that can't be refreshed, while a page made many requests with it at once: an app that writes to the user
// upon the event wrote once for each.
func TestTokenThatManyRequestsFindDeadIsToldOfOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plainApp)
		var v watcher
		m := w.manager(t, v.options()...)
		w.signIn(t, m, "octocat")
		time.Sleep(time.Minute)
		w.gh.RevokeUser(w.app.ClientID, octocat)
		w.gh.Inject(githubtest.Fault{Match: githubtest.MatchPath("/user"), Status: http.StatusUnauthorized, Delay: time.Second})
		c := m.HTTPClient(octocat)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := c.Get("https://api.github.com/user") //nolint:bodyclose // There is no answer.
				if !errors.Is(err, oauth.ErrSignInAgain) {
					t.Errorf("GET /user = %v, want ErrSignInAgain", err)
				}
			})
		}
		wg.Wait()
		if got, want := v.kinds(), []grant.EventKind{grant.EventSignedIn, grant.EventNeedsLogin}; !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
}

// A user signed in with another browser at the moment when the last one signed out: an app that deletes what it holds of users who
// are gone deleted what it held of one who is there.
// GitHub may answer a sign-in with the token of the user's other browser. The last sign-out of that one, which met the sign-in's write,
// revoked it all the same.
func TestSignOutDoesNotRevokeATokenThatASignInGotAgain(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]error{"store answers": nil, "the write's answer is lost": errors.New("connection reset")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, plainApp)
				m := w.manager(t)
				session := w.signIn(t, m, "octocat")
				inUse, err := m.Token(t.Context(), octocat)
				if err != nil {
					t.Fatal(err)
				}
				w.gh.Inject(githubtest.Fault{
					Match: githubtest.MatchGrantType("authorization_code"), Times: 1, Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
					Body: `{"access_token":"` + inUse.AccessToken.Reveal() + `","token_type":"bearer","scope":"user:email"}`,
				})
				w.store.set(nil, func(put func() error) error {
					w.store.set(nil, nil)
					w.signIn(t, m, "octocat")
					if away != nil {
						w.store.set(nil, func(func() error) error { return away })
						return away
					}
					return put()
				})
				if err := m.SignOut(t.Context(), session); (err != nil) != (away != nil) {
					t.Fatal(err)
				}
				w.store.set(nil, nil)
				time.Sleep(time.Hour)
				if got := getUser(t, m.HTTPClient(octocat)); got != http.StatusOK {
					t.Errorf("the other browser's token answers %d", got)
				}
			})
		})
	}
}

func TestSignOutThatASignInCameBeforeForgetsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plainApp)
		var v watcher
		m := w.manager(t, v.options()...)
		session := w.signIn(t, m, "octocat")
		w.store.set(nil, func(put func() error) error {
			w.store.set(nil, nil)
			w.signIn(t, m, "octocat")
			return put() // It meets the sign-in's.
		})
		if err := m.SignOut(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		herd(t, 1, m)
		if got, want := v.kinds(), []grant.EventKind{grant.EventSignedIn, grant.EventSignedIn, grant.EventSignedOut}; !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
	})
}
