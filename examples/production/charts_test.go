package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/grant"
)

var (
	// metricName finds what queries ask for. In the dashboard's JSON and the rules' YAML nothing else looks like these.
	metricName = regexp.MustCompile(`\b(?:ghlogin|app|go|process)_[a-z_]+`)
	eventLabel = regexp.MustCompile(`event=~?\\?"([^"\\]*)\\?"`)
)

// charts are the files that ask Prometheus for our metrics.
func charts(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{"alerts.yaml", "grafana.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

// A metric that is renamed would leave an alert that never fires, and nobody would know.
func TestEveryMetricThatIsAlertedOnOrDrawnIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "cookie")
	r := w.start(t)
	w.balancer.use(r)
	visitor := w.crowd(t)[0]
	// Counters of refreshes appear with the first one: tokens live for seconds here.
	var page string
	eventually(t, "a refresh", func() bool {
		if _, _, err := visitor.visit(t.Context(), "/repos"); err != nil {
			t.Fatal(err)
		}
		page = get(t, r.admin+"/metrics")
		return strings.Contains(page, `event="refreshed"`)
	})
	for file, text := range charts(t) {
		names := metricName.FindAllString(text, -1)
		if len(names) < 5 {
			t.Errorf("%s: only %q was found, so this looks for the wrong thing", file, names)
		}
		for _, name := range names {
			if !strings.Contains(page, "\n"+name+"{") && !strings.Contains(page, "\n"+name+" ") {
				t.Errorf("%s asks for %s, which no replica has", file, name)
			}
		}
	}
}

// Most events of the alerts happen to nobody in a test, so their names are compared with those of package grant.
func TestEventsOfAlertsAndPanelsAreEventsOfGrants(t *testing.T) {
	t.Parallel()
	known := []grant.EventKind{grant.EventSignedIn, grant.EventSignInFailed, grant.EventRefreshFailed, grant.EventNeedsLogin, grant.EventLeaseTakenOver}
	for file, text := range charts(t) {
		var used []grant.EventKind
		for _, match := range eventLabel.FindAllStringSubmatch(text, -1) {
			for event := range strings.SplitSeq(match[1], "|") {
				used = append(used, grant.EventKind(event))
			}
		}
		for _, event := range used {
			if !slices.Contains(known, event) {
				t.Errorf("%s asks for the event %q, which is none", file, event)
			}
		}
		for _, event := range known {
			if !slices.Contains(used, event) {
				t.Errorf("%s asks for no event %q, which docs/fleet.md has an alert on", file, event)
			}
		}
		if want := `reason=`; !strings.Contains(text, want+`"`+string(grant.ReasonLost)) && !strings.Contains(text, want+`\"`+string(grant.ReasonLost)) {
			t.Errorf("%s asks for no reason %q", file, grant.ReasonLost)
		}
	}
}
