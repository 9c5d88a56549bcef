package check

import (
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
)

// alerts reads alerts.yaml as Prometheus does, and returns the expressions by name.
func alerts(t *testing.T) map[string]string {
	t.Helper()
	groups, errs := rulefmt.ParseFile("../alerts.yaml", false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	all := map[string]string{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			all[rule.Alert] = rule.Expr
		}
	}
	return all
}

// Most of what is alerted on happens to no healthy fleet, so an alert that can't fire would be found out when it is too late.
// Series have a value each minute; "_" is none, as of a counter that has counted nothing yet.
func TestAlertsFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	const (
		replica       = `{job="web", instance="a"}`
		refused       = `ghlogin_events_total{job="web", instance="a", event="refresh_failed", class="misconfigured"}`
		refusedSignIn = `ghlogin_events_total{job="web", instance="a", event="sign_in_failed", class="misconfigured"}`
		lost          = `ghlogin_events_total{job="web", instance="a", event="needs_login", reason="lost"}`
		taken         = `ghlogin_events_total{job="web", instance="a", event="lease_taken_over"}`
		signIns       = `ghlogin_events_total{job="web", instance="a", event="signed_in"}`
		asked         = `ghlogin_token_requests_total{job="web", instance="a", result="ok", status="200"}`
		outages       = `ghlogin_lookups_total{job="web", instance="a", result="outage"}`
	)
	tests := map[string]struct {
		alert  string
		series []string
		quiet  []int64 // The minutes in which nothing is to be heard,
		fires  []int64 // and in which something is.
	}{
		"a token waits to be stored": {
			"TokensAboutToBeLost",
			[]string{`ghlogin_pairs_held` + replica + ` 0x9 1x9 0x9`},
			[]int64{5, 25},
			[]int64{10, 15},
		},
		"all sign-ins are refused": {
			"SignInsAreRefused",
			[]string{refusedSignIn + ` 0x9 1+1x40`},
			[]int64{5, 10},
			[]int64{20, 40},
		},
		"a stranger's sign-ins are refused, among others": {
			"SignInsAreRefused",
			[]string{refusedSignIn + ` 0x9 1+1x40`, signIns + ` 0+1x60`},
			[]int64{5, 20, 40},
			nil,
		},
		"the first refusal, and it is over": {
			"GitHubRefusesTheApp",
			[]string{refused + ` _x19 1x99`},
			[]int64{10, 40},
			[]int64{20, 25},
		},
		"another refusal": {
			"GitHubRefusesTheApp",
			[]string{refused + ` 1x19 2x99`},
			[]int64{15, 40},
			[]int64{21, 25},
		},
		"other failures are no refusal": {
			"GitHubRefusesTheApp",
			[]string{strings.Replace(refused, "misconfigured", "try_later", 1) + ` 1x9 5x99`},
			[]int64{5, 10, 15},
			nil,
		},
		"tokens are lost, and nobody crashed": {
			"UsersAreSignedOut",
			[]string{`ghlogin_pairs_held` + replica + ` 0x999`, `process_start_time_seconds` + replica + ` 0x999`, lost + ` _x99 2x999`},
			[]int64{90, 200},
			[]int64{100, 110},
		},
		"a token is lost by a crash, and other programs' starts are none of ours": {
			"UsersAreSignedOut",
			[]string{
				`ghlogin_pairs_held` + replica + ` 0x999`, `process_start_time_seconds` + replica + ` 0x99 6000x999`,
				`process_start_time_seconds{job="other", instance="b"} 6000x999`, `process_start_time_seconds{job="other", instance="c"} 6000x999`, lost + ` _x99 1x19 3x999`,
			},
			[]int64{105},
			[]int64{125},
		},
		"a replica goes silent": {
			"ReplicasDieInMidRefresh",
			[]string{taken + ` _x19 1x29 2x99`},
			[]int64{10, 40},
			[]int64{20, 55},
		},
		"refreshes alone": {
			"GitHubLimitIsNear",
			[]string{asked + ` 0+26x99`},
			nil,
			[]int64{90},
		},
		"both kinds of token requests together": {
			"GitHubLimitIsNear",
			[]string{asked + ` 0+13x199 0x99`, signIns + ` 0+13x199 0x99`},
			[]int64{20},
			[]int64{90},
		},
		"fewer than that": {
			"GitHubLimitIsNear",
			[]string{asked + ` 0+12x99`, signIns + ` 0+12x99`},
			[]int64{90},
			nil,
		},
		"a replica never gets ready, since its secret is mistyped": {
			"PartIsNotWell",
			[]string{`app_ready{job="web", instance="a", part="vault"} 1x99`, `app_ready{job="web", instance="a", part="github_credentials"} 0x99`},
			nil,
			[]int64{10},
		},
		"redis is away, and comes back": {
			"PartIsNotWell",
			[]string{`app_ready{job="web", instance="a", part="vault"} 1x99`, `app_ready{job="web", instance="a", part="redis"} 1x19 0x19 1x59`},
			[]int64{10, 45},
			[]int64{21, 35},
		},
		"the store is away, and comes back": {
			"StoreIsAway",
			[]string{outages + ` 0x19 3x99`},
			[]int64{10, 40},
			[]int64{21, 23},
		},
	}
	expressions := alerts(t)
	untested := map[string]bool{}
	for name := range expressions {
		untested[name] = true
	}
	for _, test := range tests {
		delete(untested, test.alert)
	}
	if len(untested) > 0 {
		t.Errorf("alerts without a test: %v", untested)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expression := expressions[test.alert]
			if expression == "" {
				t.Fatalf("there is no alert %s", test.alert)
			}
			storage := promqltest.LoadedStorage(t, "load 1m\n  "+strings.Join(test.series, "\n  "))
			engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 100_000, Timeout: 10 * time.Second})
			defer engine.Close()
			heard := func(minute int64) bool {
				query, err := engine.NewInstantQuery(t.Context(), storage, nil, expression, time.Unix(60*minute, 0))
				if err != nil {
					t.Fatal(err)
				}
				defer query.Close()
				found, err := query.Exec(t.Context()).Vector()
				if err != nil {
					t.Fatal(err)
				}
				return len(found) > 0
			}
			for _, at := range test.quiet {
				if heard(at) {
					t.Errorf("%s fires at minute %d", test.alert, at)
				}
			}
			for _, at := range test.fires {
				if !heard(at) {
					t.Errorf("%s is quiet at minute %d", test.alert, at)
				}
			}
		})
	}
}

// Grafana shows a panel with a query that can't be read as an empty one.
func TestPanelsAskWhatPrometheusCanRead(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$job", "web")
	for _, panel := range dashboard.Panels {
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("%s asks nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(variables.Replace(target.Expr)); err != nil {
				t.Errorf("%s: %v", panel.Title, err)
			}
		}
	}
}
