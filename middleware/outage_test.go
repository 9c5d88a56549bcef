package middleware_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

// What is in nobody's hands but the operator's or GitHub's: it costs no user their sign-in, says by status and kind
// whose turn it is, and can be told apart in the metrics.
func TestOutagesSignNobodyOutAndSayWhoseTheyAre(t *testing.T) {
	t.Parallel()
	isRefresh := func(r *http.Request) bool {
		_ = r.ParseForm()
		return r.Form.Get("grant_type") == "refresh_token"
	}
	answers := func(status int, body string) *githubtest.Fault {
		return &githubtest.Fault{Match: isRefresh, Status: status, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
	}
	for name, tt := range map[string]struct {
		fault   *githubtest.Fault // Nil is an outage of the store.
		kind    string
		metrics []string // That tell of it.
	}{
		"wrong client secret": {answers(200, `{"error":"incorrect_client_credentials"}`), "app-misconfigured", []string{"misconfigured", "incorrect_client_credentials"}},
		"403":                 {answers(403, `{"message":"rate limit"}`), "try-again", []string{"try_later", "403"}},
		"429":                 {answers(429, `{}`), "try-again", []string{"try_later", "429"}},
		"500":                 {answers(500, ""), "try-again", []string{"try_later", "500"}},
		"time-out":            {&githubtest.Fault{Match: isRefresh, Hang: true}, "try-again", []string{"try_later", "no_answer"}},
		"lost answer":         {&githubtest.Fault{Match: isRefresh, Status: 502}, "try-again", []string{"try_later", "502"}},
		"store":               {nil, "try-again", []string{"error"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := &brokenStore{Store: memory.New()}
				reader := metric.NewManualReader()
				var lost atomic.Int64
				s := newSite(t, withStore(st), withApp(githubtest.App{Kind: githubtest.GitHubApp}),
					withOptions(middleware.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))),
						middleware.WithObserver(func(_ context.Context, e grant.Event) {
							if e.Kind == grant.EventNeedsLogin || e.Kind == grant.EventForgotten {
								lost.Add(1)
							}
						})))
				b := s.browser(t)
				b.signIn()
				time.Sleep(8 * time.Hour)
				mend := func() { st.away.Store(false) }
				if tt.fault == nil {
					st.away.Store(true)
				} else {
					mend = s.gh.Inject(*tt.fault)
				}
				for range 3 {
					p := b.do(http.MethodGet, "/me", accept("application/json"))
					if v := problemJSON(t, p); p.StatusCode != http.StatusServiceUnavailable || v["kind"] != tt.kind {
						t.Errorf("GET /me = %d %v, want 503 %s", p.StatusCode, v["kind"], tt.kind)
					}
					if p.Header.Get("Retry-After") == "" && tt.kind == "try-again" {
						t.Error("nothing says when to come back")
					}
				}
				var data metricdata.ResourceMetrics
				if err := reader.Collect(t.Context(), &data); err != nil {
					t.Fatal(err)
				}
				for _, want := range tt.metrics {
					if counted(data, want) == 0 {
						t.Errorf("no metric counts %s", want)
					}
				}
				mend()
				time.Sleep(10 * time.Minute)
				b.wantSignedIn("octocat")
				if n := lost.Load(); n != 0 {
					t.Errorf("%d users lost their token", n)
				}
			})
		})
	}
}

// counted adds up what counters have for an attribute of this value.
func counted(data metricdata.ResourceMetrics, value string) (n int64) {
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok {
				continue
			}
			for _, point := range sum.DataPoints {
				for _, a := range point.Attributes.ToSlice() {
					if a.Value.String() == value {
						n += point.Value
					}
				}
			}
		}
	}
	return n
}
