package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// lines passes written text on, and is safe while run writes.
type lines struct{ w *io.PipeWriter }

func (l lines) Write(p []byte) (int, error) { return l.w.Write(p) }

func TestPrintsTheEnvironmentServesAndStopsWhenInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	r, w := io.Pipe()
	var stderr bytes.Buffer
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, []string{"-addr", "127.0.0.1:0", "-kind", "github", "-webhook-url", "http://127.0.0.1:1/hook", "-webhook-secret", "demo"}, lines{w}, &stderr)
		_ = w.Close()
	}()
	// The announcement is written in parts, of which this ends the last.
	var out strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(out.String(), "/settings/connections/") {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q, stderr %q", err, out.String(), stderr.String())
		}
		out.Write(buf[:n])
	}
	base := valueOf(out.String(), "GITHUB_BASE_URL")
	for name, want := range map[string]string{
		"GITHUB_API_URL": base + "/api/v3/", "GITHUB_CLIENT_SECRET": "not-a-secret-fakegithub-demo",
		"GITHUB_CLIENT_ID": "Iv23liFakeGitHubDemo", "GITHUB_WEBHOOK_SECRET": "demo",
	} {
		if got := valueOf(out.String(), name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/v3/meta", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("/meta answers %s", res.Status)
	}
	interrupt()
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := <-status; got != exitOK {
		t.Errorf("status %d after the interrupt, want 0; %s%s", got, rest, stderr.String())
	}
}

// valueOf finds an exported variable in the announcement.
func valueOf(text, name string) string {
	_, rest, _ := strings.Cut(text, "export "+name+"=")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// The library tells the two kinds of app apart by it, and warned that a GitHub App lacks scopes.
func TestClientIDIsOfTheAppsKindUnlessItIsGiven(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"Ov23liFakeGitHubDemo": nil, "Iv23liFakeGitHubDemo": {"-kind", "github"}, "mine": {"-client-id", "mine", "-kind", "github"},
	} {
		if conf, err := parse(args, io.Discard); err != nil || conf.app.ClientID != want {
			t.Errorf("%v: client id %q, %v; want %q", args, conf.app.ClientID, err, want)
		}
	}
}

func TestBadFlagsGiveOneClearLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		args []string
		want []string // all in the message
		code int
	}{
		{"unknown flag", []string{"-adr", "x"}, []string{"-adr"}, exitUsage},
		{"argument", []string{"octocat"}, []string{`"octocat"`}, exitUsage},
		{"several at once", []string{"-kind", "saml", "-callback", "callback", "-token-life", "-1s"}, []string{"saml", `"callback"`, "negative"}, exitUsage},
		{"no life", []string{"-token-life", "0s"}, []string{"-no-expiry"}, exitUsage},
		{"bad life", []string{"-token-life", "soon"}, []string{"-token-life"}, exitUsage},
		{"nobody", []string{"-sign-in-as", "nobody"}, []string{"octocat"}, exitUsage},
		{"organization without users", []string{"-org", "acme"}, []string{"-org", "acme=octocat,hubot"}, exitUsage},
		{"organization of nobody", []string{"-org", "acme=octocat,nobody"}, []string{"-org", "monalisa"}, exitUsage},
		{"empty secret", []string{"-client-secret", ""}, []string{"secret"}, exitUsage},
		{"empty id", []string{"-client-id", ""}, []string{"-client-id"}, exitUsage},
		{"address", []string{"-addr", "127.0.0.1:99999"}, []string{"99999", "another address"}, exitFail},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if got := run(t.Context(), test.args, &stdout, &stderr); got != test.code {
				t.Errorf("status %d, want %d", got, test.code)
			}
			if stdout.Len() > 0 {
				t.Errorf("printed %q", stdout.String())
			}
			if strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("not one line: %q", stderr.String())
			}
			for _, want := range test.want {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("%q doesn't name %q", stderr.String(), want)
				}
			}
		})
	}
}

func TestOrgFlagMakesMembersThatTheAppCanSee(t *testing.T) {
	t.Parallel()
	for kind, scopes := range map[string][]string{"oauth": {"read:org"}, "github": nil} {
		conf, err := parse([]string{"-kind", kind, "-org", "acme=octocat,hubot", "-org", "other=hubot"}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		server, app := conf.server()
		if err := server.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		for _, want := range []struct {
			login, org string
			status     int
		}{
			{"octocat", "acme", http.StatusOK},
			{"hubot", "acme", http.StatusOK},
			{"monalisa", "acme", http.StatusNotFound},
			{"hubot", "other", http.StatusOK},
			{"octocat", "other", http.StatusNotFound},
			{"octocat", "octo-org", http.StatusOK}, // As without the flag.
		} {
			access := server.IssueToken(app.ClientID, want.login, scopes...).AccessToken
			if got := statusOf(t, server.APIURL()+"user/memberships/orgs/"+want.org, access); got != want.status {
				t.Errorf("%s app: %s in %s: %d, want %d", kind, want.login, want.org, got, want.status)
			}
		}
	}
}

// statusOf asks the API with a token.
func statusOf(t *testing.T, address, access string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+access)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestWebhookURLTellsWhereAccessIsWithdrawn(t *testing.T) {
	t.Parallel()
	for hook, want := range map[string]bool{"": false, "http://127.0.0.1:8080/hook": true} {
		conf, err := parse([]string{"-kind", "github", "-webhook-url", hook, "-webhook-secret", "s"}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		server, app := conf.server()
		if err := server.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		var out strings.Builder
		announce(&out, server, app)
		if got := strings.Contains(out.String(), server.URL()+"/settings/connections/applications/"+app.ClientID+"\n"); got != want {
			t.Errorf("with -webhook-url %q the page is named: %t, want %t, in\n%s", hook, got, want, out.String())
		}
	}
}

func TestHelpListsTheFlags(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if got := run(t.Context(), []string{"-h"}, &stdout, &stderr); got != exitOK {
		t.Errorf("status %d", got)
	}
	for _, name := range []string{"-addr", "-client-id", "-client-secret", "-callback", "-kind", "-no-expiry", "-token-life", "-org"} {
		if !strings.Contains(stdout.String(), name+" ") && !strings.Contains(stdout.String(), name+"\n") {
			t.Errorf("no word about %s in %q", name, stdout.String())
		}
	}
}
